"""One run of the real pipeline on a made-up table, and everything that can be seen of it.

What is seen becomes a flat map from a place ("ledger entry 5, event 2, scale") to a value. A place
is made of numbers and of names from the program, never of a cell. Texts are taken apart into words,
so that a number in a message can be told from the rest of it.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pa_parquet

from dpsynth.errors import DpsynthError
from dpsynth.evidence import ReleaseEvidence
from dpsynth.pipeline import Outcome, Plan, ReleaseSettings, prepare, run
from dpsynth.preflight.tables import CANARY, Maker, Table, write
from dpsynth.privacy.ledger import Entry, Ledger, LedgerKey
from dpsynth.results import AttackProfile, Disclosure
from dpsynth.signing.keys import Signer

Observation = Mapping[str, str]

ERROR = "how the run ended"
_CLOCK = frozenset({"release.created", "release.review_by"})  # declared, and follow the clock
_SELF_TEST = "selftest"
_BUNDLE = "bundle"


class _Enough(Exception):
    """Stops a run after the synthetic file, before its documents."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where runs happen.

    Attributes:
        folder: Temporary folder; every run has a folder of its own in it.
        settings: The release, without a source.
        signer: A trial signer.
        maker: Draws the tables.
        format: csv or parquet, of the source.
        attacks: Whether whole runs attack their output.
        tell: Shows an outcome as the command line does; what it prints is compared.
    """

    folder: Path
    settings: ReleaseSettings
    signer: Signer
    maker: Maker
    format: str
    attacks: bool
    tell: Callable[[Outcome], None]

    def observe(self, table: Table, *, whole: bool) -> Observation:
        """Run once on a table, with real noise and an empty ledger, and return what was seen.

        Args:
            table: The made-up table.
            whole: Run to the end, with signed documents; else stop after the synthetic file.
        """
        place = Path(tempfile.mkdtemp(dir=self.folder))
        seen: dict[str, str] = {}
        try:
            source = place / f"table.{self.format}"
            write(table, source, self.maker.plan)
            with _captured(seen, place):
                self._run(source, seen, whole=whole)
        finally:
            shutil.rmtree(place)
        return seen

    def _run(self, source: Path, seen: dict[str, str], *, whole: bool) -> None:
        """Run the pipeline and note how it ended."""
        place = source.parent
        try:
            prepared = prepare(self.settings.override(source=source))
            plan = _judged_by_itself(prepared, whole=whole, attacks=self.attacks)
            key = LedgerKey.create(place / "ledger.pem")
            with Ledger.open(place / "ledger.sqlite", key=key) as book:
                try:
                    outcome = run(
                        plan,
                        ledger=book,
                        signer=self.signer,
                        target=place / _BUNDLE,
                        progress=_Watch(place, seen, whole=whole),
                    )
                    self.tell(outcome)
                    _see_files(place, seen)
                    _see_evidence(outcome.evidence, seen)
                finally:
                    _see_entries(book.entries(), seen)
            seen[ERROR] = "published"
        except _Enough:
            seen[ERROR] = "synthetic file written"
        except DpsynthError as error:
            seen[ERROR] = f"{type(error).__name__}, exit code {error.exit_code}"
            _see_text("message", str(error), seen, place)
        except Exception as error:  # noqa: BLE001 (a crash is what is looked for; never shown)
            last = traceback.extract_tb(error.__traceback__)[-1]
            seen[ERROR] = f"crash: {type(error).__name__} in {last.name}, line {last.lineno}"


def _judged_by_itself(plan: Plan, *, whole: bool, attacks: bool) -> Plan:
    """Return a plan that is not refused for what the internal tests find on the rows.

    A run that need not be whole trains no classifier either: fidelity is not compared.
    """
    gates = tuple(gate for gate in plan.policy.gates if gate.id == _SELF_TEST)
    plan = replace(plan, policy=replace(plan.policy, gates=gates, requirements={}))
    if not (whole and attacks):
        plan = replace(plan, settings=replace(plan.settings, attacks=AttackProfile.OFF.value))
    return plan if whole else replace(plan, dictionary=replace(plan.dictionary, label=None))


class _Watch:
    """A progress callback that notes the steps, and ends a run that need not be whole."""

    def __init__(self, place: Path, seen: dict[str, str], *, whole: bool) -> None:
        self._place, self._seen, self._whole = place, seen, whole
        self._steps = 0

    def __call__(self, text: str) -> None:
        """Note one step."""
        self._steps += 1
        _see_text(f"progress line {self._steps}", text, self._seen, self._place)
        if not self._whole and any(self._place.rglob("synthetic.*")):
            _see_files(self._place, self._seen)
            raise _Enough


@contextmanager
def _captured(seen: dict[str, str], place: Path) -> Iterator[None]:
    """Note everything that is printed, warned or logged."""
    out, err, log = io.StringIO(), io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings(record=True) as w:
            warnings.simplefilter("always")
            yield
    finally:
        root.removeHandler(handler)
    warned = "\n".join(f"{item.category.__name__}: {item.message}" for item in w)
    for name, text in (
        ("standard output", out.getvalue()),
        ("standard error", err.getvalue()),
        ("log", log.getvalue()),
        ("warnings", warned),
    ):
        _see_text(name, text, seen, place)


def _see_text(name: str, text: str, seen: dict[str, str], place: Path) -> None:
    """Note each word of a text and the number of words."""
    words = text.replace(str(place), "FOLDER").split()
    seen[f"{name}, number of words"] = str(len(words))
    for number, word in enumerate(words, 1):
        seen[f"{name}, word {number}"] = word


def _see_files(place: Path, seen: dict[str, str]) -> None:
    """Note names of files, the schema of the synthetic one, and which files hold the canary."""
    found = sorted(path for path in place.rglob("*") if path.is_file() and path.parent != place)
    names = ["/".join(path.relative_to(place).parts[1:]) for path in found]
    seen["names of files"] = json.dumps(names)
    canary = CANARY.encode()
    holders = [name for name, path in zip(names, found, strict=True) if canary in path.read_bytes()]
    seen["files that hold an undeclared text"] = json.dumps(holders)
    for path in found:
        if path.name.startswith("synthetic."):
            seen["schema of the synthetic file"] = (
                str(pa_parquet.read_schema(path).remove_metadata())
                if path.suffix == ".parquet"
                else json.dumps(path.read_bytes().split(b"\n", 1)[0].decode("latin-1"))
            )


def _see_entries(entries: tuple[Entry, ...], seen: dict[str, str]) -> None:
    """Note kinds of ledger entries, their fields, and every parameter of every event."""
    seen["kinds of ledger entries"] = json.dumps([entry.kind.value for entry in entries])
    for number, entry in enumerate(entries, 1):
        for key, value in entry.payload.items():
            where = f"ledger entry {number}"
            if key != "events":
                seen[f"{where}, {key}"] = json.dumps(value, sort_keys=True)
                continue
            seen[f"{where}, number of events"] = str(len(value))
            for place, event in enumerate(value, 1):
                seen |= {
                    f"{where}, event {place}, {field}": json.dumps(parameter)
                    for field, parameter in event.items()
                }


def _see_evidence(evidence: ReleaseEvidence, seen: dict[str, str]) -> None:
    """Note class and type of every field, and the value where it may be public.

    Lists and maps of noisy values are compared by their types: what they hold is compared in the
    ledger, where more runs are made. Raw fields may differ; only that they are raw is compared.
    """
    for name in evidence:
        fact = evidence.fact(name)
        seen[f"evidence {name}, class"] = fact.disclosure.value
        if name in _CLOCK:
            continue
        value = fact.value
        if fact.disclosure is Disclosure.RAW:
            seen[f"evidence {name}, type"] = type(value).__name__
        elif fact.disclosure is Disclosure.DECLARED or not isinstance(value, list | dict):
            seen[f"evidence {name}"] = json.dumps(value, sort_keys=True, default=str)
        else:
            seen[f"evidence {name}, types"] = json.dumps(_shape(value), sort_keys=True)


def _shape(value: Any) -> Any:
    """Return the types inside a JSON value; elements of a list as a set."""
    if isinstance(value, dict):
        return {str(key): _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(_shape(item), sort_keys=True) for item in value})
    return type(value).__name__


def source_format(settings: ReleaseSettings, declared: str) -> str:
    """Return the format of the source from the names that were declared; nothing is opened."""
    name = settings.source.name if settings.source is not None else declared
    return "parquet" if name.lower().endswith((".parquet", ".pq")) else "csv"


__all__ = ["ERROR", "Bench", "Observation", "source_format"]
