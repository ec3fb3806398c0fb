"""Augmentation: timbre, microphones, noise, speakers and tempo.

- `augment_timbre` changes the input of the semantic branch; targets stay clean, so that indices ignore timbre.
- `add_noise` adds noise to mels or limits their band, for the voice branch as well.
- `mix_babble` adds babble or noise to samples.
- `apply_vtlp` changes inputs and targets alike, so that the voice branch sees more speakers.
- `warp_time` changes the tempo of inputs and targets alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torchaudio.functional import pitch_shift

from siren_cli.training.data.batches import Batch
from siren_cli.training.data.filterbank import mel_centres_hz

_NATS_PER_DB = math.log(10.0) / 20.0
_STEPS_PER_OCTAVE, _MOST_STEPS = 48, 12
_KNOT_FRAMES, _TEMPO_SPREAD = 80, 0.2
_BLOCK_SAMPLES = 320
_VOICES = (3, 9)
"""Number of talkers in babble: minimum, and maximum plus one."""

_GRID_FRAMES = 2
"""Frames of 10 ms in a step of transcripts."""

_SHIFT_RATE = 100
"""Sample rate given to the pitch shift; only ratios count, and a small one keeps the resampler's filters small."""


def augment_timbre(mel: Tensor, share: float, mel_mean: float, mel_std: float, floor: float) -> Tensor:
    """Change the timbre of a share of the items of a batch.

    Each chosen item has a warped frequency axis and a smooth random equaliser. The warp is vocal tract length
    perturbation (Jaitly & Hinton 2013) and shifts the pitch too. Each of these changes a third of the chosen items:

    - stationary coloured noise at 5 to 35 dB below the loudest;
    - babble of three other items of the batch at 5 to 30 dB below;
    - a low-pass at 3.4 to 7 kHz.

    Args:
        mel: Normalised log-mel [B, F, M].
        share: Probability of an item to be changed.
        mel_mean: Mean of the log-mel that was subtracted.
        mel_std: Standard deviation it was divided by.
        floor: Smallest magnitude before the logarithm.

    Returns:
        Normalised log-mel [B, F, M].
    """
    batch, frames, bins = mel.shape
    chosen = torch.rand(batch) < share
    if not bool(chosen.any()):
        return mel
    x = mel[chosen] * mel_std + mel_mean
    count = len(x)
    device = mel.device

    warp = (1 + 0.16 * (2 * torch.rand(count, 1) - 1)).to(device)
    x = _read_between(x, torch.arange(bins, device=device)[None] * warp)

    knots = 5.0 * _NATS_PER_DB * torch.randn(count, 1, 7).to(device)
    x = x + F.interpolate(knots, size=bins, mode="linear", align_corners=True)

    noisy = (torch.rand(count) < 0.33).to(device)[:, None, None]
    x = torch.where(noisy, torch.logaddexp(x, _noise_for(x)), x)
    babbled = (torch.rand(count) < 0.33).to(device)[:, None, None]
    x = torch.where(babbled, torch.logaddexp(x, _babble_for(x, mel * mel_std + mel_mean, chosen, 3)), x)

    cut = torch.where(torch.rand(count) < 0.33, torch.randint(bins * 7 // 10, bins, (count,)), torch.tensor(bins)).to(
        device
    )
    x = x.masked_fill((torch.arange(bins, device=device) >= cut[:, None])[:, None], math.log(floor))
    out = mel.clone()
    out[chosen] = (x.clamp_min(math.log(floor)) - mel_mean) / mel_std
    return out


def add_noise(mel: Tensor, share: float, mel_mean: float, mel_std: float, floor: float) -> Tensor:
    """Degrade a share of the items of a batch: a third each by stationary noise, babble or a narrow band.

    Babble is the sum of three to eight other items of the batch. One in five items with noise or babble has a narrow
    band too.

    Args:
        mel: Normalised log-mel [B, F, M].
        share: Probability of an item to be degraded.
        mel_mean: Mean of the log-mel that was subtracted.
        mel_std: Standard deviation it was divided by.
        floor: Smallest magnitude before the logarithm.

    Returns:
        Normalised log-mel [B, F, M].
    """
    chosen = torch.rand(len(mel)) < share
    if not bool(chosen.any()):
        return mel
    every = mel * mel_std + mel_mean
    x = every[chosen]
    kind = torch.randint(3, (len(x), 1, 1)).to(mel.device)
    voices = min(int(torch.randint(*_VOICES, ())), max(1, len(every) - 1))
    noise = torch.where(kind == 0, _noise_for(x), _babble_for(x, every, chosen, voices))
    x = torch.where(kind < 2, torch.logaddexp(x, noise), x)
    narrow = (kind == 2) | (torch.rand(len(x), 1, 1).to(mel.device) < 0.2)
    x = torch.where(narrow, x - _lost_outside_a_band(x), x)
    out = mel.clone()
    out[chosen] = (x.clamp_min(math.log(floor)) - mel_mean) / mel_std
    return out


def mix_babble(wav: Tensor, share: float) -> Tensor:
    """Mix a share of the samples of a batch with noise: babble for three of four items, else coloured noise.

    Babble is the sum of three to eight other items of the batch, of equal level and with random offsets. Noise lies 8
    to 23 dB below the speech. Unlike in `add_noise`, the sum has phases: it interferes as real sounds do.

    Args:
        wav: Samples [B, T].
        share: Probability of an item to be mixed.

    Returns:
        Samples [B, T].
    """
    out, samples = wav.clone(), wav.shape[1]
    for item in (torch.rand(len(wav)) < share).nonzero()[:, 0].tolist():
        others = [other for other in torch.randperm(len(wav)).tolist() if other != item]
        if others and float(torch.rand(())) < 0.75:
            chosen = others[: int(torch.randint(*_VOICES, ()))]
            talk = [wav[other].roll(int(torch.randint(samples, ()))) for other in chosen]
            noise = torch.stack([other / _speech_rms(other) for other in talk]).sum(0)
        else:
            noise = _coloured_noise(samples).to(wav.device)
        below_db = 8 + 15 * float(torch.rand(()))
        gain = math.exp(-below_db * _NATS_PER_DB) * _speech_rms(wav[item])
        out[item] += noise * (gain / noise.square().mean().sqrt().clamp_min(1e-9))
    return out


def _speech_rms(wav: Tensor) -> Tensor:
    """Root mean square of active samples [T]: of blocks of 20 ms within 20 dB of the 95th percentile."""
    power = wav.unfold(0, _BLOCK_SAMPLES, _BLOCK_SAMPLES).square().mean(-1)
    return power[power >= 0.01 * power.quantile(0.95)].mean().sqrt().clamp_min(1e-5)


def _coloured_noise(samples: int) -> Tensor:
    """Draw noise [T] with a smooth random spectrum, which varies faster at low frequencies."""
    knots = 8.0 * _NATS_PER_DB * torch.randn(1, 1, 8)
    gain = F.interpolate(knots, size=256, mode="linear", align_corners=True)[0, 0].exp()
    place = 255 * torch.linspace(0, 1, samples // 2 + 1).sqrt()
    return torch.fft.irfft(torch.fft.rfft(torch.randn(samples)) * gain[place.long()], n=samples)


def _noise_for(x: Tensor) -> Tensor:
    """Draw stationary coloured noise 5 to 35 dB below the loudest of log-mels [B, F, M]."""
    (count, frames, bins), device = x.shape, x.device
    colour = F.interpolate(
        8.0 * _NATS_PER_DB * torch.randn(count, 1, 4).to(device), size=bins, mode="linear", align_corners=True
    )
    below = -(5 + 30 * torch.rand(count, 1, 1)).to(device) * _NATS_PER_DB
    level = x.amax(dim=(1, 2), keepdim=True) - 3.0 + below + colour
    return level + 0.3 * torch.randn(count, frames, bins, device=device)


def _babble_for(x: Tensor, every: Tensor, chosen: Tensor, voices: int) -> Tensor:
    """Mix babble of other items of a batch, 5 to 30 dB below log-mels [B, F, M].

    Args:
        x: Log-mels of the chosen items.
        every: Log-mels of the whole batch.
        chosen: Mask of the chosen items in the batch.
        voices: Number of talkers.
    """
    babble = torch.stack([every.roll(voice + 1, 0)[chosen] for voice in range(voices)]).logsumexp(0)
    ratio = (5 + 25 * torch.rand(len(x), 1, 1)).to(x.device) * _NATS_PER_DB
    return babble + _level(x) - _level(babble) - ratio


def _lost_outside_a_band(x: Tensor) -> Tensor:
    """Draw attenuations [B, 1, M] of band limits: up to 2.8 to 7 kHz; half of them from 100 to 400 Hz on."""
    (count, _, bins), device = x.shape, x.device
    centres_hz = mel_centres_hz(bins).to(device)
    low_hz, high_hz, steepness, whole = torch.rand(4, count, 1, 1).to(device)
    low_hz = torch.where(whole < 0.5, 0.0, 100.0 + 300.0 * low_hz)
    high_hz = 2_800.0 + 4_200.0 * high_hz
    outside = (centres_hz / high_hz - 1).clamp_min(0) + (1 - centres_hz / low_hz.clamp_min(1.0)).clamp_min(0)
    return outside * (100.0 + 900.0 * steepness) * _NATS_PER_DB


def _level(log_magnitude: Tensor) -> Tensor:
    """Logarithm of the root mean square of magnitudes [B, F, M], [B, 1, 1]."""
    return 0.5 * (2 * log_magnitude).exp().mean((1, 2), keepdim=True).log()


def augment_timbre_wav(wav: Tensor, share: float) -> Tensor:
    """Change the timbre of samples, for a front end that takes samples: pitch and formants, equaliser, noise.

    The chosen items of a batch share one shift of up to 3 semitones (phase vocoder); it moves formants and pitch
    alike. Each item has a random equaliser, and a third of them noise at 5 to 35 dB below.

    Args:
        wav: Samples [B, T].
        share: Probability of an item to be changed.

    Returns:
        Samples [B, T].
    """
    chosen = torch.rand(len(wav)) < share
    if not bool(chosen.any()):
        return wav
    x = wav[chosen]
    count, samples = x.shape
    steps = int(torch.randint(-_MOST_STEPS, _MOST_STEPS + 1, ()))
    if steps:
        x = pitch_shift(x, _SHIFT_RATE, steps, bins_per_octave=_STEPS_PER_OCTAVE)
    bins = samples // 2 + 1
    knots = 5.0 * _NATS_PER_DB * torch.randn(count, 1, 7).to(wav.device)
    gain = F.interpolate(knots, size=bins, mode="linear", align_corners=True)[:, 0].exp()
    x = torch.fft.irfft(torch.fft.rfft(x) * gain, n=samples)
    noisy = (torch.rand(count, 1) < 0.33).to(wav.device)
    below = (-(5 + 30 * torch.rand(count, 1)).to(wav.device) * _NATS_PER_DB).exp()
    level = x.square().mean(1, keepdim=True).sqrt()
    out = wav.clone()
    out[chosen] = x + noisy * below * level * torch.randn_like(x)
    return out


def apply_vtlp(batch: Batch, share: float, mel_mean: float, mel_std: float, floor: float) -> Batch:
    """Apply vocal tract length perturbation (VTLP, Jaitly & Hinton 2013) to inputs and targets of a batch.

    Frequencies of mel, envelope and voice, and the pitch, are scaled by one factor (0.84 to 1.19). A smooth equaliser
    colours all three. So the few speakers of a corpus become a continuum, and the voice branch does not overfit.

    Args:
        batch: Crops.
        share: Probability of an item to be changed.
        mel_mean: Mean of the log-mel that was subtracted.
        mel_std: Standard deviation it was divided by.
        floor: Smallest magnitude before the logarithm.
    """
    chosen = torch.rand(len(batch.mel)) < share
    if not bool(chosen.any()):
        return batch
    device, bins = batch.mel.device, batch.mel.shape[-1]
    count = int(chosen.sum())
    log_factor = (0.175 * (2 * torch.rand(count, 1) - 1)).to(device)
    knots = 3.0 * _NATS_PER_DB * torch.randn(count, 1, 5).to(device) / mel_std
    colour = F.interpolate(knots, size=bins, mode="linear", align_corners=True)
    centres_hz = mel_centres_hz(bins).to(device)
    source_hz = centres_hz[None] * (-log_factor).exp()
    above = torch.searchsorted(centres_hz, source_hz.contiguous()).clamp(1, bins - 1)
    low_hz, high_hz = centres_hz[above - 1], centres_hz[above]
    position = above - 1 + (source_hz - low_hz) / (high_hz - low_hz)
    lowest = (math.log(floor) - mel_mean) / mel_std

    def changed(mel: Tensor) -> Tensor:
        out = mel.clone()
        out[chosen] = (_read_between(mel[chosen], position) + colour).clamp_min(lowest)
        return out

    pitch = batch.pitch.clone()
    pitch[chosen] = torch.where(pitch[chosen] > 0, pitch[chosen] + log_factor, 0.0)
    speakers = batch.speakers
    if speakers is not None:
        speakers = speakers.masked_fill(chosen.to(device), -1)
    voice_envelope, voice_pitch = batch.voice_envelope, batch.voice_pitch
    if voice_envelope is not None and voice_pitch is not None:
        voice_envelope = changed(voice_envelope)
        voice_pitch = voice_pitch.clone()
        voice_pitch[chosen] = torch.where(voice_pitch[chosen] > 0, voice_pitch[chosen] + log_factor, 0.0)
    return batch._replace(
        mel=changed(batch.mel),
        input_mel=None if batch.input_mel is None else changed(batch.input_mel),
        envelope=changed(batch.envelope),
        voice_mel=changed(batch.voice_mel),
        pitch=pitch,
        speakers=speakers,
        voice_envelope=voice_envelope,
        voice_pitch=voice_pitch,
    )


def warp_time(batch: Batch, share: float) -> Batch:
    """Warp the time axis of a share of the crops of a batch; their lengths stay.

    Time warping as in SpecAugment (Park et al. 2019), but smooth: the tempo varies by 20 % (standard deviation) between
    knots 0.8 s apart. Mel, envelope, pitch, phones and the times of transcripts move alike; inputs of the voice branch
    stay. A corpus of few hours has each sentence once; without warping a network can memorise its frames.

    Args:
        batch: Crops; samples and SSL features are not warped.
        share: Probability of an item to be warped.
    """
    chosen = torch.rand(len(batch.mel)) < share
    if not bool(chosen.any()):
        return batch
    frames, device = batch.mel.shape[1], batch.mel.device
    knots = _TEMPO_SPREAD * torch.randn(int(chosen.sum()), 1, frames // _KNOT_FRAMES + 2)
    tempo = F.interpolate(knots, size=frames - 1, mode="linear", align_corners=True)[:, 0].exp()
    passed = F.pad(tempo.cumsum(1), (1, 0)).to(device)
    position = passed * ((frames - 1) / passed[:, -1:])
    nearest = position.round().long()

    def moved(x: Tensor) -> Tensor:
        out = x.clone()
        out[chosen] = x[chosen].gather(1, nearest)
        return out

    def read(x: Tensor) -> Tensor:
        out = x.clone()
        out[chosen] = _read_between(x[chosen].transpose(1, 2), position).transpose(1, 2)
        return out

    transcripts = batch.transcripts
    if transcripts is not None and len(transcripts):
        transcripts = transcripts.clone()
        row_of = chosen.cumsum(0) - 1
        for place in transcripts:
            if chosen[place[0]]:
                ends = torch.stack([place[1], place[1] + place[2]]).to(position) * _GRID_FRAMES
                first, end = torch.searchsorted(position[row_of[place[0]]], ends).clamp(max=frames) // _GRID_FRAMES
                place[1], place[2] = first, max(1, end - first)
    return batch._replace(
        mel=read(batch.mel),
        input_mel=None if batch.input_mel is None else read(batch.input_mel),
        envelope=read(batch.envelope),
        pitch=moved(batch.pitch),
        phones=moved(batch.phones),
        transcripts=transcripts,
    )


def _read_between(x: Tensor, position: Tensor) -> Tensor:
    """Interpolate x [B, F, M] at fractional bins [B, M]."""
    frames, bins = x.shape[1:]
    position = position.clamp(0, bins - 1)
    low = position.floor().long().clamp(max=bins - 2)
    part = (position - low)[:, None]
    lower = x.gather(2, low[:, None].expand(-1, frames, -1))
    upper = x.gather(2, (low + 1)[:, None].expand(-1, frames, -1))
    return lower + (upper - lower) * part
