"""The commands of formats/PACKET1.md on a real recording, with the packaged model."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import soundfile

from siren_cli.__main__ import main
from siren_cli.codec import Codec, load_codec
from siren_format.packet_file import file_to_packets
from siren_format.packet_head import HEAD_BYTES, parse_head
from tests.cli.conftest import ROOT

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "formats" / "PACKET1.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def packaged() -> Codec:
    return load_codec(device="cpu")


def test_the_commands_of_the_document_work(
    tmp_path: Path, demo_clip: Path, packaged: Codec, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("siren_cli.codec.load_codec", lambda model=None, *, device="auto", threads=None: packaged)
    wav, rate_hz = soundfile.read(demo_clip, dtype="int16")
    soundfile.write("talk.wav", wav, rate_hz)
    found = re.search(r"a test runs the commands below.*?```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    lines = found[1].splitlines()
    assert len(lines) == 6
    for line in lines:
        assert main(shlex.split(line, comments=True)[1:]) == 0, (line, capfd.readouterr().err)
    sent = [path.read_bytes() for path in sorted(Path("sent").iterdir())]
    assert file_to_packets(Path("talk.srp").read_bytes()) == (packaged.model_id, sent)
    for packets, most_bytes in ((sent, 51), (file_to_packets(Path("sms.srp").read_bytes())[1], 140)):
        assert max(map(len, packets)) <= most_bytes
        heads = [parse_head(packet) for packet in packets]
        assert HEAD_BYTES == 2 and all(head.has_voice for head in heads)
        assert sum(head.frames for head in heads) == -(-len(wav) // 2_560)
    for name in ("arrived.wav", "sms.wav"):
        assert 0 <= soundfile.info(name).frames - len(wav) < 2_560
    assert "number 0" in capfd.readouterr().out
