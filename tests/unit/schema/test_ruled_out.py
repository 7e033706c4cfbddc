"""What the constraints of a dictionary rule out, by hand, and values that keep them in a cell."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import stays

from dpsynth.fidelity.constraints import reading_of, violation_rates
from dpsynth.schema.codec import Codec
from dpsynth.schema.constraints import Implies, LessThan, MissingIffBelow, SameMissing, Unique
from dpsynth.schema.domain import Domain


def domain_of(*constraints) -> Domain:
    return Codec.from_dictionary(stays.dictionary(constraints)).domain


def holds(codec_domain: Domain, **texts: str) -> bool:
    """Return whether the one set of zeros allows the cells."""
    (zeros,) = codec_domain.zeros
    codec = Codec.from_dictionary(stays.dictionary())
    assert set(zeros.names) == set(texts)
    codes = [codec.encode_column(name, pa.array([texts[name]])) for name in zeros.names]
    return bool(zeros.holds(codes)[0])


def test_missing_iff_below() -> None:
    domain = domain_of(MissingIffBelow(column="pay", numeric="age", threshold=15))
    assert holds(domain, pay="N", age="14") and holds(domain, pay="10", age="15")
    assert not holds(domain, pay="N", age="15") and not holds(domain, pay="10", age="14")
    # No age at all says nothing.
    assert holds(domain, pay="N", age="") and holds(domain, pay="10", age="")


def test_a_cell_on_both_sides_of_a_threshold_allows_both() -> None:
    domain = domain_of(MissingIffBelow(column="employer", numeric="pay", threshold=201))
    (zeros,) = domain.zeros
    pay = Codec.from_dictionary(stays.dictionary()).encode_column("pay", pa.array(["200", "202"]))
    assert pay[0] == pay[1]
    assert zeros.holds([np.array([0, domain["employer"].size - 2]), pay[:1]]).all()


def test_same_missing_goes_along_the_columns() -> None:
    domain = domain_of(SameMissing(names=("pay", "employer", "cost")))
    assert [zeros.names for zeros in domain.zeros] == [("pay", "employer"), ("employer", "cost")]
    domain = domain_of(SameMissing(names=("pay", "employer")))
    assert holds(domain, pay="N", employer="?") and holds(domain, pay="3", employer="public")
    assert not holds(domain, pay="N", employer="public")
    # A number outside its bounds is written as a blank cell, which reads as missing.
    assert holds(domain, pay="-5", employer="?") and not holds(domain, pay="-5", employer="public")


def test_implies_forbids_the_condition_without_the_consequence() -> None:
    domain = domain_of(Implies(condition={"sex": ("m",)}, consequence={"ward": ("heart",)}))
    assert holds(domain, sex="m", ward="heart") and holds(domain, sex="f", ward="birth")
    assert not holds(domain, sex="m", ward="birth")
    three = domain_of(
        Implies(condition={"sex": ("m",), "age": ("3",)}, consequence={"ward": ("heart",)})
    )
    assert holds(three, sex="m", age="4", ward="birth")
    assert not holds(three, sex="m", age="3", ward="birth")


def test_a_value_inside_a_wide_cell_rules_nothing_out() -> None:
    assert not domain_of(Implies(condition={"pay": ("7",)}, consequence={"ward": ("heart",)})).zeros


@pytest.mark.parametrize(("or_equal", "same"), [(False, False), (True, True)])
def test_order_of_days(or_equal: bool, same: bool) -> None:
    domain = domain_of(LessThan(left="admitted", right="discharged", or_equal=or_equal))
    assert holds(domain, admitted="2020-03-01", discharged="2020-03-02")
    assert not holds(domain, admitted="2020-03-02", discharged="2020-03-01")
    assert holds(domain, admitted="2020-03-01", discharged="2020-03-01") is same
    assert holds(domain, admitted="2020-03-01", discharged="")


def test_order_inside_one_cell_of_many_values_is_possible() -> None:
    domain = domain_of(LessThan(left="cost", right="charged"))
    assert holds(domain, cost="205", charged="202")  # one cell: it has values in both orders
    assert not holds(domain, cost="5000", charged="202")
    assert not holds(domain, cost="0", charged="0")  # a cell of one value


def test_unique_and_columns_that_are_not_modelled_rule_nothing_out() -> None:
    assert not domain_of(Unique(names=("age", "sex"))).zeros


def test_projection_keeps_what_it_can_still_say() -> None:
    domain = Codec.from_dictionary(stays.dictionary()).domain
    assert [z.names for z in domain.project(("pay", "age", "sex")).zeros] == [("pay", "age")]
    again = Codec.from_dictionary(stays.dictionary()).domain
    assert domain == again and hash(domain.zeros) == hash(again.zeros)
    assert domain != Codec.from_dictionary(stays.dictionary(())).domain


def test_decoded_values_keep_order_and_dependency_inside_their_cells() -> None:
    """Both orders are possible in the cells; after 20 draws the ends of the cells are taken."""
    codec = Codec.from_dictionary(stays.dictionary())
    codes = np.ascontiguousarray(codec.encode(stays.table(3000, 1)).T, dtype=np.int32)
    codes[:, codec.domain.index("charged")] = codes[:, codec.domain.index("cost")]
    free = Codec.from_dictionary(stays.dictionary(()))

    def rates(text: pa.Table) -> dict[str, float]:
        cells = {name: text.column(name).to_pylist() for name in text.column_names}
        declared = stays.dictionary()
        found = violation_rates(declared.constraints, cells, reading_of(declared))
        return {str(entry["constraint"]): entry["rate"] for entry in found}

    parts = [codec.decode(codes, seed=seed, table_seed=9) for seed in (1, 2)]
    assert rates(pa.concat_tables(parts)) == dict.fromkeys(rates(parts[0]), 0.0)
    without = rates(free.decode(codes, seed=1))
    assert without["cost is less than charged"] > 0.4
    assert without["ward determines floor, rate"] > 0.4
    back = codec.encode({name: parts[0].column(name) for name in codec.domain.names})
    assert (back.T == codes).all()
