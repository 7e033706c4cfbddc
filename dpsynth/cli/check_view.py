"""How ``dpsynth check`` answers: tables and whole sentences for stewards, one object for machines.

The keys of the object are described in ``docs/planning.md``. Nothing here computes a forecast.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from dpsynth.cli.console import say, show_table, warn
from dpsynth.cli.release import formulas_of, say_columns
from dpsynth.pipeline import Plan
from dpsynth.pipeline.forecast import Answer, Forecast, LineageForecast
from dpsynth.pipeline.wording import cells_look_like
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.results import decimal_string
from dpsynth.synth.api import ExpectedNoise, PlannedMarginal

_MEAN_ABSOLUTE = math.sqrt(2.0 / math.pi)
_NAMED = 4
_KIND = {1: "single columns", 2: "pairs that are measured"}


def as_json(
    plan: Plan,
    standing: LineageForecast,
    expected: Forecast | None,
    answered: Sequence[Answer],
) -> dict[str, Any]:
    """Return what a machine reads: the keys of docs/planning.md."""
    return {
        "affordable": standing.fits,
        "rho": decimal_string(plan.price.rho),
        "remaining_rho": decimal_string(float_down(standing.remaining_rho)),
        "lineage_is_new": not standing.known,
        "columns": [
            {"name": t.column, "treatment": t.treatment, "reason": t.reason}
            for t in plan.treatments
        ],
        "formulas": list(formulas_of(plan)),
        "plan": [
            {
                "stage": stage.stage,
                "description": stage.description,
                "queries": stage.queries,
                "rho": decimal_string(stage.rho),
                "marginals": [_marginal_json(m, plan.unit.max_rows) for m in stage.marginals],
            }
            for stage in plan.stages
        ],
        "budget": _budget_json(plan, standing),
        "forecast": None if expected is None else _forecast_json(expected),
        "target": [_answer_json(answer) for answer in answered],
    }


def _marginal_json(marginal: PlannedMarginal, max_rows: int) -> dict[str, Any]:
    sigma = marginal.sigma(max_rows)
    return {
        "attributes": list(marginal.attributes),
        "columns": marginal.columns,
        "count": marginal.count,
        "cells": marginal.cells,
        "cells_at_most": marginal.at_most,
        "sigma": sigma,
        "typical_error": sigma * _MEAN_ABSOLUTE,
        "rho": decimal_string(marginal.rho),
    }


def _budget_json(plan: Plan, standing: LineageForecast) -> dict[str, Any]:
    total = standing.terms.total
    return {
        "lineage": plan.settings.lineage,
        "total_epsilon": decimal_string(total.epsilon),
        "delta": decimal_string(total.delta),
        "total_rho": decimal_string(standing.terms.total_rho),
        "spent_rho": decimal_string(float_up(standing.spent_rho)),
        "spent_epsilon": decimal_string(standing.epsilon_spent),
        "epsilon_after": decimal_string(standing.epsilon_after),
        "epsilon_after_next": decimal_string(standing.epsilon_after_next),
        "refusal": standing.refusal,
        "next_fits": standing.next_fits,
        "releases_that_fit": standing.releases_that_fit,
        "epsilon_if_recipients_pool": decimal_string(standing.epsilon_after),
    }


def _forecast_json(expected: Forecast) -> dict[str, Any]:
    return {
        "rows": expected.rows,
        "fitted_rows": expected.fitted_rows,
        "noise": [
            {
                "stage": noise.stage,
                "columns": noise.columns,
                "marginals": noise.marginals,
                "cells": noise.cells,
                "sigma": noise.sigma,
                "distance": noise.distance,
                "ceiling": noise.ceiling,
            }
            for noise in expected.noise
        ],
        "warnings": list(expected.warnings),
    }


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "columns": answer.columns,
        "target": answer.target,
        "epsilon": None if answer.epsilon is None else decimal_string(answer.epsilon),
        "lineage_can_pay": answer.fits,
        "max_epsilon": decimal_string(answer.max_epsilon),
        "distance_at_max_epsilon": answer.best,
        "rows": answer.rows,
    }


def say_check(
    plan: Plan,
    standing: LineageForecast,
    expected: Forecast | None,
    answered: Sequence[Answer],
) -> None:
    """Tell a steward how columns are read, what is asked, what to expect and what is left."""
    treated = {t.column: t.treatment.replace("_", " ") for t in plan.treatments}
    show_table(
        ("column", "treatment", "cells must look like"),
        [(c.name, treated[c.name], cells_look_like(c)) for c in plan.dictionary.columns],
        title="How the columns are read; anything else counts as out of domain",
    )
    say_columns(plan)
    _say_plan(plan)
    _say_counts(plan)
    say("What to expect", "bold")
    for line in _expectations(plan, expected):
        say(f"  {line}")
    for answer in answered:
        say(f"  {_answer_words(plan, answer)}", "" if answer.epsilon is not None else "bold red")
    for warning in () if expected is None else expected.warnings:
        warn(warning)
    say("What it costs", "bold")
    for line in _costs(plan, standing):
        say(f"  {line}")
    left = f"rho {float_down(standing.remaining_rho):.6f} left"
    say(
        f"Lineage {plan.settings.lineage} has {left}{'' if standing.known else ' (it is new)'}: "
        + ("this release fits." if standing.fits else "this release does NOT fit."),
        "green" if standing.fits else "bold red",
    )


def _say_plan(plan: Plan) -> None:
    show_table(
        (
            "stage",
            "what is asked",
            "queries at most",
            "noise of a count, rows",
            "cost, rho",
            "share",
        ),
        [
            (
                s.stage,
                s.description,
                s.queries,
                _range(m.sigma(plan.unit.max_rows) * _MEAN_ABSOLUTE for m in s.marginals),
                f"{s.rho:.6f}",
                f"{s.rho / plan.price.rho:.0%}",
            )
            for s in plan.stages
        ],
        title=f"Plan of {plan.settings.name}: epsilon {plan.budget.epsilon:g}, "
        f"delta {plan.budget.delta:g}, rho {plan.price.rho:.6f}",
        right=(2, 3, 4, 5),
    )


def _say_counts(plan: Plan) -> None:
    """Show every kind of table of counts once, with the columns that share it."""
    rows = []
    for stage in plan.stages:
        alike: dict[tuple[int, int, bool, float], list[PlannedMarginal]] = {}
        for m in stage.marginals:
            alike.setdefault((m.columns, m.cells, m.at_most, m.rho), []).append(m)
        for (_, cells, at_most, rho), group in alike.items():
            sigma = group[0].sigma(plan.unit.max_rows)
            names = [" x ".join(m.attributes) for m in group if m.attributes]
            rows.append(
                (
                    stage.stage,
                    _listed(names) or "chosen from noisy counts",
                    sum(m.count for m in group),
                    f"{'at most ' if at_most else ''}{cells}",
                    f"{sigma:.1f}",
                    f"{sigma * _MEAN_ABSOLUTE:.1f}",
                    f"{rho:.6f}",
                )
            )
    show_table(
        ("stage", "columns", "tables", "cells of each", "sigma", "typical error", "rho of each"),
        rows,
        title="Noise of one count, in rows (wide columns by cell and in blocks; pairs on average)",
        right=(2, 3, 4, 5, 6),
    )


def _expectations(plan: Plan, expected: Forecast | None) -> list[str]:
    """Return the sentences about noise."""
    if expected is None:
        typical = _range(
            m.sigma(plan.unit.max_rows) * _MEAN_ABSOLUTE for s in plan.stages for m in s.marginals
        )
        return [
            f"A single count is typically off by {typical} rows, whatever the table holds.",
            "To see what that means for your table, add --assume-rows with a public guess of its "
            "number of rows (from a publication or by order of magnitude: do not look it up).",
        ]
    lines = [
        f"Supposing {expected.rows} rows, of which {expected.fitted_rows} are fitted and the rest "
        "sealed for the tests; nobody has counted them."
    ]
    if not expected.noise:
        return lines
    lines += [_noise_words(noise) for noise in expected.noise]
    lines.append(_beyond(plan, expected))
    lines.append(
        "On nine tables that its constants were not chosen on, this forecast of columns was "
        "right to within a factor of 1.7, and of pairs mostly 1.6 and at worst 3."
    )
    return lines


def _beyond(plan: Plan, expected: Forecast) -> str:
    """Say what the forecast is silent about."""
    if plan.sampled is not None:
        return (
            "This is the noise of columns by themselves. What noisy gradients keep of relations "
            "between columns is not forecast."
        )
    return "This is noise only. What the method cannot represent comes on top" + (
        ": all relations between columns."
        if max(noise.columns for noise in expected.noise) == 1
        else ": relations in pairs that are not measured, and in three or more columns."
    )


def _noise_words(noise: ExpectedNoise) -> str:
    if noise.columns == 1:
        subject = "In a single column, at its declared bins,"
    else:
        subject = (
            f"In a pair of columns that is measured ({noise.marginals} are, each with about "
            f"{noise.cells:.0f} cells chosen for that many rows),"
        )
    return (
        f"{subject} noise moves about {_percent(noise.distance)} of the rows on average "
        f"(at most about {_percent(noise.ceiling)})."
    )


def _answer_words(plan: Plan, answer: Answer) -> str:
    kind = _KIND[answer.columns]
    rows = (
        "No number of rows up to a billion reaches it"
        if answer.rows is None
        else f"{answer.rows} rows would do as well"
    ) + f" at epsilon {plan.budget.epsilon:g}."
    if answer.epsilon is None:
        return (
            f"To bring the noise of {kind} down to {_percent(answer.target)}: no epsilon up to "
            f"{answer.max_epsilon:g}, the policy's largest, is enough; there it is "
            f"{_percent(answer.best)}. {rows}"
        )
    pay = "" if answer.fits else " The lineage cannot pay that."
    return (
        f"To bring the noise of {kind} down to {_percent(answer.target)}: epsilon "
        f"{answer.epsilon:g}.{pay} {rows}"
    )


def _costs(plan: Plan, standing: LineageForecast) -> list[str]:
    """Return the sentences about the budget of the people."""
    total, eps = standing.terms.total, plan.budget.epsilon
    after, later = _epsilon(standing.epsilon_after), _epsilon(standing.epsilon_after_next)
    if standing.refusal is not None:
        return [f"The ledger would refuse this release: {standing.refusal}"]
    if not standing.fits:
        return [
            f"The releases so far stand at epsilon {_epsilon(standing.epsilon_spent)} of "
            f"{total.epsilon:g} (delta {total.delta:g}); this one would bring them to {after}."
        ]
    count = standing.releases_that_fit
    return [
        f"After this release the lineage stands at epsilon {after} of {total.epsilon:g} "
        f"(delta {total.delta:g}); before it, {_epsilon(standing.epsilon_spent)}.",
        f"One more release at epsilon {eps:g} would bring it to {later}"
        + (". " if standing.next_fits else ", so it would not fit. ")
        + f"In all {count} such release{'' if count == 1 else 's'} fit"
        f"{'s' if count == 1 else ''}, this one included. "
        "Losses add up in rho, so the epsilons of two releases are not simply added.",
        f"If all recipients pool what they got, the bound is the same epsilon {after}: it counts "
        "every release to everybody together.",
    ]


def _listed(names: Sequence[str]) -> str:
    """Return the first names, and how many follow."""
    shown = list(dict.fromkeys(names))
    more = len(shown) - _NAMED
    return ", ".join(shown[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _range(values: Iterable[float]) -> str:
    """Return the smallest and the largest of some numbers of rows."""
    numbers = sorted(values)
    if not numbers:
        return "-"
    low, high = f"{numbers[0]:.1f}", f"{numbers[-1]:.1f}"
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    """Return a share as a percentage of two significant digits."""
    return f"{100.0 * share:.2g} %" if share < 0.995 else "100 %"


def _epsilon(value: float) -> str:
    """Return an epsilon rounded up to three decimals."""
    return f"{math.ceil(value * 1000.0) / 1000.0:g}"
