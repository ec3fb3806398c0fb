"""Voice library: voices by file, name or text. No torch, and NumPy for recordings only.

A voice is 8 bytes of one model (`siren_format.voice`); formats/VOICE1.md describes its file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siren_cli.config import ModelConfig
from siren_cli.errors import AudioEmpty, AudioUnreadable, UsageError, VoiceMissing, VoiceUnusable
from siren_cli.files.streams import STREAM, read_bytes, reason_of, require_file
from siren_cli.registry.weights import ModelFiles, find_model, read_prior
from siren_cli.srn.file import read_srn, refusal
from siren_cli.voices.mixing import average
from siren_format.errors import BadVoice, FormatError
from siren_format.limits import MAGIC_BYTE
from siren_format.voice import voice_codes, voice_digits, voice_level_db
from siren_format.voice_file import MAX_VOICE_FILE_BYTES, VoiceFile, bytes_to_voice, text_to_voice, voice_id

if TYPE_CHECKING:
    from siren_cli.codec import Codec
    from siren_cli.coded import Coded, Heard

DEFAULT_VOICE = "default"
"""Name of the model's default voice."""

FOLDER_VARIABLE = "SIREN_VOICES"
"""Environment variable with a folder of `.voice` files, for voices that files name."""

SUFFIX = ".voice"
FOLDER_NAME = "voices"
"""Name of the folder with voices in a model's folder."""
_TEXT_START = "siren-voice-"
_MAX_VOICES_IN_FOLDER = 10_000


