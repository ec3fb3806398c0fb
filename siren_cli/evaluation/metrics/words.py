"""Normalisation of transcripts and counting of their errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class ErrorCounts:
    """Edit errors of a transcript against a reference, in words or in characters.

    Attributes:
        substitutions: Units replaced by another.
        deletions: Units missing from the transcript.
        insertions: Units absent from the reference.
        reference: Length of the reference in units.
    """

    substitutions: int
    deletions: int
    insertions: int
    reference: int

    @property
    def errors(self) -> int:
        """Sum of the three kinds of errors; divided by `reference` it is the error rate."""
        return self.substitutions + self.deletions + self.insertions


def base_language(language: str) -> str:
    """Primary part of a language tag: `en` of `en-US` or `EN_us`; empty if the tag is."""
    return language.replace("_", "-").partition("-")[0].strip().lower()


def normalised(text: str, language: str) -> str:
    """Normalise a transcript as Whisper's evaluation does (Radford et al. 2022, appendix C).

    Args:
        text: A transcript.
        language: Tag of its language. English has its own normaliser of contractions, numbers and spelling. All other
            languages, and an unknown one, use the basic normaliser.

    Returns:
        Words separated by single spaces.
    """
    return " ".join(_normaliser(base_language(language) == "en")(text).split())


def word_errors(found: str, reference: str) -> ErrorCounts:
    """Count the word errors of one normalised text against another."""
    import jiwer

    counted = jiwer.process_words(reference=reference, hypothesis=found)
    return ErrorCounts(counted.substitutions, counted.deletions, counted.insertions, len(reference.split()))


def character_errors(found: str, reference: str) -> ErrorCounts:
    """Count the character errors of one normalised text against another, spaces included."""
    import jiwer

    counted = jiwer.process_characters(reference=reference, hypothesis=found)
    return ErrorCounts(counted.substitutions, counted.deletions, counted.insertions, len(reference))


def words_kept(found: Sequence[str], wanted: Sequence[str]) -> int:
    """Count the reference words recognised in order; insertions are not penalised.

    Args:
        found: Words recognised.
        wanted: Words of the reference.

    Returns:
        Length of their longest common subsequence.
    """
    from rapidfuzz.distance import LCSseq

    return int(LCSseq.similarity(found, wanted))


@lru_cache(maxsize=2)
def _normaliser(is_english: bool) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    normaliser: Callable[[str], str] = EnglishTextNormalizer() if is_english else BasicTextNormalizer()
    return normaliser
