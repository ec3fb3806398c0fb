"""One file for every error class, its bytes in sight, and the whole message."""

from __future__ import annotations

import pytest

from siren_format import errors
from siren_format.stream import bytes_to_stream
from tests.formats.vector_material import MODEL_ID, VECTORS

DAMAGED = "the file is damaged or from a newer version; fetch it again or upgrade"
# A good file, of one frame with index 7: d3 00 a1b2 000a00 0007 check.
CASES = [
    (
        "52494646",
        errors.NotSirenFile,
        "this is not a .srn file: it starts with '52', expected 'd3'; give a file that siren "
        "encode wrote (byte 0, magic)",
    ),
    (
        "d380a1b2000a000007",
        errors.UnsupportedVersion,
        "the file is of a later version, this program reads version 1; upgrade siren or fetch it again (byte 1, flags)",
    ),
    (
        "d302a1b2000a000007",
        errors.ReservedBits,
        f"coder 1 is reserved, expected 0 or 2; {DAMAGED} (byte 1, flags)",
    ),
    (
        "d306a1b2000a000007",
        errors.ReservedBits,
        f"coder 3 is reserved, expected 0 or 2; {DAMAGED} (byte 1, flags)",
    ),
    (
        "d300a1b2ffffff0007",
        errors.LimitExceeded,
        f"sample count 16777215, expected 1..960000; {DAMAGED} (byte 4, sample count)",
    ),
    (
        "d300a1b2000a",
        errors.TruncatedFile,
        "the file ends within its sample count, 2 bytes found, expected 3; fetch it again (byte 4, sample count)",
    ),
    (
        "d300a1b2000a00000700000000",
        errors.TrailingBytes,
        "payload and check are 6 bytes long, expected at most 4; remove what follows the file or "
        "fetch it again (byte 11, end of file)",
    ),
    (
        "d300a1b2000a0003e80000",
        errors.BadPayload,
        "the packed number is too large, expected less than 1000 to the power of 1; the file is damaged, "
        "fetch it again (byte 7, payload)",
    ),
    (
        "d300a1b2000a0000070080",
        errors.CheckFailed,
        "check 0x8000, expected 0xdb07; the file is damaged, fetch it again (byte 9, check)",
    ),
    (
        "d300a1b2000a0000070000",
        errors.CheckFailed,
        "the number of one bits is odd, expected even; the file is damaged, fetch it again (byte 9, check)",
    ),
    (
        "d300ffff000a000007",
        errors.OtherModel,
        "the file needs model ffff, the weights at hand are model a1b2; give the weights of model ffff "
        "(byte 2, model id)",
    ),
]


@pytest.mark.parametrize(("text", "error", "message"), CASES)
def test_refusal(text: str, error: type[errors.FormatError], message: str) -> None:
    with pytest.raises(error) as caught:
        bytes_to_stream(bytes.fromhex(text), MODEL_ID)
    assert type(caught.value) is error
    assert str(caught.value) == message


def test_refusal_without_a_prior() -> None:
    with pytest.raises(errors.NeedsPrior) as caught:
        bytes_to_stream((VECTORS / "valid" / "neural-one-stage.srn").read_bytes(), MODEL_ID)
    assert str(caught.value) == (
        "the payload is coded with the neural prior, none was given, expected that of model a1b2; "
        "load it from its weights file (byte 7, payload)"
    )


def test_every_class_is_here() -> None:
    assert {errors.NeedsPrior, *(error for _, error, _ in CASES)} == set(errors.FormatError.__subclasses__())
