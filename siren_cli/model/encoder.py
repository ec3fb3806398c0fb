"""features → latents and voice: what is said, frame by frame, apart from who says it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool1d

from siren_cli.config import ModelConfig
from siren_cli.model.layers import Conv, FrameStack
from siren_cli.model.speaker import QUIET_NATS, VoiceEncoder
from siren_cli.phones import PHONES

FRAME_STEPS = 8
"""Steps of 20 ms in a frame; of 10 ms there are twice as many."""

MEAN_MARGIN_FRAMES = 50
"""Log-mel frames, 0.5 s, on both sides of an active frame that count towards a recording's mean."""

_NOISE_FLOOR_SHARE = 0.1


class SemanticBranch(nn.Module):
    """Features at 50 Hz or more → latents at 6.25 Hz.

    ```
    log-mel, mean of active speech removed ─► conv, stride 2 ─► ConvNeXt ×N (50 Hz: `phonetic`)
      ─► [conv, stride 2 ─► ConvNeXt, attention] ×3 (25, 12.5, 6.25 Hz) ─► latents
    ```
    With `heard_again` the last blocks at 50 Hz run a second time, on what they were given and, added to it, what
    6.25 Hz found, whose attention hears seconds; `phonetic` is what they say then. They are the same blocks, so that it
    costs time and hardly a parameter.

    Removing every bin's mean over the recording takes away microphone and much of the voice (cepstral mean
    subtraction, Atal 1974, in the log-mel domain). Long silence does not count in the mean (`without_mean`). Features
    of a self-supervised model come at 50 Hz already. With a `codebook_width` a `LatentHead` makes the latents of all of
    these.
    """

    def __init__(self, config: ModelConfig, feature_width: int, feature_rate_hz: int) -> None:
        super().__init__()
        widths, heads, reach = config.widths, config.attention_heads, config.attention_reach_frames
        self.remove_mean = config.front_end == "mel"
        self.mel_std = config.mel_std
        stride = feature_rate_hz // 50
        self.stem = (
            Conv(feature_width, widths[0], 4 + stride, stride) if stride == 2 else Conv(feature_width, widths[0], 5)
        )
        self.stacks = nn.ModuleList(
            FrameStack(width, blocks, config.expansion, heads=heads if level else 0, reach=reach)
            for level, (width, blocks) in enumerate(zip(widths, config.encoder_blocks, strict=True))
        )
        self.downs = nn.ModuleList(Conv(a, b, 4, 2) for a, b in zip(widths, widths[1:], strict=False))
        self.again = slice(config.encoder_blocks[0] - config.heard_again, None)
        self.told = Telling(widths[-1], widths[0]) if config.heard_again else None
        self.head = LatentHead(config) if config.codebook_width else None

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Maps features [B, F, M] to phonetic features [B, F50, D50] and latents [B, F6, D6] or [B, F6, K]."""
        heard = self.hear(features)
        return heard[1], heard[2] if self.head is None else self.head(*heard)[1]

    def hear(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features [B, F, M] → those the head sees, phonetic features [B, F50, D50] and what is found [B, F6, D6]."""
        if self.remove_mean:
            features = self.without_mean(features)
        first, *others = self.stacks
        early = first(self.stem(features), blocks=slice(self.again.start))
        phonetic = x = first(early, blocks=self.again)
        for down, stack in zip(self.downs, others, strict=True):
            x = stack(down(x))
        if self.told is not None:
            phonetic = first(early + self.told(x), blocks=self.again)
        return features, phonetic, x

    def without_mean(self, features: Tensor) -> Tensor:
        """Log-mel [B, F, M] minus the mean of every bin over the frames near active speech.

        A frame counts if it is within `MEAN_MARGIN_FRAMES` of an active one (`active_frames`) and not digital silence.
        Ordinary pauses count, as they did in training. Silence and room noise of any length around speech do not.
        """
        active, is_sound = active_frames(features, self.mel_std)
        near = max_pool1d(active[:, None], 2 * MEAN_MARGIN_FRAMES + 1, 1, MEAN_MARGIN_FRAMES)[:, 0] * is_sound
        weights = near[..., None].to(features.dtype)
        return features - (weights * features).sum(1, keepdim=True) / weights.sum(1, keepdim=True)