class Voices:
    """Voice finder of one model.

    Args:
        files: The model.
        codec: Loads its networks; called for recordings only.
        note: Called with notes, for instance on a resampled recording.
    """

    def __init__(self, files: ModelFiles, codec: Callable[[], Codec], note: Callable[[str], None]) -> None:
        self._files = files
        self._codec = codec
        self._note = note
        self._found: dict[str, bytes | None] = {}
        self.model_id = files.model_id

    @property
    def fine(self) -> int:
        """Number of voice coefficients with 16 levels.

        Raises:
            ConfigError: If the model's config cannot be read.
        """
        return ModelConfig.from_json(self._files.config_path).fine_in_files

    def packaged(self) -> dict[str, bytes]:
        """Read the packaged voices of the model: name → voice field, in the order of names.

        Raises:
            VoiceUnusable: If one of them cannot be read.
        """
        folder = self._files.weights_path.parent / FOLDER_NAME
        return {path.stem: self._read_file(str(path)) for path in sorted(folder.glob(f"*{SUFFIX}"))}

    def coded_bits(self, voice: bytes) -> float | None:
        """Compute the bits of a voice at the start of a payload; None if the model has no prior."""
        prior = read_prior(self._files.weights_path)
        if prior is None:
            return None
        from siren_format.prior_voice import voice_bits

        return float(voice_bits(voice, prior))

    def find(self, source: str) -> bytes | None:
        """Find a voice.

        Args:
            source: `default`; the name of a packaged voice, which takes precedence over a file of the same name (write
                `./name` for the file); a voice's text; the path of a `.voice` file, of a `.srn` file or of a recording;
                or `-` for a voice or a `.srn` file from standard input.

        Returns:
            Voice field, 8 bytes; None for the default voice.

        Raises:
            VoiceMissing: If there is no such voice.
            VoiceUnusable: If it is damaged, of another version or of another model, or no voice at all.
            SirenError: If a recording or a `.srn` file cannot be used.
        """
        if source == DEFAULT_VOICE:
            return None
        if source.strip().lower().startswith(_TEXT_START):
            return self._own(source.strip(), self._parsed(source.strip(), text_to_voice, source))
        packaged = self._files.weights_path.parent / FOLDER_NAME / f"{source}{SUFFIX}"
        if os.path.basename(source) == source and packaged.is_file():
            return self._read_file(str(packaged))
        if source != STREAM and not os.path.exists(source):
            raise VoiceMissing(
                f"{source or repr(source)}: no such file or packaged voice; see 'siren voice list', or give a path or "
                f"{DEFAULT_VOICE}"
            )
        data = read_bytes(source, VoiceMissing) if source == STREAM else _start_of(source)
        if _is_srn(data):
            return self._voice_of(source, data if source == STREAM else read_srn(source))
        if source == STREAM or source.endswith(SUFFIX) or _TEXT_START.encode() in data.lower():
            return self._own(source, self._parsed(source, bytes_to_voice, data))
        return average([self.hear(source)])

    def hear(self, source: str) -> Heard:
        """Estimate the voice of a recording, or read that of a `.srn` file.

        Args:
            source: Path, or `-` for a recording from standard input.

        Raises:
            VoiceUnusable: If it is neither audio nor a `.srn` file, or carries no voice.
            AudioEmpty: If it is silent.
            SirenError: If it cannot be used for another reason.
        """
        from siren_cli.audio.level import SILENCE_LEVEL_DB
        from siren_cli.audio.reading import conversion_notes, read_audio

        data = b"" if source == STREAM else _start_of(source)
        if _is_srn(data):
            srn = read_srn(source)
            voice = self._voice_of(source, srn)
            from siren_cli.coded import Heard
            from siren_format.layout import parse_layout

            codes, level_db = voice_codes(voice, self.fine), voice_level_db(voice)
            return Heard(codes, level_db, parse_layout(srn).sample_count, voice_digits(voice))
        if _TEXT_START.encode() in data.lower():
            raise UsageError(f"{source}: is a voice already, expected recordings; join voices with 'siren voice blend'")
        try:
            wav, rate_hz = read_audio(source)
        except AudioUnreadable as error:
            raise VoiceUnusable(f"{error}; it is no voice and no .srn file either") from error
        for text in conversion_notes(wav, rate_hz):
            self._note(f"{source}: {text}")
        heard = self._codec().hear_voice(wav, rate_hz)
        if heard.level_db <= SILENCE_LEVEL_DB:
            raise AudioEmpty(f"{source}: is silent, expected a voice; give a recording of speech")
        return heard

    def named(self, wanted: bytes, beside: str) -> bytes:
        """Find a voice by its id: beside the file, in the folder `$SIREN_VOICES`, or among the packaged voices.

        Args:
            wanted: Its id, 2 bytes.
            beside: Path of the file, or `-`.

        Returns:
            Voice field, 8 bytes.

        Raises:
            VoiceMissing: If it is in none of these places.
        """
        folders = [] if beside == STREAM else [os.path.dirname(os.path.abspath(beside))]
        folders += [folder for folder in [os.environ.get(FOLDER_VARIABLE)] if folder]
        folders.append(str(self._files.weights_path.parent / FOLDER_NAME))
        for folder in folders:
            for path in _voice_files(folder):
                try:
                    found = bytes_to_voice(read_bytes(path, VoiceMissing, limit_bytes=MAX_VOICE_FILE_BYTES))
                except (BadVoice, VoiceMissing):
                    continue  # a bad file beside others is no error
                if found.model_id == self.model_id and voice_id(self.model_id, found.voice) == wanted:
                    return found.voice
        raise VoiceMissing(
            f"{beside}: names voice {wanted.hex()}, which is not here; put its .voice file beside the file or give "
            f"--voice, --voice {DEFAULT_VOICE} for the default voice"
        )

    def reference(self, source: str) -> bytes:
        """Compute the id, 2 bytes, of a voice that others can have: a `.voice` file, its text or a packaged voice.

        Raises:
            UsageError: If the source is the default voice.
            SirenError: As `find` does.
        """
        voice = self.find(source)
        if voice is None:
            raise UsageError(f"--voice-ref {source}: the default voice has no name; use --no-voice")
        return voice_id(self.model_id, voice)

    def speak(self, coded: Coded, wanted: str | None, source: str) -> Coded:
        """Resolve the voice of a coded recording.

        Args:
            coded: The recording.
            wanted: Value of `--voice`; None for the recording's own voice.
            source: Path of the recording's file, or `-`.

        Returns:
            The recording with its voice, or with none.

        Raises:
            SirenError: If there is no such voice.
        """
        if wanted is not None:
            if wanted not in self._found:
                self._found[wanted] = self.find(wanted)
            return coded.spoken_by(self._found[wanted])
        return coded if coded.voice_id is None else coded.spoken_by(self.named(coded.voice_id, source))

    def _voice_of(self, source: str, data: bytes) -> bytes:
        """Return the voice of a `.srn` file, stored in the file or named by it."""
        from siren_format.stream import bytes_to_stream

        weights = self._files.weights_path
        try:
            stream = bytes_to_stream(data, self.model_id, read_prior(weights))
        except FormatError as error:
            raise refusal(source, error) from error
        if stream.voice is not None:
            return stream.voice
        if stream.voice_id is not None:
            return self.named(stream.voice_id, source)
        raise VoiceUnusable(f"{source}: carries no voice, expected one; give a file that was encoded with its voice")

    def _read_file(self, path: str) -> bytes:
        data = read_bytes(path, VoiceMissing, limit_bytes=MAX_VOICE_FILE_BYTES)
        return self._own(path, self._parsed(path, bytes_to_voice, data))

    def _parsed(self, source: str, parse: Callable[[Any], VoiceFile], data: bytes | str) -> VoiceFile:
        try:
            return parse(data)
        except BadVoice as error:
            raise VoiceUnusable(f"{source}: {error}") from error

    def _own(self, source: str, found: VoiceFile) -> bytes:
        if found.model_id != self.model_id:
            raise VoiceUnusable(
                f"{source}: is a voice of model {found.model_id.hex()}, expected model {self.model_id.hex()}; extract "
                "it from the recordings again with this model, or give that model with --model"
            )
        return found.voice


