"""Metrics of decoded clips, with or without reference; those of missing packages are left out."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.evaluation.metrics import naturalness, recogniser, signal

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Metric:
    """Metric of a decoded clip.

    Attributes:
        name: Short, unique name.
        identity: Version for the result cache: package and version number.
        compute: Function from decoded clip [T], original [T], and phone alignment or None, to values by name.
        compares: Whether it uses the original as a reference.
        needs_phones: Whether it needs the alignment.
    """

    name: str
    identity: str
    compute: Callable[[Samples, Samples, str | None], dict[str, Any]]
    compares: bool = True
    needs_phones: bool = False


@dataclass(frozen=True)
class _Package:
    module: str
    distribution: str  # argument of pip install
    columns: str


METRICS = ("signal", "phones", "stoi", "pesq", "pitch", "words", "voice", "dnsmos")
"""Names for `--skip`; `words` are the recognisers (`siren_cli.evaluation.metrics.asr`)."""

_VOICE_VERSION = 1
"""Raise it when a change here may change speaker embeddings."""

_PACKAGES = (
    _Package("pystoi", "pystoi", "STOI and ESTOI"),
    _Package("pesq", "pesq", "PESQ"),
    _Package("pysptk", "pysptk", "pitch and voicing"),
    _Package("resemblyzer", "--no-deps resemblyzer", "speaker similarity"),
    _Package("speechmos", "speechmos", "DNSMOS"),
    _Package("onnxruntime", "onnxruntime", "DNSMOS"),
)


def available_metrics(
    skip: tuple[str, ...] = (), recogniser_path: Path | None = None
) -> tuple[list[Metric], list[str]]:
    """List the metrics of this installation. Recognisers are apart (`siren_cli.evaluation.metrics.asr`).

    Args:
        skip: Names of metrics to leave out.
        recogniser_path: The phone recogniser's weights; None for those of the package.

    Returns:
        The metrics, and one line for each missing package.
    """
    missing = {p.module: p for p in _PACKAGES if importlib.util.find_spec(p.module) is None}
    notes = [
        f"{package.columns} left out; pip install {package.distribution} to have them" for package in missing.values()
    ]
    found = [_signal_metric(), _phone_metric(recogniser_path)]
    if "pystoi" not in missing:
        found.append(Metric("stoi", _identity("pystoi", signal.STOI_VERSION), _stoi))
    if "pesq" not in missing:
        found.append(Metric("pesq", _identity("pesq", signal.PESQ_VERSION), _pesq))
    if "pysptk" not in missing:
        found.append(Metric("pitch", _identity("pysptk", signal.PITCH_VERSION), _pitch))
    if "resemblyzer" not in missing:
        found.append(Metric("voice", _identity("resemblyzer", _VOICE_VERSION), _voice, compares=False))
    if not {"speechmos", "onnxruntime"} & missing.keys():
        found.append(Metric("dnsmos", _identity("speechmos", naturalness.VERSION), _dnsmos, compares=False))
    return [metric for metric in found if metric.name not in skip], notes


def _signal_metric() -> Metric:
    def compute(decoded: Samples, original: Samples, phones: str | None) -> dict[str, Any]:
        del phones
        return {
            "si_sdr": signal.si_sdr_db(original, decoded),
            "mel_distance": signal.mel_distance_db(original, decoded),
        }

    return Metric("signal", f"version {signal.DISTANCE_VERSION} mel {recogniser.VERSION}", compute)


def _phone_metric(path: Path | None) -> Metric:
    def compute(decoded: Samples, original: Samples, phones: str | None) -> dict[str, Any]:
        del original
        model = recogniser_of_phones(path)
        labels = recogniser.labels_of(phones, len(decoded))
        narrow = signal.low_pass(decoded, 4_000)  # comparable for wide and narrow band
        return {
            "phones": recogniser.phone_accuracy(recogniser.phones_of(model, decoded), labels),
            "phones_4k": recogniser.phone_accuracy(recogniser.phones_of(model, narrow), labels),
        }

    weights = recogniser.weights_path(path)
    content = hashlib.sha256(weights.read_bytes()).hexdigest()[:16] if weights.is_file() else ""
    return Metric("phones", f"version {recogniser.VERSION} {content}", compute, needs_phones=True)


def _stoi(decoded: Samples, original: Samples, phones: str | None) -> dict[str, Any]:
    del phones
    return dict(signal.intelligibility(original, decoded))


def _pesq(decoded: Samples, original: Samples, phones: str | None) -> dict[str, Any]:
    del phones
    return {"pesq": signal.pesq_wide_band(original, decoded)}


def _pitch(decoded: Samples, original: Samples, phones: str | None) -> dict[str, Any]:
    del phones
    return dict(signal.pitch_likeness(original, decoded))


def _voice(decoded: Samples, original: Samples, phones: str | None) -> dict[str, Any]:
    """Speaker embedding, a unit vector (Resemblyzer, Wan et al. 2018); None without active speech."""
    from resemblyzer import preprocess_wav

    del original, phones
    if not decoded.any():
        return {"embedding": None}
    trimmed = preprocess_wav(decoded, SAMPLE_RATE_HZ)
    if len(trimmed) < SAMPLE_RATE_HZ // 4:
        return {"embedding": None}
    return {"embedding": [round(float(x), 6) for x in _voice_encoder().embed_utterance(trimmed)]}


def _dnsmos(decoded: Samples, original: Samples, phones: str | None) -> dict[str, Any]:
    del original, phones
    return dict(_naturalness()(decoded))


@lru_cache(maxsize=1)
def recogniser_of_phones(path: Path | None) -> recogniser.PhoneRecogniser:
    """Load the phone recogniser at a path, or the packaged one, once per process."""
    return recogniser.load_recogniser(path)


@lru_cache(maxsize=1)
def _voice_encoder() -> Any:
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


@lru_cache(maxsize=1)
def _naturalness() -> naturalness.Dnsmos:
    return naturalness.Dnsmos()


def _identity(distribution: str, version: int) -> str:
    return f"{distribution} {importlib.metadata.version(distribution)} version {version}"
