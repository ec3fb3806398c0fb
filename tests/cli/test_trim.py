"""`siren trim` and `siren info --bits`: what needs a model's prior, but none of its networks."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file

from siren_cli.codec import Codec
from siren_cli.registry.weights import save_model
from siren_format.layout import parse_layout
from siren_format.limits import Coder
from siren_format.stream import Stream, stream_to_bytes
from tests.cli.conftest import Siren, environment
from tests.conftest import HUNG_AFTER_S
from tests.formats.vector_material import VOICE, likely_to_prior, vector_prior


@pytest.fixture
def both(recording: Path, codec: Codec) -> Path:
    """`recording`, encoded with both stages."""
    path = recording.with_name("both.srn")
    wav, rate_hz = soundfile.read(recording, dtype="float32")
    path.write_bytes(codec.encode(wav, rate_hz, stages=2).to_bytes())
    return path


@pytest.fixture
def with_prior(tiny_model: Path, tmp_path: Path) -> Path:
    """`tiny_model` with a neural prior."""
    tensors = {**load_file(tiny_model / "model.safetensors"), **vector_prior().to_arrays()}
    save_model(tmp_path / "with-prior", (tiny_model / "config.json").read_text(), tensors)
    return tmp_path / "with-prior"


@pytest.fixture
def neural(with_prior: Path, tmp_path: Path) -> Path:
    """A file of two stages that `with_prior` codes with its prior, a minute and three seconds long."""
    from siren_cli.registry.weights import find_model

    indices = np.concatenate([likely_to_prior(vector_prior(), frames, 2, noise_every=9) for frames in (375, 19)])
    stream = Stream(find_model(with_prior).model_id, indices, 394 * 2560, VOICE)
    (tmp_path / "neural.srn").write_bytes(stream_to_bytes(stream, vector_prior()))
    return tmp_path / "neural.srn"


def test_trimming_gives_the_file_of_one_stage(siren: Siren, both: Path, srn: Path, tmp_path: Path) -> None:
    outcome = siren("trim", both, "-o", tmp_path / "one.srn")
    assert (outcome.status, outcome.err) == (0, "")
    assert (tmp_path / "one.srn").read_bytes() == srn.read_bytes()
    assert outcome.out.startswith("stages       1 of 2\nbytes        ")
    # A file of one stage stays as it is, and both stages can be kept.
    assert siren("trim", srn, "-o", tmp_path / "again.srn", "-q").out == ""
    assert (tmp_path / "again.srn").read_bytes() == srn.read_bytes()
    assert siren("trim", both, "-o", tmp_path / "two.srn", "--stages", "2").status == 0
    assert (tmp_path / "two.srn").read_bytes() == both.read_bytes()


def test_trimming_a_file_coded_by_the_prior(siren: Siren, neural: Path, with_prior: Path, codec: Codec) -> None:
    one = neural.with_name("one.srn")
    outcome = siren("trim", "--json", neural, "-o", one, "--model", with_prior)
    facts = json.loads(outcome.out)
    assert (facts["stages"], facts["input_bytes"], facts["file_bytes"]) == (
        1, neural.stat().st_size, one.stat().st_size,
    )  # fmt: skip
    from siren_cli.registry.weights import find_model
    from siren_format.stream import bytes_to_stream

    stream = bytes_to_stream(one.read_bytes(), find_model(with_prior).model_id, vector_prior())
    assert stream.voice == VOICE


def test_what_trim_refuses(siren: Siren, srn: Path, both: Path, neural: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.srn"
    damaged.write_bytes(both.read_bytes()[:-1])
    for words, status, said in (
        ([both], 2, "name it with -o OUT.srn"),
        ([both, "-o", both, "--force"], 2, "is the input as well as the output"),
        ([srn, "-o", tmp_path / "o.srn", "--stages", "2"], 2, "has 1 stage, 2 were asked for"),
        ([damaged, "-o", tmp_path / "o.srn"], 3, "damaged.srn: "),
        ([neural, "-o", tmp_path / "o.srn"], 4, "needs model"),
        ([both, "-o", srn], 6, "exists already"),
    ):
        outcome = siren("trim", *words)
        assert outcome.status == status
        assert said in outcome.err and outcome.err.count("\n") == 1
    assert not (tmp_path / "o.srn").exists()


def test_bits_add_up(siren: Siren, neural: Path, with_prior: Path, both: Path, srn: Path) -> None:
    for path, model in ((neural, with_prior), (both, None), (srn, None)):
        words = ["--model", str(model)] if model else []
        facts = json.loads(siren("info", "--bits", "--json", path, *words).out)
        bits, layout = facts["bits"], parse_layout(path.read_bytes())
        assert len(bits["stage_bits"]) == len(bits["digit_bits"]) == facts["stages"]
        assert len(bits["second_bits"]) == math.ceil(((facts["frames"] - 1) * 2560 + 1) / 16000)
        total = sum(bits["stage_bits"])
        assert total == pytest.approx(sum(map(sum, bits["digit_bits"]))) == pytest.approx(sum(bits["second_bits"]))
        coded_bits = total + bits["coded_voice_bits"]
        assert bits["rounding_bits"] == pytest.approx(8 * facts["payload_bytes"] - coded_bits)
        assert -4 <= bits["rounding_bits"] <= 9 * len(layout.records)


def test_bits_for_a_person(siren: Siren, neural: Path, with_prior: Path) -> None:
    plain = siren("info", neural).out
    outcome = siren("info", "--bits", neural, "--model", with_prior)
    assert outcome.status == 0 and outcome.out.startswith(plain)
    lines = outcome.out.removeprefix(plain).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["stage", "stage", "rounding"]
    bars = lines[3:]
    assert len(bars) == 32 and bars[1].startswith("from 2 s")
    longest = max(bars, key=lambda bar: bar.count("#"))
    assert longest.count("#") == 40
    assert float(longest.split()[-1]) == max(float(bar.split()[-1]) for bar in bars)
    assert Coder.NEURAL in {record.coder for record in parse_layout(neural.read_bytes()).records}


def test_bits_need_the_right_model(siren: Siren, neural: Path) -> None:
    outcome = siren("info", "--bits", neural)
    assert (outcome.status, outcome.out) == (4, "")
    assert "needs model" in outcome.err


@pytest.mark.parametrize("words", [["info", "--bits"], ["trim", "-o", "-", "-q"]])
def test_neither_needs_torch(words: list[str], both: Path, tiny_model: Path) -> None:
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys(('torch', 'torchaudio', 'soundfile', 'soxr')))\n"
        f"from siren_cli.__main__ import main\nsys.exit(main({[*words, str(both)]!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=environment(tiny_model),
        timeout=HUNG_AFTER_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
