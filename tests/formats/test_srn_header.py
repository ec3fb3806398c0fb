"""The header, field by field, as literal bytes; and that reading it needs Python alone."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from siren_format.check import check_value, is_parity_even
from siren_format.header import Header, parse_header
from siren_format.layout import parse_layout
from siren_format.limits import Coder
from tests.formats.vector_material import VECTORS, VOICE

ID = b"\xa1\xb2"


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("d300a1b2010000", Header(ID, 1, Coder.PACKED, 1)),
        ("d301a1b200a60e", Header(ID, 2, Coder.PACKED, 960_000)),
        ("d304a1b2000a00", Header(ID, 1, Coder.NEURAL, 2_560)),
        ("d308a1b2000a002f1be40027ff5aa5", Header(ID, 1, Coder.PACKED, 2_560, VOICE)),
        ("d320a1b2000a0001", Header(ID, 1, Coder.PACKED, 2_560, None, 8_000)),
        ("d320a1b2000a000c", Header(ID, 1, Coder.PACKED, 2_560, None, 192_000)),
        ("d320a1b2000a0000a89300", Header(ID, 1, Coder.PACKED, 2_560, None, 37_800)),
        ("d320a1b2000a000040420f", Header(ID, 1, Coder.PACKED, 2_560, None, 1_000_000)),
        ("d340a1b2", Header(ID, 1, Coder.PACKED, None, grouped=True)),
        ("d369a1b2072f1be40027ff5aa5", Header(ID, 2, Coder.PACKED, None, VOICE, 44_100, grouped=True)),
    ],
)
def test_header_to_bytes_and_back(text: str, header: Header) -> None:
    data = bytes.fromhex(text)
    assert header.to_bytes() == data
    assert parse_header(data) == (header, len(data))
    assert parse_header(data + b"what follows") == (header, len(data))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (Header(b"", 1, Coder.PACKED, 1), "model id of 0 bytes"),
        (Header(ID, 0, Coder.PACKED, 1), "0 stages, expected 1 or 2"),
        (Header(ID, 3, Coder.PACKED, 1), "3 stages, expected 1 or 2"),
        (Header(ID, 1, 3, 1), "coder 3, expected 0 or 2"),
        (Header(ID, 1, 1, 1), "coder 1, expected 0 or 2"),
        (Header(ID, 1, Coder.PACKED, 1, has_coded_voice=True), "a coded voice beside another one or without coder 2"),
        (Header(ID, 1, Coder.NEURAL, 1, VOICE, has_coded_voice=True), "a coded voice beside another one"),
        (Header(ID, 1, Coder.NEURAL, None, grouped=True), "a coder in a grouped header"),
        (Header(ID, 1, Coder.PACKED, 5, grouped=True), "grouped and sample count exclude each other"),
        (Header(ID, 1, Coder.PACKED, None), "grouped and sample count exclude each other"),
        (Header(ID, 1, Coder.PACKED, 0), "0 samples, expected 1..960000"),
        (Header(ID, 1, Coder.PACKED, 960_001), "960001 samples, expected 1..960000"),
        (Header(ID, 1, Coder.PACKED, 1, b"short"), "voice is not 8 bytes long"),
        (Header(ID, 1, Coder.PACKED, 1, None, 0), "source rate 0 Hz"),
    ],
)
def test_header_that_cannot_be_said(header: Header, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        header.to_bytes()


def test_the_check_is_a_crc_of_everything_and_parity_of_the_bytes() -> None:
    # "123456789" is the usual test string of CRC-32: cbf43926, whose low 15 bits are 3926.
    value = check_value(b"123", None, b"456", b"789")
    assert value & 0x7FFF == 0x3926
    assert value == check_value(b"123", None, b"456789", b"")
    assert is_parity_even(b"123456", value.to_bytes(2, "little"))
    assert not is_parity_even(b"123456", (value ^ 0x8000).to_bytes(2, "little"))
    assert check_value(b"123", 0, b"456", b"789") != value


def test_reading_header_and_layout_needs_python_alone() -> None:
    program = (
        "import sys\n"
        "for name in ('numpy', 'constriction', 'torch'): sys.modules[name] = None\n"
        f"sys.path.insert(0, {str(VECTORS.parent)!r})\n"
        "from siren_format.layout import parse_layout\n"
        "from siren_format.voice import voice_level_db\n"
        f"data = open({str(VECTORS / 'valid' / 'voice.srn')!r}, 'rb').read()\n"
        "layout = parse_layout(data)\n"
        "print(layout.duration_s, voice_level_db(layout.header.voice), layout.file_bytes)\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "3.0 -23.5 41\n"


def test_header_is_a_value() -> None:
    header = Header(ID, 1, Coder.NEURAL, 2_560, VOICE)
    assert header == Header(model_id=ID, stages=1, coder=Coder.NEURAL, sample_count=2_560, voice=VOICE)
    assert hash(header) == hash(Header(ID, 1, Coder.NEURAL, 2_560, VOICE))
    assert header != Header(ID, 1, Coder.NEURAL, 2_560)
    assert header != (ID, 1, Coder.NEURAL, 2_560, VOICE, 16_000, False)
    assert copy.deepcopy(header) == header
    assert repr(Header(ID, 2, Coder.PACKED, None, grouped=True)) == (
        r"Header(model_id=b'\xa1\xb2', stages=2, coder=<Coder.PACKED: 0>, sample_count=None, voice=None, "
        "source_rate_hz=16000, grouped=True, has_coded_voice=False, voice_id=None)"
    )


def test_facts_do_not_change() -> None:
    layout = parse_layout((VECTORS / "valid" / "voice.srn").read_bytes())
    for facts, name in ((layout, "file_bytes"), (layout.header, "stages"), (layout.records[0], "coder")):
        with pytest.raises(FrozenInstanceError):
            setattr(facts, name, 1)


def test_two_numbers_of_coders_are_reserved() -> None:
    assert [(coder.name, int(coder)) for coder in Coder] == [("PACKED", 0), ("NEURAL", 2)]


def test_the_package_hands_out_six_names() -> None:
    import siren_format

    for name in ("FormatError", "Stream", "bytes_to_stream", "parse_header", "parse_layout", "stream_to_bytes"):
        assert getattr(siren_format, name).__module__.startswith("siren_format.")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = siren_format.nonsense
