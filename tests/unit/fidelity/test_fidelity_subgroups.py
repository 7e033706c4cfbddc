"""Errors within groups: a group that is got wrong stands out, a small one is not judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpsynth import fidelity
from dpsynth.fidelity.api import FidelityData
from dpsynth.fidelity.subgroups import LEAST_ROWS, MOST_GROUPS, GroupError, group_columns
from dpsynth.results import Status
from dpsynth.schema.domain import Domain

DOMAIN = Domain.from_sizes({"sex": 2, "region": 4, "x": 5, "wide": 40, "label": 2})


def rows(n: int, seed: int, *, rare: int = 0) -> np.ndarray:
    """Label follows x in both sexes; region 3 has exactly `rare` rows."""
    rng = np.random.default_rng(seed)
    sex, region, x = rng.integers(0, 2, n), rng.integers(0, 3, n), rng.integers(0, 5, n)
    region[:rare] = 3
    label = (x + rng.integers(0, 3, n) > 3).astype(int)
    return np.stack([sex, region, x, rng.integers(0, 40, n), label], axis=1)


def data(**change: object) -> FidelityData:
    base = FidelityData(
        domain=DOMAIN,
        train=rows(4000, 1),
        holdout=rows(2000, 2),
        synthetic=rows(4000, 3),
        label="label",
    )
    return replace(base, **change)


def groups(given: FidelityData) -> dict[tuple[str, int], GroupError]:
    found = fidelity.run(given, seed=4, groups=("sex", "region", "wide", "label", "absent")).groups
    return {(g.column, g.code): g for g in found}


def test_groups_are_named_by_columns_with_few_values_and_never_by_the_label() -> None:
    assert DOMAIN["wide"].size > MOST_GROUPS
    assert group_columns(data(), ("sex", "wide", "label", "absent")) == ["sex"]


def test_a_good_output_is_at_the_floor_in_every_group() -> None:
    found = groups(data())
    assert set(found) == {("sex", 0), ("sex", 1), *(("region", code) for code in range(3))}
    for group in found.values():
        assert group.status is Status.OK
        assert group.error is not None and group.floor is not None
        assert group.error < 2 * group.floor  # fresh rows: about the square root of two
        assert group.auc_gap_interval is not None
        assert group.auc_gap_interval.low < 0.03
    assert sum(found["sex", code].train_rows for code in (0, 1)) == 4000
    assert found["sex", 0].real_share == pytest.approx(1 - found["sex", 1].real_share)


def test_a_group_that_the_output_gets_wrong_stands_out_alone() -> None:
    """Planted: one sex has the opposite label and one value of the wide column."""
    broken = rows(4000, 3)
    hit = broken[:, 0] == 1
    broken[hit, 3] = 0
    broken[hit, 4] = 1 - broken[hit, 4]
    found = groups(data(synthetic=broken))
    good, bad = found["sex", 0], found["sex", 1]
    assert good.error is not None and bad.error is not None and bad.floor is not None
    assert bad.error > 3 * bad.floor > 0
    assert good.error < 0.5 * bad.error
    assert good.auc_gap_interval is not None and bad.auc_gap_interval is not None
    assert good.auc_gap_interval.high < 0.1
    assert bad.auc_gap_interval.low > 0.3


def test_a_group_of_few_rows_or_without_synthetic_rows_has_no_number() -> None:
    found = groups(data(train=rows(4000, 1, rare=LEAST_ROWS - 1), synthetic=rows(4000, 3)))
    small = found["region", 3]
    assert (small.status, small.error, small.auc_gap) == (Status.INCONCLUSIVE, None, None)
    assert "fewer than" in small.reason and small.train_rows == LEAST_ROWS - 1
    found = groups(data(train=rows(4000, 1, rare=LEAST_ROWS)))
    assert found["region", 3].reason == "It has no synthetic row."
    assert found["region", 3].error is None


def test_without_a_label_or_a_holdout_only_distances_are_given() -> None:
    for given in (data(label=None), data(holdout=rows(0, 2))):
        found = groups(given)
        assert all(g.error is not None and g.auc_gap is None for g in found.values())
    assert fidelity.run(data(synthetic=rows(0, 1)), seed=1, groups=("sex",)).groups == ()
