"""The methods by name: an explicit table, so that nothing becomes available by being imported.

Behind the methods of dpsynth stand adapters to the programs of others, whose names say whose they
are, and behind those the plugins that other packages offer. Neither can take a name of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.results import AssuranceClass
from dpsynth.synth import plugins
from dpsynth.synth.adapters import ADAPTERS
from dpsynth.synth.aim import AimSynthesizer
from dpsynth.synth.api import Synthesizer, Trains
from dpsynth.synth.best import BestSynthesizer
from dpsynth.synth.binned_model import BinnedModel
from dpsynth.synth.cliquetree import CliqueTreeSynthesizer
from dpsynth.synth.empirical import FORMAT as EMPIRICAL
from dpsynth.synth.empirical import EmpiricalModel, load_empirical
from dpsynth.synth.independent import IndependentSynthesizer
from dpsynth.synth.marginal_model import load_marginal_model
from dpsynth.synth.method import Method
from dpsynth.synth.mst import MstSynthesizer
from dpsynth.synth.mwem import MwemSynthesizer
from dpsynth.synth.neural.files import FORMAT as MIXTURE
from dpsynth.synth.neural.marginal_net import MarginalNetSynthesizer
from dpsynth.synth.neural.mixture_model import load_mixture_model
from dpsynth.synth.neural.trained import (
    DiffusionSynthesizer,
    GanSynthesizer,
    VaeSynthesizer,
)
from dpsynth.synth.persist import read_head, reading

MAX_CANDIDATES = 10
_ARGUMENT = "docs/accounting.md, A release that trains"
_QUICK_TRAINING = {"steps": 3}

__all__ = ["ADAPTERS", "METHODS", "Method", "find", "load_model", "make"]


def _method(
    kind: type[Any],
    assurance: str,
    summary: str,
    *,
    fixed_plan: bool,
    quick: Mapping[str, Any] | None = None,
) -> Method:
    return Method(
        make=kind,
        options=tuple(option.name for option in fields(kind)),
        assurance=assurance,
        fixed_plan=fixed_plan,
        summary=summary,
        argument=_ARGUMENT if assurance == AssuranceClass.B else "",
        trains=hasattr(kind, "training"),
        quick=quick or {},
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
    made = [
        make(name, {"label": label} | options) for name, options in zip(names, asked, strict=True)
    ]
    for name, candidate in zip(names, made, strict=True):
        if isinstance(candidate, Trains):
            raise InputError(
                f"cannot be {name}: the budget of a choice adds up in zCDP, in which training on "
                "samples has no price.",
                where="synthesizer best, candidates",
                fix="Choose among methods that are zCDP, or release it by itself.",
            )
    return BestSynthesizer(candidates=tuple(made), names=tuple(names))


def candidates_of(synthesizer: Synthesizer) -> tuple[str, ...]:
    """Return the names of the methods that one chooses from; empty where it chooses none."""
    return tuple(candidate["name"] for candidate in synthesizer.options().get("candidates", ()))


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
    "diffusion": _method(
        DiffusionSynthesizer,
        "B",
        "Denoising of rows by a network, trained by DP-SGD.",
        fixed_plan=True,
        quick=_QUICK_TRAINING,
    ),
    "gan": _method(
        GanSynthesizer,
        "B",
        "A conditional generator against a critic of pairs of columns, trained by DP-SGD.",
        fixed_plan=True,
        quick=_QUICK_TRAINING,
    ),
    "independent": _method(
        IndependentSynthesizer,
        "A",
        "Each column by itself; relations between columns are lost.",
        fixed_plan=True,
    ),
    "marginal-net": _method(
        MarginalNetSynthesizer,
        "A",
        "A network's mixture fitted to all dependent pairs; for dense or wide tables.",
        fixed_plan=False,
        quick={"components": 10, "steps": 10},
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
    "vae": _method(
        VaeSynthesizer,
        "B",
        "A variational autoencoder, trained by DP-SGD.",
        fixed_plan=True,
        quick=_QUICK_TRAINING,
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


def load_model(folder: Path) -> BinnedModel | EmpiricalModel:
    """Read a model that a release wrote, of whichever kind.

    Raises:
        InputError: A file is missing, or holds anything but a model of the declared shapes.
    """
    with reading(folder):
        form = read_head(folder).get("format")
    if form == EMPIRICAL:
        return load_empirical(folder)
    return load_mixture_model(folder) if form == MIXTURE else load_marginal_model(folder)
