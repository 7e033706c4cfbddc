"""Adapters: programs that others wrote, run on the declared domain, priced or without a guarantee.

Nothing of theirs is imported before a fit. docs/adapters.md argues each class, with the sources
that were read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial

from dpsynth.synth.adapters.aim import AimCoreSynthesizer
from dpsynth.synth.adapters.extra import PROGRAM, READ
from dpsynth.synth.adapters.unbounded import UnboundedSynthesizer
from dpsynth.synth.method import Method

_SN = f"{PROGRAM} {READ}"
_EXACT = (
    f"{_SN} uses the exact number of rows, which is private under adding or removing one person, "
    "without noise and without a charge (read in its source)."
)
_SOURCES = {
    "mst": (
        _EXACT,
        f"{_SN} mixes two neighbouring relations in MST: under the relation in which the exact "
        "number of rows would be allowed, the true cost is 8/3 of the claimed price (derived from "
        "its source).",
    ),
    "mwem": (
        f"{_SN} keeps the exact histogram of the table inside the fitted object of MWEM (read in "
        "its source).",
        f"{_SN} repeats a private selection of MWEM until it finds a query that is new, up to ten "
        "times at the price of one (read in its source).",
        _EXACT,
    ),
    "dpctgan": (
        f"{_SN} asks DPCTGAN's accountant before an epoch and not after it, so that training ends "
        "beyond the privacy loss that was set (read in its source and seen in every fit).",
        f"{_SN} draws DPCTGAN's conditions from exact frequencies of categories and stores them in "
        "the fitted object, together with the training matrix (read in its source).",
        f"{_SN} trains DPCTGAN on batches of fixed size and accounts for them as if each row had "
        "been drawn by itself (read in its source).",
    ),
    "patectgan": (
        f"{_SN} makes one discriminator for all teachers and the student of PATECTGAN, and trains "
        "it on all rows: votes of one network hide nobody (read in its source and seen in every "
        "fit).",
        f"{_SN} draws PATECTGAN's conditions from exact frequencies of categories (read in its "
        "source).",
    ),
}
_SUMMARIES = {
    "mst": "MST of smartnoise-synth; no guarantee.",
    "mwem": "MWEM of smartnoise-synth; no guarantee.",
    "dpctgan": "DPCTGAN of smartnoise-synth, a GAN; no guarantee.",
    "patectgan": "PATECTGAN of smartnoise-synth, a GAN; no guarantee.",
}
_OPTIONS = {
    "mwem": ("columns_per_histogram",),
    "dpctgan": ("batch_size", "epochs"),
    "patectgan": ("batch_size",),
}
_PACKAGES = {
    "mst": ("smartnoise-synth", "mbi", "jax"),
    "mwem": ("smartnoise-synth",),
    "dpctgan": ("smartnoise-synth", "torch", "opacus"),
    "patectgan": ("smartnoise-synth", "torch", "opacus"),
}


def _unbounded(program: str) -> Method:
    """Return the declaration of a program without a guarantee."""
    return Method(
        make=partial(UnboundedSynthesizer, program=program, reasons=_SOURCES[program]),
        options=("label", "setting", "rows", *_OPTIONS.get(program, ())),
        assurance="N",
        fixed_plan=False,
        summary=_SUMMARIES[program],
        reasons=_SOURCES[program],
        distributions=_PACKAGES[program],
    )


ADAPTERS: Mapping[str, Method] = {
    "smartnoise:aim": Method(
        make=AimCoreSynthesizer,
        options=tuple(field.name for field in fields(AimCoreSynthesizer)),
        assurance="B",
        fixed_plan=False,
        summary="The AIM core of smartnoise-synth, on the declared domain.",
        argument="docs/adapters.md, section smartnoise:aim",
        distributions=("smartnoise-synth", "mbi", "jax"),
    ),
    **{f"smartnoise:{program}": _unbounded(program) for program in _SOURCES},
}
