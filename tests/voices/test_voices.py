"""Voices by themselves: averaging, blending, likeness; the voices that come with the model, and how they are made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from siren_cli.codec import Codec
from siren_cli.coded import Heard
from siren_cli.errors import DataError, UsageError, VoiceMissing
from siren_cli.files.streams import read_bytes
from siren_cli.registry.manifest import read_manifest
from siren_cli.registry.weights import ModelFiles, find_model
from siren_cli.training.tools.packaged_voices import main, make_voices, write_voices
from siren_cli.voices.library import Voices, packaged_notes
from siren_cli.voices.mixing import average, blend, heard_s, likeness
from siren_format.voice import digits_to_numbers, voice_digits, voice_level_db, voice_to_bytes
from siren_format.voice_file import bytes_to_voice

VOICE_FIELDS = st.binary(min_size=8, max_size=8)


def heard(codec: Codec, path: Path) -> Heard:
    return codec.hear_voice(*soundfile.read(path, dtype="float32"))


def test_one_recording_gives_the_voice_that_encode_codes(codec: Codec, short_clips: list[Path]) -> None:
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    assert average([heard(codec, short_clips[0])]) == codec.encode(wav, rate_hz).voice
    # Of a long recording both hear the first minute.
    long = np.resize(wav, 70 * rate_hz)
    one = codec.hear_voice(long, rate_hz)
    assert average([one]) == codec.encode(long, rate_hz).voice
    assert one.samples == 60 * rate_hz


def test_codes_are_averaged_before_they_are_rounded_by_length() -> None:
    short, long = Heard([0.3] * 28, -20.0, 1, [3] * 28), Heard([-0.3] * 28, -40.0, 3, [1] * 28)
    assert voice_digits(average([long])) == (1,) * 28
    assert voice_digits(average([short, short])) == (3,) * 28
    assert voice_digits(average([short, long])) == (2,) * 28  # -0.15, nearer to 0 than to -0.5
    assert voice_level_db(average([short, long])) == -36.0
    assert heard_s([short, long]) == 4 / 16_000


@given(first=VOICE_FIELDS, second=VOICE_FIELDS, mix=st.floats(0, 1), fine=st.integers(0, 14))
def test_a_blend_lies_between(first: bytes, second: bytes, mix: float, fine: int) -> None:
    assert (blend(first, second, 0.0, fine), blend(first, second, 1.0, fine)) == (first, second)
    between = blend(first, second, mix, fine)
    numbers = (digits_to_numbers(voice_digits(voice), fine) for voice in (first, second, between))
    for one, other, number in zip(*numbers, strict=True):
        assert min(one, other) <= number <= max(one, other)
    way, taken = ((28 - fine) * (1 - likeness(first, voice, fine)) for voice in (second, between))
    assert abs(taken - mix * way) <= 1 / 3 + 1e-9  # nothing is lost by rounding but the end of it


def test_a_share_of_the_digits_changes_where_rounding_would_change_none() -> None:
    low, high = voice_to_bytes(-26.0, [1] * 28), voice_to_bytes(-26.0, [2] * 28)
    assert [sum(voice_digits(blend(low, high, mix))) - 28 for mix in (0.0, 0.25, 0.3, 0.5, 1.0)] == [0, 7, 8, 14, 28]
    assert likeness(low, blend(low, high, 0.25)) > likeness(low, high)


@pytest.mark.parametrize("mix", [-0.1, 1.1, float("nan")])
def test_a_mix_outside_is_refused(mix: float) -> None:
    with pytest.raises(UsageError, match="--mix is"):
        blend(bytes(8), bytes(8), mix)


@given(first=VOICE_FIELDS, second=VOICE_FIELDS)
def test_likeness(first: bytes, second: bytes) -> None:
    assert likeness(first, first) == 1.0
    assert likeness(first, second) == likeness(second, first) <= 1.0
    assert likeness(voice_to_bytes(0, [0] * 28), voice_to_bytes(0, [3] * 28)) == 0.0


def test_another_voice_keeps_words_and_level(codec: Codec, short_clips: list[Path]) -> None:
    coded = codec.encode(*soundfile.read(short_clips[0], dtype="float32"))
    other = voice_to_bytes(-90.0, [3, 1] * 14)
    spoken = coded.spoken_by(other)
    assert spoken.voice is not None
    assert coded.voice is not None
    assert (voice_digits(spoken.voice), spoken.voice[0]) == (voice_digits(other), coded.voice[0])
    np.testing.assert_array_equal(spoken.indices, coded.indices)
    assert coded.spoken_by(None).voice is None
    assert coded.spoken_by(None).spoken_by(other).voice == other  # a recording without a voice has no level
    np.testing.assert_array_equal(codec.decode(coded.spoken_by(coded.voice)), codec.decode(coded))


def test_a_voice_that_is_only_named_has_to_be_given(codec: Codec, short_clips: list[Path]) -> None:
    coded = codec.encode(*soundfile.read(short_clips[1], dtype="float32"))
    data = replace(coded, voice=None, voice_id=b"\x12\x34").to_bytes()
    named = codec.from_bytes(data)
    assert (named.voice, named.voice_id) == (None, b"\x12\x34")
    with pytest.raises(VoiceMissing, match="names voice 1234 and does not carry it; give it with spoken_by"):
        codec.decode(data)
    np.testing.assert_array_equal(codec.decode(named.spoken_by(coded.voice)), codec.decode(coded))


def no_codec() -> Codec:
    raise AssertionError("no network was needed")


def finder(files: ModelFiles) -> Voices:
    return Voices(files, no_codec, lambda text: None)


def test_the_packaged_voices_are_those_of_the_recipe_and_of_the_default_model() -> None:
    # find_model hashes the weights; a voice of other weights is refused by `packaged`.
    voices = finder(find_model(read_manifest()["default"])).packaged()
    assert list(voices) == list(packaged_notes()), "run 'make voices'"
    assert len(voices) >= 12
    assert len(set(voices.values())) == len(voices)
    for name, known in packaged_notes().items():
        assert known["about"]
        assert 60 < known["pitch_hz"] < 400
        assert len(known["clips"]) >= 4, f"{name} could be somebody's own voice"


def test_voices_are_made_from_a_recipe(codec: Codec, tiny_model: Path, root: Path, tmp_path: Path) -> None:
    recipe = {"both": ["5105-28233-0001", "1580-141083-0021"], "one": ["1580-141083-0021"]}
    made = make_voices(recipe, root / "tests" / "data" / "manifest.jsonl", codec)
    assert make_voices(recipe, root / "tests" / "data", codec) == made
    alone = average([heard(codec, root / "tests" / "data" / "1580-141083-0021.flac")])
    assert voice_digits(made["one"]) == voice_digits(alone)
    assert voice_level_db(made["one"]) == -26.0
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "old.voice").write_text("gone")
    write_voices(made, tmp_path, codec.model_id)
    found = {path.stem: read_bytes(str(path), DataError) for path in sorted((tmp_path / "voices").iterdir())}
    assert {name: bytes_to_voice(data).voice for name, data in found.items()} == made
    files = replace(find_model(tiny_model), weights_path=tmp_path / "model.safetensors")
    assert finder(files).packaged() == made


def test_a_recipe_with_missing_recordings_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"60 of 60 recordings are not there, as \d+-.*; give LibriSpeech's"):
        main([str(root / "tests" / "data" / "manifest.jsonl")])
    with pytest.raises(UsageError, match="0 arguments, expected DATA"):
        main([])
