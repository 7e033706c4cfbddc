"""The methods by name: an explicit table, so that nothing becomes available by being imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.synth.aim import AimSynthesizer
from dpsynth.synth.api import Synthesizer
from dpsynth.synth.best import BestSynthesizer
from dpsynth.synth.binned_model import BinnedModel
from dpsynth.synth.cliquetree import CliqueTreeSynthesizer
from dpsynth.synth.independent import IndependentSynthesizer
from dpsynth.synth.marginal_model import load_marginal_model
from dpsynth.synth.mst import MstSynthesizer
from dpsynth.synth.mwem import MwemSynthesizer
from dpsynth.synth.neural.files import FORMAT as MIXTURE
from dpsynth.synth.neural.marginal_net import MarginalNetSynthesizer
from dpsynth.synth.neural.mixture_model import load_mixture_model
from dpsynth.synth.persist import read_head, reading

MAX_CANDIDATES = 10

__all__ = [
    "METHODS",
    "Method",
    "assurance_class",
    "fixed_plan",
    "load_model",
    "make",
    "quick_options",
]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One registered method.

    Attributes:
        make: Builds the synthesizer from its options.
        options: Names of the options.
        assurance: A, B or N, see the certificate's explanation of assurance classes.
        fixed_plan: Number and noise of its queries follow from domain and budget alone.
        summary: One sentence for people.
        quick: Options under which a fit asks and spends the same and trains for milliseconds: for
            audits, which fit thousands of times.
    """

    make: Callable[..., Synthesizer]
    options: tuple[str, ...]
    assurance: str
    fixed_plan: bool
    summary: str
    quick: Mapping[str, Any] = field(default_factory=dict)


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
}


def make(name: str, options: Mapping[str, Any]) -> Synthesizer:
    """Return the synthesizer `name` with the given options.

    Raises:
        InputError: There is no such method or option, or an option is of the wrong type.
    """
    method = _find(name)
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


def load_model(folder: Path) -> BinnedModel:
    """Read a saved model of any method.

    Raises:
        InputError: A file is missing, or holds anything but a model of the declared shapes.
    """
    with reading(folder):
        form = read_head(folder).get("format")
    return load_mixture_model(folder) if form == MIXTURE else load_marginal_model(folder)


def assurance_class(name: str) -> str:
    """Return the assurance class of a method: A, B or N."""
    return _find(name).assurance


def fixed_plan(name: str) -> bool:
    """Return whether number and noise of a method's queries are fixed before data is opened."""
    return _find(name).fixed_plan


def quick_options(name: str) -> Mapping[str, Any]:
    """Return the options of a method for audits, see :attr:`Method.quick`."""
    return _find(name).quick


def _find(name: str) -> Method:
    if name not in METHODS:
        raise InputError(
            f"There is no synthesizer called {name}.",
            where="synthesizer",
            fix=f"Choose one of: {', '.join(METHODS)}.",
        )
    return METHODS[name]
