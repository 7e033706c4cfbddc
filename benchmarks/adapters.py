"""``python -m benchmarks adapters``: what is left of the peers' faults once the domain is imposed.

The adapters of dpsynth hand smartnoise-synth codes of the declared domain, so the loudest fault, a
domain that is learned from rows, is gone. Three questions about what remains, on 1,000 rows of five
columns of Adult (500 for the suite):

- *inspection*: what the fitted object of one program says and holds. No chance is in it;
- *unique category*: as in `targets`, 15 fits with a person who alone has a category and 15 without;
- *suite*: the attacks of every release on rows that were drawn after a long fit to few rows.

Convicted: p < 0.001, or an inspection that found the fault. No conviction is no evidence of
privacy. Noise has no seed; figures differ a little from run to run.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from dpsynth.attacks.api import ALPHA, AttackData, Generate
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.probe import UniqueCategory
from dpsynth.attacks.stats import fisher_p
from numpy.typing import NDArray

from benchmarks import coded
from benchmarks.targets import small_table
from benchmarks.threads import one_thread
from dpsynth import attacks
from dpsynth.arrays import Codes
from dpsynth.privacy.cross_check import epsilon
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.unprotected import UnprotectedCurator
from dpsynth.results import AttackVerdict
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry
from dpsynth.synth.adapters import unbounded
from dpsynth.synth.adapters.extra import column_names, fresh_randomness

PARTS = ("inspection", "category", "suite")
_ROWS, _FEW, _RUNS = 1000, 500, 15
_RHO, _DELTA = 0.02, 1e-9
METHODS = ("mst", "mwem", "dpctgan", "patectgan")
#: Of the fit that is to over-fit: GANs whose own accountants stop them late. At a setting of 30
#: PATECTGAN was not done in 40 minutes.
_SETTINGS, _EPOCHS = {"dpctgan": 1e4, "patectgan": 3.0}, 2000
_DEPTH = 5


class _NoLedger:
    """Where programs without a guarantee are written down: nowhere."""

    def record_unbounded(self, events: Sequence[UnboundedEvent]) -> int:
        """Return a number."""
        return len(events)


def run(*, data: Path, parts: Sequence[str], methods: Sequence[str]) -> int:
    """Print the table.

    Args:
        data: Folder of tables.
        parts: Which of `PARTS`.
        methods: Which programs.
    """
    one_thread()
    warnings.simplefilter("ignore")
    benchmark = coded.load(data, "adult")
    if benchmark is None:
        print("skipped: the table adult, or bench/score.py beside it, is not there.")
        return 0
    domain, rows = small_table(benchmark)
    made: dict[str, Callable[[Domain, Codes, str], Iterator[tuple[str, ...]]]] = {
        "inspection": _inspected,
        "category": _probed,
        "suite": _attacked,
    }
    print("| adapter | asked | found | p | verdict | CPU s |")
    print("| --- " * 6 + "|")
    for part in PARTS:
        if part in parts:
            for method in methods:
                started = time.process_time()
                for cells in made[part](domain, rows, method):
                    cpu = f"{time.process_time() - started:.0f}"
                    print(
                        "| " + " | ".join((f"smartnoise:{method}", *cells, cpu)) + " |", flush=True
                    )
    return 0


def generator(domain: Domain, method: str, options: dict[str, Any]) -> Generate:
    """Return an adapter as a generator of coded rows."""

    def generate(rows: Codes, seed: int) -> NDArray[np.int32]:
        table = CodedTable.build(domain, np.ascontiguousarray(rows.T, dtype=np.int32))
        synthesizer = registry.make(f"smartnoise:{method}", options)
        curator: Curator
        if method == "aim":
            book = MemoryReservation(_RHO)
            curator = Curator(table, reservation=book, max_rows_per_unit=1, rho=_RHO)
        else:
            curator = UnprotectedCurator(table, reservation=_NoLedger(), max_rows_per_unit=1)
        with curator:
            model = synthesizer.fit(curator)
        return model.sample(max(1, round(model.total)), seed=seed)

    return generate


def fitted_program(domain: Domain, rows: Codes, method: str) -> tuple[Any, dict[str, int]]:
    """Return the object that an adapter drops, and how many networks it made."""
    import pandas as pd
    from snsynth import Synthesizer

    synthesizer = registry.make(f"smartnoise:{method}", {})
    assert isinstance(synthesizer, unbounded.UnboundedSynthesizer)
    frame = pd.DataFrame(rows.astype(np.int64), columns=column_names(domain))
    counted = {"discriminators": 0}
    with contextlib.ExitStack() as stack:
        if method in {"dpctgan", "patectgan"}:
            import importlib

            module = importlib.import_module(f"snsynth.pytorch.nn.{method}")
            begin = module.Discriminator.__init__

            def counting(self: Any, *given: Any, **named: Any) -> None:
                counted["discriminators"] += 1
                begin(self, *given, **named)

            stack.enter_context(mock.patch.object(module.Discriminator, "__init__", counting))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(fresh_randomness())
        program = Synthesizer.create(method, epsilon=1.0, **synthesizer._arguments())
        known = unbounded._transformer(domain, unbounded._STYLES[method])
        program.fit(frame, transformer=known)
    return program, counted


def _inspected(domain: Domain, rows: Codes, method: str) -> Iterator[tuple[str, ...]]:
    """What one fitted object says and holds."""
    if method == "aim":
        return
    rows = rows[:_ROWS]
    program, counted = fitted_program(domain, rows, method)
    found: list[tuple[str, str, bool]] = []
    if method == "dpctgan":
        spent = float(program.epsilon_list[-1])
        found.append(("its accountant at the end", f"{spent:.2f} of 1 set", spent > 1.0))
    if method == "patectgan":
        claimed = int(program.num_teachers) + 1
        text = f"{counted['discriminators']} discriminators for {claimed} teachers and student"
        found.append(("its networks", text, counted["discriminators"] < claimed))
    if method == "mst":
        total = float(program.synthesizer.total)
        found.append(("its number of rows", f"{total:g}, exactly that of the table",
                      total == len(rows)))  # fmt: skip
    held = _held(program, len(rows))
    found.append(("arrays of as many rows as the table", f"{held} in the fitted object", held > 0))
    if method == "mwem":
        exact = [h for h in program.histograms if float(np.sum(h.data)) == len(rows)]
        found.append(("exact histograms", f"{len(exact)} of {len(program.histograms)} add up to "
                      "the rows of the table", bool(exact)))  # fmt: skip
    for asked, text, fault in found:
        yield f"inspection: {asked}", text, "-", "convicted" if fault else "not convicted"


def _held(thing: object, rows: int, depth: int = _DEPTH, seen: set[int] | None = None) -> int:
    """Return how many arrays of so many rows can be reached from an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen or depth < 0 or isinstance(thing, str | bytes | int | float):
        return 0
    seen.add(id(thing))
    shape = getattr(thing, "shape", None)
    if isinstance(shape, tuple) and shape:
        return int(shape[0] == rows)
    parts: list[object] = list(getattr(thing, "__dict__", {}).values())
    if isinstance(thing, dict):
        parts += thing.values()
    if isinstance(thing, list | tuple):
        if len(thing) == rows:
            return 1
        parts += thing
    return sum(_held(part, rows, depth - 1, seen) for part in parts)


