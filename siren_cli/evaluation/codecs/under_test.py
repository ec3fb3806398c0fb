"""Codecs under test: SIREN, common low-rate codecs, the original and the noise anchor. All write real files."""

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
"""Header of a `.c2` file."""
_CODEC2_DELAY_SAMPLES = {"3200": 288, "1300": 300, "700C": 470, "450": 440}
"""Decoder delay of each mode, in samples at 16 kHz: the shift of least mel distance, median of five clips
(libcodec2 1.0)."""

_VERSIONS = {"original": 1, "floor": 1, "wrong voice": 1, "codec2": 1, "opus": 1}
"""Raise a number when a change here may change that codec's results; cached files of the old one are then unused."""

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
    """Decoded clip and the size of its coded speech.

    Attributes:
        wav: Samples [T] at 16 kHz, as many as the clip has.
        payload_bytes: Bytes of the file that carry speech; the rest is the container.
    """

    wav: Samples
    payload_bytes: int


@dataclass(frozen=True)
class CodecUnderTest:
    """Codec with its settings; one row of the table.

    Attributes:
        name: Short and unique.
        suffix: Suffix of its files; empty if it writes none.
        identity: Version for the result cache; changes when results may change.
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
    """Label of a codec in tables.

    Args:
        name: Name of the codec in records.

    Returns:
        Label; it names SIREN's effort unless that is the default of `siren encode`.
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
    """Uncoded clip, as a 16-bit WAV file."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del other_speaker
        soundfile.write(file, wav, SAMPLE_RATE_HZ, subtype="PCM_16")
        return CodecOutput(wav, 2 * len(wav))

    return CodecUnderTest("original", ".wav", f"version {_VERSIONS['original']}", run)


def noise_anchor() -> CodecUnderTest:
    """Noise anchor: stationary noise with the clip's level and mean spectrum, the floor of every metric."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del file, other_speaker
        power = np.abs(np.fft.rfft(wav)) ** 2
        width = max(1, len(power) * 100 // (SAMPLE_RATE_HZ // 2))  # 100 Hz: wide enough to remove harmonics
        total = np.cumsum(np.pad(power, (width // 2 + 1, width - width // 2 - 1)))
        smooth = np.sqrt(np.maximum(total[width:] - total[:-width], 0.0) / width)
        smooth = np.pad(smooth, (0, len(power) - len(smooth)), mode="edge")
        phases = np.random.default_rng(0).uniform(0, 2 * np.pi, len(smooth))
        noise = np.fft.irfft(smooth * np.exp(1j * phases), len(wav)).astype(np.float32)
        return CodecOutput(noise, 0)

    return CodecUnderTest("floor", "", f"version {_VERSIONS['floor']}", run)


def siren(codec: Codec, weights: str, stages: int) -> CodecUnderTest:
    """SIREN with a number of stages; `weights` is the digest of the model (`digest_of_model`)."""

    def run(wav: Samples, file: Path, other_speaker: Samples | None) -> CodecOutput:
        del other_speaker
        data = codec.encode(wav, SAMPLE_RATE_HZ, stages=stages).to_bytes()
        file.write_bytes(data)
        return CodecOutput(codec.decode(data), _payload_bytes(data))

    identity = f"{siren_identity(weights)} stages {stages} rate weight {codec.rate_weight:g} effort {codec.effort}"
    return CodecUnderTest(siren_name(stages, codec.effort), ".srn", identity, run)


def siren_name(stages: int, effort: int) -> str:
    """Name of SIREN with these settings in records."""
    return f"siren-{stages}" + f"-effort-{effort}" * (effort > 0)


def wrong_voice(codec: Codec, weights: str, own_bytes: Callable[[Samples], bytes]) -> CodecUnderTest:
    """SIREN with one stage and another speaker's voice; the difference measures the speaker code.

    Args:
        codec: Codec with the effort of `own_bytes`.
        weights: Digest of the model (`digest_of_model`).
        own_bytes: Function from a clip [T] to its file with one stage and its own voice.

    Returns:
        The codec. It estimates the other voice without a search, because no voice depends on the search.
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
    """Common low-rate codec, run through its own command-line programs.

    Args:
        name: `opusN` with N kbps from 6 on, or `codec2-MODE`.

    Returns:
        The codec.

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
    """Make the function that runs a mode of Codec 2; `damage_file` is called between encoder and decoder."""

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
    """Payload of an Ogg file: bytes without page headers and without the two header pages (RFC 7845)."""
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
    """Cut samples [T], or pad them with zeros, to the length of `model`."""
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
    """Identity of SIREN's results: the weights, the encoders' shared files, and the sources that encode and decode."""
    import siren_format
    from siren_cli.registry.manifest import read_manifest

    program, formats = Path(__file__).parents[2], Path(inspect.getfile(siren_format)).parent
    files = [program / f"{name}.py" for name in ("codec", "coded")]
    for room in ("audio", "model", "search"):
        files += sorted((program / room).rglob("*.py"))
    files += sorted(formats.glob("*.py"))
    shared = repr(read_manifest().get("encoder_files")).encode()
    return f"{weights} {hashlib.sha256(b''.join([*(file.read_bytes() for file in files), shared])).hexdigest()[:16]}"
