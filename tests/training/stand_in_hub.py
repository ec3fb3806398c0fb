"""A hub on this machine, as much of its HTTP interface as reading one data set takes: tests have no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "1" * 40


class _Handler(BaseHTTPRequestHandler):
    """Answers for the data set `name`, whose files lie in `folder`; everything else is not found."""

    protocol_version = "HTTP/1.1"

    def __init__(self, name: str, folder: Path, *rest: Any) -> None:
        self.dataset, self.folder = name, folder
        super().__init__(*rest)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        about, tree = f"/api/datasets/{self.dataset}", f"/api/datasets/{self.dataset}/tree/{COMMIT}"
        if path in (about, f"{about}/revision/{COMMIT}"):
            files = [{"rfilename": str(file.relative_to(self.folder))} for file in self.folder.rglob("*.*")]
            self._answer(200, json.dumps({"id": self.dataset, "sha": COMMIT, "siblings": files}).encode())
        elif path.startswith(tree) and (folder := self.folder / path[len(tree) + 1 :]).is_dir():
            self._answer(200, json.dumps([self._entry(entry) for entry in folder.iterdir()]).encode())
        elif path.startswith(f"/datasets/{self.dataset}/resolve/"):
            self._send_file(self.folder / path.split("/resolve/")[1].partition("/")[2])
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _entry(self, path: Path) -> dict[str, object]:
        name = str(path.relative_to(self.folder))
        if path.is_dir():
            return {"type": "directory", "oid": COMMIT, "size": 0, "path": name}
        return {"type": "file", "oid": COMMIT, "size": path.stat().st_size, "path": name}

    def _send_file(self, file: Path) -> None:
        if not file.is_file():
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = file.read_bytes()
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1 if last else None]
        facts = {"X-Repo-Commit": COMMIT, "ETag": f'"{COMMIT}"'}
        span = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        if "Range" in self.headers:
            self._answer(206, part, {**facts, "Content-Range": span})
        else:
            self._answer(200, data, facts)

    def _answer(self, status: int, body: bytes, facts: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(facts or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, *facts: object) -> None:
        """Keeps quiet."""


@contextmanager
def stand_in_hub(name: str, folder: Path) -> Iterator[str]:
    """Serves a data set's files; yields what `HF_ENDPOINT` has to be.

    Args:
        name: `owner/name` of the data set.
        folder: With its files.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, name, folder))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
