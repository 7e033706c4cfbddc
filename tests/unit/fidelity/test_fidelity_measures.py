"""Marginals, associations and the downstream model against known answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dpsynth import fidelity
from dpsynth.errors import InputError
from dpsynth.fidelity import counting
from dpsynth.fidelity.api import FidelityData, column_sets, reference
from dpsynth.fidelity.correlation import association_difference, cramers_v
from dpsynth.fidelity.downstream import macro_auc, predictions, train_synthetic_test_real
from dpsynth.fidelity.marginals import marginal_distance
from dpsynth.results import Disclosure, FidelityResult, Status
from dpsynth.schema.domain import Attribute, Domain

DOMAIN = Domain(
    (
        Attribute(name="a", size=4),
        Attribute(name="b", size=6, n_ordered=5, positions=(0.0, 1.0, 2.0, 3.0, 4.0), blank=5),
        Attribute(name="c", size=3),
        Attribute(name="label", size=4, blank=2, out_of_domain=3),
    )
)


def table(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, n), rng.integers(0, 6, n)
    label = (a + b + rng.integers(0, 4, n) > 6).astype(int)
    return np.stack([a, b, (a + rng.integers(0, 2, n)) % 3, label], axis=1)


def data(**change: object) -> FidelityData:
    base = FidelityData(
        domain=DOMAIN,
        train=table(3000, 1),
        holdout=table(1500, 2),
        synthetic=table(2500, 3),
        label="label",
    )
    return replace(base, **change)


def shuffled(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permuted(table(3000, 1), axis=0)


def tstr(given: FidelityData) -> FidelityResult:
    return train_synthetic_test_real(given, predictions(given, 1))


def by_name(results: Sequence[FidelityResult]) -> dict[str, FidelityResult]:
    return {result.name: result for result in results}


def test_histograms_equal_numpy_dense_and_sparse(monkeypatch) -> None:
    tables = [np.ascontiguousarray(table(500, s).T.astype(np.int32)) for s in (1, 2)]
    dense = counting.histograms(tables, (0, 1, 3), (4, 6, 4))
    for codes, counts in zip(tables, dense, strict=True):
        direct = np.histogramdd(codes[[0, 1, 3]].T, bins=[np.arange(k + 1) for k in (4, 6, 4)])[0]
        np.testing.assert_array_equal(counts, direct.ravel())
    cells, counts = counting.occupied(tables[0], (0, 1), (4, 6))
    monkeypatch.setattr(counting, "DENSE_CELLS", 10)
    sparse = counting.histograms(tables, (0, 1, 3), (4, 6, 4))
    assert counting.total_variation(*sparse) == pytest.approx(counting.total_variation(*dense))
    again, same = counting.occupied(tables[0], (0, 1), (4, 6))
    np.testing.assert_array_equal(cells, again)
    np.testing.assert_array_equal(counts, same)


def test_total_variation_of_disjoint_tables_is_one() -> None:
    assert counting.total_variation(np.array([3, 0]), np.array([0, 9])) == 1.0


@pytest.mark.parametrize("width", [1, 2, 3])
def test_marginal_distance_equals_a_direct_computation(width: int) -> None:
    given = data()
    found = marginal_distance(given, reference(given, 4), width, 4)
    direct = []
    for columns in itertools.combinations(range(4), width):
        shares = []
        for codes in (given.train, given.synthetic):
            cells = [tuple(row) for row in codes[:, columns].tolist()]
            shares.append({cell: cells.count(cell) / len(cells) for cell in set(cells)})
        keys = shares[0].keys() | shares[1].keys()
        direct.append(sum(abs(shares[0].get(k, 0) - shares[1].get(k, 0)) for k in keys) / 2)
    assert found.value == pytest.approx(np.mean(direct))
    assert found.details["worst"] == pytest.approx(max(direct))
    worst = list(itertools.combinations(DOMAIN.names, width))[int(np.argmax(direct))]
    assert found.details["worst_columns"] == " × ".join(worst)
    assert found.n == math.comb(4, width)


def test_the_training_rows_themselves_have_distance_zero() -> None:
    given = data(synthetic=table(3000, 1))
    results = by_name(fidelity.run(given, seed=5).results)
    for name in ("tvd_1way", "tvd_2way", "tvd_3way", "association_difference"):
        assert results[name].value == 0.0
        assert 0.0 < results[name].baseline < results["tvd_3way"].control


def test_independent_columns_are_named_as_such() -> None:
    results = by_name(fidelity.run(data(synthetic=shuffled(6)), seed=6).results)
    for name in ("tvd_2way", "tvd_3way", "association_difference"):
        close = abs(results[name].value / results[name].control - 1)
        assert close < 0.15
    noise = np.random.default_rng(7)
    random = np.stack([noise.integers(0, a.size, 2000) for a in DOMAIN], axis=1)
    worse = by_name(fidelity.run(data(synthetic=random), seed=6).results)
    assert "too small for this epsilon" in worse["tvd_2way"].note
    assert worse["tvd_2way"].details["worse_than_independent"] == 1
    good = by_name(fidelity.run(data(), seed=6).results)
    assert "too small" not in " ".join(r.note for r in good.values())


def test_one_way_distances_are_listed_by_column() -> None:
    found = marginal_distance(data(), reference(data(), 1), 1, 1)
    listed = [found.details[f"tvd[{name}]"] for name in DOMAIN.names]
    assert np.mean(listed) == pytest.approx(found.value)


def test_wide_tables_are_sampled_and_say_so() -> None:
    assert len(column_sets(5, 2, 100, 0)) == 10
    many = column_sets(300, 3, 60, 9)
    assert len(set(many)) == 60
    assert many == column_sets(300, 3, 60, 9)
    rng = np.random.default_rng(8)
    domain = Domain.from_sizes({f"x{j}": 2 for j in range(12)})
    rows = rng.integers(0, 2, (200, 12))
    wide = FidelityData(domain=domain, train=rows, holdout=rows, synthetic=rows)
    found = marginal_distance(wide, reference(wide, 1), 3, 1)
    assert found.n == 60
    assert found.interval is not None
    assert "60 marginals drawn with seed 1" in found.note


def test_cramers_v_known_values() -> None:
    assert cramers_v(np.diag([20, 30, 50])) == pytest.approx(1.0)
    assert cramers_v(np.full((3, 4), 10)) == 0.0
    assert cramers_v(np.array([[7, 0], [9, 0]])) == 0.0
    table_2x2 = np.array([[30, 10], [15, 45]])
    chi2 = 100 * (30 * 45 - 10 * 15) ** 2 / (40 * 60 * 45 * 55)
    corrected = max(0.0, chi2 / 100 - 1 / 99) / (2 - 1 / 99 - 1)
    assert cramers_v(table_2x2) == pytest.approx(math.sqrt(corrected))


def test_a_lost_relation_is_named() -> None:
    broken = table(3000, 1)
    broken[:, 2] = np.random.default_rng(9).permutation(broken[:, 2])
    given = data(synthetic=broken)
    found = association_difference(given, reference(given, 1), 1)
    assert found.details["worst_columns"] == "a × c"
    assert found.details["worst_in_train"] > 0.5 > 0.1 > found.details["worst_in_synthetic"]


def test_macro_auc_equals_sklearn_and_delong_matches_resampling() -> None:
    rng = np.random.default_rng(10)
    truth = rng.integers(0, 3, 800)
    scores = rng.random((800, 3)) + 0.3 * np.eye(3)[truth]
    scored = np.arange(3)
    value, influence = macro_auc(scores, truth, scored)
    direct = np.mean([roc_auc_score(truth == k, scores[:, k]) for k in range(3)])
    assert value == pytest.approx(direct)
    sd = math.sqrt((influence**2).sum()) / 800
    draws = [rng.integers(0, 800, 800) for _ in range(200)]
    resampled = np.std([macro_auc(scores[d], truth[d], scored)[0] for d in draws])
    # The sd of 200 draws is known to +-5 %; 25 % is five of its standard errors.
    assert sd == pytest.approx(resampled, rel=0.25)


def test_training_on_fresh_rows_is_as_good_as_on_real_ones() -> None:
    found = tstr(data())
    assert found.value == pytest.approx(found.baseline, abs=0.03)
    assert found.value > 0.8
    assert found.interval.low < found.value < found.interval.high
    assert found.details["gap_low"] < found.details["gap"] < found.details["gap_high"]
    lost = tstr(data(synthetic=shuffled(11)))
    assert lost.value < 0.65
    assert lost.details["gap_low"] > 0.1


def test_every_result_is_raw_and_finite() -> None:
    for result in fidelity.run(data(), seed=12).results:
        assert result.status is Status.OK
        assert result.disclosure is Disclosure.RAW
        assert result.baseline is not None
        assert result.control is not None
        assert all(not isinstance(v, float) or math.isfinite(v) for v in result.details.values())


def test_seeds_of_any_size_stay_text() -> None:
    """Canonical JSON refuses integers past 2**53."""
    for result in fidelity.run(data(), seed=2**62 + 1).results:
        assert all(not isinstance(v, int) or abs(v) < 2**53 for v in result.details.values())


def test_three_classes_and_a_class_that_synthetic_lacks() -> None:
    domain = Domain.from_sizes({"x": 9, "y": 5, "label": 3}, ordered=["x"])

    def rows(n: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 9, n)
        return np.stack([x, rng.integers(0, 5, n), x // 3], axis=1)

    synthetic = rows(900, 3)
    given = FidelityData(
        domain=domain, train=rows(900, 1), holdout=rows(600, 2), synthetic=synthetic, label="label"
    )
    full = tstr(given)
    assert full.unit.startswith("macro")
    assert full.value == pytest.approx(1.0)
    lacking = replace(given, synthetic=synthetic[synthetic[:, 2] < 2])
    assert tstr(lacking).value < 0.95


def test_numeric_label_is_split_at_the_training_median() -> None:
    domain = Domain(
        (
            Attribute(name="x", size=20, n_ordered=20, positions=tuple(range(20))),
            Attribute(name="pay", size=21, n_ordered=20, positions=tuple(range(20)), blank=20),
        )
    )

    def rows(n: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 20, n)
        return np.stack([x, np.where(rng.random(n) < 0.1, 20, x)], axis=1)

    given = FidelityData(
        domain=domain, train=rows(800, 1), holdout=rows(500, 2), synthetic=rows(800, 3), label="pay"
    )
    found = tstr(given)
    assert found.value > 0.99
    assert "median" in found.note
    assert found.n < 500  # rows without a value are left out


def test_rare_missing_labels_are_left_out_and_frequent_ones_are_a_class() -> None:
    rare, often = table(3000, 1), table(3000, 1)
    rare[:10, 3] = 2
    often[:300, 3] = 2
    assert tstr(data(train=rare)).details["classes"] == 2
    assert tstr(data(train=often)).details["classes"] == 3


def test_features_with_very_many_codes_are_grouped() -> None:
    domain = Domain.from_sizes({"code": 2000, "label": 2})

    def rows(n: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        code = np.minimum(1999, rng.geometric(0.02, n))
        return np.stack([code, (code % 2 + (rng.random(n) < 0.2)) % 2], axis=1)

    given = FidelityData(
        domain=domain,
        train=rows(2000, 1),
        holdout=rows(800, 2),
        synthetic=rows(2000, 3),
        label="label",
    )
    assert tstr(given).value > 0.7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": None}, "no label"),
        ({"train": table(3000, 1) * [1, 1, 1, 0]}, "fewer than two classes"),
        ({"holdout": table(0, 1)}, "too few rows"),
        ({"holdout": table(300, 1) * [1, 1, 1, 0]}, "too few rows"),
    ],
)
def test_downstream_is_inconclusive_with_a_reason(change, words: str) -> None:
    found = tstr(data(**change))
    assert found.status is Status.INCONCLUSIVE
    assert words in found.reason


def test_synthetic_of_one_class_scores_like_guessing() -> None:
    assert tstr(data(synthetic=table(500, 1) * [1, 1, 1, 0])).value == 0.5


@pytest.mark.parametrize("name", ["train", "synthetic"])
def test_empty_tables_are_inconclusive(name: str) -> None:
    results = fidelity.run(data(**{name: table(0, 1)}), seed=1).results
    assert [r.status for r in results] == [Status.INCONCLUSIVE] * 5
    assert all("no rows" in r.reason for r in results)


def test_narrow_tables_are_inconclusive_where_they_must_be() -> None:
    rows = table(300, 1)[:, :1]
    one = FidelityData(domain=DOMAIN.project(["a"]), train=rows, holdout=rows, synthetic=rows)
    results = by_name(fidelity.run(one, seed=1).results)
    assert results["tvd_1way"].status is Status.OK
    for name in ("tvd_2way", "tvd_3way", "association_difference", "tstr_auc"):
        assert results[name].status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": table(9, 1) + 5}, "outside the coarse domain"),
        ({"synthetic": table(9, 1)[:, :2]}, "not an array of codes"),
        ({"holdout": table(9, 1).astype(float)}, "not an array of codes"),
        ({"label": "nobody"}, "not a column"),
    ],
)
def test_bad_input_is_refused(change, words: str) -> None:
    with pytest.raises(InputError, match=words):
        data(**change)


def test_progress_is_told_before_each_measure() -> None:
    told: list[str] = []
    fidelity.run(data(), seed=1, progress=told.append)
    assert len(told) == 6


def test_progress_does_not_tell_whether_there_are_rows() -> None:
    told: tuple[list[str], list[str]] = ([], [])
    fidelity.run(data(), seed=1, progress=told[0].append)
    fidelity.run(data(train=table(0, 1)), seed=1, progress=told[1].append)
    assert told[0] == told[1]
