"""Vocoder study: copy synthesis from the true envelope, pitch and voicing of a recording."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.audio.level import NOMINAL_LEVEL_DB, gain_to, speech_level_db
from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import as_text, read_clip
from siren_cli.corpus.statistics import estimate
from siren_cli.evaluation.codecs.under_test import CodecOutput, CodecUnderTest, Samples, original, siren_identity
from siren_cli.evaluation.report.columns import column_of
from siren_cli.evaluation.report.figures import Pairs, clip_figures, row_figures
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import EvaluationPlan, this_worker

if TYPE_CHECKING:
    from siren_cli.codec import Codec

_COLUMNS = (
    "phones", "similarity", "stoi", "estoi", "mel_distance", "f0_correlation", "voicing_error", "dnsmos_ovrl",
    "dnsmos_sig",
)  # fmt: skip
_VERSION = 1
"""Raise it when a change here or in `siren_cli.training.data.envelope` may change the vocoder's input."""

_NOT_NEEDED = ("words", "pesq")


def measure(plan: EvaluationPlan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Measure copy synthesis by the vocoder.

    Args:
        plan: The model.
        clips: Data set.
        jobs: Number of processes.

    Returns:
        `{"clips", "original", "vocoder", "dnsmos_difference"}`: columns with intervals, and the vocoder's DNSMOS
        less the original's, clip by clip.
    """
    with worker_pool(replace(plan, skip=(*plan.skip, *_NOT_NEEDED)), jobs) as map_tasks:
        found: list[tuple[Pairs, Pairs]] = list(map_tasks(_measured, clips))
    differences = [
        (after["dnsmos_ovrl"][0] - before["dnsmos_ovrl"][0], 1.0)
        for before, after in found
        if "dnsmos_ovrl" in after and "dnsmos_ovrl" in before
    ]
    difference = estimate(differences)
    return {
        "clips": len(clips),
        "original": row_figures([before for before, _ in found]),
        "vocoder": row_figures([after for _, after in found]),
        "dnsmos_difference": None if difference is None else asdict(difference),
    }


def vocoder_only(codec: Codec, weights: str) -> CodecUnderTest:
    """Vocoder with the true features of the recording as its input."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del file, other_speaker
        return CodecOutput(vocoded(codec, wav), 0)

    identity = f"{siren_identity(weights)} vocoder version {_VERSION}"
    return CodecUnderTest("vocoder", "", identity, run)


def vocoded(codec: Codec, wav: Samples) -> Samples:
    """Copy synthesis: analyse envelope, pitch and voicing, and synthesise at the recording's level.

    Args:
        codec: The model.
        wav: Samples [T] at 16 kHz.

    Returns:
        Samples [T].
    """
    import torch

    from siren_cli.audio.pitch import log_pitch
    from siren_cli.model.excitation import Source, harmonics_of, pitch_to_turns, steady_noise
    from siren_cli.training.data.envelope import mel_envelope
    from siren_cli.training.phases.vocoder import true_speech

    networks, hop = codec.networks, codec.config.mel_hop_samples
    level_db = speech_level_db(wav)
    padded = np.pad(wav * np.float32(gain_to(NOMINAL_LEVEL_DB, level_db)), (0, -len(wav) % FRAME_SAMPLES))
    with torch.inference_mode():
        pitch = torch.from_numpy(log_pitch(padded, len(padded) // hop))
        envelope = mel_envelope(torch.from_numpy(padded), pitch, networks.mel)
        speech = true_speech(envelope[None], pitch[None])
        turns = pitch_to_turns(speech.pitch, hop)
        source = Source(
            harmonics_of(speech.pitch, (speech.voicing > 0).float(), turns, hop),
            steady_noise(0, len(padded)),
        )
        decoded = networks.vocoder(speech, source)[0].numpy()
    made: Samples = (decoded[: len(wav)] / gain_to(NOMINAL_LEVEL_DB, level_db)).astype(np.float32)
    return made


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Table of the figures: headings, rows, notes."""
    names = [name for name in _COLUMNS if name in figures["vocoder"]]
    rows = [
        [label, *(as_text(figures[key].get(name), column_of(name).decimals) for name in names)]
        for key, label in (("original", "Original"), ("vocoder", "Vocoder, true envelope and pitch"))
    ]
    notes = [f"{figures['clips']} clips; brackets: 95 % bootstrap interval over clips"]
    if figures["dnsmos_difference"] is not None:
        notes.append(f"DNSMOS, vocoder less original: {as_text(figures['dnsmos_difference'], 2)}")
    return ["", *(column_of(name).label for name in names)], rows, notes


def _measured(clip: Clip) -> tuple[Pairs, Pairs]:
    loaded = this_worker()
    wav = read_clip(clip)
    pairs = []
    before: dict[str, Any] = {}
    for system in (original(), vocoder_only(loaded.codec, loaded.weights)):
        decoded, coded = loaded.results.coded(system, wav, None)
        metrics = loaded.compute_metrics(decoded, wav, clip.phones)
        before = before or metrics
        pairs.append(clip_figures(metrics, before, coded, len(wav) / SAMPLE_RATE_HZ, {}))
    return pairs[0], pairs[1]
