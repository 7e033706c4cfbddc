from __future__ import annotations

import re

import pytest

from dpsynth.errors import InputError
from dpsynth.schema.patterns import PatternTexts


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d+", r"2018(HU|GQ)\d{7}", r"[0-9a-f]{8}-[0-9a-f]{4}", r"(ab|c[^x]|\w?)*z$",
        r"V\d{2}(\.\d{1,2})?",
        r"[A-Z]\s\S.\D", r"(?i)abc", r"^a{2,}?b*+$", r"(?P<x>a)|[^\d\s]", "", r"[\w-]{3}",
        r"a(?>b|c)",
    ],
)  # fmt: skip
def test_texts_match_their_pattern(pattern: str) -> None:
    texts = PatternTexts.of(pattern)
    drawn = texts.draw(40, seed=3)
    assert len(drawn) == 40
    assert len(set(drawn)) == min(40, texts.size)
    assert all(re.fullmatch(pattern, text) for text in drawn)
    assert drawn == texts.draw(40, seed=3)


def test_a_text_that_is_read_in_two_ways_is_one_text() -> None:
    texts = PatternTexts.of("(a|ab)(c|bc)?")
    assert texts.size == 5
    assert set(texts.draw(5, seed=0)) == {"a", "ab", "ac", "abc", "abbc"}
    assert PatternTexts.of(r"\d{1,2}\d{0,2}").size == 10 + 100 + 1000 + 10_000


def test_each_text_comes_once_and_then_all_come_again() -> None:
    assert sorted(PatternTexts.of("[ab]{4}").draw(16, seed=0))[::15] == ["aaaa", "bbbb"]
    assert len(set(PatternTexts.of("[ab]{4}").draw(16, seed=0))) == 16
    assert sorted(PatternTexts.of("[ab]").draw(4, seed=0)) == ["a", "a", "b", "b"]
    assert PatternTexts.of(r"\d").draw(0, seed=0) == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"P\d{4}",
        r"\w{4}-\w{8}-(HU|GQ)?",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"V\d{2,4}.?",
    ],
)
def test_blocks_share_no_text(pattern: str) -> None:
    texts = PatternTexts.of(pattern)
    blocks = [texts.draw(2500, seed=9, first=first) for first in range(0, 10_000, 2500)]
    together = [text for block in blocks for text in block]
    assert len(set(together)) == 10_000
    assert all(re.fullmatch(pattern, text) for text in together)
    assert texts.draw(2500, seed=10) != blocks[0]


def test_a_huge_pattern_is_spread_over_all_its_texts() -> None:
    """Every place takes every letter, also where the numbers have run out."""
    drawn = PatternTexts.of("[a-d]{40}").draw(2000, seed=1)
    assert len(set(drawn)) == 2000
    for place in range(40):
        share = [sum(text[place] == letter for text in drawn) / 2000 for letter in "abcd"]
        assert all(abs(s - 0.25) < 0.07 for s in share)  # 7 standard deviations of 160 shares


@pytest.mark.parametrize(
    "pattern", [r"(?=a)b", r"(a)\1", r"\d{500}", r"(\d{30}){30}", r"(){900}", "("]
)
def test_what_cannot_be_generated_is_refused(pattern: str) -> None:
    with pytest.raises(InputError):
        PatternTexts.of(pattern)


def test_a_pattern_of_too_many_states_is_refused() -> None:
    with pytest.raises(InputError, match="too involved"):
        PatternTexts.of(".{0,40}a.{20}")
