"""Voice files: one line of text, read out of whatever stands around it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siren_format.errors import BadVoice
from siren_format.voice import codes_to_digits, digits_to_codes, digits_to_numbers
from siren_format.voice_file import MAX_VOICE_FILE_BYTES, VoiceFile, bytes_to_voice, text_to_voice, voice_id
from tests.formats.vector_material import MODEL_ID, VECTORS, VOICE, VOICE_ID

VOICES: dict[str, dict[str, Any]] = json.loads((VECTORS / "MANIFEST.json").read_text())["voices"]
GOLDEN = "siren-voice-1-a1b2-2f1be40027ff5aa5-6e4d410b"


@pytest.mark.parametrize("name", VOICES)
def test_voice_vector_says_what_the_manifest_says(name: str) -> None:
    data, expected = (VECTORS / "voices" / f"{name}.voice").read_bytes(), VOICES[name]
    assert ("error" in expected) == name.startswith("damaged-")
    if "error" in expected:
        with pytest.raises(BadVoice) as caught:
            bytes_to_voice(data)
        assert "\n" not in str(caught.value)
        return
    found = bytes_to_voice(data)
    assert (found.model_id.hex(), found.voice.hex()) == (expected["model_id"], expected["voice"])
    assert voice_id(found.model_id, found.voice).hex() == expected["voice_id"]


def test_example_of_the_document_is_the_vector() -> None:
    text = (VECTORS.parent / "VOICE1.md").read_text(encoding="utf-8")
    assert f"\n{GOLDEN}\n" in text
    assert f"`{VOICE_ID.hex()}`" in text
    assert (VECTORS / "voices" / "worked-example.voice").read_bytes() == f"{GOLDEN}\n".encode()
    assert VoiceFile(MODEL_ID, VOICE).to_text() == GOLDEN
    assert voice_id(MODEL_ID, VOICE) == VOICE_ID


@settings(max_examples=25)
@given(
    model_id=st.binary(min_size=2, max_size=2), voice=st.binary(min_size=8, max_size=8),
    before=st.text(max_size=20), after=st.text(max_size=20),
)  # fmt: skip
def test_round_trip_within_any_text(model_id: bytes, voice: bytes, before: str, after: str) -> None:
    made = VoiceFile(model_id, voice)
    assert len(made.to_bytes()) == 45 <= 64
    assert bytes_to_voice(made.to_bytes()) == made
    assert text_to_voice(f"{before} {made.to_text()} {after}") == made


@pytest.mark.parametrize("place", range(12, len(GOLDEN)))
def test_no_wrong_character_is_taken_for_right(place: int) -> None:
    for character in "0123456789abcdef-xg ":
        changed = GOLDEN[:place] + character + GOLDEN[place + 1 :]
        if changed != GOLDEN:
            with pytest.raises(BadVoice):
                text_to_voice(changed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no voice found, expected one text that starts with siren-voice-1-"),
        (f"{GOLDEN} {GOLDEN}", "2 voices found, expected one"),
        (GOLDEN.replace("-1-", "-7-", 1), "the voice is of version 7, this program reads version 1; upgrade siren"),
        (GOLDEN[:-1], "expected 4, 16 and 8 hexadecimal digits"),
        (GOLDEN[:-1] + "c", "check 6e4d410c, expected 6e4d410b; the voice is damaged, copy it again"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(BadVoice) as caught:
        text_to_voice(text)
    assert message in str(caught.value)


def test_a_file_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadVoice, match="more than 4096 bytes"):
        bytes_to_voice(GOLDEN.encode() + b" " * MAX_VOICE_FILE_BYTES)


def test_a_voice_has_its_sizes() -> None:
    with pytest.raises(ValueError, match="2 and 8 bytes, found 1 and 8"):
        VoiceFile(b"a", VOICE)


@given(st.lists(st.integers(0, 3), min_size=28, max_size=28), st.integers(0, 14))
def test_digits_are_codes_rounded(digits: list[int], fine: int) -> None:
    codes = digits_to_codes(digits, fine)
    assert len(codes) == 28 - fine and all(-1 <= code < 1 for code in codes)
    assert codes_to_digits(codes) == digits
    off = [0.05] * fine + [0.2] * (28 - 2 * fine)
    assert codes_to_digits([code + more for code, more in zip(codes, off, strict=True)]) == digits


def test_the_first_numbers_may_have_two_digits_the_higher_first() -> None:
    assert digits_to_numbers([2, 1, 0, 3, *[1] * 24], 2) == [9, 3, *[1] * 24]
    assert digits_to_codes([2, 1, 0, 3, *[1] * 24], 2) == [0.125, -0.625, *[-0.5] * 24]


@pytest.mark.parametrize("fine", [-1, 15])
def test_a_voice_has_14_to_28_numbers(fine: int) -> None:
    with pytest.raises(ValueError, match="a voice has 14 to 28 numbers"):
        digits_to_codes([0] * 28, fine)
