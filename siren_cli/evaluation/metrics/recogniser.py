"""Frame phone recogniser: phone accuracy of decoded speech, offline.

The network is independent of the codec: it has its own mel front end and weights, and no codec is trained with it. Its
training data are clean speech with blurred spectra, cut bands, spectral tilts and noise, for robustness against
bandwidth (`siren_cli.evaluation.metrics.recogniser_training`).
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.audio.level import NOMINAL_LEVEL_DB, gain_to, speech_level_db
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import WeightsDamaged, WeightsMissing
from siren_cli.model.layers import Conv, FrameStack
from siren_cli.phones import NO_PHONE, PHONES, phone_track

VERSION = 1
"""Raise it when a change here may change values; cached ones of the old version are then unused."""

HOP_SAMPLES = 160
FFT_SAMPLES = 1_024
WINDOW_SAMPLES = 640
MEL_BINS = 80
MEL_FLOOR = 1e-4
MEL_MEAN = -6.0
MEL_STD = 2.1
SILENCE = 0
"""Index of the phone SIL."""

_WIDTH = 256
_BLOCKS = 5
_EXPANSION = 3
_PAD_FRAMES = 8


class PhoneRecogniser(nn.Module):
    """Network from log-mel [B, F100, M] to scores of 40 phones [B, F100 / 2, 40]; receptive field ±0.3 s."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(MEL_BINS, _WIDTH, 6, 2)
        self.stack = FrameStack(_WIDTH, _BLOCKS, _EXPANSION)
        self.norm = nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, len(PHONES))

    def forward(self, mel: Tensor) -> Tensor:
        """Predict phones.

        Args:
            mel: Log-mel [B, F100, M], F100 even; the mean of each bin over time is subtracted first.

        Returns:
            Unnormalised log-probabilities [B, F100 / 2, 40].
        """
        x = mel - mel.mean(dim=1, keepdim=True)
        scores: Tensor = self.head(self.norm(self.stack(self.stem(x))))
        return scores


@lru_cache(maxsize=1)
def mel_filterbank() -> Tensor:
    """Slaney's mel filterbank [513, 80]: triangles of equal area, linear below 1 kHz, logarithmic above.

    M. Slaney, Auditory Toolbox, Technical Report 1998-010, Interval Research.
    """
    step_hz, knee_hz, ratio = 200.0 / 3.0, 1_000.0, math.log(6.4) / 27.0
    knee = knee_hz / step_hz
    top = knee + math.log(SAMPLE_RATE_HZ / 2 / knee_hz) / ratio
    mels = np.linspace(0.0, top, MEL_BINS + 2)
    corners_hz = np.where(mels < knee, mels * step_hz, knee_hz * np.exp(ratio * (np.maximum(mels, knee) - knee)))
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)[:, None]
    rising = (bins_hz - corners_hz[:-2]) / (corners_hz[1:-1] - corners_hz[:-2])
    falling = (corners_hz[2:] - bins_hz) / (corners_hz[2:] - corners_hz[1:-1])
    area = 2.0 / (corners_hz[2:] - corners_hz[:-2])
    return torch.from_numpy((np.maximum(0.0, np.minimum(rising, falling)) * area).astype(np.float32))


def log_mel(wav: NDArray[np.float32]) -> Tensor:
    """Log-mel of a recording at the nominal level; input of the recogniser.

    Args:
        wav: Samples [T] at 16 kHz.

    Returns:
        Log-mel [F100, 80], an even number of frames of 10 ms; frame k is centred on sample 160 k.
    """
    level_db = speech_level_db(wav)
    padded = np.pad(wav * np.float32(gain_to(NOMINAL_LEVEL_DB, level_db)), (0, -len(wav) % (2 * HOP_SAMPLES)))
    samples = torch.from_numpy(np.clip(padded, -1.0, 1.0))
    spectrum = torch.stft(
        samples, FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, torch.hann_window(WINDOW_SAMPLES), center=True,
        pad_mode="constant", return_complex=True,
    )  # fmt: skip
    magnitude = spectrum.abs()[:, : len(samples) // HOP_SAMPLES].T
    return ((magnitude @ mel_filterbank()).clamp_min(MEL_FLOOR).log() - MEL_MEAN) / MEL_STD


def phones_of(recogniser: PhoneRecogniser, wav: NDArray[np.float32]) -> NDArray[np.int64]:
    """Most probable phone of each 20 ms of a recording.

    Args:
        recogniser: From `load_recogniser`.
        wav: Samples [T] at 16 kHz.

    Returns:
        Phone indices [T / 320, rounded up].
    """
    return phones_in(recogniser, log_mel(wav))


@torch.inference_mode()
def phones_in(recogniser: PhoneRecogniser, mel: Tensor) -> NDArray[np.int64]:
    """Most probable phone of each 20 ms of a log-mel.

    Args:
        recogniser: From `load_recogniser`.
        mel: Log-mel [F100, 80] like that of `log_mel`, F100 even.

    Returns:
        Phone indices [F100 / 2].
    """
    frames = len(mel) // 2
    padded = F.pad(mel, (0, 0, _PAD_FRAMES, _PAD_FRAMES), value=float(mel.min()))
    scores = recogniser(padded[None])[0, _PAD_FRAMES // 2 : _PAD_FRAMES // 2 + frames]
    found: NDArray[np.int64] = scores.argmax(dim=-1).numpy()
    return found


def labels_of(phones: str | None, sample_count: int) -> NDArray[np.int64]:
    """Phone labels of a clip, one for each 20 ms.

    Args:
        phones: Alignment, `"SIL:52 T:7 ..."`, durations in frames of 10 ms; None if unknown.
        sample_count: Samples of the clip at 16 kHz.

    Returns:
        Phone indices at 50 Hz, -1 where unknown.
    """
    labels = phone_track(phones, sample_count // HOP_SAMPLES)[::2].astype(np.int64)
    labels[labels == NO_PHONE] = -1
    return labels


def phone_accuracy(found: NDArray[np.int64], labels: NDArray[np.int64]) -> float | None:
    """Phone accuracy: share of speech frames with the correct phone.

    Args:
        found: Phone indices at 50 Hz.
        labels: Phone indices at 50 Hz, from a forced alignment of the original; -1 where unknown.

    Returns:
        0 to 1, over frames whose label is known and not silence; None if there are none.
    """
    frames = min(len(found), len(labels))
    spoken = labels[:frames] > SILENCE
    if not spoken.any():
        return None
    return float((found[:frames] == labels[:frames])[spoken].mean())


def weights_path(path: Path | None = None) -> Path:
    """Path of the recogniser's weights: `path`, or that in the package."""
    import siren_weights

    return Path(siren_weights.FOLDER) / "recogniser.safetensors" if path is None else path


def load_recogniser(path: Path | None = None) -> PhoneRecogniser:
    """Load the recogniser.

    Args:
        path: File of its weights; None for the packaged ones.

    Raises:
        WeightsMissing: If they are not there.
        WeightsDamaged: If they are not the recogniser's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = weights_path(path)
    if not file.is_file():
        raise WeightsMissing(f"{file}: no such file, the phone recogniser needs it; reinstall SIREN")
    with torch.device("meta"):
        recogniser = PhoneRecogniser()
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(file).items()}
        recogniser.load_state_dict(tensors, strict=True, assign=True)
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsDamaged(f"{file}: not the phone recogniser's weights ({reason}); reinstall SIREN") from error
    return recogniser.eval()
