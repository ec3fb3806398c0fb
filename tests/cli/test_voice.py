"""`siren voice`, and the voice in `siren encode` and `siren decode`: on real recordings, with a tiny model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.codec import Codec
from siren_cli.training.tools.packaged_voices import write_voices
from siren_format.layout import parse_layout
from siren_format.voice import voice_to_bytes
from siren_format.voice_file import VoiceFile, bytes_to_voice
from tests.cli.conftest import Siren, environment
from tests.conftest import HUNG_AFTER_S

ALPHA, BETA = voice_to_bytes(-26.0, [0, 3] * 14), voice_to_bytes(-26.0, [3, 0] * 14)


@pytest.fixture(scope="session")
def voiced_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, codec: Codec) -> Path:
    """`tiny_model` with two packaged voices."""
    folder = tmp_path_factory.mktemp("models") / "voiced"
    shutil.copytree(tiny_model, folder)
    write_voices({"alpha": ALPHA, "beta": BETA}, folder, codec.model_id)
    return folder


@pytest.fixture
def talk(siren: Siren, one_codec: Codec, voiced_model: Path, short_clips: list[Path], tmp_path: Path,
         monkeypatch: pytest.MonkeyPatch) -> Path:  # fmt: skip
    """A folder to work in, with anna's two recordings, bob's one, and what he says as `note.srn`."""
    monkeypatch.setenv("SIREN_MODEL", str(voiced_model))
    monkeypatch.delenv("SIREN_VOICES", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, clip in zip(("anna1", "anna2", "bob"), short_clips, strict=True):
        wav, rate_hz = soundfile.read(clip, dtype="float32")
        soundfile.write(f"{name}.wav", wav[: 2 * rate_hz], rate_hz, subtype="PCM_16")
    assert siren("encode", "bob.wav", "-o", "note.srn", "-q").status == 0
    return tmp_path


def decoded(siren: Siren, *words: str) -> np.ndarray:
    outcome = siren("decode", *words, "-o", "out.wav", "--force", "-q")
    assert (outcome.status, outcome.err) == (0, "")
    return soundfile.read("out.wav", dtype="int16")[0]


def test_the_voice_of_a_recording_is_the_same_by_every_way(siren: Siren, talk: Path) -> None:
    assert siren("voice", "extract", "anna1.wav", "-q").status == 0
    assert siren("encode", "anna1.wav", "-q").status == 0
    directly = decoded(siren, "note.srn", "--voice", "anna1.wav")
    text = (talk / "anna1.voice").read_text().strip()
    message = talk / "message.txt"
    message.write_text(f"That's me: {text.upper()} - Anna\n")
    for way in ("anna1.voice", "anna1.srn", text, text.upper(), "message.txt"):
        np.testing.assert_array_equal(decoded(siren, "note.srn", "--voice", way), directly)
    assert np.any(decoded(siren, "note.srn", "--voice", "alpha") != directly)
    assert len(directly) == len(soundfile.read("bob.wav")[0])


def test_extract_averages_and_says_what_it_wrote(siren: Siren, talk: Path, codec: Codec, voiced_model: Path) -> None:
    outcome = siren("voice", "extract", "anna1.wav", "anna2.wav", "-o", "anna.voice", "--json")
    facts = json.loads(outcome.out)
    assert facts["inputs"] == ["anna1.wav", "anna2.wav"]
    assert facts["heard_s"] == 4.0
    assert (talk / "anna.voice").stat().st_size == facts["file_bytes"] <= 64
    found = bytes_to_voice((talk / "anna.voice").read_bytes())
    assert found.model_id == codec.model_id
    assert facts["text"] == found.to_text()
    assert siren("voice", "extract", "anna1.wav", "anna2.wav", "-o", "-", "-q").out == f"{facts['text']}\n"
    piped = subprocess.run(
        [sys.executable, "-m", "siren_cli", "voice", "extract", "-", "-q"], capture_output=True, check=True,
        input=(talk / "anna1.wav").read_bytes(), env=environment(voiced_model),
    )  # fmt: skip
    said = siren("voice", "extract", "anna1.wav", "-o", "one.voice")
    assert piped.stdout == (talk / "one.voice").read_bytes()
    assert said.out.startswith("heard  2.0 s of 1 recording\nvoice  one.voice, 45 bytes, name ")
    # The voice in a .srn file is rounded already; it counts as much as a recording.
    assert siren("encode", "anna1.wav", "-q").status == 0
    assert siren("voice", "extract", "anna1.srn", "-o", "srn.voice", "-q").status == 0
    assert (talk / "srn.voice").read_bytes() == (talk / "one.voice").read_bytes()


def test_show(siren: Siren, talk: Path, voiced_model: Path) -> None:
    outcome = siren("voice", "show", "alpha")
    assert outcome.status == 0
    assert "digits      0303 0303 0303 0303 0303 0303 0303\n" in outcome.out
    assert "bits        56 of timbre and 8 of level; " in outcome.out
    assert " as the model codes them\nlike alpha  1.00\nlike beta   0.00\n" in outcome.out
    facts = json.loads(siren("voice", "show", str(voiced_model / "voices" / "beta.voice"), "--json").out)
    assert facts["likeness"] == {"alpha": 0.0, "beta": 1.0}
    assert facts["level_db"] == -26.0
    # A recording can be looked at too, and a message that comes through a pipe.
    assert json.loads(siren("voice", "show", "anna1.wav", "--json").out)["voice"] == "anna1.wav"
    piped = subprocess.run(
        [sys.executable, "-m", "siren_cli", "voice", "show", "-", "--json"], capture_output=True, check=True,
        input=f"hello {facts['text']} bye".encode(), env=environment(voiced_model),
    )  # fmt: skip
    assert json.loads(piped.stdout)["voice_id"] == facts["voice_id"]


def test_list(siren: Siren, talk: Path, tiny_model: Path) -> None:
    lines = siren("voice", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["alpha", "beta"]
    listed = siren("voice", "list", "--json").out.splitlines()
    assert [json.loads(line)["voice"] for line in listed] == ["alpha", "beta"]
    outcome = siren("voice", "list", "--model", tiny_model)
    assert outcome.status == 2
    assert "has no packaged voices; make one with 'siren voice extract'" in outcome.err


def test_blend(siren: Siren, talk: Path) -> None:
    facts = json.loads(siren("voice", "blend", "alpha", "beta", "--mix", "0.25", "-o", "mixed.voice", "--json").out)
    assert facts["likeness"] == pytest.approx([0.75, 0.25], abs=0.03)
    for mix, other in (("0", "alpha"), ("1", "beta")):
        assert siren("voice", "blend", "alpha", "beta", "--mix", mix, "-o", "end.voice", "--force", "-q").status == 0
        np.testing.assert_array_equal(
            decoded(siren, "note.srn", "--voice", "end.voice"), decoded(siren, "note.srn", "--voice", other)
        )
    outcome = siren("voice", "blend", "anna1.wav", "alpha", "-o", "-")
    assert outcome.out.startswith("siren-voice-1-")
    assert "like anna1.wav" in outcome.err


def test_files_without_a_voice_and_files_that_name_one(
    siren: Siren, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert siren("voice", "extract", "bob.wav", "-q").status == 0
    assert siren("encode", "bob.wav", "-o", "bare.srn", "--no-voice", "-q").status == 0
    named = siren("encode", "bob.wav", "-o", "named.srn", "--voice-ref", "bob.voice")
    assert ", voice 2, payload" in named.out
    sizes = {name: (talk / f"{name}.srn").stat().st_size for name in ("note", "bare", "named")}
    assert 2 < sizes["note"] - sizes["bare"] <= 8  # the prior codes a voice in less, if it can
    assert sizes["named"] - sizes["bare"] == 2
    assert parse_layout((talk / "bare.srn").read_bytes()).header.voice is None
    assert "voice        named " in siren("info", "named.srn", "-q").out
    assert json.loads(siren("info", "named.srn", "--json", "-q").out)["voice"] == "named"

    own = decoded(siren, "note.srn")
    np.testing.assert_array_equal(decoded(siren, "named.srn"), own)  # found beside the file
    default = siren("decode", "bare.srn", "-o", "bare.wav")
    assert "decoding with the default voice" in default.err
    bare = soundfile.read("bare.wav", dtype="int16")[0]
    np.testing.assert_array_equal(bare, decoded(siren, "named.srn", "--voice", "default"))
    (talk / "elsewhere").mkdir()
    (talk / "bob.voice").rename(talk / "elsewhere" / "bob.voice")
    (talk / "elsewhere" / "broken.voice").write_text("siren-voice-1-broken")
    outcome = siren("decode", "named.srn", "-o", "x.wav")
    assert (outcome.status, outcome.out) == (8, "")
    assert outcome.err.startswith("siren: error: named.srn: names voice ")
    assert "put its .voice file beside the file or give --voice" in outcome.err
    assert not (talk / "x.wav").exists()
    np.testing.assert_array_equal(decoded(siren, "named.srn", "--voice", "elsewhere/bob.voice"), own)
    monkeypatch.setenv("SIREN_VOICES", "elsewhere")
    np.testing.assert_array_equal(decoded(siren, "named.srn"), own)
    # A packaged voice is everybody's.
    assert siren("encode", "bob.wav", "-o", "alpha.srn", "--voice-ref", "alpha", "-q").status == 0
    # The recording's own level is not in the file any more; the voice brings one.
    assert np.any(decoded(siren, "alpha.srn") != decoded(siren, "note.srn", "--voice", "beta"))
    assert siren("voice", "extract", "alpha.srn", "-o", "again.voice", "-q").status == 0
    assert bytes_to_voice((talk / "again.voice").read_bytes()).voice == ALPHA


def test_strip_makes_what_encode_would_have_made(siren: Siren, talk: Path, voiced_model: Path) -> None:
    for words in (["--no-voice"], ["--voice-ref", "beta"]):
        assert siren("encode", "bob.wav", "-o", "wanted.srn", "--force", "-q", *words).status == 0
        outcome = siren("voice", "strip", "note.srn", "-o", "stripped.srn", "--force", *words[1 * (len(words) == 1) :])
        assert outcome.status == 0
        assert (talk / "stripped.srn").read_bytes() == (talk / "wanted.srn").read_bytes()
    assert "; was coded with the payload" in outcome.out
    assert siren("trim", "stripped.srn", "-o", "trimmed.srn", "-q").status == 0
    assert (talk / "trimmed.srn").read_bytes() == (talk / "stripped.srn").read_bytes()


@pytest.mark.parametrize(
    "words", [["strip", "note.srn", "-o", "-", "-q"], ["list"], ["show", "beta"], ["blend", "alpha", "beta", "-o", "-"]]
)
def test_only_recordings_need_torch(words: list[str], talk: Path, voiced_model: Path) -> None:
    code = (
        "import sys\nsys.modules.update(dict.fromkeys(('torch', 'torchaudio', 'soundfile', 'soxr')))\n"
        f"from siren_cli.__main__ import main\nsys.exit(main({['voice', *words]!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=environment(voiced_model),
        timeout=HUNG_AFTER_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_packets_in_another_voice(siren: Siren, talk: Path) -> None:
    for more in ([], ["--no-voice"]):
        assert siren("encode", "bob.wav", "-o", "p.srp", "--profile", "packet", "--force", "-q", *more).status == 0
        assert np.any(decoded(siren, "p.srp", "--voice", "alpha") != decoded(siren, "p.srp", "--voice", "beta"))
    assert siren("encode", "bob.wav", "-o", "n.srp", "--profile", "packet", "--voice", "none", "-q").status == 0
    assert (talk / "n.srp").read_bytes() == (talk / "p.srp").read_bytes()


WRONG_VOICES = {
    "missing.voice": (8, "missing.voice: no such file or packaged voice"),
    "gamma": (8, "gamma: no such file or packaged voice; see 'siren voice list'"),
    "damaged.voice": (8, "damaged.voice: check 00000000, expected"),
    "empty.voice": (8, "empty.voice: no voice found, expected one text that starts with siren-voice-1-"),
    "later.voice": (8, "later.voice: the voice is of version 2"),
    "other.voice": (8, "other.voice: is a voice of model ffff, expected model"),
    "siren-voice-1-ffff": (8, "siren-voice-1-ffff: siren-voice-1- is followed by 'ffff'"),
    "junk.bin": (8, "junk.bin: not readable as audio"),
    "talks": (8, "talks: is a folder, expected a file"),
    "silent.wav": (5, "silent.wav: is silent, expected a voice"),
    "bare.srn": (8, "bare.srn: carries no voice, expected one"),
    "cut.srn": (3, "cut.srn: "),
}  # fmt: skip


@pytest.fixture
def wrong(siren: Siren, talk: Path, codec: Codec) -> Path:
    """`talk` with everything that is no voice."""
    good = VoiceFile(codec.model_id, ALPHA).to_text()
    (talk / "damaged.voice").write_text(good[:-8] + "00000000\n")
    (talk / "empty.voice").write_text("")
    (talk / "later.voice").write_text(good.replace("voice-1", "voice-2"))
    (talk / "other.voice").write_bytes(VoiceFile(b"\xff\xff", ALPHA).to_bytes())
    (talk / "junk.bin").write_bytes(bytes(range(256)))
    (talk / "talks").mkdir()
    soundfile.write("silent.wav", np.zeros(32_000), 16_000)
    assert siren("voice", "strip", "note.srn", "-o", "bare.srn", "-q").status == 0
    (talk / "cut.srn").write_bytes((talk / "note.srn").read_bytes()[:-3])
    return talk


def test_what_is_no_voice_is_refused_by_name(siren: Siren, wrong: Path) -> None:
    for source, (status, message) in WRONG_VOICES.items():
        for words in (["decode", "note.srn", "--voice", source, "-o", "x.wav"], ["voice", "show", source]):
            outcome = siren(*words)
            assert (source, outcome.status, outcome.out) == (source, status, "")
            assert outcome.err.startswith(f"siren: error: {message}")
            assert outcome.err.count("\n") == 1
    assert not (wrong / "x.wav").exists()


def test_what_makes_no_sense_is_refused(siren: Siren, wrong: Path) -> None:
    for words, status, message in (
        (["encode", "bob.wav", "--voice-ref", "anna1.wav"], 2, "is a recording; make a .voice file"),
        (["encode", "bob.wav", "--voice-ref", "default"], 2, "the default voice has no name; use --no-voice"),
        (["encode", "bob.wav", "--voice-ref", "damaged.voice"], 8, "damaged.voice: check"),
        (["encode", "bob.wav", "--no-voice", "--voice-ref", "alpha"], 2, "exclude each other"),
        (["encode", "bob.wav", "--profile", "packet", "--voice-ref", "alpha"], 2, "packets name no voice"),
        (["voice", "extract", "anna1.wav", "bob.wav"], 2, "2 recordings give one voice; name its file with -o"),
        (["voice", "extract", "damaged.voice", "-o", "x.voice"], 2, "join voices with 'siren voice blend'"),
        (["voice", "extract", "bob.wav", "-o", "bob.wav", "--force"], 2, "is the input as well as the output"),
        (["voice", "extract", "silent.wav", "-o", "x.voice"], 5, "silent.wav: is silent"),
        (["voice", "extract", "bare.srn", "-o", "x.voice"], 8, "carries no voice"),
        (["voice", "extract", "none.wav", "-o", "x.voice"], 8, "none.wav: no such file"),
        (["voice", "extract", "bob.wav", "-o", "note.srn"], 6, "exists already"),
        (["voice", "extract", "bob.wav", "-o", "nowhere/x.voice"], 7, "does not exist"),
        (["voice", "extract", "bob.wav", "-o", "-", "--json"], 2, "both ask for standard output"),
        (["voice", "show", "default"], 2, "is part of the model"),
        (["voice", "blend", "alpha", "default", "-o", "x.voice"], 2, "cannot be blended"),
        (["voice", "blend", "alpha", "beta", "--mix", "2", "-o", "x.voice"], 2, "--mix is 2.0"),
        (["voice", "blend", "alpha", "beta"], 2, "name its file with -o OUT.voice"),
        (["voice", "strip", "note.srn"], 2, "name it with -o OUT.srn"),
        (["voice", "strip", "note.srn", "-o", "x.srn", "--voice-ref", "anna1.wav"], 2, "extract the voice first"),
        (["voice", "strip", "cut.srn", "-o", "x.srn"], 3, "cut.srn: "),
        (["voice"], 2, "missing command"),
    ):
        outcome = siren(*words)
        assert (words, outcome.status) == (words, status)
        assert message in outcome.err
        assert outcome.err.count("\n") == 1
    assert not any((wrong / f"x.{suffix}").exists() for suffix in ("voice", "srn"))
