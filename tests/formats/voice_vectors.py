"""Voice files: one line each, whole, in a chat message, and damaged."""

from __future__ import annotations

from typing import Any

from siren_format.errors import BadVoice
from siren_format.voice_file import VoiceFile, bytes_to_voice, voice_id
from tests.formats.vector_material import MODEL_ID, UNLIKELY_VOICE, VOICE


def voice_vectors() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Make the voice files.

    Returns:
        By name, the file and what the manifest says of it: the voice, or that it is refused.
    """
    whole = VoiceFile(MODEL_ID, VOICE).to_bytes()
    other = VoiceFile(MODEL_ID, UNLIKELY_VOICE).to_bytes()
    word = whole.strip()
    files = {
        "worked-example": whole,
        "unlikely": other,
        "without-end-of-line": word,
        "in-capital-letters": whole.upper(),
        "in-a-message": b"Here is me:\r\n> " + word + "\r\n\r\nBye – Anna\r\n".encode(),
        "damaged-empty": b"",
        "damaged-no-voice": b"my voice\n",
        "damaged-two-voices": whole + other,
        "damaged-version-2": whole.replace(b"voice-1", b"voice-2"),
        "damaged-one-character": whole.replace(b"-2f", b"-3f"),
        "damaged-check": whole.replace(word[-8:], b"00000000"),
        "damaged-cut": word[:-1],
        "damaged-one-more": word + b"0\n",
        "damaged-too-long": whole + bytes(4_096),
    }
    return {name: (data, _facts(data)) for name, data in files.items()}


def _facts(data: bytes) -> dict[str, Any]:
    try:
        found = bytes_to_voice(data)
    except BadVoice:
        return {"error": "BadVoice"}
    return {
        "model_id": found.model_id.hex(),
        "voice": found.voice.hex(),
        "voice_id": voice_id(found.model_id, found.voice).hex(),
    }
