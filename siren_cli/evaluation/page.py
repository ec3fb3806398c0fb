"""Listening page: a self-contained folder for a browser, from disk or from any static server."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import soundfile

from siren_cli.errors import OutputExists, OutputUnwritable
from siren_cli.evaluation.codecs.under_test import label_of
from siren_cli.evaluation.report.plots import damage_plots, rate_plots
from siren_cli.evaluation.report.spectrogram import peak_of, spectrogram_png
from siren_cli.evaluation.report.tables import all_columns_in, cost_note_of, cost_table_of, notes_of, table_of
from siren_cli.evaluation.workers.result_cache import digest_of
from siren_cli.files.streams import reason_of, write_bytes_atomic

_ASSETS = Path(__file__).parent / "assets"


def write_page(folder: Path, record: dict[str, Any], clip_count: int, *, force: bool) -> None:
    """Write `index.html`, `audio/`, `pictures/` and `plots/` into a folder.

    Args:
        folder: Folder of the page; made if missing.
        record: From `siren_cli.evaluation.run.evaluate`; the files that it names must still be in the cache.
        clip_count: Largest number of clips on the page, evenly spread. The table covers all clips.
        force: Whether to replace an existing page.

    Raises:
        OutputExists: If there is a page already and `force` is false.
        OutputUnwritable: If the folder cannot be written.
    """
    index = folder / "index.html"
    require_page_folder(folder, force=force)
    clips = record["clips"]
    count = min(clip_count, len(clips))
    shown = [clips[number * len(clips) // count] for number in range(count)]
    try:
        for part in ("audio", "pictures", "plots"):
            shutil.rmtree(folder / part, ignore_errors=True)
            (folder / part).mkdir(parents=True)
        data = [_clip(folder, number, clip) for number, clip in enumerate(shown)]
        plots = {**rate_plots(record), **damage_plots(record)}
        for name, text in plots.items():
            write_bytes_atomic(str(folder / "plots" / name), text.encode())
        write_bytes_atomic(str(index), _html(record, data, plots).encode())
    except OSError as error:
        raise OutputUnwritable(f"{folder}: cannot be written ({reason_of(error)}); write elsewhere") from error


def require_page_folder(folder: Path, *, force: bool) -> None:
    """Check, before any work is done, that the page can be written.

    Args:
        folder: Folder of the page.
        force: Whether to replace an existing page.

    Raises:
        OutputExists: If there is a page already and `force` is false.
        OutputUnwritable: If `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputUnwritable(f"{folder}: is a file, expected a folder; name another")
    if (folder / "index.html").exists() and not force:
        raise OutputExists(f"{folder / 'index.html'}: exists already; give --force to replace it")


def _clip(folder: Path, number: int, clip: dict[str, Any]) -> dict[str, Any]:
    systems = []
    peak_db = 0.0
    sounding = {name: result for name, result in clip["systems"].items() if result["decoded"] is not None}
    for place, (name, result) in enumerate(sounding.items()):
        wav, _ = soundfile.read(result["decoded"], dtype="float32")
        peak_db = peak_db if place else peak_of(wav)
        stem = digest_of(str(number), name)[:12]  # names no codec, for blind listening
        shutil.copyfile(result["decoded"], folder / "audio" / f"{stem}.flac")
        (folder / "pictures" / f"{stem}.png").write_bytes(spectrogram_png(wav, peak_db))
        figures = {key: pair[0] / pair[1] for key, pair in result["figures"].items() if pair[1]}
        systems.append(
            {
                "system": name,
                "label": label_of(name),
                "audio": f"audio/{stem}.flac",
                "picture": f"pictures/{stem}.png",
                "bytes": result["file_bytes"],
                "bps": figures.get("file_bps"),
                "words": next(iter(result["transcripts"].values()), None),
                "phones": figures.get("phones"),
            }
        )
    return {**{key: clip[key] for key in ("id", "speaker", "duration_s", "text")}, "systems": systems}


def _html(record: dict[str, Any], clips: list[dict[str, Any]], plots: Iterable[str]) -> str:
    cost = cost_table_of(record)
    notes = [*notes_of(record), *([] if cost is None else [cost_note_of(record)]), *record["missing"]]
    parts = {
        "STYLE": _asset("page.css"),
        "SCRIPT": _asset("page.js"),
        "TABLE": _table(*table_of(record, all_columns_in(record))),
        "COST": "" if cost is None else f'<h3>Cost</h3><div class="wide" tabindex="0">{_table(*cost)}</div>',
        "NOTES": "".join(f"<li>{escape(line)}</li>" for line in notes),
        "PLOTS": "".join(_plot(name) for name in plots if not name.endswith("-dark.svg")),
        # A script element ends at the first "</", even inside a string.
        "DATA": json.dumps(clips).replace("<", "\\u003c"),
    }
    text = _asset("page.html")
    for name, content in parts.items():
        text = text.replace(f"@{name}@", content)
    return text


def _plot(name: str) -> str:
    dark = name.replace(".svg", "-dark.svg")
    return (
        f'<figure><picture><source srcset="plots/{escape(dark)}" media="(prefers-color-scheme: dark)">'
        f'<img src="plots/{escape(name)}" alt="{escape(name.removesuffix(".svg"))}"></picture></figure>'
    )


def _table(headings: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr><th scope=row>{escape(cells[0])}</th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells[1:])
        + "</tr>"
        for cells in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _asset(name: str) -> str:
    with open(os.path.join(_ASSETS, name), encoding="utf-8") as file:
        return file.read()
