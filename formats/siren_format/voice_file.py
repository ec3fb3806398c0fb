"""A voice on its own: the text of ``VOICE1.md``, and the two bytes that name it. Standard library only."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass

from siren_format.errors import BadVoice
from siren_format.limits import MODEL_ID_BYTES, VOICE_BYTES, VOICE_ID_BYTES

MAX_VOICE_FILE_BYTES = 4_096
"""A reader takes a voice out of any text up to this long: a whole chat message will do."""

_START = "siren-voice-"
_VERSION = "1"
_VOICE = re.compile(r"siren-voice-([0-9]+)-([0-9a-z-]*[0-9a-z])")
_BODY = re.compile(r"([0-9a-f]{4})-([0-9a-f]{16})-([0-9a-f]{8})")


@dataclass(frozen=True)
class VoiceFile:
    """What the text of a voice says.

    Attributes:
        model_id: Leading 2 bytes of the sha256 of the weights file of the model whose voice it is.
        voice: Voice field of 8 bytes (SRN1 2.3).
    """

    model_id: bytes
    voice: bytes

    def __post_init__(self) -> None:
        sizes = len(self.model_id), len(self.voice)
        if sizes != (MODEL_ID_BYTES, VOICE_BYTES):
            raise ValueError(f"a model id and a voice are 2 and 8 bytes, found {sizes[0]} and {sizes[1]}")

    def to_text(self) -> str:
        """Write the voice as text: one word of ASCII, safe in a chat message, in a file name and on a command line.

        Returns:
            44 characters, without an end of line.
        """
        return f"{_START}{_VERSION}-{self.model_id.hex()}-{self.voice.hex()}-{_check(self.model_id, self.voice)}"

    def to_bytes(self) -> bytes:
        """Write a ``.voice`` file: the text and an end of line.

        Returns:
            45 bytes.
        """
        return f"{self.to_text()}\n".encode("ascii")


def text_to_voice(text: str) -> VoiceFile:
    """Read the one voice in a text; what stands around it does not matter, nor do capital letters.

    Args:
        text: Text of a file, or a message.

    Returns:
        The voice.

    Raises:
        BadVoice: There is none or more than one, or it is damaged or of another version.
    """
    found = _VOICE.findall(text.lower())
    if len(found) != 1:
        count = f"{len(found)} voices" if found else "no voice"
        raise BadVoice(f"{count} found, expected one text that starts with {_START}{_VERSION}-; copy it again, whole")
    version, body = found[0]
    if version != _VERSION:
        raise BadVoice(f"the voice is of version {version}, this program reads version {_VERSION}; upgrade siren")
    parts = _BODY.fullmatch(body)
    if parts is None:
        raise BadVoice(
            f"{_START}{_VERSION}- is followed by '{body[:40]}', expected 4, 16 and 8 hexadecimal digits with hyphens "
            "between them; copy it again, whole"
        )
    model_id, voice = bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
    if parts[3] != _check(model_id, voice):
        raise BadVoice(f"check {parts[3]}, expected {_check(model_id, voice)}; the voice is damaged, copy it again")
    return VoiceFile(model_id, voice)


def bytes_to_voice(data: bytes) -> VoiceFile:
    """Read a ``.voice`` file.

    Args:
        data: The file.

    Returns:
        The voice.

    Raises:
        BadVoice: It is longer than 4096 bytes, or not a text with one voice in it.
    """
    if len(data) > MAX_VOICE_FILE_BYTES:
        raise BadVoice(f"more than {MAX_VOICE_FILE_BYTES} bytes, no voice is that long; name another file")
    return text_to_voice(data.decode("utf-8", errors="replace"))


def voice_id(model_id: bytes, voice: bytes) -> bytes:
    """Name a voice, for files that do not carry it (SRN1 2.3).

    Args:
        model_id: 2 bytes.
        voice: Voice field of 8 bytes.

    Returns:
        The first 2 bytes of the sha256 of both.
    """
    return hashlib.sha256(model_id + voice).digest()[:VOICE_ID_BYTES]


def _check(model_id: bytes, voice: bytes) -> str:
    return f"{zlib.crc32(model_id + voice):08x}"
