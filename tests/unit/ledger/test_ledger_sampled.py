"""Reservations with steps on Poisson samples: what they claim, and what may be charged to them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.errors import BudgetError, InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import sigma_for
from dpsynth.privacy.conversion import epsilon_at
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.ledger import Currency, Ledger, LedgerKey, LineageTerms
from dpsynth.privacy.mechanisms import gaussian_rho
from dpsynth.privacy.numbers import float_up
from dpsynth.privacy.sampled import SampledSteps, release_steps

TOTAL = Budget(epsilon=3.0, delta=1e-6)
EPSILON = 1.0
RATE, STEPS = 0.02, 400


@pytest.fixture
def book(path: Path, key: LedgerKey, unit):
    """A lineage whose order suits a release of epsilon 1 badly."""
    with Ledger.open(path.with_name("sampled.sqlite"), key=key) as opened:
        opened.register(LineageTerms.of("people", unit=unit, total=TOTAL))
        yield opened


@pytest.fixture
def planned(book: Ledger) -> tuple[SampledSteps, float, float]:
    """Return steps, the price of the rest, and the price of all."""
    order = book.status("people").terms.order
    rho = rho_for(Budget(epsilon=EPSILON, delta=1e-6))
    steps = release_steps(
        RATE, STEPS, rho=0.8 * rho, order=order, zcdp_rho=0.2 * rho, epsilon=EPSILON, delta=1e-6
    )
    return steps, 0.2 * rho, 0.2 * rho + steps.rho(order)


def column(rho: float) -> GaussianEvent:
    """Return a count that covers two rows per unit, at a price."""
    sigma = sigma_for(rho, 2)
    return GaussianEvent(
        stage="one-way", attributes=("a",), cells=2, sigma=sigma, sensitivity=2,
        rho=gaussian_rho(sigma, 2),
    )  # fmt: skip


def test_a_release_costs_its_price_at_the_lineages_order(book, planned, reserve) -> None:
    steps, rest, rho = planned
    order = book.status("people").terms.order
    reservation = reserve("r", book=book, rho=rho, epsilon=EPSILON, currency=Currency.RENYI,
                          sampled=steps)  # fmt: skip
    reservation.open_data()
    reservation.charge([column(0.9 * rest)])
    reservation.charge([steps.event("training", order)])
    reservation.commit({})
    record = book.status("people").records[0]
    assert record.sampled == steps and record.spent_rho <= Fraction(rho)
    assert book.status("people").renyi
    status = book.status("people")
    for party in (*status.recipients, *status.jurisdictions, status.joint([""])):
        assert (party.rho, party.currency) == (record.spent_rho, Currency.RENYI)
        assert party.epsilon == epsilon_at(order, float_up(record.spent_rho), 1e-6)
    assert book.verify().entries == 7
    # The same epsilon at this order alone would be far above what was declared.
    with pytest.raises(InputError, match="exceeds the epsilon"):
        reserve("s", book=book, rho=rho, epsilon=EPSILON, currency=Currency.RENYI)


def test_the_steps_cannot_be_charged_twice(book, planned, reserve) -> None:
    steps, _, rho = planned
    event = steps.event("training", book.status("people").terms.order)
    reservation = reserve("r", book=book, rho=rho, epsilon=EPSILON, currency=Currency.RENYI,
                          sampled=steps)  # fmt: skip
    reservation.open_data()
    reservation.charge([event])
    with pytest.raises(BudgetError, match="exceeds what was reserved"):
        reservation.charge([event])


def test_what_is_reserved_for_the_steps_pays_for_nothing_else(book, planned, reserve) -> None:
    """Else answers could choose between training and as much zCDP: no order bounds both alike."""
    steps, rest, rho = planned
    event = steps.event("training", book.status("people").terms.order)
    reservation = reserve("r", book=book, rho=rho, epsilon=EPSILON, currency=Currency.RENYI,
                          sampled=steps)  # fmt: skip
    reservation.open_data()
    for price in (1.01 * rest, 0.9 * rho):
        with pytest.raises(BudgetError, match="beside its training"):
            reservation.charge([column(price)])
    reservation.charge([column(0.5 * rest)])
    with pytest.raises(BudgetError, match="beside its training"):
        reservation.charge([column(0.51 * rest)])
    reservation.charge([event])
    reservation.charge([column(0.4 * rest)])
    assert book.verify().entries == 7


@pytest.mark.parametrize(
    "change", [{"noise_multiplier": 5.0}, {"steps": STEPS - 1}, {"sampling_rate": RATE / 2}]
)
def test_other_steps_than_were_reserved_are_refused(book, planned, reserve, change) -> None:
    steps, _, rho = planned
    reservation = reserve("r", book=book, rho=rho, epsilon=EPSILON, currency=Currency.RENYI,
                          sampled=steps)  # fmt: skip
    reservation.open_data()
    other = replace(steps, **change).event("training", book.status("people").terms.order)
    with pytest.raises(InputError, match="differ from those"):
        reservation.charge([other])


def test_a_claim_that_does_not_hold_is_refused(book, planned, reserve) -> None:
    steps, rest, rho = planned
    order = book.status("people").terms.order
    small = replace(steps, noise_multiplier=0.98 * steps.noise_multiplier)
    for asked, price in (
        (small, rest + small.rho(order)),  # too little noise
        (steps, rho * 1.05),  # too much beside the steps
    ):
        with pytest.raises(InputError, match="exceeds the epsilon"):
            reserve("r", book=book, rho=price, epsilon=EPSILON, currency=Currency.RENYI,
                    sampled=asked)  # fmt: skip


def test_steps_that_cost_less_than_the_rest_are_refused(book, planned, reserve) -> None:
    """They could be charged twice within what is reserved."""
    steps, _, _ = planned
    cheap = replace(steps, noise_multiplier=10.0)
    order = book.status("people").terms.order
    with pytest.raises(InputError, match="must cost more"):
        reserve("r", book=book, rho=2.1 * cheap.rho(order), epsilon=EPSILON,
                currency=Currency.RENYI, sampled=cheap)  # fmt: skip
    with pytest.raises(InputError, match="currency renyi"):
        reserve("r", book=book, rho=1.5 * steps.rho(order), epsilon=EPSILON, sampled=steps)


def test_a_run_that_is_cut_off_has_spent_all_of_it(book, planned, reserve) -> None:
    steps, _, rho = planned
    reservation = reserve("r", book=book, rho=rho, epsilon=EPSILON, currency=Currency.RENYI,
                          sampled=steps)  # fmt: skip
    reservation.open_data()
    reservation.charge([steps.event("training", book.status("people").terms.order)])
    assert book.status("people").spent_rho == Fraction(rho)
