"""Vocoder loss: phone accuracy on the vocoder's input spectra and on its output."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.config import FRAME_SAMPLES
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import as_text, read_clip, with_alignments
from siren_cli.corpus.statistics import estimate
from siren_cli.errors import UsageError
from siren_cli.evaluation.codecs.under_test import label_of, siren
from siren_cli.evaluation.metrics import recogniser
from siren_cli.evaluation.metrics.catalogue import METRICS, recogniser_of_phones
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import EvaluationPlan, this_worker

if TYPE_CHECKING:
    from torch import Tensor

    from siren_cli.codec import Codec

_READ = ("mels", "sound", "lost")
_GEOMETRY = (
    recogniser.MEL_BINS, recogniser.HOP_SAMPLES, recogniser.WINDOW_SAMPLES, recogniser.FFT_SAMPLES,
)  # fmt: skip
"""Bands, hop, window and transform of the recogniser's log-mels; a model's must be equal."""


def measure(plan: EvaluationPlan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Measure phone accuracy on decoded log-mels and on the vocoder's output.

    Args:
        plan: Model and stages.
        clips: Data set, with alignments.
        jobs: Number of processes.

    Returns:
        `{"clips", "systems"}`; for each system, with intervals, the phone accuracy on the `mels` and on the
        `sound`, and their difference, `lost`, clip by clip.

    Raises:
        UsageError: If the model's log-mels have other bands or frames than the recogniser's.
    """
    clips = with_alignments(clips)
    with worker_pool(replace(plan, skip=tuple(name for name in METRICS if name != "phones")), jobs) as map_tasks:
        found = list(map_tasks(_read, [(clip, plan.stages, plan.recogniser) for clip in clips]))
    systems: dict[str, Any] = {}
    for name in found[0]:
        pairs = [own[name] for own in found if own[name] is not None]
        columns = zip(*((mels, sound, mels - sound) for mels, sound in pairs), strict=True)
        estimates = [estimate([(value, 1.0) for value in column]) for column in columns]
        systems[name] = {
            key: None if figure is None else asdict(figure) for key, figure in zip(_READ, estimates, strict=True)
        }
    return {"clips": len(clips), "systems": systems}


def decoded_log_mel(codec: Codec, data: bytes) -> Tensor:
    """Log-mel input of the vocoder for a file, in the recogniser's units.

    Args:
        codec: The model.
        data: The bytes of a `.srn` file that carries its voice.

    Returns:
        Log-mel [F100, 80], an even number of frames of 10 ms.

    Raises:
        UsageError: If the model's log-mels have other bands or frames than the recogniser's.
    """
    import torch

    from siren_cli.model.synthesis import indices_to_speech

    config, coded = codec.config, codec.from_bytes(data)
    if (config.mel_bins, config.mel_hop_samples, config.mel_window_samples, config.mel_fft_samples) != _GEOMETRY:
        raise UsageError(
            f"model {config.name} has log-mels of {config.mel_bins} bands every {config.mel_hop_samples} samples, "
            f"--study mels reads {_GEOMETRY[0]} every {_GEOMETRY[1]}; choose other studies"
        )
    voice = codec.spoken(coded.voice_to_speak())
    per_frame = FRAME_SAMPLES // config.mel_hop_samples
    pieces = []
    for chunk, shown in codec.decoding.cut(coded.indices, 1):
        indices = torch.from_numpy(shown.astype(np.int64))[None].to(voice.vector.device)
        with torch.inference_mode():
            mel = indices_to_speech(codec.networks, indices, voice).mel[0]
        pieces.append(mel[chunk.keep.start * per_frame : chunk.keep.stop * per_frame])
    frames = 2 * -(-coded.sample_count // (2 * config.mel_hop_samples))
    log_mel = torch.cat(pieces)[:frames].cpu() * config.mel_std + config.mel_mean
    return (log_mel - recogniser.MEL_MEAN) / recogniser.MEL_STD


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Table of the figures: headings, rows, notes."""
    headings = ["codec", "phones read off its mels", "off its sound", "lost"]
    rows = [[label_of(name), *(as_text(own[key], 3) for key in _READ)] for name, own in figures["systems"].items()]
    return headings, rows, [f"{figures['clips']} clips; brackets: 95 % bootstrap interval over clips"]


def _read(task: tuple[Clip, tuple[int, ...], Any]) -> dict[str, tuple[float, float] | None]:
    """Phone accuracy by codec, on mels and on sound; None without phone labels."""
    clip, stages, recogniser_path = task
    loaded = this_worker()
    wav = read_clip(clip)
    reader, labels = recogniser_of_phones(recogniser_path), recogniser.labels_of(clip.phones, len(wav))
    found: dict[str, tuple[float, float] | None] = {}
    for count in stages:
        system = siren(loaded.codec, loaded.weights, count)
        decoded, coded = loaded.results.coded(system, wav, None)
        with open(coded["file"], "rb") as file:
            mel = decoded_log_mel(loaded.codec, file.read())
        off_mels = recogniser.phone_accuracy(recogniser.phones_in(reader, mel), labels)
        off_sound = recogniser.phone_accuracy(recogniser.phones_of(reader, decoded), labels)
        found[system.name] = None if off_mels is None or off_sound is None else (off_mels, off_sound)
    return found
