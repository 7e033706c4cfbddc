"""How ``dpsynth check`` answers for a method without a guarantee: there is nothing to price."""

from __future__ import annotations

from typing import Any

from dpsynth.cli.console import say, warn
from dpsynth.cli.release import say_columns
from dpsynth.pipeline import Plan
from dpsynth.synth import registry


def unprotected_json(plan: Plan, refusal: str | None) -> dict[str, Any]:
    """Return what a machine reads: the keys of docs/adapters.md."""
    return {
        "guarantee": "none",
        "reasons": list(registry.find(plan.settings.synthesizer).reasons),
        "refusal": refusal,
        "columns": [
            {"name": t.column, "treatment": t.treatment, "reason": t.reason}
            for t in plan.treatments
        ],
        "plan": [{"stage": s.stage, "description": s.description} for s in plan.stages],
    }


def say_unprotected(plan: Plan, refusal: str | None) -> None:
    """Tell a person what such a release would be."""
    say_columns(plan)
    say(f"No guarantee: method {plan.settings.synthesizer}, because", "bold")
    for reason in registry.find(plan.settings.synthesizer).reasons:
        say(f"  - {reason}")
    for stage in plan.stages:
        say(f"It would run: {stage.description}")
    if refusal is not None:
        warn(refusal)
