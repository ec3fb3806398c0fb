"""Reports of a run: TensorBoard, comparisons, model card, speaker leakage, utilisation, live table."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from siren_cli.__main__ import main
from siren_cli.errors import ExitStatus
from siren_cli.terminal.progress import TrainingDisplay
from siren_cli.training.loop.checkpoint import load_checkpoint
from siren_cli.training.loop.run_log import SectionTimer
from siren_cli.training.pipeline import TrainRequest, train
from siren_cli.training.tools.speaker_probe import _accuracy
from tests.training.conftest import said_nothing

Trained = tuple[Path, list[str]]


def test_tensorboard_has_scalars_pictures_and_sounds(trained: Trained) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = {}
    for stage in ("factorizer", "vocoder", "joint"):
        events = EventAccumulator(str(trained[0] / "tensorboard" / stage))
        events.Reload()
        tags[stage] = events.Tags()
    assert {"train/mel", "dev/mel_2", "dev/entropy_share_2_digit_3"} <= set(tags["factorizer"]["scalars"])
    assert {"mel/true", "mel/envelope", "mel/stages_1", "mel/stages_2"} == set(tags["factorizer"]["images"])
    for stage in ("vocoder", "joint"):
        assert {"true/0", "decoded/0"} <= set(tags[stage]["audio"])
        assert {"mel/true", "mel/decoded"} == set(tags[stage]["images"])


def test_runs_are_compared(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "metrics.jsonl").write_text(
        '{"stage": "factorizer", "step": 2, "dev": true, "mel_1": 9.0}\n'
        '{"stage": "factorizer", "step": 4, "dev": true, "mel_1": 0.5, "voicing_error_1": null}\n'
    )
    assert main(["train", "compare", str(trained[0]), str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["figures"]
    assert found["factorizer.mel_1"][1] == 0.5 and found["factorizer.mel_1"][0] > 0
    assert found["vocoder.spectral"][1] is None and found["factorizer.step"] == [4.0, 4.0]
    assert main(["train", "compare", str(trained[0]), str(other)]) == 0
    shown = capsys.readouterr().out.splitlines()
    (row,) = (line for line in shown if line.startswith("factorizer mel_1 "))
    assert float(row.split()[-1]) == pytest.approx(0.5 - found["factorizer.mel_1"][0], rel=1e-2)
    assert main(["train", "compare", str(tmp_path)]) == ExitStatus.AUDIO
    assert "no development figures" in capsys.readouterr().err


def test_checkpoints_are_averaged_into_one_that_makes_a_model(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, mean = trained[0], tmp_path / "mean"
    shutil.copytree(run, mean, ignore=shutil.ignore_patterns("cache", "tensorboard", "model", "*.jsonl"))
    one, two = run / "vocoder.safetensors", run / "joint.safetensors"
    target = mean / "joint.safetensors"
    shares = ["--share", "3", "--share", "1"]
    assert main(["train", "average", str(one), str(two), *shares, "-o", str(target), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    ours, theirs, found = (load_checkpoint(path)[0]["average"] for path in (one, two, target))
    assert facts["tensors"] == len(found) and facts["left_out"] == len(set(ours) ^ set(theirs))
    assert any(not torch.equal(ours[name], theirs[name]) for name in found)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, 0.75 * ours[name] + 0.25 * theirs[name])
    assert main(["train", "--out", str(mean), "--cache", str(run / "cache"), "--stage", "prior", "--resume"]) == 0
    assert (mean / "model" / "model.safetensors").read_bytes() != (run / "model" / "model.safetensors").read_bytes()
    capsys.readouterr()
    for wrong, status, said in (
        ([str(one)], ExitStatus.USAGE, "expected two or more"),
        ([str(one), str(two), "--share", "1"], ExitStatus.USAGE, "give as many"),
        ([str(one), str(two), "--share", "1", "--share", "nan"], ExitStatus.USAGE, "give as many"),
        ([str(one), str(run / "factorizer.safetensors")], ExitStatus.AUDIO, "no tensor in common"),
        ([str(one), str(run / "config.json")], ExitStatus.AUDIO, "not a checkpoint"),
    ):
        nothing = tmp_path / "nothing.safetensors"
        assert main(["train", "average", *wrong, "-o", str(nothing)]) == status
        assert said in capsys.readouterr().err and not nothing.exists()


def test_the_model_card_is_filled_in(trained: Trained) -> None:
    card = (trained[0] / "model" / "README.md").read_text()
    assert "# Model card: tiny" in card and "{" not in card
    assert "| train | 0.00 | 3 | 3 | en |" in card
    assert "| factorizer | mel_2 |" in card and "Not measured" in card


def test_the_probe_finds_speakers_where_they_are() -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(5), 12)
    tested = np.arange(60) % 2 == 1
    noise = rng.normal(size=(60, 8)).astype(np.float32)
    telling = noise + 3 * rng.normal(size=(5, 8)).astype(np.float32)[who]
    assert _accuracy(telling, who, tested) > 0.9
    assert _accuracy(noise, who, tested) < 0.45


def test_leakage_is_measured_on_real_speech(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    folder = Path(__file__).resolve().parent.parent / "data"
    for clip in sorted(folder.glob("*.flac")):
        wav, rate_hz = soundfile.read(clip, dtype="float32")
        for number in range(6):
            piece = wav[number * len(wav) // 6 :][: len(wav) // 6]
            path = tmp_path / "data" / clip.stem / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, piece, rate_hz)
    words = ["--out", str(trained[0]), "--cache", str(tmp_path / "cache"), "--data", str(tmp_path / "data")]
    assert main(["train", "prepare", *words, "--set", "prepare.dev_share=0.0", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["train", "probe", str(trained[0]), "--cache", str(tmp_path / "cache"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["speakers"], facts["clips"]) == (4, 24)
    assert facts["chance"] == 0.25 and facts["mel"] > 0.6
    assert 0 <= facts["indices_1"] <= 1 and 0 <= facts["indices_2"] <= 1


def test_training_uses_the_levels_of_every_digit(recordings: Path, tmp_path: Path) -> None:
    settings = (
        "factorizer.steps=60", "factorizer.batch=4", "learning_rate=0.003", "evaluate_every=60", "log_every=60",
        "factorizer.listener_phone_weight=0", "factorizer.listener_speaker_weight=0",
    )  # fmt: skip
    train(
        TrainRequest(tmp_path, (str(recordings),), ("prepare", "factorizer"), "tiny", settings, device="cpu"),
        said_nothing,
    )
    (dev,) = [line for line in map(json.loads, (tmp_path / "metrics.jsonl").open()) if line.get("dev")]
    shares = [dev[f"entropy_share_{stage}_digit_{digit}"] for stage in (1, 2) for digit in range(4)]
    assert min(shares) > 0.4, shares


class Terminal(io.StringIO):
    """Standard error as a person has it."""

    def isatty(self) -> bool:
        return True


def test_a_person_sees_a_table_and_a_file_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with TrainingDisplay(quiet=False) as display:
        assert display.watch is not None
        display.line("prepared 3 clips [of] 3 speakers")
        display.watch({"stage": "factorizer", "step": 30, "s_per_step": 2.0, "mel": 0.4321}, 120)
        display.watch({"stage": "factorizer", "step": 30, "dev": True, "mel_1": 0.5432}, 120)
    text = screen.getvalue()
    assert all(said in text for said in ("[of]", "30 / 120", "0:03:00", "mel 0.432", "mel_1 0.543"))
    monkeypatch.setattr("sys.stderr", lines := io.StringIO())
    with TrainingDisplay(quiet=False) as display:
        assert display.watch is None
        display.line("prepared")
    assert lines.getvalue() == "prepared\n"
    with TrainingDisplay(quiet=True) as display:
        display.line("nothing")
    assert lines.getvalue() == "prepared\n"


def test_a_section_inside_another_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.0, 3.0, 4.0])
    monkeypatch.setattr("siren_cli.training.loop.run_log.time.perf_counter", lambda: next(times))
    clock = SectionTimer()
    with clock("outer"), clock("inner"):
        pass
    assert clock.spent_s == {"outer": 2.0, "inner": 2.0}
    assert clock.shares() == {"outer": 0.5, "inner": 0.5}
