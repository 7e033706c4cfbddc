"""Open domains: a public grid, total coding, and dictionaries completed by what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.errors import InputError
from dpsynth.schema.codec import Codec
from dpsynth.schema.declared import (
    CategoryDomain,
    Column,
    Dictionary,
    Kind,
    NumericDomain,
    OpenDomain,
    OpenRange,
    PrivacyUnitSpec,
    Role,
)
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.schema.undeclared import (
    SOURCE,
    completed,
    declared_texts,
    domains_from_json,
    domains_to_json,
    grid_attribute,
    grid_codes,
    grid_edges,
    open_columns,
    with_categories,
)


def open_range(kind: Kind = Kind.INTEGER, **domain: float) -> Column:
    return Column(
        name="x", kind=kind, role=Role.OTHER, meaning="", domain=OpenRange(**domain),
        missing={"-9": "unknown"}, special={"999": "not asked"},
    )  # fmt: skip


def parse(tmp_path: Path, kind: str, domain: str) -> Column:
    path = tmp_path / "d.yaml"
    path.write_text(
        "privacy_unit: {kind: row}\ncolumns:\n"
        f"- {{name: x, kind: {kind}, role: other, domain: {domain}}}\n"
    )
    return load_dictionary(path)["x"]


def test_an_open_range_is_read(tmp_path: Path) -> None:
    assert parse(tmp_path, "integer", "{open: true}").domain == OpenRange()
    assert parse(tmp_path, "float", "{open: true, lower: 0, bins: 8}").domain == OpenRange(
        lower=0.0, bins=8
    )


@pytest.mark.parametrize(
    ("kind", "domain", "words"),
    [
        ("integer", "{open: false}", "only be true"),
        ("integer", "{open: true, lower: 3, upper: 3}", "smaller than upper"),
        ("integer", "{open: true, lower: 0.5}", "whole numbers"),
        ("float", "{open: true, bins: 1}", "bins"),
        ("float", "{open: true, bins: {uniform: 3}}", "bins"),
        ("float", "{open: true, edges: [1, 2]}", "unknown key"),
        ("date", "{open: true}", "unknown key"),
        ("float", "{open: true, lower: 5.0e+9}", "below 1.07374e"),
        ("integer", "{open: true, upper: -2000000000000}", "below 1.09951e"),
    ],
)
def test_a_malformed_open_range_is_refused(
    tmp_path: Path, kind: str, domain: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        parse(tmp_path, kind, domain)


@pytest.mark.parametrize("kind", [Kind.INTEGER, Kind.FLOAT])
@pytest.mark.parametrize("domain", [{}, {"lower": 0.0}, {"upper": 50.0}, {"lower": 1, "upper": 5}])
def test_the_grid_rises_and_codes_are_total(kind: Kind, domain: dict[str, float]) -> None:
    column = open_range(kind, **domain)
    edges, attribute = grid_edges(column), grid_attribute(column)
    assert (np.diff(edges) > 0).all() and attribute.size == len(edges)
    cells = ["1", "2.5", " 4 ", "-7", "1e300", "nan", "", "?", "999", "-9", None, "1e12"]
    codes = grid_codes(column, pa.array(cells))
    assert ((codes >= 0) & (codes < attribute.size)).all()
    other = attribute.size - 1
    for place in (4, 5, 6, 7, 8, 9, 10):
        assert codes[place] == other
    assert edges[codes[0]] <= 1 <= edges[codes[0] + 1]
    assert (codes[1] == other) == (kind is Kind.INTEGER)
    assert codes.tolist() == [int(grid_codes(column, pa.array([c]))[0]) for c in cells]


def test_a_code_is_a_code_however_it_is_written() -> None:
    column = open_range(Kind.INTEGER)
    cells = ["999", "999.0", "-9", "-9.00", "998"]
    other = grid_attribute(column).size - 1
    assert (grid_codes(column, pa.array(cells)) == other).tolist() == [True] * 4 + [False]


def dictionary() -> Dictionary:
    open_texts = Column(
        name="payer", kind=Kind.CATEGORICAL, role=Role.SENSITIVE, meaning="",
        domain=OpenDomain(known_values=("MC",)), missing={"?": "unknown"},
    )  # fmt: skip
    hidden = Column(
        name="email", kind=Kind.CATEGORICAL, role=Role.DIRECT_IDENTIFIER, meaning="",
        domain=OpenDomain(),
    )  # fmt: skip
    return Dictionary(
        title="t",
        columns=(open_texts, hidden, open_range()),
        privacy_unit=PrivacyUnitSpec(kind="row"),
    )


def test_identifiers_are_never_discovered() -> None:
    assert [c.name for c in open_columns(dictionary())] == ["payer", "x"]
    assert declared_texts(dictionary()["payer"]) == ("MC", "?", "__out_of_domain__")


def test_a_completed_dictionary_models_what_was_found_and_says_so() -> None:
    plain = dictionary()
    found = with_categories(plain["payer"], ("BC", "MC", "SP"))
    assert found == CategoryDomain(categories=("MC", "BC", "SP"))
    done = completed(plain, {"payer": found})
    assert done["payer"].domain_source == SOURCE and plain["payer"].domain_source == ""
    codec = Codec.from_dictionary(done)
    assert codec.domain.names == ("payer",)
    treatments = {t.column: t.treatment for t in codec.treatments}
    assert treatments == {"payer": "modelled", "email": "left_out", "x": "left_out"}
    tree = domains_to_json(completed(done, {"x": NumericDomain(lower=0, upper=9, edges=(0, 5, 9))}))
    assert domains_from_json(tree, "here") == {
        "payer": found,
        "x": NumericDomain(lower=0.0, upper=9.0, edges=(0.0, 5.0, 9.0)),
    }
    with pytest.raises(InputError, match="discovered"):
        domains_from_json({"x": {"lower": 0}}, "here")
