"""What is declared of a method: how it is made, what it promises, and on what ground.

A third party's package offers a :class:`Method` under the entry-point group of
:mod:`dpsynth.synth.plugins`; the methods of dpsynth itself are declared in the same way.

Never true here: a class B without a written argument, a class N without its reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dpsynth.errors import InputError
from dpsynth.results import AssuranceClass, words_of
from dpsynth.synth.api import Synthesizer


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method.

    Attributes:
        make: Builds the synthesizer from its options.
        options: Names of the options.
        assurance: A, B or N, see the certificate's explanation of assurance classes.
        fixed_plan: Number and noise of its queries follow from domain and budget alone.
        summary: One sentence for people.
        argument: Class B: where it is written why the price of the core holds; else empty.
        reasons: Class N: why no guarantee can be stated, each with its source; else empty.
        distributions: Installed packages that it runs; their versions stand in the evidence.
        trains: It trains on noisy gradients, so no zCDP price describes all of it.
        quick: Options under which a fit asks and spends the same and trains for milliseconds: for
            audits, which fit thousands of times.
    """

    make: Callable[..., Synthesizer]
    options: tuple[str, ...]
    assurance: str
    fixed_plan: bool
    summary: str
    argument: str = ""
    reasons: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    trains: bool = False
    quick: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a class that nothing stands behind."""
        if self.assurance not in words_of(AssuranceClass):
            raise InputError("An assurance class is A, B or N.", where="synthesizer")
        if (self.assurance == AssuranceClass.B) is not bool(self.argument.strip()):
            raise InputError(
                "Class B, and no other, says where its price is argued.", where="synthesizer"
            )
        if (self.assurance == AssuranceClass.N) is not bool(
            self.reasons and all(map(str.strip, self.reasons))
        ):
            raise InputError(
                "Class N, and no other, says why there is no guarantee.", where="synthesizer"
            )

    @property
    def protected(self) -> bool:
        """Whether it has a differential-privacy guarantee."""
        return self.assurance != AssuranceClass.N
