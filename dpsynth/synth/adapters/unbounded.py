"""smartnoise-synth's MST, MWEM, DPCTGAN and PATECTGAN as class N: no guarantee, honestly said.

The declared domain is imposed: the program gets codes, and a transformer that was fitted to a
made-up table in which every declared category occurs, so it learns no category from rows. It draws
a public number of rows while it runs and is dropped with everything that it holds.

Never true here: a privacy loss. The number that the program takes for one is its `setting`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.handover import CodedRows
from dpsynth.schema.domain import Domain
from dpsynth.synth.adapters.extra import (
    PROGRAM,
    column_names,
    fresh_randomness,
    installed_version,
)
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage
from dpsynth.synth.empirical import EmpiricalModel

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 1_000_000
_STYLES = {"mst": "cube", "mwem": "cube", "dpctgan": "gan", "patectgan": "gan"}
_DELTA = 1e-9  # what the programs that take one are called with; it says nothing


@dataclass(frozen=True, kw_only=True)
class UnboundedSynthesizer:
    """Configuration of one of the programs.

    Attributes:
        program: Which of them.
        reasons: Why it has no guarantee.
        label: Column that matters most; taken by every method, without effect here.
        setting: The number that the program is called with, positive: larger means less noise.
        rows: Public number of rows that it draws, which are the model.
        epochs: Of DPCTGAN, at most; PATECTGAN stops for its own accountant alone.
        batch_size: Of a GAN: an even number; a smaller table makes it fail.
        columns_per_histogram: Of MWEM.
    """

    program: str
    reasons: tuple[str, ...]
    label: str | None = None
    setting: float = 1.0
    rows: int = 10_000
    epochs: int = 50
    batch_size: int = 500
    columns_per_histogram: int = 2

    @property
    def name(self) -> str:
        """Registered name."""
        return f"smartnoise:{self.program}"

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        own: dict[str, Any] = {"label": self.label, "setting": self.setting, "rows": self.rows}
        if self.program == "mwem":
            own["columns_per_histogram"] = self.columns_per_histogram
        elif _STYLES[self.program] == "gan":
            own["batch_size"] = self.batch_size
        if self.program == "dpctgan":
            own["epochs"] = self.epochs
        return own

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what would run; nothing has a price.

        Raises:
            InputError: The domain or an option cannot work.
        """
        del rho
        self._check(domain)
        return (
            PlannedStage(
                stage=self.program,
                description=f"{PROGRAM} {self.program} on the coded rows, without any guarantee.",
                queries=0,
                rho=0.0,
            ),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say nothing: what the program does to counts is not known."""
        del domain, rho, assumption
        return ()

    def fit(self, curator: Curator) -> EmpiricalModel:
        """Hand the rows to the program; the Curator must be one without a guarantee.

        Raises:
            ThirdPartyError: The program failed.
        """
        self._check(curator.domain)
        event = UnboundedEvent(
            stage=self.program,
            program=f"{PROGRAM} {self.program}",
            version=installed_version(),
            reason=self.reasons[0],
        )
        codes = curator.hand_over(self._core, event)
        return EmpiricalModel(
            method=self.name,
            domain=curator.domain,
            codes=codes,
            total=float(self.rows),
            total_sigma=0.0,
        )

    def _check(self, domain: Domain) -> None:
        installed_version()
        where = f"synthesizer {self.name}"
        if len(domain) < 2:
            raise InputError("needs two columns or more.", where=where)
        numbers = (self.setting, *map(float, (self.rows, self.epochs, self.columns_per_histogram)))
        if not all(math.isfinite(number) and number > 0 for number in numbers):
            raise InputError("takes positive numbers only.", where=where)
        if self.batch_size % 2:
            raise InputError("must be even.", where=f"{where}, batch_size")
        if not self.rows <= MAX_ROWS:
            raise InputError(f"draws at most {MAX_ROWS} rows.", where=f"{where}, rows")

    def _core(self, rows: CodedRows) -> NDArray[np.int32]:
        """Fit the program, draw from it and let go of it."""
        import pandas as pd
        from snsynth import Synthesizer

        names = column_names(rows.domain)
        frame = pd.DataFrame(np.array(rows.codes, dtype=np.int64), columns=names)
        with fresh_randomness():
            program = Synthesizer.create(self.program, epsilon=self.setting, **self._arguments())
            program.fit(frame, transformer=_transformer(rows.domain, _STYLES[self.program]))
            drawn = self._drawn(program, names)
        return np.ascontiguousarray(drawn, dtype=np.int32)

    def _arguments(self) -> dict[str, Any]:
        match self.program:
            case "mst":
                return {"delta": _DELTA}
            case "mwem":
                return {"split_factor": self.columns_per_histogram}
            case _:
                return {
                    "delta": _DELTA,
                    "epochs": self.epochs,
                    "batch_size": self.batch_size,
                    "verbose": False,
                    "cuda": False,
                }

    def _drawn(self, program: Any, names: list[str]) -> NDArray[np.int64]:
        """Return drawn codes, shape (rows, d)."""
        if self.program == "mst":
            # Its own way to sample keeps unmeasured pairs of columns together; this one does not.
            made = program.synthesizer.synthetic_data(rows=self.rows, method="sample")
            return np.asarray(program.undo_compress_fn(made).df[names].to_numpy(), dtype=np.int64)
        made = program.sample(self.rows)
        frame = made[names] if hasattr(made, "columns") else made
        return np.asarray(frame, dtype=np.int64)


def _transformer(domain: Domain, style: str) -> Any:
    """Return a transformer that knows every declared code, fitted to a made-up table."""
    from snsynth.transform.table import TableTransformer

    made = _every_code(domain)
    transformer = TableTransformer.create(
        made, style=style, categorical_columns=list(made.columns), nullable=False
    )
    transformer.fit(made)
    return transformer


def _every_code(domain: Domain) -> pd.DataFrame:
    """Return a made-up table in which every code of every column occurs, in rising order."""
    import pandas as pd

    most = max(attribute.size for attribute in domain)
    columns = {
        name: np.arange(most, dtype=np.int64) % attribute.size
        for name, attribute in zip(column_names(domain), domain, strict=True)
    }
    return pd.DataFrame(columns)
