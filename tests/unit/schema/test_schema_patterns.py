from __future__ import annotations

import re

import pytest

from dpsynth.errors import InputError
from dpsynth.schema.patterns import unique_texts


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
    texts = unique_texts(pattern, 40, seed=3)
    assert len(texts) == 40
    assert all(re.fullmatch(pattern, text) for text in texts)
    assert texts == unique_texts(pattern, 40, seed=3)


def test_unique_as_far_as_possible() -> None:
    assert len(set(unique_texts(r"\d+", 20_000, seed=0))) == 20_000
    assert set(unique_texts(r"[ab]", 10, seed=0)) == {"a", "b"}
    assert len(set(unique_texts(r"[ab]{4}", 16, seed=0))) == 16
    assert unique_texts(r"\d", 0, seed=0) == []


@pytest.mark.parametrize(
    "pattern", [r"(?=a)b", r"(a)\1", r"\d{500}", r"(\d{30}){30}", r"(){900}", "("]
)
def test_what_cannot_be_generated_is_refused(pattern: str) -> None:
    with pytest.raises(InputError):
        unique_texts(pattern, 1, seed=0)
