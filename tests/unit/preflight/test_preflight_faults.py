"""The preflight passes the pipeline as it is, and names every fault that is planted in it.

False alarms: see ALPHA in small_release.py; a finding of one place has probability below 1e-5.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_release import Check

from dpsynth.errors import InputError
from dpsynth.pipeline import package, plan, steps
from dpsynth.preflight import Verdict
from dpsynth.preflight.tables import CANARY
from dpsynth.privacy import curator
from dpsynth.schema.codec import Codec

Patch = pytest.MonkeyPatch
RUN = sys.modules["dpsynth.pipeline.run"]  # the package has a function of that name


def places(check: Check, name: str, **changes: object) -> list[str]:
    """Return what a pair finds; it must fail."""
    (result,) = check(name, **changes).results
    assert result.verdict is Verdict.FAIL
    return [finding.where for finding in result.findings]


def opened(monkeypatch: Patch, look: Callable[[Any, Any], None]) -> None:
    """Let a fault look at the raw columns that were read, and at the progress callback."""
    encode = Codec.encode

    def spying(self: Codec, columns: Any) -> Any:
        look(self, columns)
        return encode(self, columns)

    monkeypatch.setattr(Codec, "encode", spying)


def holds(columns: Any, text: str) -> bool:
    """Say whether a cell of the raw columns begins with a text."""
    start = text.encode()
    return any(
        cell.startswith(start)
        for column in columns.values()
        if pa.types.is_binary(column.type)
        for cell in column.to_pylist()
    )


def test_the_pipeline_passes(check: Check) -> None:
    report = check("random", "empty", "c-plus-1-rows-same", "c-plus-1-rows-distinct", "no-label")
    assert len(report.results) == 5
    assert [r.reason for r in report.results if r.verdict is not Verdict.PASS] == []
    assert all(r.varying for r in report.results), "noise must show: it is the real pipeline"


def test_the_pipeline_passes_on_parquet(check: Check) -> None:
    report = check("unique-value", "undecodable", "long-cell", format="parquet")
    assert [r.reason for r in report.results if r.verdict is not Verdict.PASS] == []


def test_a_category_domain_taken_from_the_data(check: Check, monkeypatch: Patch) -> None:
    """One-way counts over the categories that occur: the cells of their events say how many."""
    measure = curator.Curator.measure

    def seen_only(self: Any, queries: Any, *, stage: str) -> Any:
        table = self._table
        codes = table.codes[table.domain.index("ward")]
        used = np.unique(codes)
        part = np.searchsorted(used, np.arange(table.domain["ward"].size)).clip(0, len(used) - 1)
        extra = type(queries[0])(attributes=("ward",), rho=1e-9, partitions={"ward": part})
        if stage == "one-way":
            measure(self, [extra], stage=stage)
        return measure(self, queries, stage=stage)

    monkeypatch.setattr(curator.Curator, "measure", seen_only)
    monkeypatch.setattr(steps.CodedTable, "split", lambda self, fraction, key: (self, self))
    assert any("cells" in place for place in places(check, "one-category"))


def test_a_warning_that_names_a_cell(check: Check, monkeypatch: Patch) -> None:
    def warn(codec: Codec, columns: Any) -> None:
        if holds(columns, CANARY):
            warnings.warn(f"odd cell {CANARY}", stacklevel=1)

    opened(monkeypatch, warn)
    found = places(check, "long-cell")
    assert any(place.startswith("warnings") for place in found)
    assert not any(CANARY in place for place in found)


def test_the_exact_number_of_rows_in_a_message(check: Check, monkeypatch: Patch) -> None:
    fit = steps.fit_model

    def telling(plan: Any, table: Any, reservation: Any, progress: Any) -> Any:
        progress(f"Fitting {reservation.before.releases + table.n_units} units")
        return fit(plan, table, reservation, progress)

    monkeypatch.setattr(steps.CodedTable, "split", lambda self, fraction, key: (self, self))
    monkeypatch.setattr(RUN, "fit_model", telling)
    (place,) = places(check, "random")
    assert place.startswith("progress line") and place.endswith("word 2")


def test_a_type_that_follows_the_content(check: Check, monkeypatch: Patch) -> None:
    odd: list[bool] = []
    opened(monkeypatch, lambda codec, columns: odd.append(holds(columns, CANARY)))
    typed = Codec.typed

    def inferred(self: Codec, table: pa.Table) -> pa.Table:
        found = typed(self, table)
        if odd[-1] or (len(odd) > 1 and odd[-2]):
            place = found.column_names.index("age")
            found = found.set_column(place, "age", found.column("age").cast(pa.string()))
        return found

    monkeypatch.setattr(Codec, "typed", inferred)
    found = places(check, "long-cell", format="parquet")
    assert "schema of the synthetic file" in found


def test_a_file_that_appears_for_a_rare_value(check: Check, monkeypatch: Patch) -> None:
    odd: list[bool] = []
    opened(monkeypatch, lambda codec, columns: odd.append(holds(columns, "=HYPERLINK")))
    write = package.write_synthetic

    def with_log(folder: Any, plan: Any, fitted: Any) -> Any:
        done = write(folder, plan, fitted)
        if any(odd[-2:]):
            (folder / "public" / "rejects.log").write_text("1 cell was odd")
        return done

    monkeypatch.setattr(RUN, "write_synthetic", with_log)
    assert places(check, "formula") == ["names of files"]


def test_noise_that_follows_the_number_of_rows(check: Check, monkeypatch: Patch) -> None:
    class Fitting(curator.Curator):
        def measure(self, queries: Any, *, stage: str) -> Any:
            rows = self._table.codes.shape[1]
            cheaper = [
                type(q)(attributes=q.attributes, rho=q.rho * (1 - 1 / (9 + rows)),
                        partitions=q.partitions)
                for q in queries
            ]  # fmt: skip
            return super().measure(cheaper, stage=stage)

    monkeypatch.setattr(steps.CodedTable, "split", lambda self, fraction, key: (self, self))
    monkeypatch.setattr(plan, "Curator", Fitting)
    found = places(check, "random")
    assert any("event" in place and "scale" in place for place in found)


def test_an_error_that_depends_on_a_cell(check: Check, monkeypatch: Patch) -> None:
    def refuse(codec: Codec, columns: Any) -> None:
        if holds(columns, CANARY):
            raise InputError("A cell is too long.")

    opened(monkeypatch, refuse)
    found = places(check, "long-cell")
    assert "how the run ended" in found


def test_a_crash_that_depends_on_a_cell(check: Check, monkeypatch: Patch) -> None:
    opened(monkeypatch, lambda codec, columns: 1 // (not holds(columns, CANARY)))
    assert "how the run ended" in places(check, "long-cell")


def test_one_row_beyond_the_bound(check: Check, monkeypatch: Patch) -> None:
    """A table that is not bounded lets the unit's third row into a message."""

    def telling(plan: Any, table: Any, reservation: Any, progress: Any) -> Any:
        most = int(np.bincount(table.units).max(initial=0))
        progress(f"At most {most} rows of one unit")
        raise InputError("stop here")

    monkeypatch.setattr(steps.CodedTable, "split", lambda self, fraction, key: (self, self))
    monkeypatch.setattr(
        steps.CodedTable, "bounded", lambda self, most, key: replace(self, max_rows=most)
    )
    monkeypatch.setattr(RUN, "fit_model", telling)
    monkeypatch.setattr("dpsynth.preflight.tables.Maker.table", _small_units)
    found = places(check, "c-plus-1-rows-same")
    assert any(place.startswith("progress line") for place in found)


def _small_units(self: Any, count: int, stream: int, *, without_first: bool = False) -> Any:
    rows = self.rows(count, stream, without_first=without_first)
    return tuple(self.unit([row], self.label(i)) for i, row in enumerate(rows))


def test_a_pipeline_that_always_stops_is_inconclusive(check: Check, monkeypatch: Patch) -> None:
    def refuse(codec: Codec, columns: Any) -> None:
        raise InputError("never")

    opened(monkeypatch, refuse)
    (result,) = check("random").results
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "ended early" in result.reason
