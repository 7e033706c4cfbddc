"""The table sampler against an independent computation, on crafted entropy, and at its limits.

The reference shares no step with the module: every weight is a Taylor series of its own, in
fractions or in longer fixed point, and draws are compared with a search over Python integers.
"""

from __future__ import annotations

import doctest
import inspect
import itertools
import math
from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.errors import InputError
from dpsynth.privacy import sampler
from dpsynth.privacy.sampler import MAX_SIGMA, MIN_SIGMA, Table, table, total_variation

SIGMAS = (0.1, 0.7, 3.3, 20.0, 137.0, 1000.5)
WHOLE = 1 << 127
BITS = 400  # fixed point of the reference


def exp_minus(x: Fraction) -> tuple[Fraction, Fraction]:
    """Return bounds on exp(-x): 120 terms of its series below 1, squares of exp(-x / 2) above."""
    if x > 1:
        low, high = exp_minus(x / 2)
        return low * low, high * high
    terms, total, term = 120, 1 << BITS, 1 << BITS
    for i in range(1, terms):
        term = term * x.numerator // (x.denominator * i)
        total += term if i % 2 == 0 else -term
    slack = 2 * terms  # rounding down leaves each term less than 2 units short
    return Fraction(total - slack, 1 << BITS), Fraction(total + slack, 1 << BITS)


def entries(noise: Table) -> list[int]:
    return [(int(h) << 63) | int(low) for h, low in zip(noise.high, noise.low, strict=True)]


def quantised(noise: Table) -> list[Fraction]:
    """Return the exact law of the magnitude that a table draws from."""
    edges = [0, *entries(noise), WHOLE]
    return [Fraction(b - a, WHOLE) for a, b in itertools.pairwise(edges)]


def reference(sigma: float, magnitudes: int) -> list[int]:
    """Return weights 1, 2 w_1, 2 w_2, ... in units of 2**-400, each by its own exponential.

    Powers by repeated squaring from exp(-1 / (2 sigma**2)), k**2 in binary: no recurrence.
    """
    low, high = exp_minus(1 / (2 * Fraction(sigma) ** 2))
    middle = (low + high) / 2
    square = [math.floor(middle * (1 << BITS))]
    while len(square) < (magnitudes**2).bit_length():
        square.append(square[-1] * square[-1] >> BITS)
    weights = [1 << BITS]
    for k in range(1, magnitudes + 1):
        weight = 2 << BITS
        for bit in range((k * k).bit_length()):
            if k * k >> bit & 1:
                weight = weight * square[bit] >> BITS
        weights.append(weight)
    return weights


