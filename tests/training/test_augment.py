"""Augmentation: speakers change in inputs and targets alike, microphones in inputs alone."""

from __future__ import annotations

import math

import pytest
import torch

from siren_cli.training.data.augment import (
    add_noise,
    apply_vtlp,
    augment_timbre,
    augment_timbre_wav,
    mix_babble,
    warp_time,
)
from siren_cli.training.data.batches import Batch
from siren_cli.training.data.filterbank import mel_centres_hz
from siren_cli.training.losses.discriminators import MelDiscriminator
from siren_cli.training.losses.waveform import adversary_loss

MEAN, STD, FLOOR = -6.0, 2.1, 1e-4


def batch_with_a_formant(bin_number: int, crops: int = 6) -> Batch:
    """Crops whose every spectrum is one bump, half of their frames voiced at 150 Hz."""
    bump = 2.0 * torch.exp(-((torch.arange(80) - bin_number) ** 2) / 18.0)
    mel = bump.expand(crops, 40, 80).clone()
    pitch = torch.full((crops, 40), math.log(150.0))
    pitch[:, ::2] = 0.0
    empty = torch.zeros(crops, 40)
    return Batch(torch.zeros(crops, 6400), mel, mel.clone(), pitch, empty.long(), mel.clone(), torch.ones(2))


def test_another_speaker_has_all_frequencies_and_the_pitch_scaled_by_one_factor() -> None:
    torch.manual_seed(0)
    before = batch_with_a_formant(45)
    after = apply_vtlp(before, 1.0, MEAN, STD, FLOOR)
    assert torch.equal(after.pitch > 0, before.pitch > 0)
    factors = (after.pitch - before.pitch)[:, 1]
    assert float(factors.abs().max()) <= 0.175 and len(factors.unique()) == 6
    centres_hz = mel_centres_hz(80)
    for spectra in (after.mel, after.envelope, after.voice_mel):
        moved_hz = centres_hz[spectra[:, 0].argmax(-1)]
        assert torch.allclose(moved_hz.log(), centres_hz[45].log() + factors, atol=0.06)
    assert torch.allclose(after.mel, after.envelope)


def test_no_speaker_is_changed_unasked() -> None:
    before = batch_with_a_formant(20)
    assert apply_vtlp(before, 0.0, MEAN, STD, FLOOR) is before


def test_others_are_as_much_softer_as_they_may_be() -> None:
    torch.manual_seed(2)
    wav = 0.1 * torch.randn(40, 16_000)
    noise = mix_babble(wav, 1.0) - wav
    below_db = 20 * torch.log10(wav.square().mean(1).sqrt() / noise.square().mean(1).sqrt())
    assert float(below_db.min()) + 0.2 >= 8 and float(below_db.max()) <= 23.2
    assert float(below_db.std()) > 3
    assert torch.equal(mix_babble(wav, 0.0), wav)
    some = (mix_babble(wav, 0.5) != wav).any(1)
    assert 8 < int(some.sum()) < 32
    assert bool((mix_babble(wav[:1], 1.0) != wav[:1]).any()), "alone, noise is left"


def test_input_mels_change_like_the_others() -> None:
    before = batch_with_a_formant(45)
    before = before._replace(input_mel=before.mel.clone())
    torch.manual_seed(0)
    after = warp_time(apply_vtlp(before, 1.0, MEAN, STD, FLOOR), 1.0)
    assert after.input_mel is not None and torch.equal(after.input_mel, after.mel)
    assert not torch.equal(after.mel, before.mel)