def active_frames(mel: Tensor, mel_std: float) -> tuple[Tensor, Tensor]:
    """Frames in which somebody speaks, and frames that are no digital silence.

    A frame is active if its level is nearer to the loudest frame's than to the noise floor's (in dB), and within 30 dB
    of the loudest. The noise floor is the tenth percentile of the frames that are no digital silence, which lies more
    than 60 dB below the loudest. Levels are those of the lower three quarters of the bins, where speech is loud.

    Args:
        mel: Log-mel [B, F, M], divided by `mel_std`.
        mel_std: The model's.

    Returns:
        Two masks of 0 and 1, float32 [B, F]; the loudest frame is in both.
    """
    bins = mel[..., : mel.shape[-1] * 3 // 4].float() * mel_std
    level = (2.0 * bins).logsumexp(-1) / 2.0
    loudest = level.amax(1, keepdim=True)
    is_sound = level >= loudest - 2.0 * QUIET_NATS
    floor = torch.nanquantile(level.masked_fill(~is_sound, torch.nan), _NOISE_FLOOR_SHARE, 1, keepdim=True)
    active = level >= torch.maximum(loudest - QUIET_NATS, (loudest + floor) / 2.0)
    return active.float(), is_sound.float()


class Telling(nn.Sequential):
    """What was found [B, F6, D6] → what blocks at 50 Hz are told of it [B, F50, D50]: nothing, until it is trained."""

    def __init__(self, found_width: int, told_width: int) -> None:
        project = nn.Linear(found_width, told_width)
        nn.init.zeros_(project.weight)
        nn.init.zeros_(project.bias)
        super().__init__(nn.LayerNorm(found_width), project)

    def forward(self, found: Tensor) -> Tensor:
        """Tells the eight steps of a frame the same."""
        told: Tensor = super().forward(found)
        return told.repeat_interleave(FRAME_STEPS, dim=1)


class InformationFactorizer(nn.Module):
    """The semantic branch and the voice branch side by side."""

    def __init__(self, config: ModelConfig, feature_width: int, feature_rate_hz: int) -> None:
        super().__init__()
        self.semantic = SemanticBranch(config, feature_width, feature_rate_hz)
        self.voice = VoiceEncoder(config)


class LatentHead(nn.Module):
    """Features, phonetic features and what the levels below found → latents [B, F6, K].

    ```
    phonetic features ─► 8 posteriors of 40 phones each, square roots ─┐
    log-mel of the frame, 16 × M ──────────────────────────────────────┼─► K
    what 6.25 Hz found ─► norm ────────────────────────────────────────┘
    ```
    The first are a phonetic posteriorgram (Hazen et al. 2009); square roots, since the distance between the roots of
    two distributions is how much they differ (Hellinger). With `phones_around` what was found, which hears seconds, has
    its say in the posteriors as well. They are raised to the power `phone_sharpness`: as they are they would be best on
    the average, but what noise makes uncertain would be quantised to places that say a little of everything.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        numbers = config.codebook_width
        self.phones = nn.Linear(config.widths[0], len(PHONES))
        self.norm = nn.LayerNorm(config.widths[-1])
        self.around = nn.Linear(config.widths[-1], FRAME_STEPS * len(PHONES)) if config.phones_around else None
        self.sharpness = config.phone_sharpness
        self.found = nn.Linear(config.widths[-1], numbers)
        self.said = nn.Linear(FRAME_STEPS * len(PHONES), numbers, bias=False)
        self.seen = nn.Linear(2 * FRAME_STEPS * config.mel_bins, numbers, bias=False)

    def forward(self, features: Tensor, phonetic: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of phones [B, F50, 40] and latents [B, F6, K].

        Args:
            features: [B, F100, M].
            phonetic: Phonetic features [B, F50, D50].
            found: What the levels below found [B, F6, D6].
        """
        found = self.norm(found)
        scores = self.phones(phonetic)
        if self.around is not None:
            scores = scores + self.around(found).unflatten(-1, (FRAME_STEPS, -1)).flatten(1, 2)
        said = self.posteriorgram(scores)
        seen = features.unflatten(1, (-1, 2 * FRAME_STEPS)).flatten(2)
        latents: Tensor = self.found(found) + self.said(said) + self.seen(seen)
        return scores, latents.float()

    def posteriorgram(self, scores: Tensor) -> Tensor:
        """Scores of phones [B, F50, 40] → square roots of their posteriors, those of a frame together [B, F6, 320]."""
        roots = ((self.sharpness * scores.float()).softmax(-1) + torch.finfo(torch.float32).tiny).sqrt()
        return roots.unflatten(1, (-1, FRAME_STEPS)).flatten(2)
