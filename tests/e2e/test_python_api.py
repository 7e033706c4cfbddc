"""dpsynth from Python: the same ledger stands behind it, and importing it has no effects."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pytest
from steward import HEADER, Desk, rows_of

import dpsynth
from dpsynth.errors import BudgetError, InputError
from dpsynth.pipeline import ReleaseSettings
from dpsynth.privacy.ledger import Ledger


def frame_of(count: int) -> pd.DataFrame:
    """Return the test table as pandas reads it."""
    frame = pd.DataFrame(rows_of(count), columns=list(HEADER))
    return frame.assign(age=frame["age"].astype(int), cost=frame["cost"].astype(float))


def fitter(desk: Desk, **more: object) -> dpsynth.Synthesizer:
    return dpsynth.Synthesizer(
        "mst",
        epsilon=1.0,
        delta=1e-6,
        dictionary=desk.folder / "dictionary.yaml",
        lineage="clinic",
        ledger=str(desk.ledger),
        **more,
    )


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_a_frame_in_a_table_out(desk: Desk, kind: str) -> None:
    frame = frame_of(3000)
    fitted = fitter(desk).fit(frame if kind == "pandas" else pa.Table.from_pandas(frame))
    table = fitted.sample(500, seed=4)
    assert table.column_names == list(HEADER)
    assert table.num_rows == 500
    assert table.schema.field("age").type == pa.int64()
    assert table.equals(fitted.sample(500, seed=4))
    north = fitted.sample(40, where={"ward": "north", "age": "71"})
    assert north.num_rows == 40
    assert set(north["ward"].to_pylist()) == {"north"} and set(north["age"].to_pylist()) == {71}
    assert 0 < fitted.sample(where={"ward": "north"}).num_rows < fitted.sample().num_rows
    with pytest.raises(InputError, match="not a declared value"):
        fitted.sample(1, where={"ward": "attic"})
    with Ledger.open(desk.ledger) as book:
        status = book.status("clinic")
    assert status.open_reservations == ()
    assert float(status.spent_rho) == pytest.approx(fitted.rho, rel=1e-12)


def test_counts_with_error_bars(desk: Desk) -> None:
    fitted = fitter(desk).fit(frame_of(3000))
    wards = fitted.estimate(["ward"])
    shown = dict(zip(wards["ward"].to_pylist(), wards.to_pylist(), strict=True))
    north = shown["north"]
    assert north["rows_low"] < north["rows"] < north["rows_high"]
    assert north["share_of_population_low"] <= north["share_of_table_low"] < north["share"]
    inside = fitted.estimate(["outcome"], where={"ward": "north"})
    assert inside.num_rows >= 2 and inside.column_names[0] == "outcome"
    with pytest.raises(InputError, match="no column"):
        fitted.estimate(["attic"])


def test_every_fit_pays_again_until_the_budget_is_gone(desk: Desk) -> None:
    frame = frame_of(300)
    with pytest.raises(BudgetError):
        for _ in range(100):
            fitter(desk).fit(frame)
    with Ledger.open(desk.ledger) as book:
        status = book.status("clinic")
    assert 5 < status.releases < 20
    assert 0 <= status.remaining_rho < status.terms.total_rho / 5


def test_what_is_no_frame_is_refused_before_anything_is_spent(desk: Desk) -> None:
    with pytest.raises(InputError, match="speaks Arrow"):
        fitter(desk).fit([[1, 2], [3, 4]])
    with pytest.raises(InputError, match="outcome"):
        fitter(desk).fit(frame_of(10).drop(columns="outcome"))
    assert not desk.ledger.exists()


def test_release_and_verify_from_python(desk: Desk) -> None:
    outcome = dpsynth.release(
        ReleaseSettings(
            name="clinic",
            lineage="clinic",
            source=desk.folder / "data.csv",
            dictionary=desk.folder / "dictionary.yaml",
            epsilon=1.0,
            delta=1e-6,
            passphrase_file=desk.folder / "passphrase",
        ),
        out=desk.folder / "bundle",
    )
    assert outcome.passed
    report = dpsynth.verify(outcome.bundle, trust=[desk.folder / "keys" / "root.pem"])
    assert report.verdict == "VALID"
    assert callable(dpsynth.attacks.run)


def test_importing_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, dpsynth; "
        "heavy = {'numpy', 'opendp', 'sklearn', 'weasyprint', 'torch', 'pyhanko'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
