"""Programs of third parties: priced or refused by name, handed bounded codes, silenced, wiped."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.errors import BudgetError, InputError, SelfTestError, ThirdPartyError
from dpsynth.privacy.accountants import PldAccountant, RdpAccountant, ZcdpAccountant
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import from_json
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent
from dpsynth.privacy.handover import CodedRows
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.losses import group_loss, total_loss
from dpsynth.privacy.meaning import Guarantee
from dpsynth.privacy.measurement import MarginalQuery
from dpsynth.privacy.unprotected import UnprotectedCurator
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable

DOMAIN = Domain.from_sizes({"a": 2, "b": 5})
CODES = np.array([[0, 1, 1, 0], [3, 3, 0, 1]], dtype=np.int32)
PRICED = ThirdPartyEvent(
    stage="fit", program="Smith's core", version="1.0", row_rho=0.1, sensitivity=2, rho=0.4
)
FREE = UnboundedEvent(stage="fit", program="Smith's GAN", version="1.0", reason="It copies rows.")


class Recorder(MemoryReservation):
    """Keeps programs without a guarantee, and the rows that had been handed over by then."""

    def __init__(self, rho: float = 1.0) -> None:
        super().__init__(rho)
        self.runs: list[UnboundedEvent] = []

    def record_unbounded(self, events) -> int:
        self.runs += events
        return 7


def table(rows_per_unit: int = 2) -> CodedTable:
    return CodedTable.build(DOMAIN, CODES).bounded(rows_per_unit, b"a key of sixteen")


def curator(rho: float = 1.0) -> Curator:
    return Curator(table(), reservation=Recorder(rho), max_rows_per_unit=2, rho=rho)


def copied(rows: CodedRows) -> np.ndarray:
    return rows.codes.copy()


def test_the_price_is_that_of_one_row_times_the_squared_rows() -> None:
    assert total_loss([PRICED]).rho == Fraction(0.4)
    assert group_loss([PRICED], 3).rho == Fraction(0.4) * 9
    with pytest.raises(SelfTestError, match="charges less"):
        total_loss([replace(PRICED, rho=0.4 * (1 - 1e-9))])
    assert not PRICED.covers(3) and PRICED.covers(2)
    assert from_json(PRICED.to_json()) == PRICED


def test_readers_of_a_priced_core() -> None:
    assert ZcdpAccountant([PRICED]).epsilon(1e-6) == pytest.approx(
        RdpAccountant([PRICED]).epsilon(1e-6), rel=0.02
    )
    with pytest.raises(InputError, match="PLD has no bound for ThirdPartyEvent"):
        PldAccountant([PRICED], fixed_plan=True)


@pytest.mark.parametrize("read", [
    lambda: ZcdpAccountant([FREE]),
    lambda: RdpAccountant([FREE]),
    lambda: PldAccountant([FREE], fixed_plan=True),
    lambda: total_loss([PRICED, FREE]),
    lambda: group_loss([FREE], 2),
    lambda: Guarantee.of([FREE], rho=1.0, delta_own=0.0, fixed_plan=False),
    lambda: MemoryReservation(1.0).charge([FREE]),
    lambda: curator().hand_over(copied, FREE),
])  # fmt: skip
def test_every_accountant_refuses_what_has_no_guarantee_by_name(read) -> None:
    with pytest.raises(InputError, match="Smith's GAN.*no epsilon exists"):
        read()
    with pytest.raises(InputError, match="does not know"):
        from_json(FREE.to_json())


@pytest.mark.parametrize("change", [
    {"row_rho": 0.0}, {"rho": float("nan")}, {"sensitivity": 0}, {"sensitivity": True},
    {"program": " "}, {"version": 3},
])  # fmt: skip
def test_events_that_describe_nothing_are_refused(change) -> None:
    with pytest.raises(InputError):
        replace(PRICED, **change)
    with pytest.raises(InputError):
        ThirdPartyEvent.from_json({**PRICED.to_json(), "surprise": 1})
    with pytest.raises(InputError):
        UnboundedEvent.from_json({**FREE.to_json(), "rho": "1"})
    with pytest.raises(InputError):
        replace(FREE, reason="")


def test_rows_are_charged_for_before_they_are_handed_over_and_wiped_afterwards() -> None:
    seen: list[CodedRows] = []
    asked = curator(rho=0.5)
    found = asked.hand_over(lambda rows: seen.append(rows) or copied(rows), PRICED)
    assert found.tolist() == CODES.T.tolist() and seen[0].max_rows == 2
    assert not seen[0].codes.any(), "a reference that is kept shows nothing"
    assert asked.events == ((1, PRICED),) and asked.remaining == pytest.approx(0.1)
    with pytest.raises(BudgetError):
        asked.hand_over(copied, PRICED)
    with pytest.raises(InputError, match="smaller units"):
        asked.hand_over(copied, replace(PRICED, sensitivity=1, rho=0.1))
    asked.settle()
    asked.close()
    with pytest.raises(InputError, match="closed"):
        asked.hand_over(copied, PRICED)


def test_a_part_pays_for_a_core_under_its_own_label() -> None:
    asked = curator()
    asked.part(0.5, "trial").hand_over(copied, PRICED)
    assert [event.stage for _, event in asked.events] == ["trial: fit"]


def test_what_a_program_says_of_the_rows_is_not_repeated(capfd, caplog) -> None:
    secret = "Zanzibar"

    def loud(rows: CodedRows) -> None:
        sys.stdout.write(secret)
        sys.stderr.write(secret)
        logging.getLogger("smith").error(secret)
        warnings.warn(secret, stacklevel=1)
        raise ValueError(f"{secret} {rows.codes}")

    with warnings.catch_warnings(record=True) as warned, pytest.raises(ThirdPartyError) as caught:
        warnings.simplefilter("always")
        curator().hand_over(loud, PRICED)
    out, err = capfd.readouterr()
    assert secret not in f"{out}{err}{caplog.text}{caught.value}{[str(w) for w in warned]}"
    assert "ValueError" in str(caught.value)
    assert caught.value.__context__ is None and caught.value.__cause__ is None
    logging.getLogger("smith").error("afterwards")
    assert "afterwards" in caplog.text


def test_libraries_and_child_processes_are_silenced_too(capfd) -> None:
    secret = "Zanzibar"
    bound = logging.StreamHandler(sys.__stderr__)  # took hold of the stream before
    kept = []

    def loud(rows: CodedRows) -> None:
        bound.emit(logging.LogRecord("x", 99, "x", 1, secret, None, None))
        sys.__stdout__.write(secret)
        ctypes.CDLL(None).puts(secret.encode())
        os.write(2, secret.encode())
        subprocess.run([sys.executable, "-c", f"print('{secret}')"], check=True)
        sys.stdout.write(secret)
        kept.append(sys.stdout)
        sys.exit(f"{secret} {rows.codes}")

    with pytest.raises(ThirdPartyError, match="SystemExit") as caught:
        curator().hand_over(loud, PRICED)
    ctypes.CDLL(None).fflush(None)
    sys.__stdout__.flush()
    out, err = capfd.readouterr()
    assert secret not in f"{out}{err}{caught.value}" and caught.value.__context__ is None
    assert not hasattr(kept[0], "getvalue") and kept[0].write("later") == 5
    os.write(1, b"afterwards")
    assert capfd.readouterr().out == "afterwards"


def test_rows_are_wiped_though_a_program_locks_them() -> None:
    seen: list[CodedRows] = []

    def locks(rows: CodedRows) -> None:
        seen.append(rows)
        rows.codes.setflags(write=False)
        raise ValueError(str(rows.codes))

    with pytest.raises(ThirdPartyError, match="ValueError") as caught:
        curator().hand_over(locks, PRICED)
    assert caught.value.__context__ is None and not seen[0].codes.any()


def test_the_unprotected_curator_writes_down_and_answers_nothing() -> None:
    book = Recorder()
    with UnprotectedCurator(table(), reservation=book, max_rows_per_unit=2) as asked:
        with pytest.raises(InputError, match="claims a price"):
            asked.hand_over(copied, PRICED)
        with pytest.raises(InputError, match="no budget"):
            asked.measure([MarginalQuery(attributes=("a",), rho=0.1)], stage="one-way")
        assert not book.runs
        assert asked.hand_over(copied, FREE).shape == (4, 2)
        assert asked.unbounded == ((7, FREE),) and book.runs == [FREE]
        assert asked.events == () and asked.rho == 0.0
    with pytest.raises(InputError, match="closed"):
        asked.hand_over(copied, FREE)
