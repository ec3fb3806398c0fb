"""`siren roundtrip`: a recording to bytes and back, with what it cost and how close it came."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from siren_cli.audio.level import speech_level_db
from siren_cli.codec import Codec
from siren_cli.evaluation.metrics.roundtrip import model_mel_distance_db
from siren_format.layout import parse_layout
from siren_format.voice import voice_level_db
from tests.cli.conftest import Siren


@pytest.fixture
def stoi(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pystoi that always says 0.5, so that no test depends on an optional package."""
    monkeypatch.setitem(sys.modules, "pystoi", SimpleNamespace(stoi=lambda clean, decoded, rate_hz: 0.5))


def test_whole_output(siren: Siren, one_codec: Codec, stoi: None, recording: Path, srn: Path) -> None:
    outcome = siren("roundtrip", recording)
    layout = parse_layout(srn.read_bytes())
    original, _ = soundfile.read(recording, dtype="float32")
    decoded = one_codec.decode(srn.read_bytes())
    assert layout.header.voice is not None
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.untimed == (
        "duration      1.250 s\n"
        f"bytes         {layout.file_bytes}: header 7, voice 8, payload {layout.payload_bytes}, check 2\n"
        f"payload bps   {layout.payload_bps:.1f}\n"
        f"file bps      {layout.file_bps:.1f}\n"
        f"voice         inline, level {voice_level_db(layout.header.voice):.1f} dBFS\n"
        "encoding      . s, . times real time\n"
        "decoding      . s, . times real time\n"
        f"mel distance  {model_mel_distance_db(one_codec.networks, original, decoded):.2f} dB\n"
        f"level change  {speech_level_db(decoded) - speech_level_db(original):+.2f} dB\n"
        "STOI          0.500\n"
    )
    assert [path.name for path in sorted(recording.parent.iterdir())] == ["coded.srn", "in.wav"]


def test_writes_what_encode_and_decode_write(
    siren: Siren, one_codec: Codec, stoi: None, recording: Path, srn: Path
) -> None:
    out, kept, decoded = (recording.with_name(name) for name in ("out.wav", "kept.srn", "decoded.wav"))
    assert siren("roundtrip", recording, "-o", out, "--keep", kept).status == 0
    assert siren("decode", srn, "-o", decoded).status == 0
    assert kept.read_bytes() == srn.read_bytes()
    np.testing.assert_array_equal(soundfile.read(out)[0], soundfile.read(decoded)[0])


def test_json(siren: Siren, one_codec: Codec, stoi: None, recording: Path) -> None:
    kept = recording.with_name("kept.srn")
    facts = json.loads(siren("roundtrip", recording, "--keep", kept, "--json").out)
    assert facts["file_bytes"] == kept.stat().st_size
    assert facts["stoi"] == 0.5
    assert facts["output"] is None
    assert facts["decode_real_time_factor"] == pytest.approx(facts["duration_s"] / facts["decode_s"])


def test_says_which_package_gives_stoi(
    siren: Siren, one_codec: Codec, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pystoi", None)
    outcome = siren("roundtrip", recording)
    assert outcome.status == 0
    assert outcome.err == "siren: note: STOI is left out; install pystoi to have it (pip install pystoi)\n"
    assert "STOI" not in outcome.out
    assert siren("roundtrip", recording, "-q").err == ""


def test_silence_has_no_intelligibility(siren: Siren, one_codec: Codec, stoi: None, tmp_path: Path) -> None:
    source = tmp_path / "silence.wav"
    soundfile.write(source, np.zeros(16_000, np.float32), 16_000)
    facts = json.loads(siren("roundtrip", source, "--json").out)
    assert facts["stoi"] is None
    assert np.isfinite(facts["mel_distance_db"])
    assert np.isfinite(facts["level_change_db"])


def test_two_outputs_in_one_place_are_refused(siren: Siren, recording: Path) -> None:
    out = recording.with_name("out.wav")
    outcome = siren("roundtrip", recording, "-o", out, "--keep", out)
    assert outcome.status == 2
    assert outcome.err == f"siren: error: {out}: is named as two outputs; give each of them its own path\n"


@pytest.mark.parametrize("option", ["-o", "--keep"])
def test_existing_output_is_kept(siren: Siren, recording: Path, option: str) -> None:
    out = recording.with_name("out.wav")
    out.write_bytes(b"precious")
    assert siren("roundtrip", recording, option, out).status == 6
    assert out.read_bytes() == b"precious"
