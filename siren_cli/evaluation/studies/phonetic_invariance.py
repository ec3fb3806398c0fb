"""Phonetic invariance: distances between the indices of the same words by different speakers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import FRAME_SAMPLES, FSQ_LEVELS, SAMPLE_RATE_HZ

FEWEST_PHONES = 4
"""Fewest phones of a word. Shorter words hardly last longer than a frame."""

_LOOK_AHEAD = 12
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")  # in the spelling of the dictionary
_POINTS = 4
_TRACK_HZ = 100

Pronunciations = Mapping[str, set[tuple[str, ...]]]


@dataclass(frozen=True, eq=False)
class WordDigits:
    """Word of a recording: digits at four times within it, [4, 4 Q], from -1 to 1."""

    word: str
    speaker: str
    digits: NDArray[np.float64]


def pronunciations() -> Pronunciations:
    """Read word to pronunciations from PocketSphinx's dictionary, which the alignments are made with."""
    from pocketsphinx import get_model_path

    found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    with open(get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as file:
        for line in file:
            word, *phones = line.split()
            found[word.partition("(")[0]].add(tuple(phones))
    return found


def words_in(text: str, phones: str, dictionary: Pronunciations) -> list[tuple[str, float, float]]:
    """Find words in a phone alignment.

    Args:
        text: Transcript.
        phones: Alignment, `"SIL:52 T:7 ..."`, durations in frames of 10 ms.
        dictionary: Word to pronunciations.

    Returns:
        Words of at least `FEWEST_PHONES`, whose phones stand in the alignment where the text has them, with start
        and end, s.
    """
    names, starts, ends = [], [], []
    clock = 0
    for item in phones.split():
        name, _, length = item.partition(":")
        if name != "SIL":
            names.append(name)
            starts.append(clock)
            ends.append(clock + int(length))
        clock += int(length)
    found = []
    position = 0
    for word in _WORD.findall(text.lower()):
        best: tuple[int, int] | None = None
        for phones_of in dictionary.get(word, ()):
            size = len(phones_of)
            for start in range(position, min(position + _LOOK_AHEAD, len(names) - size + 1)):
                if size >= FEWEST_PHONES and tuple(names[start : start + size]) == phones_of:
                    best = min(best or (start, size), (start, size))
                    break
        if best is not None:
            position = best[0] + best[1]
            found.append((word, starts[best[0]] / _TRACK_HZ, ends[position - 1] / _TRACK_HZ))
    return found


def digits_of(indices: NDArray[np.int16]) -> NDArray[np.float64]:
    """Convert indices [F, Q] to digits [F, 4 Q], each from -1 to 1."""
    columns = []
    for stage in indices.T.astype(np.int64):
        rest = stage
        for levels in FSQ_LEVELS:
            columns.append(2.0 * (rest % levels) / (levels - 1) - 1.0)
            rest = rest // levels
    return np.stack(columns, axis=1)


def word_digits(word: str, speaker: str, indices: NDArray[np.int16], start_s: float, end_s: float) -> WordDigits:
    """Digits of a word at evenly spread times, interpolated between frames.

    Args:
        word: The word.
        speaker: Its speaker.
        indices: Indices of the whole recording [F, Q].
        start_s: Start of the word.
        end_s: End of the word.
    """
    digits = digits_of(indices)
    centres_s = (np.arange(len(digits)) + 0.5) * FRAME_SAMPLES / SAMPLE_RATE_HZ
    moments_s = start_s + (np.arange(_POINTS) + 0.5) / _POINTS * (end_s - start_s)
    at = np.stack([np.interp(moments_s, centres_s, column) for column in digits.T], axis=1)
    return WordDigits(word, speaker, at)


def compare_words(instances: Iterable[WordDigits]) -> list[tuple[float, float, float]]:
    """Compare the same word by two speakers with different words of the same two speakers.

    Args:
        instances: Words of all recordings.

    Returns:
        For every pair of the same word by two speakers: its distance (root mean square over times and digits), the
        mean distance of the first to the second speaker's other words, and the share of these that are farther.
    """
    words = list(instances)
    found = []
    for number, first in enumerate(words):
        for second in words[number + 1 :]:
            if first.word != second.word or first.speaker == second.speaker:
                continue
            own = _distance(first, second)
            others = [
                _distance(first, other)
                for other in words
                if other.speaker == second.speaker and other.word != first.word
            ]
            if others:
                found.append((own, float(np.mean(others)), float(np.mean(np.array(others) > own))))
    return found


def _distance(first: WordDigits, second: WordDigits) -> float:
    return float(np.sqrt(np.mean(np.square(first.digits - second.digits))))