def distance(noise: Table) -> Fraction:
    """Return the total-variation distance to the exact law, but for the tail beyond 14 sigma."""
    law = quantised(noise)
    weights = reference(noise.sigma, 14 * math.ceil(noise.sigma) + 3)
    total = sum(weights)
    padded = law + [Fraction(0)] * (len(weights) - len(law))
    gaps = (
        abs(p.numerator * (WHOLE // p.denominator) * total - w * WHOLE)
        for p, w in zip(padded, weights, strict=True)
    )
    return Fraction(sum(gaps), 2 * WHOLE * total)


def searched(noise: Table, values: list[int]) -> list[int]:
    """Return the magnitudes that these 127-bit numbers stand for, by a search over integers."""
    edges = entries(noise)
    return [bisect_right(edges, value) for value in values]


def words(values: list[int], negative: int = 0) -> bytes:
    """Return the entropy that makes a block draw these 127-bit numbers, all with one sign."""
    high = np.array([v >> 63 for v in values], dtype="<u8")
    low = np.array([((v & (2**63 - 1)) << 1) | negative for v in values], dtype="<u8")
    return high.tobytes() + low.tobytes()


def drawn(
    monkeypatch: pytest.MonkeyPatch, noise: Table, values: list[int], negative: int = 0
) -> list[int]:
    monkeypatch.setattr(sampler, "_entropy", lambda size: words(values, negative))
    return noise.draw(len(values)).tolist()


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_table_is_as_close_to_the_exact_law_as_it_says(sigma: float) -> None:
    noise = table(sigma)
    found = distance(noise) + Fraction(1, 2**140)  # 14 sigma: exp(-98) < 2**-141
    assert found <= noise.total_variation == total_variation(sigma) < Fraction(1, 2**107)
    assert found > noise.total_variation / 100, "the bound says something"


@pytest.mark.parametrize("sigma", (0.7, 20.0))
def test_a_table_of_doubles_or_of_a_scale_a_hair_off_is_not(
    sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    k = np.arange(14 * math.ceil(sigma) + 3)
    cumulative = np.cumsum(np.where(k == 0, 1, 2) * np.exp(-(k**2) / (2 * sigma**2)))
    rounded = [int(c / cumulative[-1] * 2**127) for c in cumulative]
    hair = sampler._cumulative(math.nextafter(sigma, 9e9))
    for fault in (rounded, hair):
        monkeypatch.setattr(sampler, "_cumulative", lambda _, f=fault: [c for c in f if c < WHOLE])
        assert distance(table.__wrapped__(sigma)) > total_variation(sigma)


@pytest.mark.parametrize("x", [Fraction(1, 10**10), Fraction(1, 3), Fraction(50), Fraction(100)])
def test_the_exponential_is_within_its_error(x: Fraction) -> None:
    low, high = exp_minus(x)
    assert high - low < Fraction(1, 2**300)
    assert low - Fraction(2, 2**256) < Fraction(sampler._exp_minus(x), 2**256) < high
    for sigma in (MIN_SIGMA, MAX_SIGMA):
        assert 0 < 1 / Fraction(sigma) ** 2 <= 100


def test_the_bound_is_its_closed_form_at_both_limits() -> None:
    assert total_variation(MAX_SIGMA) == Fraction(1_333_000 + 3, 2**128)
    assert total_variation(MIN_SIGMA) == Fraction(2 + 3, 2**128)
    # the tail beyond 13.33 sigma: exp(-13.33**2 / 2) < 2**-128
    assert exp_minus(sampler._REACH**2 / 2)[1] < Fraction(1, 2**128)
    # the fixed-point error: K (K + 1) (K + 2) units of 2**-256
    assert Fraction(1_333_000 * 1_333_001 * 1_333_002, 2**256) < Fraction(1, 2**190)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_crafted_words_hit_every_edge_of_the_table(
    sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each entry, one below and one above: the high words tie, the low words decide."""
    noise = table(sigma)
    edges = entries(noise)[:40] + entries(noise)[-40:]
    values = sorted({0, WHOLE - 1, *(e + d for e in edges for d in (-1, 0, 1) if e + d < WHOLE)})
    exact = searched(noise, values)
    assert drawn(monkeypatch, noise, values) == exact
    assert drawn(monkeypatch, noise, values, negative=1) == [-k for k in exact]
    assert exact[0] == 0
    assert exact[-1] == noise.high.size


def test_entries_that_share_their_high_word_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = table(137.0)
    tail = noise.high == 2**64 - 1
    assert tail.sum() > 500, "beyond 9 sigma all entries share it"
    first = int(noise.high.size - tail.sum())
    values = [(2**64 - 1) << 63, *entries(noise)[first:]]
    exact = searched(noise, values)
    assert drawn(monkeypatch, noise, values) == exact
    assert len(set(exact)) > 100


def test_random_words_agree_with_a_search_over_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    noise, rng = table(20.0), np.random.default_rng(0)
    values = [int.from_bytes(rng.bytes(16), "little") >> 1 for _ in range(5000)]
    exact = searched(noise, values)
    assert drawn(monkeypatch, noise, values) == exact


def test_the_law_is_symmetric_and_zero_has_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, table(0.7), [0, 1], negative=0) == [0, 0]
    assert drawn(monkeypatch, table(0.7), [0, 1], negative=1) == [0, 0]


@pytest.mark.parametrize(
    "shape", [0, 1, (2, 3), (0, 4), sampler._BLOCK, sampler._BLOCK + 1, (3, sampler._BLOCK)]
)
def test_shape_type_and_bounded_blocks(
    shape: int | tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def entropy(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    monkeypatch.setattr(sampler, "_entropy", entropy)
    noise = table(3.3).draw(shape)
    assert noise.shape == (shape if isinstance(shape, tuple) else (shape,))
    assert noise.dtype == np.int64
    assert sum(asked) == 16 * noise.size, "fresh entropy for every cell"
    assert max(asked, default=0) <= 1 << 20


def test_entropy_is_the_operating_systems_and_nothing_takes_a_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not np.array_equal(table(137.0).draw(100), table(137.0).draw(100))
    monkeypatch.setattr("os.urandom", lambda size: words([WHOLE - 1] * (size // 16)))
    assert table(3.3).draw(5).tolist() == [table(3.3).high.size] * 5
    for function in (table, total_variation, Table.draw, sampler._entropy):
        assert set(inspect.signature(function).parameters) <= {"self", "sigma", "shape", "size"}


@pytest.mark.parametrize(
    "sigma", [0.0, -1.0, 0.0999, 100_000.1, math.inf, -math.inf, math.nan, 5e-324]
)
def test_scales_out_of_range_are_refused(sigma: float) -> None:
    for function in (table, total_variation):
        with pytest.raises(InputError, match="OpenDP"):
            function(sigma)


def test_tables_are_kept_read_only_and_few() -> None:
    assert table(3.3) is table(3.3)
    assert table.cache_info().maxsize == sampler.CACHED_TABLES
    for array in (table(3.3).high, table(3.3).low):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    noise = table(1000.5)
    assert all(a <= b for a, b in itertools.pairwise(entries(noise)))
    assert noise.high.nbytes + noise.low.nbytes <= 16 * 13.33 * 1001


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(sampler).failed == 0
