"""dpsynth from Python: the same ledger, Curator and checks as on the command line, no back door.

Frames are anything that speaks Arrow (`__arrow_c_stream__`): pandas, polars, pyarrow, duckdb.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dpsynth.errors import InputError
from dpsynth.pipeline.discovering import discover_domains
from dpsynth.pipeline.drawing import codes_of, given, sample_text
from dpsynth.pipeline.folder import check_target
from dpsynth.pipeline.prepare import load_release_signer, prepare
from dpsynth.pipeline.run import Outcome, run
from dpsynth.pipeline.settings import ReleaseSettings, load_settings
from dpsynth.pipeline.steps import fit_model, open_table, reserved, unlike_lineages
from dpsynth.pipeline.wording import same_people
from dpsynth.places import write_ledger
from dpsynth.schema.codec import Codec
from dpsynth.signing.keys import load_roots
from dpsynth.sources.frames import FrameSource
from dpsynth.synth.api import Model
from dpsynth.synth.binned_model import BinnedModel
from dpsynth.synth.uncertainty import LEVEL, estimate
from dpsynth.verification import VerificationReport, verify_bundle


def _silent(text: str) -> None:
    """Show no progress."""


def release(
    settings: str | Path | ReleaseSettings,
    *,
    out: str | Path | None = None,
    ledger: str | None = None,
    **changes: Any,
) -> Outcome:
    """Make one signed release, as ``dpsynth release`` does.

    Args:
        settings: A release file, or settings.
        out: Bundle folder; the name of the release by default. Must be new.
        ledger: Ledger file; the user's by default.
        changes: Fields of :class:`ReleaseSettings` that replace what the file says.

    Returns:
        The outcome; ``passed`` is False if the policy refused, with the budget spent.

    Raises:
        DpsynthError: Says what is wrong; an InputError or BudgetError spent nothing.
    """
    loaded = settings if isinstance(settings, ReleaseSettings) else load_settings(Path(settings))
    plan = prepare(loaded.override(**changes))
    target = Path(out) if out is not None else Path(plan.settings.name)
    check_target(target)
    signer = load_release_signer(plan.settings.key, plan.settings.passphrase_file, None)
    with write_ledger(ledger) as book:
        return run(plan, ledger=book, signer=signer, target=target, progress=_silent)


def verify(
    bundle: str | Path,
    *,
    trust: Iterable[str | Path],
    tsa_trust: Iterable[str | Path] = (),
    rebuild: bool = False,
) -> VerificationReport:
    """Check everything that is signed in a bundle, offline, under roots that the caller trusts.

    Args:
        bundle: The bundle folder, or its public folder alone.
        trust: Root certificates of the issuer.
        tsa_trust: Root certificates of time-stamping authorities.
        rebuild: Whether to make the documents anew from their evidence and to compare them.
    """
    stamps = [Path(path) for path in tsa_trust]
    return verify_bundle(
        Path(bundle),
        roots=load_roots([Path(path) for path in trust]),
        authorities=load_roots(stamps) if stamps else (),
        at=datetime.now(UTC),
        rebuild=rebuild,
    )


@dataclass(frozen=True, kw_only=True)
class FittedSynthesizer:
    """A fitted model and the codec that turns its codes into cells; no rows.

    Attributes:
        model: The model.
        codec: The codec of the dictionary.
        rho: What the fit charged in zCDP rho.
    """

    model: Model = field(repr=False)
    codec: Codec = field(repr=False)
    rho: float

    def sample(
        self,
        rows: int | None = None,
        *,
        seed: int | None = None,
        where: Mapping[str, str] | None = None,
    ) -> pa.Table:
        """Draw rows at no further cost.

        Args:
            rows: How many; by default as many as the model expects in the table that it describes.
            seed: Seed of the draw; a fresh one by default.
            where: Value, as the table writes it, that all rows have in each of these columns.

        Raises:
            InputError: A column or value is not declared, or the model holds such rows for
                impossible; or there are not as many different identifiers.
        """
        model = given(self.model, self.codec, where) if where else self.model
        chosen = secrets.randbits(63) if seed is None else seed
        count = rows if rows is not None else max(1, round(model.total))
        return self.codec.typed(sample_text(model, self.codec, count, seed=chosen))

    def estimate(
        self,
        columns: Sequence[str],
        *,
        where: Mapping[str, str] | None = None,
        level: float = LEVEL,
    ) -> pa.Table:
        """Return counts with error bars from the noisy counts of the fit, at no further cost.

        Args:
            columns: Columns of the table of counts, one or more.
            where: Value, as the table writes it, that all counted rows have in these columns.
            level: Probability of each interval.

        Returns:
            One row a cell: its value in each column in words, then ``rows``, ``rows_low``,
            ``rows_high``, ``share``, and the ends of the share's interval in the table and in the
            population; null where nothing is known. docs/uncertainty.md says when they hold.

        Raises:
            InputError: A column or value is unknown, or the method keeps no noisy counts.
        """
        if not isinstance(self.model, BinnedModel):
            raise InputError("keeps no noisy counts.", where=f"method {self.model.method}")
        wanted = {n: {c} for n, c in codes_of(self.codec, where or {}).items()}
        found = estimate(self.model, columns, where=wanted, bins=self.codec.coarse, level=level)
        cells = found.cells
        words = {
            name: [self.codec.describe_all(name, cell.codes[place]) for cell in cells]
            for place, name in enumerate(columns)
        }
        numbers: dict[str, list[float | None]] = {
            "rows": [cell.count for cell in cells],
            "rows_low": [cell.rows.low for cell in cells],
            "rows_high": [cell.rows.high for cell in cells],
            "share": [cell.share for cell in cells],
        }
        for kind in ("of_table", "of_population"):
            ends = [getattr(cell, kind) for cell in cells]
            numbers[f"share_{kind}_low"] = [e and e.low for e in ends]
            numbers[f"share_{kind}_high"] = [e and e.high for e in ends]
        return pa.table(
            words | {name: pa.array(n, type=pa.float64()) for name, n in numbers.items()}
        )


class Synthesizer:
    """Fit a model to a frame in memory, paid from the ledger of its people.

    No attack is run and nothing is certified: that is what :func:`release` is for.

    Args:
        name: Registered method, for example ``cliquetree``.
        epsilon: Privacy loss of the fit; no default.
        delta: At most 1e-6; no default.
        dictionary: Path of dictionary.yaml.
        lineage: The people whose budget it is.
        max_rows_per_unit: Rows kept of one unit at most.
        policy: Name or path; its limits and the cap of a new lineage apply.
        ledger: Ledger file; the user's by default.
        options: Options of the method.
    """

    def __init__(
        self,
        name: str,
        *,
        epsilon: float | str,
        delta: float | str,
        dictionary: str | Path,
        lineage: str,
        max_rows_per_unit: int | None = None,
        policy: str = "default",
        ledger: str | None = None,
        **options: Any,
    ) -> None:
        self._ledger = ledger
        self._settings = ReleaseSettings(
            name="in-memory-fit",
            lineage=lineage,
            dictionary=Path(dictionary),
            epsilon=epsilon,
            delta=delta,
            max_rows_per_unit=max_rows_per_unit,
            synthesizer=name,
            options=options,
            policy=policy,
            fidelity_share=0.0,
        )

    def fit(self, frame: Any) -> FittedSynthesizer:
        """Reserve, charge and fit; every call spends the whole epsilon again.

        Args:
            frame: pandas, polars, Arrow or anything else with ``__arrow_c_stream__``.

        Raises:
            BudgetError: The lineage cannot pay; nothing was spent.
            SpentError: Something stopped the fit after the reservation; the budget is spent.
        """
        plan = prepare(self._settings, source=FrameSource(frame))
        with (
            write_ledger(self._ledger) as book,
            reserved(plan, book) as reservation,
        ):
            data = open_table(
                plan,
                reservation,
                _silent,
                holdout=0.0,
                people=book.people(),
                unlike=unlike_lineages(plan, book),
            )
            if data.people.lineages:
                warnings.warn(same_people(data.people.lineages), stacklevel=2)
            plan, data, _, charged = discover_domains(plan, data, reservation, _silent)
            model, paid = fit_model(plan, data.train, reservation, _silent)
            charged += paid
            reservation.commit({})
        return FittedSynthesizer(
            model=model, codec=plan.codec, rho=sum(event.rho for _, event in charged)
        )
