"""The steps of a release that hold private rows: open the table, fit through the Curator, draw."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa

from dpsynth.errors import BudgetError, DpsynthError, InputError, SelfTestError, SpentError
from dpsynth.pipeline.drawing import checked
from dpsynth.pipeline.examine import Progress
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.state import Fitted, OpenData, SeenPeople
from dpsynth.privacy.events import Charged, PoissonGaussianEvent, Unbounded
from dpsynth.privacy.ledger import Currency, Ledger, Reservation, ReservationRequest
from dpsynth.privacy.ledger.people import HALF, People
from dpsynth.privacy.unprotected import UnprotectedCurator
from dpsynth.results import Status
from dpsynth.schema.undeclared import declared_texts
from dpsynth.sources.table import CodedTable
from dpsynth.sources.undeclared import TextColumn
from dpsynth.synth.api import Model
from dpsynth.synth.dependent import functions_of, hold


@contextmanager
def reserved(plan: Plan, ledger: Ledger) -> Iterator[Reservation]:
    """Reserve a plan's budget. What stops the block before the data is opened gives it back.

    Raises:
        InputError, BudgetError: The lineage refuses the reservation; nothing was spent.
        SpentError: Something stopped the block after the data was opened: the budget is spent.
    """
    ledger.register(plan.terms)
    order = ledger.status(plan.settings.lineage).terms.order
    if plan.sampled is not None and order != plan.terms.order:
        # Refused here: the charge of the training would be refused after the data was opened.
        raise InputError(
            f"Training was priced at the Renyi order {plan.terms.order!r}; this lineage adds up at "
            f"{order!r} for ever.",
            where=f"lineage {plan.settings.lineage}",
            fix="Nothing was spent. Use the version of dpsynth and the kind of machine with which "
            "the lineage was registered, or a method that is zCDP.",
        )
    reservation = ledger.reserve(plan.settings.lineage, reservation_of(plan))
    try:
        yield reservation
    except BaseException as error:
        if reservation.void_unopened() or not isinstance(error, DpsynthError):
            raise
        raise SpentError(error) from None


def reservation_of(plan: Plan) -> ReservationRequest:
    """Return what a plan asks of the ledger."""
    request = ReservationRequest(
        release=plan.settings.name,
        budget=None,
        rho=0.0,
        currency=Currency.NONE,
        unit=plan.unit,
        plan=plan.stages_json(),
        recipient=plan.settings.recipient,
        jurisdiction=plan.settings.jurisdiction,
        policy={
            "name": plan.policy.name,
            "sha256": plan.policy.digest,
            **{f"waiver:{waiver.gate}": waiver.sha256 for waiver in plan.waivers},
        },
    )
    if not plan.protected:
        return request
    return replace(
        request,
        budget=plan.budget,
        rho=plan.price.rho,
        discovery_delta=plan.price.discovery_delta,
        caps=plan.terms.caps,
        currency=plan.currency,
        sampled=plan.sampled,
    )


def open_table(
    plan: Plan,
    reservation: Reservation,
    progress: Progress,
    *,
    holdout: float,
    people: People | None,
    unlike: Collection[str] = (),
) -> OpenData:
    """Open the table through the reservation, bound contributions, seal the holdout by unit.

    The split key is fresh and not kept: nobody can tell later who was in which part.

    Args:
        plan: The prepared release.
        reservation: What pays; the opening is written to the ledger first.
        progress: Called before each step.
        holdout: Share of units to seal; 0 seals none.
        people: Fingerprints of units that the ledger keeps, or None.
        unlike: Lineages whose people this one may not share: protected ones where it has no
            guarantee, and the other way round.

    Raises:
        BudgetError: Some of the people stand in such a lineage.
    """
    progress("Opening the table")
    reservation.open_data()
    raw = plan.source.read(plan.columns)
    progress("Encoding by the dictionary")
    try:
        codes = plan.codec.encode(raw.columns)
        texts = {
            column.name: TextColumn.of(
                raw.columns[column.name], declared_texts(column), plan.dictionary.encoding
            )
            for column in plan.open_columns
        }
        named_by = plan.dictionary[plan.unit.column] if plan.unit.column else None
        table = CodedTable.build(
            plan.codec.domain,
            codes,
            None if named_by is None else raw.columns[named_by.name],
            texts,
            nobody=() if named_by is None else (*named_by.missing, *named_by.special),
        )
    except (pa.ArrowException, UnicodeError, OverflowError):
        # The encoder is total; should it fail all the same, the error's text could hold a cell.
        raise SelfTestError(
            "The table could not be encoded.", fix="Please report this as a defect."
        ) from None
    progress("Comparing the people with those of other lineages")
    seen = _seen(plan, table, people, unlike)
    progress("Keeping the declared number of rows per unit")
    key = secrets.token_bytes(32)
    kept = table.bounded(plan.unit.max_rows, key)
    progress("Sealing the holdout")
    train, sealed = kept.split(holdout, key)
    return OpenData(
        train=train,
        holdout=sealed,
        counts={
            "rows": int(codes.shape[1]),
            "without_unit": int(codes.shape[1]) - table.n_rows,
            "units": table.n_units,
            "kept_rows": kept.n_rows,
            "train_rows": train.n_rows,
            "holdout_rows": sealed.n_rows,
            "malformed": raw.malformed_rows,
        },
        people=seen,
    )


def unlike_lineages(plan: Plan, ledger: Ledger) -> tuple[str, ...]:
    """Return the lineages of a ledger that are protected where a plan is not, or the reverse."""
    standing = [ledger.status(name) for name in ledger.lineages()]
    return tuple(s.terms.lineage for s in standing if s.unprotected is plan.protected and s.records)


def _seen(
    plan: Plan, table: CodedTable, people: People | None, unlike: Collection[str]
) -> SeenPeople:
    """Compare the units with those of other lineages and remember them.

    A folder that cannot be written costs a warning and does not stop a release.
    """
    if people is None:
        return SeenPeople(status=Status.NOT_RUN, reason="This machine keeps no fingerprints.")
    lineage = plan.settings.lineage
    prints = people.prints(table.digests)
    # Where each row is a unit, equal rows of other people look alike: only most of them count.
    least = 0.0 if plan.unit.column else HALF
    mixed = people.shared_with(lineage, prints, unlike, more_than=least)
    if mixed:
        raise BudgetError(
            "Some of these people stand in a lineage "
            f"{'without a guarantee' if plan.protected else 'that promises them a total'} "
            f"({', '.join(mixed[:5])}): a protected and an unprotected release about the same "
            "person would make the certificates of one of them false.",
            where=f"lineage {lineage}",
            fix="Nothing was fitted. Use one kind of method for these people.",
        )
    lineages = people.same_people(lineage, prints)
    try:
        people.remember(lineage, prints)
    except InputError as error:
        return SeenPeople(status=Status.NOT_RUN, reason=error.what, lineages=lineages)
    return SeenPeople(status=Status.OK, lineages=lineages)


def fit_model(
    plan: Plan, table: CodedTable, reservation: Reservation, progress: Progress
) -> tuple[Model, Charged]:
    """Fit through a Curator that is closed before this returns; also return what was charged.

    Raises:
        SelfTestError: Training that was reserved did not run, or not as it was reserved.
    """
    progress(f"Fitting {plan.settings.synthesizer} under the budget")
    with plan.curator(table, reservation) as curator:
        model, charged = plan.synthesizer.fit(curator), curator.events
    trained = [event for _, event in charged if isinstance(event, PoissonGaussianEvent)]
    reserved_steps = [] if plan.sampled is None else [plan.sampled]
    if len(trained) != len(reserved_steps) or not all(
        steps.describes(event) for steps, event in zip(reserved_steps, trained, strict=True)
    ):
        raise SelfTestError(
            "The training that ran is not the one that was reserved.",
            where=plan.settings.synthesizer,
            fix="The release stops. Please report this as a defect of the method.",
        )
    return model, charged


def fit_unprotected(
    plan: Plan, table: CodedTable, reservation: Reservation, progress: Progress
) -> tuple[Model, Unbounded]:
    """Fit a method without a guarantee; also return what was written down of its programs."""
    progress(f"Fitting {plan.settings.synthesizer}, which has no guarantee")
    with UnprotectedCurator(
        table, reservation=reservation, max_rows_per_unit=plan.unit.max_rows
    ) as curator:
        model = plan.synthesizer.fit(curator)
        if not curator.unbounded:
            raise SelfTestError("A method without a guarantee asked for no rows.")
        return model, curator.unbounded


def draw(plan: Plan, model: Model, progress: Progress) -> Fitted:
    """Draw the synthetic rows and compare them with the model.

    Raises:
        SelfTestError: The sampler disagrees with its model.
    """
    progress("Drawing the synthetic rows")
    rows = plan.settings.rows or max(1, round(model.total))
    codes = model.sample(rows, seed=secrets.randbits(63))
    progress("Checking the sample against the model")
    checks = checked(model, codes, "No data was written; the budget stays spent.")
    hold(functions_of(model, plan.codec.dependencies), model.domain, codes)
    progress("Decoding the synthetic rows")
    text = plan.codec.decode(codes, seed=secrets.randbits(63))
    return Fitted(model=model, codes=codes, text=text, checks=checks)
