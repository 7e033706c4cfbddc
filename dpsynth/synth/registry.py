"""The methods by name: an explicit table, so that nothing becomes available by being imported.

Behind the methods of dpsynth stand adapters to the programs of others, whose names say whose they
are, and behind those the plugins that other packages offer. Neither can take a name of the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.synth import plugins
from dpsynth.synth.adapters import ADAPTERS
from dpsynth.synth.aim import AimSynthesizer
from dpsynth.synth.api import Synthesizer
from dpsynth.synth.best import BestSynthesizer
from dpsynth.synth.cliquetree import CliqueTreeSynthesizer
from dpsynth.synth.empirical import FORMAT as EMPIRICAL
from dpsynth.synth.empirical import EmpiricalModel, load_empirical
from dpsynth.synth.independent import IndependentSynthesizer
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.marginal_model import load_model as load_marginal
from dpsynth.synth.method import Method
from dpsynth.synth.mst import MstSynthesizer
from dpsynth.synth.mwem import MwemSynthesizer

MAX_CANDIDATES = 10

__all__ = ["ADAPTERS", "METHODS", "Method", "find", "load_model", "make"]


def _method(kind: type[Any], assurance: str, summary: str, *, fixed_plan: bool) -> Method:
    names = tuple(field.name for field in fields(kind))
    return Method(
        make=kind, options=names, assurance=assurance, fixed_plan=fixed_plan, summary=summary
    )


def _best(
    candidates: Sequence[str | Mapping[str, Any]] = ("cliquetree", "independent"),
    label: str | None = None,
) -> BestSynthesizer:
    """Return the choice among candidates, each a name or a mapping with `name` and options."""
    listed = candidates if isinstance(candidates, list | tuple) else ()
    asked = [{"name": c} if isinstance(c, str) else c for c in listed]
    asked = [dict(c) for c in asked if isinstance(c, Mapping)]
    names = [str(c.pop("name", "")) for c in asked]
    if len(asked) < len(listed) or not 2 <= len(asked) <= MAX_CANDIDATES or "best" in names:
        raise InputError(
            f"needs 2 to {MAX_CANDIDATES} other methods.",
            where="synthesizer best, candidates",
            fix="For example candidates: [cliquetree, independent].",
        )
    if set(names) - set(METHODS):
        raise InputError(
            "can be dpsynth's own methods only: the choice promises class A.",
            where="synthesizer best, candidates",
            fix=f"Choose among: {', '.join(METHODS)}.",
        )
    if any("label" in options for options in asked):
        raise InputError(
            "take no label of their own.",
            where="synthesizer best, candidates",
            fix="Give the label to best: all of them are to model the same column well.",
        )
    return BestSynthesizer(
        candidates=tuple(
            make(name, {"label": label} | options)
            for name, options in zip(names, asked, strict=True)
        ),
        names=tuple(names),
    )


METHODS: Mapping[str, Method] = {
    "aim": _method(
        AimSynthesizer,
        "A",
        "AIM (2022): one table of a workload a round, rounds dearer as the model improves.",
        fixed_plan=False,
    ),
    "best": Method(
        make=_best,
        options=("candidates", "label"),
        assurance="A",
        fixed_plan=False,
        summary="The best of several methods, chosen privately; every trial is paid.",
    ),
    "cliquetree": _method(
        CliqueTreeSynthesizer,
        "A",
        "Many dependent pairs of columns in one junction tree of bounded size; the default.",
        fixed_plan=False,
    ),
    "independent": _method(
        IndependentSynthesizer,
        "A",
        "Each column by itself; relations between columns are lost.",
        fixed_plan=True,
    ),
    "mst": _method(
        MstSynthesizer,
        "A",
        "A spanning tree of the most dependent pairs of columns.",
        fixed_plan=False,
    ),
    "mwem": _method(
        MwemSynthesizer,
        "A",
        "MWEM+PGM (2012, 2019): a fixed number of rounds, each the table that is fitted worst.",
        fixed_plan=False,
    ),
}


def make(name: str, options: Mapping[str, Any]) -> Synthesizer:
    """Return the synthesizer `name` with the given options.

    Raises:
        InputError: There is no such method or option, or an option is of the wrong type.
    """
    method = find(name)
    unknown = sorted(map(str, set(options) - set(method.options)))
    if unknown:
        raise InputError(
            f"has no option {', '.join(unknown)}.",
            where=f"synthesizer {name}",
            fix=f"Its options are: {', '.join(method.options)}.",
        )
    label = options.get("label")
    if label is not None and not isinstance(label, str):
        raise InputError("must be the name of a column.", where=f"synthesizer {name}, label")
    return method.make(**options)


def find(name: str) -> Method:
    """Return what is declared of a method: dpsynth's own, an adapter, or a plugin that is loaded.

    Raises:
        InputError: There is none of that name, or it cannot be loaded.
    """
    method = METHODS.get(name) or ADAPTERS.get(name) or plugins.load(name)
    if method is None:
        others = [*ADAPTERS, *(found for found, _, _ in plugins.offered())]
        raise InputError(
            f"There is no synthesizer called {name}.",
            where="synthesizer",
            fix=f"Choose one of: {', '.join(METHODS)}; of others: {', '.join(others)}.",
        )
    return method


def load_model(folder: Path) -> MarginalModel | EmpiricalModel:
    """Read a model that a release wrote, of whichever kind.

    Raises:
        InputError: It cannot be read.
    """
    try:
        kind = json.loads((folder / "model.json").read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = ""
    return load_empirical(folder) if kind == EMPIRICAL else load_marginal(folder)