def test_a_warped_crop_says_the_same_in_the_same_order_and_the_same_time() -> None:
    frames = 400
    batch = batch_with_a_formant(20)
    said = (torch.arange(frames) // 25).expand(6, -1)
    mel = said[..., None].expand(-1, -1, 80).float().clone()
    pitch = torch.where(said % 2 == 1, 5.0 + said / 100, 0.0)
    before = batch._replace(mel=mel, envelope=2 * mel, pitch=pitch, phones=said.long())
    torch.manual_seed(0)
    after = warp_time(before, 1.0)
    changed = (after.phones != before.phones).any(1)
    assert changed.all(), "every crop is warped where all are asked for"
    assert after.phones.shape == before.phones.shape
    assert torch.equal(after.phones[:, [0, -1]], before.phones[:, [0, -1]])
    steps = after.phones.diff(dim=1)
    assert ((steps >= 0) & (steps <= 1)).all(), "nothing is said twice or left out"
    lengths = torch.stack([torch.bincount(row, minlength=16) for row in after.phones])
    assert lengths.min() >= 12 and lengths.max() <= 45 and len(lengths.unique()) > 6
    assert torch.allclose(after.mel[..., 0], after.phones.float(), atol=0.51)
    assert torch.equal(after.envelope, 2 * after.mel)
    assert torch.equal(after.pitch > 0, after.phones % 2 == 1)
    assert after.voice_mel is before.voice_mel and after.wav is before.wav


def test_transcripts_stay_with_what_they_say() -> None:
    frames = 400
    said = torch.zeros(6, frames).long()
    said[:, 100:300] = 1
    rows = torch.tensor([[crop, 50, 100, 7, 8, -1] for crop in range(6)])
    before = batch_with_a_formant(20)._replace(
        mel=torch.zeros(6, frames, 80), envelope=torch.zeros(6, frames, 80), pitch=torch.zeros(6, frames)
    )
    torch.manual_seed(0)
    after = warp_time(before._replace(phones=said, transcripts=rows), 1.0)
    assert after.transcripts is not None and torch.equal(after.transcripts[:, 3:], rows[:, 3:])
    assert torch.equal(rows[:, 1], torch.full((6,), 50)), "the batch before is as it was"
    for crop, first, count in after.transcripts[:, :3].tolist():
        found = after.phones[crop].nonzero()
        assert abs(2 * first - int(found[0])) <= 2 and abs(2 * (first + count) - int(found[-1]) - 1) <= 2
    assert len(after.transcripts[:, 1].unique()) > 2


def test_no_crop_is_warped_unasked_and_some_are_where_some_are_asked_for() -> None:
    before = batch_with_a_formant(20, crops=40)
    before = before._replace(mel=before.mel + torch.arange(40.0)[:, None])
    assert warp_time(before, 0.0) is before
    torch.manual_seed(0)
    warped = (warp_time(before, 0.5).mel != before.mel).flatten(1).any(1)
    assert 10 <= int(warped.sum()) <= 30


def test_some_hear_the_others_of_their_batch_as_babble_below_them() -> None:
    items, frames = 8, 160
    silent = (math.log(FLOOR) - MEAN) / STD
    turns = torch.full((items, frames, 80), silent)
    for item in range(items):
        turns[item, item * 20 : (item + 1) * 20] = 2.0
    torch.manual_seed(0)
    babbled = 0
    for _ in range(20):
        loud = augment_timbre(turns, 1.0, MEAN, STD, FLOOR)[:, :, 20:40].mean(-1)
        for item in range(items):
            own, neighbour = (loud[item, turn * 20 : (turn + 1) * 20].mean() for turn in (item, (item - 1) % items))
            nobody = loud[item, ((item + 2) % items) * 20 : ((item + 2) % items) * 20 + 20].mean()
            if neighbour > nobody + 0.1:
                babbled += 1
                assert -45 < float(neighbour - own) * STD * 20 / math.log(10) < 10  # an equaliser of 5 dB in between
    assert 0.2 < babbled / (20 * items) < 0.5


def test_a_third_each_of_the_spoilt_hear_noise_and_babble_and_lose_bands() -> None:
    items, frames = 8, 160
    turns = torch.full((items, frames, 80), (math.log(FLOOR) - MEAN) / STD)
    for item in range(items):
        turns[item, item * 20 : (item + 1) * 20] = 2.0
    torch.manual_seed(0)
    spoilt = noisy = babbled = narrow = 0
    for _ in range(40):
        heard = add_noise(turns, 0.6, MEAN, STD, FLOOR)
        changed = (heard - turns).abs().amax((1, 2)) > 1e-4
        spoilt += int(changed.sum())
        for item in range(items):
            lost = (turns[item] - heard[item]).amax(0)[[20, 79]] * STD * 20 / math.log(10)
            assert float(lost[0]) < 0.01  # 800 Hz: in every band
            narrow += float(lost[1]) > 3.0
            turn = [float(heard[item, talk * 20 : talk * 20 + 20, 20].mean()) for talk in range(items)]
            others = turn[:item] + turn[item + 1 :]
            louder = max(others) > min(others) + 0.3
            babbled += louder
            noisy += min(others) > float(turns.min()) + 0.3 and not louder
    count = 40 * items
    assert 0.5 < spoilt / count < 0.7
    for kind in (noisy, babbled):
        assert 0.1 < kind / count < 0.3
    assert 0.2 < narrow / count < 0.4  # its own third, and a fifth of the others
    assert add_noise(turns, 0.0, MEAN, STD, FLOOR) is turns


@pytest.mark.parametrize("seed", range(3))
def test_a_front_end_hears_other_samples_as_many_and_finite(seed: int) -> None:
    torch.manual_seed(seed)
    wav = 0.1 * torch.randn(4, 16_000)
    wav[0] = 0.0
    heard = augment_timbre_wav(wav, 1.0)
    assert heard.shape == wav.shape and bool(torch.isfinite(heard).all())
    assert float(heard[0].abs().max()) < 1e-6
    assert float((heard[1:] - wav[1:]).abs().mean()) > 0.01
    assert augment_timbre_wav(wav, 0.0) is wav


def test_the_critic_learns_to_tell_blurred_spectra_from_sharp_ones() -> None:
    torch.manual_seed(0)
    critic = MelDiscriminator(width=2)
    sharp = torch.randn(2, 32, 80)
    blurred = torch.nn.functional.avg_pool2d(sharp[:, None], 5, 1, padding=2)[:, 0]
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        total = adversary_loss("hinge", critic(sharp)[0], critic(blurred)[0])
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.9 * losses[0]
    scores, activations = critic(sharp)
    assert len(scores) == len(activations) == 1 and scores[0].shape[0] == 2
