"""Every option of training on real recordings, from cache to a model that encodes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import siren_cli
from siren_cli.errors import ConfigError, DataError, WeightsMissing
from siren_cli.model.decoder import PITCH_CENTRE
from siren_cli.model.siren import build
from siren_cli.training.config import PARTS, phase_config, run_config
from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.loop.checkpoint import load_checkpoint
from siren_cli.training.losses.speaker import speaker_mean_loss
from siren_cli.training.phases.vocoder import JointPhase
from siren_cli.training.pipeline import TrainRequest, train
from siren_cli.training.settings import read_config
from siren_format.voice import voice_codes
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HuBERT as small as they get, with random weights, as transformers saves it."""
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hubert")
    HubertModel(
        HubertConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=[8] * 7,
            num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def few(run: Path, data: Path, *settings: str, phases: tuple[str, ...] = ("prepare", "factorizer")) -> list[dict]:
    """Train a few steps; return the lines of the log."""
    train(TrainRequest(run, (str(data),), phases, "tiny", (*FEW, *settings), device="cpu"), said_nothing)
    log = run / "metrics.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def tensors(path: Path, group: str) -> dict[str, torch.Tensor]:
    return load_checkpoint(path)[0][group]


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "learning"])
def test_a_hubert_front_end_from_recordings_to_speech(
    frozen: bool, hubert: Path, recordings: Path, short_clips: list[Path], tmp_path: Path
) -> None:
    theirs = shutil.copytree(hubert, tmp_path / "theirs")
    settings = ["model.front_end=hubert", f"model.hubert_path={theirs}"]
    if frozen:
        settings.append("freeze=('front_end',)")
    few(tmp_path, recordings, *settings, phases=("prepare", "factorizer", "vocoder", "joint", "guide", "prior"))
    assert (tmp_path / "cache" / "front_end.float16").exists() == frozen
    now = tensors(tmp_path / "factorizer.safetensors", "trained")
    from safetensors.torch import load_file

    before = load_file(theirs / "model.safetensors")
    shutil.rmtree(theirs)  # the model that came out depends on nothing outside its folder
    name = "encoder.layers.0.attention.k_proj.weight"
    assert torch.equal(now[f"front_end.hubert.{name}"], before[name]) == frozen
    codec = siren_cli.load(tmp_path / "model")
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    assert codec.decode(codec.encode(wav, rate_hz).to_bytes()).shape == wav.shape
    further = TrainRequest(
        tmp_path / "further", phases=("factorizer",), settings=(*FEW, "steps=1"), device="cpu",
        start=str(tmp_path / "model"), cache=tmp_path / "cache",
    )  # fmt: skip
    train(further, said_nothing)


def test_cached_features_are_those_that_the_front_end_gives(hubert: Path, recordings: Path, tmp_path: Path) -> None:
    settings = ["model.front_end=hubert", f"model.hubert_path={hubert}", "freeze=('front_end',)", "steps=2"]
    kept = few(tmp_path / "kept", recordings, *settings)
    anew = few(tmp_path / "anew", recordings, *settings, "prepare.features=False")
    assert not (tmp_path / "anew" / "cache" / "front_end.float16").exists()
    # Crops hear what is in them, cached features the whole recording: alike, not the same.
    assert kept[0]["mel"] == pytest.approx(anew[0]["mel"], rel=0.1)


@pytest.mark.parametrize("kept", [True, False], ids=["cached", "anew"])
def test_a_teacher_is_imitated(kept: bool, hubert: Path, recordings: Path, tmp_path: Path) -> None:
    settings = [
        f"factorizer.teacher={hubert}", "factorizer.teacher_weight=5.0", f"prepare.features={kept}",
        "factorizer.steps=40", "factorizer.learning_rate=0.01", "warmup_steps=1", "log_every=1", "bf16=False",
    ]  # fmt: skip
    lines = few(tmp_path, recordings, *settings)
    assert (tmp_path / "cache" / "teacher.float16").exists() == kept
    distance = [line["teacher"] for line in lines if not line.get("dev")]
    # Every step has other crops: only the mean over many of them tells learning from luck.
    assert sum(distance[-20:]) / 20 < 0.9 * sum(distance[:2]) / 2