def voices_for(codec: Codec, model: str | None, note: Callable[[str], None]) -> Voices:
    """Build the voice finder of a loaded codec.

    Args:
        codec: The codec.
        model: Its folder or name, as given to `siren_cli.load`.
        note: As for `Voices`.
    """
    return Voices(find_model(model), lambda: codec, note)


def name_of_voice(source: str, model: str | None) -> bytes:
    """Compute the id of a voice, 2 bytes, for `--voice-ref`; see `Voices.reference`."""

    def no_codec() -> Codec:
        raise UsageError(f"--voice-ref {source}: is a recording; make a {SUFFIX} file with 'siren voice extract'")

    return Voices(find_model(model), no_codec, lambda text: None).reference(source)


def packaged_notes() -> dict[str, dict[str, Any]]:
    """Read the notes on the packaged voices, by name: `about`, `pitch_hz` and their source `clips`.

    Raises:
        VoiceUnusable: If the list cannot be read.
    """
    from siren_weights import VOICES_PATH

    try:
        return dict(json.loads(Path(VOICES_PATH).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise VoiceUnusable(f"{VOICES_PATH}: not readable as JSON ({error}); reinstall SIREN") from error


def _is_srn(data: bytes) -> bool:
    """Return True for the start of a `.srn` file, which no text can have (SRN1 2)."""
    return len(data) > 1 and data[0] == MAGIC_BYTE and data[1] < 0x80


def _start_of(path: str) -> bytes:
    require_file(path, VoiceMissing)
    try:
        with open(path, "rb") as file:
            return file.read(MAX_VOICE_FILE_BYTES + 1)
    except OSError as error:
        raise VoiceMissing(f"{path}: cannot be read ({reason_of(error)}); check its permissions") from error


def _voice_files(folder: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names[:_MAX_VOICES_IN_FOLDER]]
