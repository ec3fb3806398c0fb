"""Packaged voices of a model: `python -m siren_cli.training.tools.packaged_voices DATA [MODEL]` (`make voices`).

`weights/siren_weights/voices.json` lists the recordings of every voice, by several similar speakers. Their mean is no
real person's voice. A voice belongs to one model, so new weights need new voices; they are in `voices/` of its folder.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import soundfile

from siren_cli.audio.level import NOMINAL_LEVEL_DB
from siren_cli.codec import Codec, load_codec
from siren_cli.corpus.sources import list_clips, read_clips
from siren_cli.errors import AudioUnreadable, DataError, SirenError, UsageError
from siren_cli.files.streams import write_bytes_atomic
from siren_cli.registry.weights import find_model
from siren_cli.voices.library import FOLDER_NAME, SUFFIX, packaged_notes
from siren_cli.voices.mixing import average
from siren_format.voice_file import VoiceFile


def make_voices(recipe: dict[str, list[str]], data: Path, codec: Codec) -> dict[str, bytes]:
    """Estimate the voices of recordings and average them.

    Every recording has the same weight, and the level is the nominal one.

    Args:
        recipe: Voice → names of recordings, without folders and suffixes.
        data: Folder or manifest with the recordings (see `siren_cli.corpus.sources`).
        codec: The model.

    Returns:
        Voice → voice field, 8 bytes.

    Raises:
        DataError: If a recording is missing.
        AudioUnreadable: If a recording cannot be read.
    """
    needed = {name for names in recipe.values() for name in names}
    clips = {clip.file.stem: clip for clip in list_clips(data) if clip.file.stem in needed}
    missing = sorted(needed - clips.keys())
    if missing:
        raise DataError(
            f"{data}: {len(missing)} of {len(needed)} recordings are not there, as {missing[0]}; give LibriSpeech's "
            "train-clean sets, or a manifest that has them"
        )
    estimates = {}
    for clip, audio in read_clips(list(clips.values())):
        if isinstance(audio, DataError):
            raise AudioUnreadable(f"{clip.clip_id}: {audio}; restore the file")
        try:
            wav, rate_hz = soundfile.read(audio, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise AudioUnreadable(f"{clip.clip_id}: not readable as audio ({error}); restore the file") from error
        estimates[clip.file.stem] = replace(codec.hear_voice(wav, rate_hz), level_db=NOMINAL_LEVEL_DB, samples=1)
    return {voice: average([estimates[name] for name in names]) for voice, names in recipe.items()}


def write_voices(voices: dict[str, bytes], folder: Path, model_id: bytes) -> None:
    """Write voices and remove all other voice files of the model.

    Args:
        voices: Voice → voice field.
        folder: The model's folder.
        model_id: 2 bytes.

    Raises:
        OutputUnwritable: If a file cannot be written.
    """
    folder = folder / FOLDER_NAME
    folder.mkdir(exist_ok=True)
    for path in folder.glob(f"*{SUFFIX}"):
        if path.stem not in voices:
            path.unlink()
    for name, voice in voices.items():
        write_bytes_atomic(str(folder / f"{name}{SUFFIX}"), VoiceFile(model_id, voice).to_bytes())


def main(arguments: list[str]) -> None:
    """Make the packaged voices of a model; the default model if none is given."""
    if len(arguments) not in (1, 2):
        raise UsageError(f"{len(arguments)} arguments, expected DATA [MODEL]; see the head of this module")
    model = arguments[1] if len(arguments) == 2 else None
    recipe = {name: list(known["clips"]) for name, known in packaged_notes().items()}
    voices = make_voices(recipe, Path(arguments[0]), load_codec(model, device="cpu"))
    files = find_model(model)
    write_voices(voices, files.weights_path.parent, files.model_id)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SirenError as error:
        sys.exit(f"siren: error: {error}")
