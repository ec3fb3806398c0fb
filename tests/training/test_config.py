"""Settings from presets, YAML files, earlier calls and the command line; errors name the wrong setting."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.registry.weights import find_model
from siren_cli.training.config import PHASES, phase_config, run_config
from siren_cli.training.settings import presets, read_config, settings_of_run


def test_settings_of_one_phase_do_not_change_another() -> None:
    settings = ["steps=9", "vocoder.batch=3", "model.stages=1"]
    assert phase_config("vocoder", settings).batch == 3
    assert phase_config("factorizer", settings).batch != 3
    assert phase_config("joint", settings).steps == 9


def test_the_presets_are_those_that_the_command_names(capsys: pytest.CaptureFixture[str]) -> None:
    from siren_cli.__main__ import main

    assert main(["train", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in presets())
    named = {"siren-v1", "fsq", "tiny", "distilhubert", "hifigan", "ljspeech", "multispeaker", "finetune"}
    assert named == set(presets())
    phases = said[said.index("Phases (--stage): ") : said.index("Several GPUs")].partition(":")[2]
    assert re.findall(r"(\w+) \(", phases) == list(PHASES)


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_a_config(name: str) -> None:
    config = run_config(read_config(name), [])
    assert config.factorizer.steps > 0 and config.model.stages == 2


def test_presets_choose_what_they_promise() -> None:
    hifigan = run_config(read_config("hifigan"), [])
    assert (hifigan.model.vocoder, hifigan.joint.adversarial_loss) == ("hifigan", "least-squares")
    assert hifigan.vocoder.discriminators == ("period", "scale")
    distil = run_config(read_config("distilhubert"), [])
    assert distil.model.front_end == "hubert" and distil.factorizer.freezes("front_end")
    assert not distil.factorizer.time_warp, "it moves spectra, and this front end hears samples"


def test_only_the_packaged_model_asks_for_phone_labels() -> None:
    asking = {name for name in presets() if run_config(read_config(name), []).model.codebook_width}
    assert asking == {"siren-v1"}


def test_the_packaged_model_is_of_its_preset() -> None:
    preset = run_config(read_config("siren-v1"), [])
    packaged = ModelConfig.from_json(find_model("siren-v1").config_path)
    assert dataclasses.replace(packaged, voice_used=()) == preset.model
    assert bool(packaged.voice_used) == bool(preset.prior.voice_rate_weight)


def test_a_file_extends_a_preset_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("extends: tiny\ntraining: {batch: 6}\nvocoder: {batch: 8}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nmodel: {name: mine}\njoint: {steps: 3}\n")
    config = run_config(read_config(str(tmp_path / "mine.yaml")), ["vocoder.steps=5"])
    assert (config.model.name, config.model.widths) == ("mine", (16, 16, 16, 16))
    assert (config.factorizer.batch, config.vocoder.batch, config.joint.batch) == (6, 8, 6)
    assert (config.vocoder.steps, config.joint.steps) == (5, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: {widht: 3}", "unknown key 'widht'"),
        ("vocodr: {}", "unknown section 'vocodr'"),
        ("vocoder: 3", "section 'vocoder' is 3"),
        ("vocoder: {batch: many}", "key 'batch' is 'many', expected a int"),
        ("vocoder: {batch: 0}", "batch is 0"),
        ("vocoder: {crop_frames: 50}", "crop_frames is 50"),
        ("vocoder: {freeze: [everything]}", "freeze names 'everything'"),
        ("vocoder: {discriminators: [judge]}", "discriminators names 'judge'"),
        ("vocoder: {adversarial_loss: war}", "adversarial_loss is 'war'"),
        ("factorizer: {ctc_units: words}", "ctc_units is 'words'"),
        ("factorizer: {time_warp: 1.5}", "time_warp is 1.5, expected 0 to 1"),
        ("factorizer: {decoder_dropout: 1.0}", "decoder_dropout is 1.0"),
        ("factorizer: {teacher_weight: 1.0}", "without a teacher"),
        ("prepare: {dev_share: 1.5}", "dev_share is 1.5"),
        ("- a\n- b", "holds list"),
        ("a: [", "not readable YAML"),
        ("extends: mine.yaml", "extends itself"),
        ("extends: nowhere.yaml", "neither a file nor one of"),
    ],
)
def test_a_wrong_config_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        run_config(read_config(str(tmp_path / "mine.yaml")), [])


def test_a_run_remembers_what_it_was_told(tmp_path: Path) -> None:
    first = settings_of_run(tmp_path, "tiny", ["vocoder.steps=7"])
    again = settings_of_run(tmp_path, None, [])
    changed = settings_of_run(tmp_path, None, ["joint.steps=2"])
    assert first == again
    assert (changed.vocoder.steps, changed.joint.steps) == (7, 2)
    assert json.loads((tmp_path / "training.json").read_text())["joint"]["steps"] == 2


def test_the_model_of_a_run_stays(tmp_path: Path) -> None:
    settings_of_run(tmp_path, "tiny", [])
    with pytest.raises(ConfigError, match=r"fixes the model of this run; leave out model\.voice_width"):
        settings_of_run(tmp_path, None, ["model.voice_width=32"])
    with pytest.raises(ConfigError, match="fixes the model of this run"):
        settings_of_run(tmp_path, "siren-v1", ["model.voice_width=16"])