def test_a_cache_with_another_teacher_is_refused(hubert: Path, recordings: Path, tmp_path: Path) -> None:
    teacher = [f"factorizer.teacher={hubert}", "factorizer.teacher_weight=1.0"]
    few(tmp_path, recordings, *teacher, phases=("prepare",))
    with pytest.raises(DataError, match="layer -1, expected .* layer 0; run phase prepare again"):
        few(tmp_path, recordings, *teacher, "factorizer.teacher_layer=0", phases=("factorizer",))
    with pytest.raises(WeightsMissing, match="nowhere' cannot be read"):
        few(tmp_path / "b", recordings, f"factorizer.teacher={tmp_path}/nowhere", "factorizer.teacher_weight=1.0")


def test_what_a_teacher_heard_cannot_be_warped_in_time(hubert: Path, recordings: Path, tmp_path: Path) -> None:
    teacher = [f"factorizer.teacher={hubert}", "factorizer.teacher_weight=1.0"]
    with pytest.raises(ConfigError, match="time_warp moves spectra and not samples"):
        few(tmp_path, recordings, *teacher, "factorizer.time_warp=0.5", phases=("prepare", "factorizer"))


@pytest.mark.parametrize(("units", "warp"), [("phones", 0.0), ("text", 0.5)])
def test_ctc_learns_from_whole_recordings(units: str, warp: float, recordings: Path, tmp_path: Path) -> None:
    settings = [
        "factorizer.ctc_weight=1.0", f"factorizer.ctc_units={units}", "crop_frames=464", "factorizer.steps=30",
        "factorizer.learning_rate=0.01", "warmup_steps=1", "log_every=1", "bf16=False",
        f"factorizer.time_warp={warp}",
    ]  # fmt: skip
    losses = [line["ctc"] for line in few(tmp_path, recordings, *settings) if not line.get("dev")]
    scored = [loss for loss in losses if loss > 0]
    assert len(scored) > 5
    assert sum(scored[-3:]) / 3 < 0.8 * scored[0]


def test_the_rate_term_is_logged_and_saved(recordings: Path, tmp_path: Path) -> None:
    even = ("factorizer.evenness_weight=0.3", "factorizer.evenness_floor=1.1", "factorizer.evenness_from_step=2")
    lines = few(tmp_path, recordings, "factorizer.rate_weight=0.1", "log_every=1", *even)
    assert 0 < lines[0]["bits"] < 25
    assert 0 < lines[-1]["bits_1"] < lines[-1]["bits_2"] < 25
    assert [line["step"] for line in lines if line.get("idle", 0) > 0] == [3, 4]
    assert "price.prior.embed" in tensors(tmp_path / "factorizer.safetensors", "trained")
    train(
        TrainRequest(tmp_path, phases=("factorizer",), settings=("steps=6",), resume=True, device="cpu"), said_nothing
    )


def test_the_listener_learns_before_it_is_heard_and_then_stays(recordings: Path, tmp_path: Path) -> None:
    settings = ("factorizer.listener_from_step=3", "factorizer.listener_lessons=2", "steps=3", "log_every=1")
    lines = few(tmp_path, recordings, *settings)
    taught = [line["step"] for line in lines if "lesson" in line]
    assert taught == [2, 3] and not any("phone_heard" in line for line in lines)
    name = "listener.stem.conv.weight"
    before = tensors(tmp_path / "factorizer.safetensors", "trained")[name]
    settings = (*settings, "steps=6")
    train(TrainRequest(tmp_path, phases=("factorizer",), settings=settings, resume=True, device="cpu"), said_nothing)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    heard = [line["step"] for line in lines if "phone_heard" in line and "speaker_heard" in line]
    assert heard == [4, 5, 6] and [line["step"] for line in lines if "lesson" in line] == [2, 3]
    assert torch.equal(before, tensors(tmp_path / "factorizer.safetensors", "trained")[name])


def test_the_vocoders_listener_goes_on_from_the_factorizers(recordings: Path, tmp_path: Path) -> None:
    heard = ("listener_phone_weight=0.5", "listener_speaker_weight=0.5", "log_every=1")
    few(tmp_path, recordings, *heard, "listener_from_step=3", "listener_lessons=2", "steps=3")
    before = tensors(tmp_path / "factorizer.safetensors", "trained")
    settings = (*heard, "listener_from_step=1", "listener_lessons=1", "steps=2", "adversarial_from_step=9",
                "correlation_weight=1.0")  # fmt: skip
    train(TrainRequest(tmp_path, phases=("vocoder",), settings=settings, resume=True, device="cpu"), said_nothing)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if line["stage"] == "vocoder" and not line.get("dev")]
    assert ["lesson" in line for line in lines] == [True, False]
    assert ["speaker_heard" in line for line in lines] == [False, True]
    assert all(0 < line["correlation"] < 2 for line in lines)
    after = tensors(tmp_path / "vocoder.safetensors", "trained")
    name = "listener.phones.weight"
    assert 0 < float((before[name] - after[name]).abs().max()) < 0.01, "one lesson away from the factorizer's"


