"""Phase semantic and the codebooks fitted after it: a run through all phases, and its errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import siren_cli
from siren_cli.errors import ConfigError, DataError
from siren_cli.model.int8 import widen
from siren_cli.model.quantizer import ResidualCodebooks
from siren_cli.registry.weights import read_networks
from siren_cli.training.config import phase_config
from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.data.indices import indices_of, shifted_indices, wav_of
from siren_cli.training.initialisation import init_from, initial_model, load_run_model, load_semantic_model
from siren_cli.training.loop.checkpoint import load_checkpoint
from siren_cli.training.losses.auxiliary import entropy_shares
from siren_cli.training.losses.quantisation_risk import quantisation_risk
from siren_cli.training.phases.codebooks import fit_codebooks
from siren_cli.training.phases.semantic import SemanticPhase, latent_parts
from siren_cli.training.pipeline import TrainRequest, train
from siren_cli.training.settings import settings_of_run
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow

SETTINGS = (*FEW, "model.codebook_width=20", "model.voice_fine=4", "model.voice_tone=True", "voice_rate_weight=0.01")


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> tuple[Path, list[str]]:
    """A run with codebooks through all phases, and its reports."""
    run = tmp_path_factory.mktemp("coded") / "run"
    said: list[str] = []
    train(TrainRequest(run, (str(recordings),), config="tiny", settings=SETTINGS, device="cpu"), said.append)
    return run, said


def test_it_logs_and_reports(coded: tuple[Path, list[str]]) -> None:
    lines = [json.loads(line) for line in (coded[0] / "metrics.jsonl").read_text().splitlines()]
    dev = next(line for line in lines if line.get("dev") and line["stage"] == "semantic")
    assert {"phone_accuracy_encoder", "said_of_phones", "said_of_spectrum", "said_of_melody"} <= dev.keys()
    assert any(line.startswith("codebooks fitted to ") for line in coded[1])


def test_codebooks_are_fitted_once(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    fitted = run / "codebooks.safetensors"
    before = fitted.stat().st_mtime_ns
    train(TrainRequest(run, phases=("semantic",), resume=True, device="cpu"), said_nothing)
    assert fitted.stat().st_mtime_ns == before
    assert load_checkpoint(fitted)[1]["step"] == load_checkpoint(run / "semantic.safetensors")[1]["step"] == 4


def test_later_stages_leave_semantic_branch_and_codebooks_alone(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    fitted = load_checkpoint(run / "codebooks.safetensors")[0]["average"]
    semantic = load_checkpoint(run / "semantic.safetensors")[0]["average"]
    factorizer = load_checkpoint(run / "factorizer.safetensors")[0]["average"]
    kept = {name: tensor for name, tensor in {**semantic, **fitted}.items() if name in factorizer}
    assert any(name.startswith("factorizer.semantic.head.") for name in kept)
    for name, tensor in kept.items():
        assert torch.equal(tensor, factorizer[name]) == (not name.startswith("quantizer.widen.")), name


def test_the_model_codes_and_searches_and_saves_bits(coded: tuple[Path, list[str]], short_clips: list[Path]) -> None:
    codec = siren_cli.load(coded[0] / "model")
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    for stages in (1, 2):
        plain = codec.encode(wav, rate_hz, stages=stages)
        assert np.isfinite(codec.decode(plain.to_bytes())).all()
        searched = codec.searching(3).encode(wav, rate_hz, stages=stages)
        assert searched.indices.shape == plain.indices.shape
        thrifty = codec.searching(3).thrifty(1.0).encode(wav, rate_hz, stages=stages)
        assert len(thrifty.to_bytes()) <= len(searched.to_bytes())


def test_a_model_that_goes_on_from_one_with_codebooks_keeps_them(
    coded: tuple[Path, list[str]], recordings: Path, tmp_path: Path
) -> None:
    start = coded[0] / "model"
    train(TrainRequest(tmp_path, (str(recordings),), settings=FEW, start=str(start), device="cpu"), said_nothing)
    assert not (tmp_path / "semantic.safetensors").exists()
    after = load_checkpoint(tmp_path / "factorizer.safetensors")[0]["average"]
    fresh = widen(read_networks(start / "model.safetensors"))
    for name, tensor in after.items():
        if name.startswith(("factorizer.semantic.", "quantizer.places", "quantizer.prices")):
            torch.testing.assert_close(tensor, fresh[name])
    assert not torch.equal(after["decoder.head.weight"], fresh["decoder.head.weight"])


def test_a_branch_learns_on_and_its_places_with_it(
    coded: tuple[Path, list[str]], recordings: Path, short_clips: list[Path], tmp_path: Path
) -> None:
    start, stages = coded[0] / "model", ("prepare", "semantic", "factorizer", "prior")
    settings = (*FEW, "semantic.place_weight=1.0", "semantic.latents_weight=0.3")
    train(
        TrainRequest(tmp_path, (str(recordings),), stages, None, settings, start=str(start), device="cpu"), said_nothing
    )
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all("places" in line for line in lines if line["stage"] == "semantic")
    before = widen(read_networks(start / "model.safetensors"))
    fitted = load_checkpoint(tmp_path / "codebooks.safetensors")[0]["average"]
    branch = load_checkpoint(tmp_path / "semantic.safetensors")[0]["average"]
    after = load_checkpoint(tmp_path / "factorizer.safetensors")[0]["average"]
    name = "factorizer.semantic.head.phones.weight"
    assert not torch.equal(branch[name], before[name])
    assert torch.equal(after[name], branch[name])
    torch.testing.assert_close(fitted["quantizer.weights"], before["quantizer.weights"])
    moved = (fitted["quantizer.places"] - before["quantizer.places"]).norm(dim=-1)
    assert float(moved.max()) > 0
    assert float(moved.mean()) < 0.2 * float(before["quantizer.places"].norm(dim=-1).mean()), "they are as they were"
    assert torch.equal(after["quantizer.places"], fitted["quantizer.places"])
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    codec = siren_cli.load(tmp_path / "model")
    assert np.isfinite(codec.decode(codec.encode(wav, rate_hz).to_bytes())).all()


def test_a_model_to_start_from_may_hear_again_and_says_the_same_until_it_learns(
    coded: tuple[Path, list[str]], tmp_path: Path
) -> None:
    start = init_from(tmp_path, str(coded[0] / "model"))
    assert start is not None and start.heard_again == 0
    hearing = replace(start, heard_again=1)
    with pytest.raises(ConfigError, match=r"fixes the model of this run; leave out model\.heard_again"):
        settings_of_run(tmp_path, None, ["model.heard_again=0"], hearing)  # what was trained to be told stays told
    config = settings_of_run(tmp_path, None, ["model.heard_again=1"], start).model
    assert config == hearing
    models = load_run_model(coded[0], start), initial_model(tmp_path, config)
    mel = torch.randn(1, 64, config.mel_bins)
    with torch.inference_mode():
        before, after = (model.factorizer.semantic(mel) for model in models)
    for ours, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2)  # packaged weights have fewer bits


def test_what_latents_are_of_is_found_again(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    config = settings_of_run(run, None, list(SETTINGS), write=False)
    crops = Crops(Cache(run / "cache", config.model.mel_bins), "train", 1)
    phase = SemanticPhase(load_run_model(run, config.model), crops, crops, config.semantic)
    with torch.no_grad():
        scores, latents = phase._encode(phase.batch(5).mel)
        wanted = phase._targets(scores, phase.batch(5))
    for part in latent_parts(latents.shape[-1])[:2]:
        off = (latents[..., part] - wanted[..., part]).square().sum()
        assert float(off) < 0.2 * float((latents[..., part] - latents[..., part].mean((0, 1))).square().sum())


def test_places_that_nothing_is_fitted_to_cannot_be_asked_about(coded: tuple[Path, list[str]]) -> None:
    with pytest.raises(ConfigError, match="place_weight"):
        trained_phase(coded[0], "semantic.place_weight=1.0")


def test_what_is_amiss_at_the_places_around_is_what_latents_cost() -> None:
    torch.manual_seed(0)
    quantizer = ResidualCodebooks(20, 8, 2)
    quantizer.weights.fill_(0.5)
    said, said_mean = torch.linalg.qr(torch.randn(320, 12))[0].T, torch.full((320,), 0.15)
    wanted = quantizer.places[0][None, 3:6]
    labels = (said_mean + wanted[..., :12] @ said).unflatten(-1, (8, 40)).argmax(-1).flatten(1)

    def risk(latents: torch.Tensor, labels: torch.Tensor) -> float:
        return float(quantisation_risk(quantizer, latents, wanted, labels, said, said_mean))

    others = quantizer.places[0][None, 100:103]
    assert risk(wanted, labels) < risk((wanted + others) / 2, labels) < risk(others, labels)
    assert risk(wanted, labels) < risk(wanted, (labels + 7) % 39 + 1)
    assert risk(wanted, torch.full_like(labels, -1)) == risk(wanted, torch.zeros_like(labels))
    latents = others.clone().requires_grad_()
    quantisation_risk(quantizer, latents, wanted, labels, said, said_mean).backward()
    assert latents.grad is not None and float(latents.grad.abs().max()) > 0


def test_indices_of_late_beginnings(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    config = settings_of_run(run, None, list(SETTINGS), write=False)
    model = load_run_model(run, config.model)
    cache = Cache(run / "cache", config.model.mel_bins)
    wav = wav_of(cache, cache.split("train")[0])
    device = torch.device("cpu")
    at_once, *late = shifted_indices(model, wav, device, bf16=False)
    assert np.array_equal(at_once, indices_of(model, wav, device))
    assert [len(indices) for indices in late] == [len(at_once) - 1] * 3
    for begins, indices in enumerate(late, 1):
        alone = indices_of(model, wav[640 * begins :], device)
        assert (alone[:, 0] == indices[: len(alone), 0])[1:-2].mean() > 0.3


def test_latents_in_noise_are_to_be_those_without(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    config = settings_of_run(run, None, [*SETTINGS, "noise_share=1.0", "other_speakers=0.0"], write=False)
    crops = Crops(Cache(run / "cache", config.model.mel_bins), "train", 1)
    phase = SemanticPhase(initial_model(run, config.model), crops, crops, config.semantic)
    batch = phase.batch(0)
    torch.manual_seed(3)
    _, parts = phase.loss(batch, 0)
    with torch.no_grad():
        scores, clean = phase._encode(batch.mel)
        off = float((clean - phase._targets(scores, batch)).square().sum(-1).mean())
    assert parts["latents"] > off


def trained_phase(run: Path, setting: str) -> SemanticPhase:
    """The phase of a run at its end, with clean speech of its own speakers alone, and a setting."""
    settings = [*SETTINGS, "noise_share=0.0", "other_speakers=0.0", setting]
    config = settings_of_run(run, None, settings, write=False)
    crops = Crops(Cache(run / "cache", config.model.mel_bins), "train", 1)
    return SemanticPhase(load_semantic_model(run, config.model), crops, crops, config.semantic)


def test_words_are_heard_among_others(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    parts, figures = [], []
    for share in (0.0, 1.0):
        phase = trained_phase(run, f"semantic.babble_share={share}")
        torch.manual_seed(3)
        parts.append(phase.loss(phase.batch(0), 0)[1])
        figures.append(phase.evaluate())
    assert parts[1]["latents"] > parts[0]["latents"], "what is to be said is told by what is heard in quiet"
    assert figures[0].keys() | {"phone_accuracy_noise"} == figures[1].keys()
    assert figures[0]["said_of_spectrum"] == figures[1]["said_of_spectrum"]


def test_warped_crops_have_warped_targets(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    losses = []
    for share in (0.0, 1.0):
        phase = trained_phase(run, f"semantic.time_warp={share}")
        torch.manual_seed(3)
        losses.append(phase.loss(phase.batch(0), 0)[1])
    assert losses[0] != losses[1]
    assert losses[1]["latents"] < 2 * losses[0]["latents"]  # what is heard and what is wanted move together


def test_a_head_begins_with_saying_what_it_should(coded: tuple[Path, list[str]]) -> None:
    run = coded[0]
    config = settings_of_run(run, None, list(SETTINGS), write=False)
    crops = Crops(Cache(run / "cache", config.model.mel_bins), "train", 1)
    phase = SemanticPhase(initial_model(run, config.model), crops, crops, config.semantic)
    with torch.no_grad():
        phase.head.found.weight.zero_()
    figures = phase.evaluate()
    assert figures["said_of_phones"] > 0.99 and figures["said_of_spectrum"] > 0.9
    assert figures["said_of_melody"] < 0.1


def test_places_spread_over_latents_and_prices_spare_bits() -> None:
    torch.manual_seed(5)
    latents = torch.randn(6000, 20) * torch.linspace(2.0, 0.2, 20)
    latents[:2000] *= 0.1  # silence
    left, entropies, least = [], [], []
    for rate in (0.0, 0.06):
        quantizer = ResidualCodebooks(20, 12, 2)
        config = phase_config("semantic", [f"codebook_rate=({rate}, {rate})"])
        entropies.append(fit_codebooks(quantizer, latents, config))
        said = torch.zeros_like(latents)
        for stage, points in enumerate(quantizer.latents_to_indices(latents[None], 2)[0].T):
            said += quantizer.places[stage][points]
            left.append(float((latents - said).square().sum() / latents.square().sum()))
        _, digits = quantizer(latents[None], torch.tensor([2]))
        least.append([min(entropy_shares(digits[:, :, stage])) for stage in range(2)])
    assert min(least[0]) > 0.97 and min(least[1]) > 0.8
    assert left[1] < left[0] < 0.6 and left[3] < left[2] < 0.6
    assert entropies[1][0] < entropies[0][0] - 0.3 and entropies[1][1] < entropies[0][1] - 0.3


def test_parts_of_latents() -> None:
    said, seen, melody = latent_parts(80)
    assert (said, seen, melody) == (slice(0, 48), slice(48, 76), slice(76, 80))
    with pytest.raises(ConfigError, match="codebook_width is 15"):
        latent_parts(15)


def test_nothing_to_fit(coded: tuple[Path, list[str]], trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no codebooks; give"):
        train(TrainRequest(trained[0], phases=("semantic",), resume=True, device="cpu"), said_nothing)
    clip = tmp_path / "one.wav"
    soundfile.write(clip, np.sin(np.arange(48_000) / 9) * 0.1, 16_000)
    order = TrainRequest(tmp_path / "run", (str(tmp_path),), config="tiny", settings=SETTINGS, device="cpu")
    with pytest.raises(DataError, match="no recording has phone labels"):
        train(order, said_nothing)
    with pytest.raises(DataError, match=r"semantic\.safetensors: not a checkpoint"):
        train(
            TrainRequest(tmp_path / "run", phases=("factorizer",), config="tiny", settings=SETTINGS, device="cpu"),
            said_nothing,
        )


def test_settings_of_codebooks() -> None:
    with pytest.raises(ConfigError, match=r"codebook_rate is \(0\.1,\), expected a number"):
        phase_config("semantic", ["codebook_rate=(0.1,)"])
