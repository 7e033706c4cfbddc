"""A third party's package of synthesizers, written to disk as an installer would leave it."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
from dataclasses import dataclass, replace
import numpy as np
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent
from dpsynth.privacy.measurement import MarginalQuery
from dpsynth.synth.api import PlannedStage
from dpsynth.synth.empirical import EmpiricalModel
from dpsynth.synth.method import Method


@dataclass(frozen=True, kw_only=True)
class Copier:
    """Hands out rows of the table, as they are."""

    label: str | None = None
    rows: int = 300
    name = "acme:copy"

    def options(self):
        return {"label": self.label, "rows": self.rows}

    def plan(self, domain, rho):
        return (PlannedStage(stage="copy", description="Copies rows.", queries=0, rho=0.0),)

    def forecast(self, domain, rho, assumption):
        return ()

    def fit(self, curator):
        event = UnboundedEvent(
            stage="copy", program="Acme copier", version="1.2", reason="It copies rows."
        )

        def core(given):
            at = np.random.default_rng().integers(max(1, len(given.codes)), size=self.rows)
            if not len(given.codes):
                return np.zeros((self.rows, len(given.domain)), dtype=np.int32)
            return given.codes[at].copy()

        codes = curator.hand_over(core, event)
        return EmpiricalModel(
            method=self.name, domain=curator.domain, codes=codes, total=float(self.rows),
            total_sigma=0.0,
        )


def drawn(curator, priced, rows=500):
    """Return independent columns from noisy counts."""
    share = curator.remaining / len(curator.domain) * priced
    rng = np.random.default_rng()
    columns, total = [], 1.0
    for name in curator.domain.names:
        [found] = curator.measure([MarginalQuery(attributes=(name,), rho=share)], stage="counts")
        counts = np.clip(found.values, 0, None).astype(float) + 1e-9
        total = max(1.0, float(counts.sum()))
        columns.append(rng.choice(len(counts), rows, p=counts / counts.sum()))
    return np.stack(columns, axis=1).astype(np.int32), total


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Independent columns through the Curator."""

    label: str | None = None
    fault: str = ""
    name = "acme:counts"

    def options(self):
        if self.fault == "options":
            return {"label": self.label, "when": object()}
        return {"label": self.label, "fault": self.fault}

    def plan(self, domain, rho):
        price = 2 * rho if self.fault == "plan" else rho
        return (PlannedStage(stage="counts", description="Counts.", queries=9, rho=price),)

    def forecast(self, domain, rho, assumption):
        return ()

    def fit(self, curator):
        if self.fault == "nothing asked":
            codes, total = np.zeros((5, len(curator.domain)), dtype=np.int32), 5.0
        else:
            if self.fault == "overspends":
                drawn(curator, 0.9)
                curator.measure(
                    [MarginalQuery(attributes=curator.domain.names[:1], rho=curator.rho)],
                    stage="more",
                )
            codes, total = drawn(curator, 0.9)
        if self.fault == "outside":
            codes[0, 0] = 10_000
        model = EmpiricalModel(
            method="other" if self.fault == "name" else self.name, domain=curator.domain,
            codes=codes, total=total, total_sigma=1.0,
        )
        if self.fault == "keeps the curator":
            object.__setattr__(model, "hidden", [curator])
        if self.fault == "seeded":
            codes[:] = 0
            model = replace(model, total=100.0)
        if self.fault == "crashes on few rows" and total < 30:
            raise ValueError("a secret")
        return model


COPY = Method(
    make=Copier, options=("label", "rows"), assurance="N", fixed_plan=False, summary="Copies.",
    reasons=("Acme copier hands out rows of the table as they are (its own manual).",),
)
COUNTS = Method(
    make=Counter, options=("label", "fault"), assurance="B", fixed_plan=False, summary="Counts.",
    argument="acme.md, section 2: only answers of the Curator are used",
)
FIRST = Method(make=Counter, options=("label",), assurance="A", fixed_plan=True, summary="Best.")
NONE = "no method"
'''
ENTRIES = """[dpsynth.synthesizers]
acme:copy = acme_synth:COPY
acme:counts = acme_synth:COUNTS
acme:first = acme_synth:FIRST
acme:none = acme_synth:NONE
acme:gone = acme_synth:GONE
mst = acme_synth:COUNTS
"""


def write_package(folder: Path, *, name: str = "acme-synth", module: str = "acme_synth") -> None:
    """Write a module and the metadata of its distribution into a folder of the import path."""
    (folder / f"{module}.py").write_text(MODULE, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRIES, encoding="utf-8")
