"""Speech recognisers for word error rates: PocketSphinx, and every recogniser of transformers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import UsageError
from siren_cli.evaluation.metrics.words import base_language

Samples = NDArray[np.float32]

POCKETSPHINX = "pocketsphinx"
_VERSION = 1
"""Raise it when a change here may change PocketSphinx's transcripts."""

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_COUNTING = {"jiwer": "jiwer", "whisper_normalizer": "whisper-normalizer"}
"""Module to distribution of the packages that normalise text and count errors."""


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A speech recogniser.

    Attributes:
        name: Short, unique name for headings.
        identity: Version for the result cache; changes when transcripts may change.
        languages: Codes of its languages; empty if the model does not list them.
        transcribe: Function from recordings, each [T] at 16 kHz, and their language code to one text each.
    """

    name: str
    identity: str
    languages: tuple[str, ...]
    transcribe: Callable[[Sequence[Samples], str], list[str]]

    def language_for(self, language: str) -> str | None:
        """Choose the language to transcribe a recording in.

        Args:
            language: Tag of the recording's language; empty where unknown.

        Returns:
            Language code; empty if neither side has one. None if the recogniser lacks the language.
        """
        code = base_language(language)
        if not self.languages:
            return code
        if len(self.languages) == 1:
            return self.languages[0] if code in ("", self.languages[0]) else None
        return code if code in self.languages else None


def recogniser_name(source: str) -> str:
    """Name of a recogniser in headings: the last part of its folder or hub name."""
    return "PocketSphinx" if source == POCKETSPHINX else Path(source).resolve().name


def available(sources: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Check which recognisers can run, before any work is done.

    Args:
        sources: `pocketsphinx`, folders of transformers models, or their names on a hub.

    Returns:
        Those that can run, and one line for each missing package.

    Raises:
        UsageError: If one is neither of these, two have one name, or transformers is needed and not installed.
    """
    names = [recogniser_name(source) for source in sources]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise UsageError(f"--asr names {doubled[0]!r} twice, expected recognisers of different names; rename a folder")
    for source in sources:
        _require_source(source)
    lacking = [package for module, package in _COUNTING.items() if importlib.util.find_spec(module) is None]
    if lacking:
        return (), [f"WER and CER left out; pip install {' '.join(lacking)} to have them"]
    if POCKETSPHINX in sources and importlib.util.find_spec(POCKETSPHINX) is None:
        rest = tuple(source for source in sources if source != POCKETSPHINX)
        note = "WER by PocketSphinx left out; pip install pocketsphinx to have it, or give --asr another recogniser"
        return rest, [note]
    return tuple(sources), []


def load_recogniser(source: str) -> Recogniser:
    """Load a recogniser.

    Args:
        source: `pocketsphinx`, the folder of a transformers model, or its name on a hub.

    Raises:
        UsageError: If it is none of these.
    """
    if source == POCKETSPHINX:
        return _pocketsphinx()
    from siren_cli.evaluation.metrics.asr_transformers import load_transformers

    _require_source(source)
    return Recogniser(recogniser_name(source), *load_transformers(source))


def require_languages(sources: Iterable[str], clips: Iterable[tuple[str, str]]) -> None:
    """Make sure that no recogniser would have to guess a language.

    Args:
        sources: As for `available`.
        clips: Name and language tag of each recording, the tag empty where unknown.

    Raises:
        UsageError: If a recogniser of several languages is to transcribe a recording of unknown language.
    """
    unknown = next((name for name, language in clips if not base_language(language)), None)
    if unknown is None:
        return
    for source in sources:
        if source != POCKETSPHINX:
            from siren_cli.evaluation.metrics.asr_transformers import is_multilingual

            if is_multilingual(source):
                raise UsageError(
                    f"{unknown}: its language is unknown and {recogniser_name(source)} transcribes several; give "
                    "--asr-language, or 'language' in the manifest"
                )


def _require_source(source: str) -> None:
    if source == POCKETSPHINX:
        return
    is_folder = Path(source).is_dir()
    if is_folder and not (Path(source) / "config.json").is_file():
        raise UsageError(f"{source}: no config.json there; give --asr {POCKETSPHINX} or a transformers model's folder")
    if not is_folder and not _HUB_NAME.fullmatch(source):
        raise UsageError(
            f"{source}: no such folder and no hub name; give --asr {POCKETSPHINX}, a transformers model's folder, or a "
            "name such as openai/whisper-tiny.en"
        )
    if importlib.util.find_spec("transformers") is None:
        raise UsageError(f"--asr {source} needs transformers; pip install transformers")


def _pocketsphinx() -> Recogniser:
    from pocketsphinx import Decoder

    # cmn="batch": cepstral means of each clip alone, so that earlier clips do not change the transcript.
    # maxhmmpf, fwdflat: a twentieth of the default hypotheses and no second pass, at two thirds of the time. Errors on
    # six public test clips, of 100 words, with the second pass and without: originals 34 and 28, two stages 82 and 76,
    # Opus 54 and 51, Codec 2 700C 80 and 80.
    # topn, pl_window: half the Gaussians and phone look-ahead, a sixth faster. Errors on six other clips, of 130 words,
    # before and after: originals 39 and 41, two stages 88 and 83, Opus 86 and 85.
    decoder = Decoder(
        samprate=SAMPLE_RATE_HZ, loglevel="FATAL", cmn="batch", maxhmmpf=1_500, fwdflat=False, topn=2, pl_window=5
    )

    def transcribe_one(wav: Samples) -> str:
        pcm = np.round(np.clip(wav, -1, 1) * 32767).astype("<i2").tobytes()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return re.sub(r"\(\d+\)", "", "" if hypothesis is None else hypothesis.hypstr)

    def transcribe(wavs: Sequence[Samples], language: str) -> list[str]:
        del language
        return [transcribe_one(wav) for wav in wavs]

    identity = f"pocketsphinx {importlib.metadata.version('pocketsphinx')} version {_VERSION}"
    return Recogniser(recogniser_name(POCKETSPHINX), identity, ("en",), transcribe)
