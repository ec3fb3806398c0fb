"""Cheaper indices where they say almost the same, and recordings fitted into a number of bytes or packets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

import siren_cli
from siren_cli.__main__ import main
from siren_cli.codec import Codec
from siren_cli.config import ModelConfig
from siren_cli.errors import ExitStatus, UsageError
from siren_cli.model.siren import build
from siren_cli.packets.packetize import encode_packets
from siren_cli.streaming.rate_control import WEIGHTS, fit_file, fitted
from siren_format.packet_file import file_to_packets
from siren_format.prior_rows import prior_digit_bits

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "rate.md").read_text(encoding="utf-8")
Wav = NDArray[np.float32]


@pytest.fixture(scope="module")
def packaged() -> Codec:
    return siren_cli.load(threads=1)


@pytest.fixture(scope="module")
def talk(demo_clip: Path) -> Wav:
    wav, _ = soundfile.read(demo_clip, dtype="float32")
    return wav


def test_a_weight_has_a_search_of_one_at_least(packaged: Codec) -> None:
    for codec in (packaged.thrifty(0.2), packaged.thrifty(0.2).searching(0), packaged.searching(0).thrifty(0.2)):
        assert (codec.effort, codec.rate_weight) == (1, 0.2)
    assert packaged.searching(3).thrifty(0.2).effort == 3
    assert (packaged.thrifty(0.0).effort, packaged.effort) == (0, 0)


@pytest.mark.parametrize("stages", [1, 2])
def test_no_weight_is_rounding_and_the_greatest_saves_bits(stages: int, packaged: Codec, talk: Wav) -> None:
    note = talk[:64_000]
    plain = packaged.encode(note, 16_000, stages=stages)
    assert packaged.thrifty(0.0).encode(note, 16_000, stages=stages).to_bytes() == plain.to_bytes()
    assert packaged._prior is not None
    cheapest = packaged.thrifty(1.0).encode(note, 16_000, stages=stages)
    dear, cheap = (float(prior_digit_bits(coded.indices, packaged._prior).sum()) for coded in (plain, cheapest))
    assert 0.5 * dear < cheap < 0.99 * dear
    assert len(packaged.decode(cheapest.to_bytes())) == len(note)


def test_the_same_again_and_in_a_stream(packaged: Codec, talk: Wav) -> None:
    thrifty, note = packaged.thrifty(0.2), talk[:64_000]
    once = thrifty.encode(note, 16_000).to_bytes()
    assert thrifty.encode(note, 16_000).to_bytes() == once
    blocks = np.array_split(note, 7)
    assert b"".join(thrifty.encode_stream(blocks, 16_000)) == once


def test_a_model_without_a_prior_cannot_weigh_and_weights_have_limits(packaged: Codec) -> None:
    with pytest.raises(UsageError, match="no neural prior"):
        Codec(build(ModelConfig.tiny()), b"\0\0", torch.device("cpu")).thrifty(0.1)
    for weight in (-0.1, 1.01, float("nan")):
        with pytest.raises(UsageError, match="expected 0 to 1"):
            packaged.thrifty(weight)


def test_a_file_is_fitted_with_no_more_loss_than_it_takes(packaged: Codec, talk: Wav) -> None:
    note = talk[:64_000]
    plain = packaged.encode(note, 16_000).to_bytes()
    least = len(packaged.thrifty(1.0).encode(note, 16_000).to_bytes())
    assert least < len(plain) - 1
    assert fit_file(packaged, note, 16_000, stages=1, max_bytes=len(plain)) == plain
    for most in (least, len(plain) - 1):
        data = fit_file(packaged, note, 16_000, stages=1, max_bytes=most)
        assert len(data) <= most and len(packaged.decode(data)) == len(note)
    with pytest.raises(UsageError, match=r"takes \d+ bytes at least, expected at most 12; shorten it"):
        fit_file(packaged, note, 16_000, stages=1, max_bytes=12)
    with pytest.raises(UsageError, match="lasts 61 s, --max-bytes fits up to 60 s; split it"):
        fit_file(packaged, np.zeros(61 * 16_000, np.float32), 16_000, stages=1, max_bytes=500)


@pytest.mark.parametrize("own_weight", [0.0, 0.1])
@pytest.mark.parametrize("least", [*WEIGHTS, 2.0])
def test_the_least_weight_that_fits_is_found_by_halving(least: float, own_weight: float) -> None:
    class Model:
        def __init__(self, rate_weight: float) -> None:
            self.rate_weight = rate_weight

        def thrifty(self, weight: float) -> Model:
            return Model(weight)

    tried: list[float] = []

    def encode(model: Codec) -> float:
        tried.append(model.rate_weight)
        return model.rate_weight

    def size_of(coded: float) -> int:
        return 7 if coded >= least else 9

    if least > 1:
        with pytest.raises(UsageError, match="takes 9 bytes at least, expected at most 7"):
            fitted(cast(Codec, Model(own_weight)), encode, size_of, 7, "bytes")
    else:
        assert fitted(cast(Codec, Model(own_weight)), encode, size_of, 7, "bytes") == max(least, own_weight)
    assert tried[0] == own_weight and len(tried) <= 5 and min(tried) == own_weight
    tried.clear()
    assert fitted(cast(Codec, Model(own_weight)), encode, size_of, 9, "bytes") == own_weight == tried[-1]


@pytest.mark.slow
def test_what_is_searched_for_is_fitted_too(packaged: Codec, talk: Wav) -> None:
    note, searching = talk[:64_000], packaged.searching(4)
    usual = len(searching.encode(note, 16_000).to_bytes())
    data = fit_file(searching, note, 16_000, stages=1, max_bytes=usual - 2)
    assert len(data) <= usual - 2
    assert data in [searching.thrifty(weight).encode(note, 16_000).to_bytes() for weight in WEIGHTS]


@pytest.mark.slow
def test_packets_are_fitted_into_as_many_as_asked_for(packaged: Codec, talk: Wav) -> None:
    long = np.tile(talk, 6)

    def packets(samples: int, most: int | None) -> list[bytes]:
        return encode_packets(packaged, long[:samples], 16_000, stages=1, max_bytes=51, voice="each", max_packets=most)

    too_long = next(samples for samples in range(80_000, 160_000, 2_560) if len(packets(samples, None)) == 2)
    (one,) = packets(too_long, 1)
    assert len(one) <= 51
    with pytest.raises(UsageError, match=r"\d+ packets at least, expected at most 1"):
        packets(len(long), 1)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--rate-weight", "1.5"], ExitStatus.USAGE, "--rate-weight"),
        (["--max-bytes", "12", "--effort", "2"], ExitStatus.USAGE, "bytes at least, expected at most 12"),
        (["--max-packets", "1"], ExitStatus.USAGE, "give --profile packet as well"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    words: list[str], status: int, message: str, short_clips: list[Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(["encode", str(short_clips[0]), "-o", str(tmp_path / "out.srn"), *words]) == status
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_commands_of_the_document_work(
    tmp_path: Path, demo_clip: Path, talk: Wav, packaged: Codec, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("siren_cli.codec.load_codec", lambda model=None, *, device="auto", threads=None: packaged)
    monkeypatch.setattr("siren_cli.batch.encode.codec_of", lambda model, device, threads: packaged)
    soundfile.write("note.wav", talk[:89_600], 16_000)
    Path("notes").mkdir()
    soundfile.write("notes/talk.wav", talk[:48_000], 16_000)
    found = re.search(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    for line in found[1].splitlines():
        assert main(shlex.split(line, comments=True)[1:]) == 0, (line, capfd.readouterr().err)
    assert Path("note.srn").stat().st_size <= 51
    assert len(file_to_packets(Path("note.srp").read_bytes())[1]) == 1
    # What the weight saves is tested over many recordings; what a search finds depends on the processor.
    same = packaged.searching().thrifty(0.2).encode(soundfile.read("notes/talk.wav", dtype="float32")[0], 16_000)
    assert Path("coded/talk.srn").read_bytes() == same.to_bytes()
