"""Tone: what a voice's numbers leave of a mean spectrum is written down and added to what is decoded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siren_cli.codec import Codec
from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.model.encoder import SemanticBranch
from siren_cli.model.siren import SirenModel
from siren_cli.model.speaker_coding import Analyser, draw, hear, lacking, levels_in_files, speak
from siren_cli.model.spectral_correction import Tone, places_among
from siren_cli.training.data.filterbank import fill_filterbank
from siren_format.voice import codes_to_digits, digits_to_codes

USED = (*((5,) * 8 + (9,) * 8) * 8, *((0, 1, 2, 3) * 11), *(2, 2, 2, 2))


def _tone() -> Tone:
    torch.manual_seed(2)
    tone = Tone(8, 80)
    directions = torch.linalg.qr(torch.randn(80, 8))[0].T
    for name, value in (("centre", torch.randn(80)), ("analysis", directions), ("synthesis", directions)):
        getattr(tone, name).copy_(value)
    tone.levels.copy_(torch.tensor([-2.0, -0.5, 0.5, 3.0]).repeat(8, 1))
    return tone


def _model(used: tuple[int, ...] = USED) -> SirenModel:
    torch.manual_seed(3)
    model = SirenModel(ModelConfig.tiny(voice_fine=8, timbre=True, voice_tone=True, voice_used=used)).eval()
    fill_filterbank(model.mel)
    assert model.tone is not None
    model.tone.load_state_dict(_tone().state_dict())
    with torch.no_grad():
        model.factorizer.voice.narrow.weight.mul_(6.0)
    return model


def test_places_round_to_the_nearest_level() -> None:
    levels = torch.tensor([[-2.0, -0.5, 0.5, 3.0], [0.0, 1.0, 5.0, 9.0]])
    values = 4 * torch.randn(500, 2)
    nearest = (values[..., None] - levels).abs().argmin(-1)
    places = places_among(values, levels)
    assert torch.equal(places.round().long(), nearest)
    assert float(places.min()) == 0.0
    assert float(places.max()) == 3.0
    assert places_among(torch.tensor([[1.75, 3.0]]), levels).tolist() == [[2.5, 1.5]]


def test_a_spectrum_of_levels_is_told_exactly() -> None:
    tone = _tone()
    digits = torch.randint(0, 4, (6, 8))
    spectrum = tone.digits_to_spectrum(digits)
    torch.testing.assert_close(tone.lack_to_places(spectrum), digits.float(), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_every_number_has_one_digit_in_files() -> None:
    model = _model()
    wav = 0.1 * torch.randn(1, 16 * 2_560)
    codes = hear(model, wav)
    digits = codes_to_digits(draw(model, codes).tolist())
    assert (len(codes), len(digits)) == (28, 28)
    encoder = model.factorizer.voice
    own = encoder(model.mel(wav), rounded=False)[0, :8]
    assert digits[:8] == [int(abs(code - 1 / 8) < abs(code + 3 / 8)) for code in own.tolist()]
    assert digits[19] == 0
    spoken = speak(model, torch.tensor(digits_to_codes(digits)))
    levels, counts = levels_in_files(encoder)
    assert counts.tolist() == [2] * 8 + [4] * 11 + [1]
    wanted = torch.stack([levels[n, d] for n, d in enumerate(digits[:20])])
    torch.testing.assert_close(spoken.vector, encoder.codes_to_voice(wanted[None]))
    assert model.tone is not None
    torch.testing.assert_close(spoken.spectrum, model.tone.digits_to_spectrum(torch.tensor([digits[20:]])))


@torch.inference_mode()
def test_digits_that_no_recording_has_are_voices_too() -> None:
    model = _model()
    highest = speak(model, torch.tensor(digits_to_codes([3] * 28)))
    assert bool(torch.isfinite(highest.vector).all())
    assert torch.equal(highest.vector, speak(model, torch.tensor(digits_to_codes([1] * 8 + [3] * 20))).vector)
    assert speak(model, None).spectrum is None


@torch.inference_mode()
def test_without_levels_said_every_fourth_of_sixteen_is_used() -> None:
    levels, counts = levels_in_files(_model(()).factorizer.voice)
    assert counts.tolist() == [4] * 20
    assert (levels[0] * 8 + 8).tolist() == [2, 6, 10, 14]
    assert (levels[19] * 2 + 2).tolist() == [0, 1, 2, 3]


@torch.inference_mode()
def test_five_seconds_of_most_energy_make_the_tone() -> None:
    model = _model()
    talk = 0.1 * torch.randn(1, 32 * 2_560)
    hush = 1e-3 * torch.randn(1, 24 * 2_560)
    _, whole = lacking(model, torch.cat([hush, talk, hush], dim=1))
    _, other = lacking(model, torch.cat([hush, talk, 5.0 * hush], dim=1))
    assert float((whole - other).abs().max()) < 0.05 * float(whole.abs().max())
    assert float((whole - lacking(model, hush)[1]).abs().max()) > 0.2 * float(whole.abs().max())


@torch.inference_mode()
def test_what_is_lacking_is_lacking_no_more() -> None:
    model = _model()
    assert model.tone is not None
    wav = 0.1 * torch.randn(1, 16 * 2_560)
    places, lack = lacking(model, wav)
    assert places.shape == (1, 20)
    spoken = speak(model, torch.tensor(digits_to_codes(codes_to_digits(hear(model, wav).tolist()))))
    assert spoken.spectrum is not None
    missing = (lack - spoken.spectrum) @ model.tone.analysis.T
    inside = ((lack - model.tone.centre) @ model.tone.analysis.T).clamp(-2.0, 3.0)
    outside = (lack - model.tone.centre) @ model.tone.analysis.T - inside
    assert float((missing - outside).abs().max()) <= 1.25 + 1e-4


def test_voice_and_indices_come_from_one_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Codec(_model(), b"\0\0", torch.device("cpu"))
    semantic = codec.networks.factorizer.semantic
    asked: list[int] = []

    def counted(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(features.shape[1])
        return SemanticBranch.forward(semantic, features)

    monkeypatch.setattr(semantic, "forward", counted)
    wavs = [0.1 * np.random.default_rng(seed).standard_normal(5_000).astype(np.float32) for seed in (1, 2)]
    coded = [codec.encode(wav, 16_000) for wav in wavs]
    assert len(asked) == 2
    fresh = [Codec(_model(), b"\0\0", torch.device("cpu")).encode(wav, 16_000) for wav in wavs]
    for known, new in zip(coded, fresh, strict=True):
        assert known.voice == new.voice
        np.testing.assert_array_equal(known.indices, new.indices)


@torch.inference_mode()
def test_an_analysis_is_kept_until_others_are_asked_for() -> None:
    analyser = Analyser(_model())
    wav = 0.1 * torch.randn(1, 4 * 2_560)
    first = analyser(wav)
    assert analyser(wav.clone()) is first
    assert analyser(wav[:, :2_560]).mel.shape[1] == 16
    again = analyser(wav)
    assert again is not first
    torch.testing.assert_close(again.latents, first.latents, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voice_fine": 0}, "voice_tone needs voice_fine"),
        ({"guide_width": 0}, "voice_tone needs voice_fine and guide_width"),
        ({"voice_used": (*tuple(range(16)), *USED[16:])}, "more than 4 levels"),
    ],
)
def test_configs_without_room_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig.tiny(**{"voice_fine": 8, "timbre": True, "voice_tone": True, **changes})
