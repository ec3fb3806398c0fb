"""Speaker mean loss: mean spectrum and pitch of a speaker in active frames."""

from __future__ import annotations

from torch import Tensor

from siren_cli.model.decoder import PITCH_CENTRE
from siren_cli.model.speaker import loud_frames
from siren_cli.training.data.batches import Batch

_PITCH_SHARE = 2.0
"""Weight of a nat of pitch beside a standard deviation of the log-mel."""


def speaker_mean_loss(typical: Tensor, batch: Batch, absent: Tensor, mel_std: float) -> Tensor:
    """Compute the distance of predicted mean spectrum and pitch to those of the voice encoder's input.

    Args:
        typical: Predicted mean envelope and mean ln(F0 / Hz) less `PITCH_CENTRE` [B, M + 1].
        batch: With `voice_envelope` and `voice_pitch`.
        absent: Items without speaker conditioning [B]; these do not count.
        mel_std: Standard deviation that log-mels were divided by.

    Returns:
        Mean absolute difference, in standard deviations of the log-mel.
    """
    assert batch.voice_envelope is not None and batch.voice_pitch is not None, "batches of a cache have both"
    active = loud_frames(batch.voice_envelope, mel_std)[..., None]
    spectrum = (active * batch.voice_envelope).sum(1) / active.sum(1)
    voiced = (batch.voice_pitch > 0).float()
    pitch = (voiced * (batch.voice_pitch - PITCH_CENTRE)).sum(1) / voiced.sum(1).clamp_min(1)
    present, has_pitch = (~absent).float(), (~absent).float() * (voiced.sum(1) > 0)
    spectrum_error = ((typical[:, :-1].float() - spectrum).abs().mean(1) * present).sum() / present.sum().clamp_min(1)
    pitch_error = ((typical[:, -1].float() - pitch).abs() * has_pitch).sum() / has_pitch.sum().clamp_min(1)
    return spectrum_error + _PITCH_SHARE * pitch_error
