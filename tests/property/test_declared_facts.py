"""Whatever a person declares is refused before the budget is reserved, or becomes evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
import sample_evidence as sample
import yaml
from dpsynth.reports.document import certificate_html, report_html
from dpsynth.reports.sheets import INTERNAL_SHEETS, SHEETS
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from steward import DICTIONARY, furnish

from dpsynth.errors import DpsynthError, InputError
from dpsynth.evidence import EvidenceBuilder
from dpsynth.pipeline import Plan, ReleaseSettings, prepare
from dpsynth.pipeline.declared import check_declared, columns, declare
from dpsynth.results import Disclosure

SETTINGS = ("purpose", "recipient", "jurisdiction", "origin", "unit_name")
PLACES: dict[str, Callable[[dict[str, Any], str], object]] = {
    "title": lambda tree, text: tree.update(title=text),
    "codebook": lambda tree, text: tree.update(codebook=text),
    "meaning": lambda tree, text: tree["columns"][1].update(meaning=text),
    "domain_source": lambda tree, text: tree["columns"][1].update(domain_source=text),
    "missing": lambda tree, text: tree["columns"][2].update(missing={text: "unknown"}),
    "category": lambda tree, text: tree["columns"][2]["domain"]["categories"].append(text),
}
UNDECODED = "caf\udce9"  # as Python reads the Latin-1 bytes of an argument
HOSTILE = st.one_of(
    st.text(st.characters(codec=None, categories=("L", "N", "P", "Z", "C", "S", "M")), max_size=30),
    st.sampled_from(
        ["", UNDECODED, "\ud800", "\x00\x1b[2J", "\u202e", "=HYPERLINK(1)", "</a>", "{{7*7}}", "~"]
    ),
    st.text("ab\n\t\x85\u2028'\"{}[]&*#|>%@`", max_size=12),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("declared")
    furnish(folder, count=10)
    return folder


def planned(folder: Path, place: str, text: str, **options: Any) -> Plan:
    """Return a plan whose declarations hold a text in one place."""
    tree = yaml.safe_load(DICTIONARY)
    if place in PLACES:
        PLACES[place](tree, text)
    (folder / "declared.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    more = {place: text} if place in SETTINGS else {}
    return prepare(
        ReleaseSettings(
            **{
                "name": "x", "lineage": "x", "source": folder / "data.csv", "epsilon": 1.0,
                "delta": 1e-6, "dictionary": folder / "declared.yaml", "recipient": "X",
                "jurisdiction": "CH", "policy": str(folder / "default.yaml"), "options": options,
            } | more
        )
    )  # fmt: skip


def facts_of(plan: Plan) -> dict[str, Any]:
    """Return the declared facts of a plan by field."""
    builder = EvidenceBuilder()
    declare(builder, plan, issuer="Issuer", created=sample.CREATED)
    builder.add("data.columns", columns(plan), Disclosure.DECLARED)
    return {name: fact.value for name, fact in builder._facts.items()}


def into_documents(facts: dict[str, Any]) -> None:
    """Make everything of a release from these facts, short of laying out the pages."""
    evidence = sample.build(sample.adult_values() | facts)
    public = evidence.public()
    assert evidence.to_bytes() and certificate_html(public) and report_html(evidence)
    for made in SHEETS.values():
        assert made(public).encode("utf-8")
    for made_inside in INTERNAL_SHEETS.values():
        assert made_inside(evidence).encode("utf-8")


@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(place=st.sampled_from([*SETTINGS, *PLACES]), text=HOSTILE)
@example(place="purpose", text=UNDECODED)
@example(place="title", text="\ud800")
@example(place="category", text="=HYPERLINK(1)")
def test_a_declared_text_is_refused_before_or_becomes_a_release(
    folder: Path, place: str, text: str
) -> None:
    try:
        plan = planned(folder, place, text)
        check_declared(plan)
    except DpsynthError as error:
        assert isinstance(error, InputError), error
        return
    into_documents(facts_of(plan))


@pytest.mark.parametrize("place", SETTINGS[:4])
def test_a_text_that_no_file_can_hold_is_named_by_its_field(folder: Path, place: str) -> None:
    plan = planned(folder, place, UNDECODED)
    with pytest.raises(rfc8785.CanonicalizationError):
        into_documents(facts_of(plan))
    with pytest.raises(InputError, match="cannot be written into the evidence") as caught:
        check_declared(plan)
    assert str(caught.value).startswith("release.") and "caf" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, object(), {1: 2}])
def test_an_option_that_has_no_canonical_form_is_refused(
    folder: Path, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(folder, "purpose", "plain")
    kind = type(plan.synthesizer)
    monkeypatch.setattr(kind, "options", lambda self: {"option": value})
    with pytest.raises(InputError, match="synthesizer.options"):
        check_declared(plan)


def test_a_fault_of_shape_is_named(folder: Path) -> None:
    plan = planned(folder, "purpose", "plain")
    object.__setattr__(plan.unit, "name", 3)
    with pytest.raises(InputError, match="guarantee.unit is not of type string"):
        check_declared(plan)
