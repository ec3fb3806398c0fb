"""What is typical of a voice: its spectrum and pitch while it speaks."""

from __future__ import annotations

from torch import Tensor

from siren_cli.model.decoder import PITCH_CENTRE
from siren_cli.model.speaker import loud_frames
from siren_cli.training.data.batches import Batch

_PITCH_SHARE = 2.0
"""How much a nat of pitch counts beside a standard deviation of the log-mel."""


def speaker_mean_loss(typical: Tensor, batch: Batch, absent: Tensor, mel_std: float) -> Tensor:
    """How far the typical spectrum and pitch heard in voices are from the means of what these were heard from.

    Args:
        typical: Mean envelope and mean ln(F0 / Hz) less `PITCH_CENTRE`, as the decoder has them [B, M + 1].
        batch: With `voice_envelope` and `voice_pitch`.
        absent: Whose voice is not told [B]; these do not count.
        mel_std: Standard deviation that log-mels were divided by.

    Returns:
        Mean absolute difference, in standard deviations of the log-mel.
    """
    assert batch.voice_envelope is not None and batch.voice_pitch is not None, "batches of a cache have both"
    spoken = loud_frames(batch.voice_envelope, mel_std)[..., None]
    spectrum = (spoken * batch.voice_envelope).sum(1) / spoken.sum(1)
    voiced = (batch.voice_pitch > 0).float()
    pitch = (voiced * (batch.voice_pitch - PITCH_CENTRE)).sum(1) / voiced.sum(1).clamp_min(1)
    told, sung = (~absent).float(), (~absent).float() * (voiced.sum(1) > 0)
    off_spectrum = ((typical[:, :-1].float() - spectrum).abs().mean(1) * told).sum() / told.sum().clamp_min(1)
    off_pitch = ((typical[:, -1].float() - pitch).abs() * sung).sum() / sung.sum().clamp_min(1)
    return off_spectrum + _PITCH_SHARE * off_pitch
