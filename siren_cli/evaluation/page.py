"""The page to listen to: one folder that works from disk and from any static server, and asks no other."""

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
        folder: Made if missing.
        record: From `siren_cli.evaluation.run.evaluate`, with the files it names still in the store.
        clip_count: Most clips to show, evenly spread; the table is about all.
        force: Whether an existing page may be replaced.

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
    """Refuses, before any work is done, a folder that holds a page already.

    Args:
        folder: Where the page is to go.
        force: Whether it may be replaced.

    Raises:
        OutputExists: If there is one and `force` is false.
        OutputUnwritable: If the place is taken by a file.
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
        stem = digest_of(str(number), name)[:12]  # names no codec: the listener may be blind
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
        # A script ends at the first "</", wherever it stands.
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
