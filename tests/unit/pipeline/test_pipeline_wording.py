"""What a certificate says the data are not good for."""

from __future__ import annotations

import pytest

from dpsynth.pipeline import wording
from dpsynth.privacy.unit import PrivacyUnit, Relation

ROW = PrivacyUnit(relation=Relation.ADD_REMOVE, name="row", column=None, max_rows=1)


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.019, None), (0.07, "about 7 % of the rows"), (0.49, "about 49 %"), (0.6, "mostly noise"),
     (329.0, "mostly noise")],
)  # fmt: skip
def test_a_table_too_small_for_its_epsilon_is_named_first(share: float, said: str | None) -> None:
    uses = wording.poor_uses(ROW, (), share)
    assert ("noise alone" in uses[0]) == (said is not None)
    if said:
        assert said in uses[0]
    assert uses[-4:] == wording.poor_uses(ROW, (), 0.0)
