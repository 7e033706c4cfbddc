"""Evidence of a release without a guarantee: that there is none, why, and which program ran."""

from __future__ import annotations

from dpsynth.evidence import EvidenceBuilder
from dpsynth.pipeline import wording
from dpsynth.pipeline.required import attack_names
from dpsynth.pipeline.state import Run
from dpsynth.results import Disclosure
from dpsynth.synth import registry

DECLARED, POST = Disclosure.DECLARED, Disclosure.POST


def unprotected_facts(b: EvidenceBuilder, run: Run) -> None:
    """Add the section that stands in place of guarantee, budget and accounting."""
    plan, status = run.plan, run.standing.status
    (own,) = (record for record in status.records if record.seq == run.reservation)
    letter, meaning = wording.assurance("N", audited=False)
    b.add("unprotected.assurance_class", letter, DECLARED)
    b.add("unprotected.meaning", meaning, DECLARED)
    b.add("unprotected.reasons", list(registry.find(plan.settings.synthesizer).reasons), DECLARED)
    b.add(
        "unprotected.runs",
        [
            {
                "seq": seq,
                "stage": event.stage,
                "program": event.program,
                "version": event.version,
                "reason": event.reason,
            }
            for seq, event in run.unbounded
        ],
        POST,
    )
    b.add("unprotected.unit", plan.unit.name, DECLARED)
    b.add("unprotected.unit_column", plan.unit.column, DECLARED)
    b.add("unprotected.max_rows_per_unit", plan.unit.max_rows, DECLARED)
    b.add("unprotected.lineage", plan.settings.lineage, DECLARED)
    b.add("unprotected.release_number", status.records.index(own) + 1, POST)
    b.add("unprotected.attacks", sorted(attack_names(plan.settings.attacks)), DECLARED)
