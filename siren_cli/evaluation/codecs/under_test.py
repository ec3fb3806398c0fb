"""What is measured: SIREN, the codecs people use today, the original, and the floor. All write real files."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.resampling import resample
from siren_cli.config import DEFAULT_EFFORT, SAMPLE_RATE_HZ
from siren_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    from siren_cli.codec import Codec

Samples = NDArray[np.float32]

_CODEC2_HZ = 8_000
_CODEC2_FRAME_S = 0.04
CODEC2_HEADER_BYTES = 7
"""Of a .c2 file."""
_CODEC2_DELAY_SAMPLES = {"3200": 288, "1300": 300, "700C": 470, "450": 440}
"""How late each mode's decoder is, in samples at 16 kHz: found as the shift of least mel distance, the median of
five clips (libcodec2 1.0)."""

_VERSIONS = {"original": 1, "floor": 1, "wrong voice": 1, "codec2": 1, "opus": 1}
"""Raise a number whenever a change here may change that system's results: files kept under the old one are stale."""

BASELINES = ("opus6", "codec2-3200", "codec2-1300", "codec2-700C", "codec2-450")
"""Names for `--baselines`."""

_LABELS = {
    "original": "Original, 16-bit PCM",
    "siren-1-wrong-voice": "SIREN, 1 stage, wrong voice",
    "floor": "Noise (floor)",
    "transcript-zstd": "Transcript alone, zstd",
    "transcript-PPM": "Transcript alone, PPM",
}


@dataclass(frozen=True, eq=False)
class CodecOutput:
    """What a system made of a clip.

    Attributes:
        wav: Samples [T] at 16 kHz, as many as the clip has.
        payload_bytes: Bytes of its file that carry speech; the rest is the container's.
    """

    wav: Samples
    payload_bytes: int


@dataclass(frozen=True)
class CodecUnderTest:
    """One row of the table.

    Attributes:
        name: Short and unique.
        suffix: Of its files; empty where there are none.
        identity: Changes when the system's results may change.
        run: Function of a clip [T], the path of the file to write (ignored without a suffix), and a clip of another
            speaker or None.
        needs_other_speaker: Whether the result depends on that clip.
    """

    name: str
    suffix: str
    identity: str
    run: Callable[[Samples, Path, Samples | None], CodecOutput]
    needs_other_speaker: bool = False


def label_of(name: str) -> str:
    """What a system is called in tables for people.

    Args:
        name: Of the system.

    Returns:
        A few words; they name SIREN's effort where it is not that of `siren encode`.
    """
    name, _, damage = name.partition(" ")
    if damage:
        return f"{label_of(name)}, {damage}"
    if name in _LABELS:
        return _LABELS[name]
    kind, _, mode = name.partition("-")
    if kind == "siren":
        stages, _, effort = mode.partition("-effort-")
        label = f"SIREN, {stages} stage{'s' * (stages != '1')}"
        return label if effort == str(DEFAULT_EFFORT) else f"{label}, effort {effort or '0'}"
    return f"Codec 2 {mode}" if kind == "codec2" else f"Opus {name.removeprefix('opus')} kbps"


