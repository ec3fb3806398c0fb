"""Model card of a run, filled in from its log and data; licence and consent are left to its author."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from siren_cli import __version__
from siren_cli.audio.pitch import HOP_SAMPLES
from siren_cli.model.siren import SirenModel
from siren_cli.training.data.batches import Cache
from siren_cli.training.tools.compare import last_figures

CARD_NAME = "README.md"

_CARD = """# Model card: {name}

**Id** `{model_id}` · {parameters:.1f} M parameters · front end {front_end} · vocoder {vocoder} · {stages} stages ·
trained with SIREN {version}{start}

Use it with `siren encode --model FOLDER` and `siren decode --model FOLDER`, FOLDER being the one this file lies in.

**What it does.** Encodes 16 kHz speech to 6.25 frames a second of one or two indices below 1,000, and a voice of
8 bytes once per recording; decodes them to speech.

**What it is not for.** Music and other sounds. Evidence: at this rate words can come out wrong, and a wrong word sounds
as sure as a right one. Imitating a person: use a voice only with the consent of its speaker.

**Licence of the recordings, consent of the speakers.** To be filled in by the author of the model.

## Trained on

| split | hours | recordings | speakers | languages |
|---|---|---|---|---|
{splits}

## Rate

Bits of the entropy-coded indices, by coder:

{rates}

## Last figures of the development recordings

| phase | figure | value |
|---|---|---|
{figures}

## Speaker in the indices

{leakage}
"""


def model_card(
    run: Path,
    model: SirenModel,
    cache: Cache,
    model_id: str,
    rates: list[str],
    leakage: dict[str, Any],
) -> str:
    """Fill in the model card.

    Args:
        run: Run folder, for its log.
        model: The model.
        cache: Its training data.
        model_id: Its id, hexadecimal.
        rates: Lines about the bits of the indices.
        leakage: Result of `siren_cli.training.tools.speaker_probe.speaker_leakage`.
    """
    config = model.config
    splits = [
        f"| {split} | {sum(span.frames for span in spans) * HOP_SAMPLES / 16_000 / 3600:.2f} | {len(spans)} "
        f"| {len({span.speaker for span in spans})} | {' '.join(sorted({span.language for span in spans} - {''}))} |"
        for split, spans in cache.spans.items()
    ]
    return _CARD.format(
        name=config.name,
        model_id=model_id,
        parameters=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        front_end=config.front_end,
        vocoder=config.vocoder,
        stages=config.stages,
        version=__version__,
        start=", started from another model" if (run / "start").is_dir() else "",
        splits="\n".join(splits),
        rates="\n".join(f"- {line}" for line in rates),
        figures="\n".join(f"| {phase} | {name} | {value:.4g} |" for (phase, name), value in last_figures(run).items()),
        leakage=_leakage_text(leakage),
    )


def _leakage_text(leakage: dict[str, Any]) -> str:
    if "chance" not in leakage:
        return "Not measured: fewer than two speakers have four recordings each."
    found = ", ".join(f"{leakage[f'indices_{n}']:.0%} with {n}" for n in (1, 2) if f"indices_{n}" in leakage)
    return (
        f"A linear probe names one of {leakage['speakers']} speakers from unseen recordings of theirs: {found} stages; "
        f"{leakage['mel']:.0%} from the mel spectrum, {leakage['chance']:.0%} by chance."
    )