def _probed(domain: Domain, rows: Codes, method: str) -> Iterator[tuple[str, ...]]:
    """The unique-category probe on an adapter."""
    given = AttackData(
        domain=domain, train=rows[:_ROWS], holdout=rows[_ROWS : 2 * _ROWS], synthetic=rows[:_ROWS]
    )
    claimed = Claim(epsilon=epsilon(_RHO, _DELTA), delta=_DELTA) if method == "aim" else None
    options = {} if method == "aim" else {"rows": _ROWS}
    probe = UniqueCategory(generate=generator(domain, method, options), runs=_RUNS, claim=claimed)
    result = probe.run(given, seed=1)
    hits = [int(str(result.details[key])) for key in ("hits_with", "hits_without")]
    p_value = fisher_p(hits[0], _RUNS, hits[1], _RUNS)
    yield (
        "unique category",
        f"in {hits[0]} of {_RUNS} outputs with the person, {hits[1]} of {_RUNS} without",
        f"{p_value:.1g}",
        "convicted" if p_value < ALPHA else "not convicted",
    )


def _attacked(domain: Domain, rows: Codes, method: str) -> Iterator[tuple[str, ...]]:
    """The quick suite on rows drawn after a long fit to few rows."""
    options: dict[str, Any] = {}
    if method != "aim":
        options = {"setting": _SETTINGS.get(method, 1.0), "rows": 4 * _FEW}
    if method == "dpctgan":
        options["epochs"] = _EPOCHS
    made = generator(domain, method, options)(rows[:_FEW], 0)
    given = AttackData(domain=domain, train=rows[:_FEW], holdout=rows[_FEW : 3 * _FEW],
                       synthetic=made)  # fmt: skip
    results = [r for r in attacks.run(given, seed=1) if r.name not in attacks.CONTROLS]
    leaks = [r.name for r in results if r.verdict is AttackVerdict.LEAK_FOUND]
    adjusted = [float(str(r.details["p_holm"])) for r in results if "p_holm" in r.details]
    yield (
        f"quick suite, {_FEW} rows",
        ", ".join(leaks) or f"none of {len(results)} attacks found a leak",
        f"{min(adjusted, default=math.nan):.1g}",
        "convicted" if leaks else "not convicted",
    )