def test_the_melody_of_the_first_stage_can_be_left_out(recordings: Path, tmp_path: Path) -> None:
    alone = "factorizer.stage_dropout=1.0"
    told = few(tmp_path / "told", recordings, alone)
    left_out = few(tmp_path / "left out", recordings, alone, "factorizer.pitch_first_stage=0.0")
    both = few(tmp_path / "both", recordings, "factorizer.stage_dropout=0.0", "factorizer.pitch_first_stage=0.0")
    assert told[0]["pitch"] > 0 and both[0]["pitch"] > 0 and left_out[0]["pitch"] == 0


@pytest.mark.parametrize("settings", [("listener_from_step=0",), ("listener_from_step=9", "listener_lessons=0")])
def test_a_listener_that_never_learned_is_refused(settings: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="would be used untrained"):
        phase_config("factorizer", ["listener_phone_weight=0.3", *settings])


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("front_end", "vocoder")])
def test_a_frozen_part_stays_and_the_rest_moves(part: str, trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    order = TrainRequest(
        tmp_path / "run", phases=("factorizer",), settings=(*FEW, f"freeze=('{part}',)"), device="cpu",
        start=str(trained[0] / "model"), cache=trained[0] / "cache",
    )  # fmt: skip
    train(order, said_nothing)
    from safetensors.torch import load_file

    before = load_file(trained[0] / "model" / "model.safetensors")
    after = tensors(tmp_path / "run" / "factorizer.safetensors", "trained")
    moved = {name for name in after if name in before and not torch.equal(after[name], before[name].float())}
    assert not any(name.startswith(part + ".") for name in moved)
    assert {name.split(".")[0] for name in moved} >= {"factorizer", "quantizer", "decoder"} - {part}


def test_fine_tuning_takes_one_command(
    trained: tuple[Path, list[str]], recordings: Path, short_clips: list[Path], tmp_path: Path
) -> None:
    model = tmp_path / "theirs"
    shutil.copytree(trained[0] / "model", model)
    settings = (*FEW, "freeze=('quantizer', 'factorizer')")
    run = tmp_path / "run"
    train(TrainRequest(run, (str(recordings),), start=str(model), settings=settings, device="cpu"), said_nothing)
    shutil.rmtree(model)
    stages = [json.loads(line)["stage"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(stages) == {"factorizer", "joint", "guide"}
    told = json.loads((run / "training.json").read_text())
    assert (told["joint"]["learning_rate"], told["factorizer"]["decay_share"]) == (1e-4, 0.5)
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    ours, theirs = siren_cli.load(run / "model"), siren_cli.load(trained[0] / "model")
    assert (ours.encode(wav, rate_hz).indices == theirs.encode(wav, rate_hz).indices).all()
    assert ours.model_id != theirs.model_id
    assert "started from another model" in (run / "model" / "README.md").read_text()
    with pytest.raises(ConfigError, match="started without --from"):
        train(TrainRequest(trained[0], start=str(run / "model"), device="cpu"), said_nothing)


def test_one_stage_of_indices_is_enough(recordings: Path, short_clips: list[Path], tmp_path: Path) -> None:
    few(tmp_path, recordings, "model.stages=1", phases=("prepare", "factorizer", "vocoder", "guide", "prior"))
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    codec = siren_cli.load(tmp_path / "model")
    assert codec.decode(codec.encode(wav, rate_hz).to_bytes()).shape == wav.shape


def test_a_voice_of_fine_numbers_that_tells_its_timbre(
    recordings: Path, short_clips: list[Path], tmp_path: Path
) -> None:
    settings = ("model.voice_fine=8", "model.timbre=True", "timbre_weight=0.5", "voice_own=True", "voice_frames=32")
    stages = ("prepare", "factorizer", "vocoder", "joint", "guide", "prior")
    lines = few(tmp_path, recordings, *settings, phases=stages)
    assert all(line["timbre"] > 0 for line in lines if line["stage"] == "factorizer" and "timbre" in line)
    assert any("timbre" in line for line in lines)
    codec = siren_cli.load(tmp_path / "model")
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    coded = codec.encode(wav, rate_hz)
    codes = codec.hear_voice(wav, rate_hz).codes
    assert len(codes) == 20 and coded.voice is not None
    spoken = np.array(voice_codes(coded.voice, 8))
    assert np.abs(spoken - codes)[:8].max() <= 1 / 16 + 1e-6 and np.abs(spoken - codes)[8:].max() <= 1 / 4 + 1e-6
    assert codec.decode(coded.to_bytes()).shape == wav.shape


@pytest.mark.parametrize("frames", [0, 30])
def test_a_voice_is_heard_from_a_multiple_of_four_frames(frames: int) -> None:
    with pytest.raises(ConfigError, match=f"voice_frames is {frames}, expected a multiple of 4"):
        phase_config("factorizer", [f"voice_frames={frames}"])


def test_what_is_typical_of_a_voice_is_learned_from_what_it_was_heard_from(trained: tuple[Path, list[str]]) -> None:
    crops = Crops(Cache(trained[0] / "cache", 80), "train", 1)
    batch = crops.batch(0, 4, 64, 64, 0.0, voice_own=True)
    assert torch.equal(batch.voice_mel, batch.mel) and batch.voice_envelope is not None
    level = (batch.envelope * 2.1).logsumexp(-1)
    told = torch.zeros(4, 81)
    for item, (spectra, pitch) in enumerate(zip(batch.envelope, batch.pitch, strict=True)):
        told[item, :80] = spectra[level[item] > level[item].max() - 3.45].mean(0)
        told[item, 80] = pitch[pitch > 0].mean() - PITCH_CENTRE if bool((pitch > 0).any()) else 7.0
    absent = torch.tensor([False, False, False, True])
    assert float(speaker_mean_loss(told, batch, absent, 2.1)) < 1e-5
    assert float(speaker_mean_loss(told + 0.1, batch, absent, 2.1)) > 0.1
    told[3] = 9.0
    assert float(speaker_mean_loss(told, batch, absent, 2.1)) < 1e-5


def test_hifigan_trains_as_its_preset_says(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(
        "extends: hifigan\n"
        "model: {widths: [16, 16, 16, 16], encoder_blocks: [1, 1, 1, 1], decoder_blocks: [1, 1, 1, 1],"
        " attention_heads: 2, voice_width: 16, hifigan_width: 16}\n"
        "training: {discriminator_width: 4, evaluate_crops: 2}\n"
    )
    settings = ("steps=2", "batch=2", "crop_frames=64", "log_every=1")
    config, stages = str(tmp_path / "small.yaml"), ("prepare", "vocoder")
    order = TrainRequest(tmp_path / "run", (str(recordings),), stages, config, settings, device="cpu")
    train(order, said_nothing)
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert {"stft", "adversary", "fooling", "matching"} <= line.keys()
    judges = {name.split(".")[1] for name in tensors(tmp_path / "run" / "vocoder.safetensors", "adversary")}
    assert len(judges) == 5 + 3


def test_accumulated_pieces_are_one_batch(trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    states = {}
    plain = ("perturb=0.0", "other_speakers=0.0", "voice_absent=0.0", "stage_dropout=0.0", "bf16=False", "steps=3",
             "batch=4", "factorizer.adversarial_weight=0.0")  # fmt: skip
    for pieces in (1, 4):
        order = TrainRequest(
            tmp_path / str(pieces), phases=("factorizer",), config="tiny", device="cpu", cache=trained[0] / "cache",
            settings=(*FEW, *plain, f"accumulate={pieces}"),
        )  # fmt: skip
        train(order, said_nothing)
        states[pieces] = tensors(tmp_path / str(pieces) / "factorizer.safetensors", "trained")
    for name, tensor in states[1].items():
        torch.testing.assert_close(states[4][name], tensor, rtol=1e-3, atol=2e-5)
    order = TrainRequest(tmp_path / "3", phases=("factorizer",), device="cpu", cache=trained[0] / "cache",
                  settings=("batch=4", "accumulate=3"))  # fmt: skip
    with pytest.raises(ConfigError, match="batch is 4, expected a multiple of 3"):
        train(order, said_nothing)


def test_some_crops_of_phase_joint_keep_their_true_spectra(trained: tuple[Path, list[str]]) -> None:
    config = run_config(read_config("tiny"), ["joint.true_share=0.5"])
    crops = Crops(Cache(trained[0] / "cache", config.model.mel_bins), "train", 1)
    phase = JointPhase(build(config.model), crops, crops, config.joint)
    batch = crops.batch(0, 32, 64)
    torch.manual_seed(0)
    shares = {}
    for training in (True, False):
        phase.trained.train(training)
        shares[training] = float((phase.speech(batch).mel == batch.envelope).all((1, 2)).float().mean())
    assert 0.2 < shares[True] < 0.8 and shares[False] == 0