def original() -> CodecUnderTest:
    """The clip itself, as a 16-bit WAV file."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del other_speaker
        soundfile.write(file, wav, SAMPLE_RATE_HZ, subtype="PCM_16")
        return CodecOutput(wav, 2 * len(wav))

    return CodecUnderTest("original", ".wav", f"version {_VERSIONS['original']}", run)


def noise_anchor() -> CodecUnderTest:
    """Steady noise of the clip's level and mean spectrum: what a judge gives for no words at all."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del file, other_speaker
        power = np.abs(np.fft.rfft(wav)) ** 2
        width = max(1, len(power) * 100 // (SAMPLE_RATE_HZ // 2))  # 100 Hz: no trace of the pitch
        total = np.cumsum(np.pad(power, (width // 2 + 1, width - width // 2 - 1)))
        smooth = np.sqrt(np.maximum(total[width:] - total[:-width], 0.0) / width)
        smooth = np.pad(smooth, (0, len(power) - len(smooth)), mode="edge")
        phases = np.random.default_rng(0).uniform(0, 2 * np.pi, len(smooth))
        noise = np.fft.irfft(smooth * np.exp(1j * phases), len(wav)).astype(np.float32)
        return CodecOutput(noise, 0)

    return CodecUnderTest("floor", "", f"version {_VERSIONS['floor']}", run)


def siren(codec: Codec, weights: str, stages: int) -> CodecUnderTest:
    """SIREN with a number of stages; `weights` names the content of its files (`digest_of_model`)."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del other_speaker
        data = codec.encode(wav, SAMPLE_RATE_HZ, stages=stages).to_bytes()
        file.write_bytes(data)
        return CodecOutput(codec.decode(data), _payload_bytes(data))

    identity = f"{siren_identity(weights)} stages {stages} rate weight {codec.rate_weight:g} effort {codec.effort}"
    return CodecUnderTest(siren_name(stages, codec.effort), ".srn", identity, run)


def siren_name(stages: int, effort: int) -> str:
    """What records call SIREN with these settings."""
    return f"siren-{stages}" + f"-effort-{effort}" * (effort > 0)


def wrong_voice(codec: Codec, weights: str, own_bytes: Callable[[Samples], bytes]) -> CodecUnderTest:
    """SIREN with one stage and another speaker's voice: the difference is what the voice code is worth.

    Args:
        codec: The codec, with the effort that `own_bytes` encodes with.
        weights: Name of the content of its files (`digest_of_model`).
        own_bytes: Encodes a clip [T] with its own voice and one stage.

    Returns:
        The system. It estimates the other voice without a search, which no voice depends on.
    """

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        from dataclasses import replace

        from siren_format.voice import voice_digits, voice_level_db, voice_to_bytes

        if other_speaker is None:
            raise DataError("a wrong voice needs a clip of another speaker; give clips of two speakers or more")
        own = codec.from_bytes(own_bytes(wav))
        other = codec.searching(0).encode(other_speaker, SAMPLE_RATE_HZ)
        if own.voice is None or other.voice is None:
            raise DataError("a file without a voice was encoded, expected one; use a model that codes voices")
        voice = voice_to_bytes(voice_level_db(own.voice), voice_digits(other.voice))
        data = replace(own, voice=voice).to_bytes()
        file.write_bytes(data)
        return CodecOutput(codec.decode(data), _payload_bytes(data))

    identity = f"{siren_identity(weights)} version {_VERSIONS['wrong voice']} effort {codec.effort}"
    return CodecUnderTest("siren-1-wrong-voice", ".srn", identity, run, True)


def baseline(name: str) -> CodecUnderTest:
    """A codec people use today, run through its own programs.

    Args:
        name: `opusN` with N kbps from 6 on, or `codec2-MODE`.

    Returns:
        The system.

    Raises:
        UsageError: If there is no such baseline.
        DataError: If its programs are not installed; the message names the package.
    """
    kind, _, mode = name.partition("-")
    if kind == "codec2" and mode in _CODEC2_DELAY_SAMPLES:
        programs = _programs("c2enc", "c2dec", package="codec2")
        return CodecUnderTest(name, ".c2", _identity("codec2", programs), codec2_run(mode))
    if name.startswith("opus") and name[4:].isdigit() and int(name[4:]) >= 6:
        programs = _programs("opusenc", "opusdec", package="opus-tools")
        return CodecUnderTest(name, ".opus", _identity("opus", programs), _opus(int(name[4:])))
    raise UsageError(f"baseline {name!r} is not known; give some of {', '.join(BASELINES)}, or opusN from 6 kbps on")


def codec2_run(
    mode: str, damage_file: Callable[[], None] = lambda: None
) -> Callable[[Samples, Path, Samples | None], CodecOutput]:
    """How a mode of Codec 2 is run; `damage_file` is called between encoder and decoder."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del other_speaker
        narrow = resample(wav, SAMPLE_RATE_HZ, _CODEC2_HZ)
        narrow = np.pad(narrow, (0, -len(narrow) % round(_CODEC2_HZ * _CODEC2_FRAME_S)))
        raw, back = file.with_suffix(".raw"), file.with_suffix(".back.raw")
        np.round(np.clip(narrow, -1, 1) * 32767).astype("<i2").tofile(raw)
        _call("c2enc", mode, raw, file)
        damage_file()
        _call("c2dec", mode, file, back)
        decoded = np.fromfile(back, "<i2") / 32768
        raw.unlink()
        back.unlink()
        wide = resample(decoded.astype(np.float32), _CODEC2_HZ, SAMPLE_RATE_HZ)[_CODEC2_DELAY_SAMPLES[mode] :]
        payload_bytes = os.path.getsize(file) - CODEC2_HEADER_BYTES
        return CodecOutput(as_long_as(wide, wav), payload_bytes)

    return run


def _opus(rate_kbps: int) -> Callable[[Samples, Path, Samples | None], CodecOutput]:
    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del other_speaker
        source, back = file.with_suffix(".in.wav"), file.with_suffix(".back.wav")
        soundfile.write(source, wav, SAMPLE_RATE_HZ, subtype="PCM_16")
        _call("opusenc", "--quiet", "--bitrate", str(rate_kbps), source, file)
        _call("opusdec", "--quiet", "--rate", str(SAMPLE_RATE_HZ), file, back)
        decoded, _ = soundfile.read(back, dtype="float32")
        source.unlink()
        back.unlink()
        return CodecOutput(as_long_as(decoded, wav), ogg_payload_bytes(file.read_bytes()))

    return run


def ogg_payload_bytes(data: bytes) -> int:
    """Bytes of an Ogg file's pages that are neither headers of pages nor the first two packets' pages (RFC 7845)."""
    payload_bytes = position = page = 0
    while position + 27 <= len(data):
        segments = data[position + 26]
        size_bytes = sum(data[position + 27 : position + 27 + segments])
        payload_bytes += size_bytes if page >= 2 else 0
        position += 27 + segments + size_bytes
        page += 1
    return payload_bytes


def _payload_bytes(data: bytes) -> int:
    from siren_format.layout import parse_layout

    return parse_layout(data).payload_bytes


def as_long_as(wav: Samples, model: Samples) -> Samples:
    """Samples [T], cut or filled up with silence to the length of `model`."""
    return np.pad(wav[: len(model)], (0, max(0, len(model) - len(wav))))


def _call(program: str, *arguments: str | Path) -> None:
    process = subprocess.Popen([program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, stderr = process.communicate()
    if process.returncode != 0:
        reason = stderr.decode(errors="replace").split("\n")[0]
        raise DataError(f"{program} ended with status {process.returncode} ({reason}); check its installation")


def _programs(*names: str, package: str) -> list[str]:
    found = [shutil.which(name) for name in names]
    if None in found:
        missing = names[found.index(None)]
        raise DataError(f"{missing} is not on the PATH; install the package {package} (apt-get install {package})")
    return [path for path in found if path is not None]


def _identity(kind: str, programs: list[str]) -> str:
    digests = [hashlib.sha256(Path(program).read_bytes()).hexdigest()[:16] for program in programs]
    return " ".join([f"version {_VERSIONS[kind]}", *digests])


def siren_identity(weights: str) -> str:
    """Names what SIREN's results depend on: the weights and the sources that turn samples into bytes and back."""
    import siren_format

    program, formats = Path(__file__).parents[2], Path(inspect.getfile(siren_format)).parent
    files = [program / f"{name}.py" for name in ("codec", "coded")]
    for room in ("audio", "model", "search"):
        files += sorted((program / room).rglob("*.py"))
    files += sorted(formats.glob("*.py"))
    return f"{weights} {hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:16]}"
