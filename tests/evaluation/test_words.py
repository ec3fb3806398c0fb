"""Words: known answers of normalisation and counting."""

from __future__ import annotations

import itertools

import pytest

from siren_cli.evaluation.metrics.words import (
    ErrorCounts,
    base_language,
    character_errors,
    normalised,
    word_errors,
    words_kept,
)


@pytest.mark.parametrize(
    ("found", "reference", "counts"),
    [
        ("the cat sat", "the cat sat", ErrorCounts(0, 0, 0, 3)),
        ("", "the cat sat", ErrorCounts(0, 3, 0, 3)),
        ("the cat", "the cat sat", ErrorCounts(0, 1, 0, 3)),
        ("the fat cat sat", "the cat sat", ErrorCounts(0, 0, 1, 3)),
        ("the dog sat", "the cat sat", ErrorCounts(1, 0, 0, 3)),
        ("a dog sat on it", "the cat sat", ErrorCounts(2, 0, 2, 3)),
        ("a b", "", ErrorCounts(0, 0, 2, 0)),
        ("", "", ErrorCounts(0, 0, 0, 0)),
    ],
)
def test_word_errors_of_known_texts(found: str, reference: str, counts: ErrorCounts) -> None:
    assert word_errors(found, reference) == counts
    assert counts.errors == counts.substitutions + counts.deletions + counts.insertions


def test_character_errors_count_spaces() -> None:
    assert character_errors("icecream", "ice cream") == ErrorCounts(0, 1, 0, 9)


def test_english_has_whispers_normaliser_and_other_languages_its_basic_one() -> None:
    assert normalised("  “Don't, ” SAID Mr. Neil;  the colour 3! ", "en-GB") == "do not said mister neil the color 3"
    assert normalised("It's twenty-one.", "en") == normalised("it is 21", "en")
    assert normalised(" Łódź — jest ŁADNA! [szum]", "pl") == "łódź jest ładna"
    assert normalised("the colour, isn't it?", "") == "the colour isn t it"


@pytest.mark.parametrize(("tag", "code"), [("en", "en"), ("EN_us", "en"), ("zh-Hans", "zh"), ("", "")])
def test_the_primary_part_of_a_language_tag(tag: str, code: str) -> None:
    assert base_language(tag) == code


def test_permuted_words_are_wrong_but_never_more_than_all() -> None:
    words = "one two three four"
    for order in itertools.permutations(words.split()):
        counts = word_errors(" ".join(order), words)
        assert (counts.errors == 0) == (list(order) == words.split())
        assert counts.errors <= counts.reference


def test_words_kept_are_the_longest_common_subsequence() -> None:
    assert words_kept(["a", "x", "b", "c", "y"], ["a", "b", "d", "c"]) == 3
    assert words_kept([], ["a"]) == 0
