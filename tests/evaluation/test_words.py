"""Words: known answers, another implementation, and real recognisers on real speech."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siren_cli.errors import UsageError
from siren_cli.evaluation.metrics.words import (
    edit_distance,
    letter_errors,
    normalised,
    recogniser_of_words,
    word_errors,
)


@pytest.mark.parametrize(
    ("found", "wanted", "wrong", "count"),
    [
        ("the cat sat", "the cat sat", 0, 3),
        ("", "the cat sat", 3, 3),
        ("the cat", "the cat sat", 1, 3),
        ("the fat cat sat", "the cat sat", 1, 3),
        ("the dog sat", "the cat sat", 1, 3),
        ("cat the sat", "the cat sat", 2, 3),
        ("sat cat the", "the cat sat", 2, 3),
        ("a b", "", 2, 0),
    ],
)
def test_word_errors_of_known_texts(found: str, wanted: str, wrong: int, count: int) -> None:
    assert word_errors(found, wanted) == (wrong, count)


def test_letter_errors_count_spaces() -> None:
    assert letter_errors("icecream", "ice cream") == (1, 9)


def slow_distance(found: str, wanted: str) -> int:
    """The definition, word for word."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        substituted = distance(i - 1, j - 1) + (found[i - 1] != wanted[j - 1])
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, substituted)

    return distance(len(found), len(wanted))


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_edit_distance_is_that_of_the_definition(found: str, wanted: str) -> None:
    assert edit_distance(found, wanted) == slow_distance(found, wanted)


def test_normalising_keeps_words_and_nothing_else() -> None:
    assert normalised("  “Don’t, ” SAID Mr. O'Neil;  well-known — 3! ") == "don't said mr o'neil well known 3"


def test_pocketsphinx_hears_most_words_and_the_same_ones_each_time(speech: np.ndarray) -> None:
    hear = recogniser_of_words("pocketsphinx")
    wanted = "there is no opening except the one pane said our learned guide"
    first = hear(speech)
    wrong, count = word_errors(first, wanted)
    assert wrong / count < 0.5
    hear(speech[::-1].copy())
    assert hear(speech) == first
    assert len(hear(np.zeros(16_000, np.float32)).split()) <= 1


def test_a_ctc_model_of_transformers_is_heard_in_pieces(ctc_folder: Path, speech: np.ndarray) -> None:
    hear = recogniser_of_words(str(ctc_folder))
    text = hear(np.tile(speech, 8))
    assert text.replace("unk", "").strip("abcdefghs ") == ""  # letters, <unk> and </s>
    assert hear(np.tile(speech, 8)) == text


def test_a_whisper_model_of_transformers_is_heard_in_pieces(whisper_folder: Path, speech: np.ndarray) -> None:
    hear = recogniser_of_words(str(whisper_folder))
    text = hear(np.tile(speech, 8))  # 29.7 s: two pieces
    assert set(text.replace(" ", "")) <= set("abcdefgh")
    assert text
    assert hear(np.tile(speech, 8)) == text


def test_a_folder_that_is_no_recogniser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config.json there; give --asr pocketsphinx or"):
        recogniser_of_words(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="not a speech recogniser of transformers"):
        recogniser_of_words(str(tmp_path))


def test_permuted_words_are_wrong_but_never_more_than_all() -> None:
    words = "one two three four"
    for order in itertools.permutations(words.split()):
        wrong, count = word_errors(" ".join(order), words)
        assert (wrong == 0) == (list(order) == words.split())
        assert wrong <= count
