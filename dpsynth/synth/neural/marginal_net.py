"""Marginal net: a mixture, made by a network, is fitted to the pairs that are worth their noise.

After GEM (Liu, Vietri and Wu 2021) and MargNet (2025): a generator is trained until its marginals
are those that were measured. The questions are those of ``oneshot.py`` without the limits of a
junction tree, so that where many columns depend on each other all of their pairs can be measured;
the fit is that of ``fitting.py``. Privacy is that of the noisy answers: training is post-processing
of them (Dwork and Roth 2014, Proposition 2.1), takes a number of steps that follows from them and
the options alone, and draws its seed from the operating system. Never true here: a network that
meets a row.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import Measurement
from dpsynth.privacy.requests import MAX_CELLS_PER_MARGINAL
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage
from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.extra import need_torch
from dpsynth.synth.neural.latents import StoredLatents
from dpsynth.synth.neural.mixture import Block, blocks_of
from dpsynth.synth.neural.mixture_model import MixtureModel
from dpsynth.synth.numeric import MAX_BINS
from dpsynth.synth.observed import observations_of
from dpsynth.synth.oneshot import OneShot
from dpsynth.synth.oneway import OneWays
from dpsynth.synth.pgm.fit import FORBIDDEN, Factor, Observation, prior_beside, shrinkage_for
from dpsynth.synth.structure import Limits, Scope, Scored, small_enough

if TYPE_CHECKING:
    from dpsynth.synth.neural.fitting import MixtureFit


MAX_STEPS, MAX_NET_COMPONENTS = 100_000, 4096
# Triples that are scored at most: those of the largest gain of their pairs.
_MAX_TRIPLES = 300
_LEAST_STEPS, _MOST_STEPS, _STEPS_PER_ROOT = 300, 1500, 8.0


@dataclass(frozen=True, kw_only=True)
class MarginalNetSynthesizer:
    """Configuration of the method.

    Attributes:
        label: Column whose pairs come first, or None.
        bins: Bins of a column in a table at most, 2 to 64.
        components: Product distributions in the mixture.
        steps: Steps of the training; None for as many as the measured tables ask for.
        workload: Sets of columns that matter most; their pairs count double.
    """

    label: str | None = None
    bins: int = MAX_BINS
    components: int = 400
    steps: int | None = None
    workload: tuple[tuple[str, ...], ...] = ()
    name = "marginal-net"

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            InputError: One of them is not as described.
        """
        _check_number(self.name, "components", self.components, MAX_NET_COMPONENTS)
        if self.steps is not None:
            _check_number(self.name, "steps", self.steps, MAX_STEPS)
        object.__setattr__(self, "workload", self._questions.workload)

    @property
    def _questions(self) -> OneShot:
        return OneShot.checked(self.name, label=self.label, bins=self.bins, workload=self.workload)

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {
            "components": self.components,
            "steps": self.steps,
            **self._questions.options(),
        }

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost at most.

        Raises:
            InputError: The domain, the price or an option cannot work.
            MissingExtraError: The extra ``neural`` is not installed.
        """
        need_torch(self.name)
        return self._questions.plan(domain, rho)

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns and the pairs that are measured.

        What training leaves, and what so many components cannot represent, comes on top.
        """
        return self._questions.forecast(domain, rho, assumption, most_cells=MAX_CELLS_PER_MARGINAL)

    def fit(self, curator: Curator) -> MixtureModel:
        """Fit through the Curator, spending at most its budget."""
        need_torch(self.name)
        ask, domain = self._questions, curator.domain
        ask.check(domain, curator.rho)
        one_ways = ask.columns(curator)
        pairs = ask.pairs(curator, one_ways, _limits(curator)) if len(domain) > 1 else []
        if not pairs:
            return self._model(one_ways, (), *_alone(one_ways, curator.rho))
        share = ask.share_of_pairs(curator, one_ways, pairs)
        measured = ask.count(curator, one_ways, pairs, share=share)
        search = _search(one_ways, curator.rho, self.components)
        model = self._trained(search, one_ways, measured)
        if share == 1.0:
            return model
        models = _among(one_ways, model, pairs)
        # Where no triple is worth its noise, the pairs are counted a second time.
        more = ask.triples(curator, one_ways, models, _limits(curator)) or pairs
        measured += ask.count(curator, one_ways, more)
        return self._trained(search, one_ways, measured)

    def _trained(
        self, search: MixtureFit, one_ways: OneWays, tables: Sequence[Measurement]
    ) -> MixtureModel:
        """Go on with the search, now for these tables, and return where it ends."""
        observations = observations_of(one_ways, tables)
        search.run(observations, self.steps or _steps_for(observations))
        return self._model(one_ways, tables, search.decoder(), search.latents())

    def _model(
        self,
        one_ways: OneWays,
        tables: Sequence[Measurement],
        decoder: Decoder,
        latents: StoredLatents,
    ) -> MixtureModel:
        return MixtureModel.from_decoder(self.name, one_ways, tables, decoder, latents)


def _check_number(method: str, option: str, value: object, most: int) -> None:
    """Raise InputError unless an option is a whole number from 1 to `most`."""
    if type(value) is not int or not 1 <= value <= most:
        raise InputError(f"must be a whole number from 1 to {most}.", where=f"{method}, {option}")


def _limits(curator: Curator) -> Limits:
    """Return how much may be measured; the model has no limit of its own."""
    return Limits(clique=None, together=0, measured=curator.cells_left)


def _steps_for(observations: Sequence[Observation]) -> int:
    """Return how many steps some tables ask for: more cells, more steps."""
    cells = sum(observed.values.size for observed in observations)
    return int(min(_MOST_STEPS, _LEAST_STEPS + _STEPS_PER_ROOT * cells**0.5))


def _blocks(one_ways: OneWays) -> tuple[Block, ...]:
    """Return the columns that components hold together."""
    return blocks_of(one_ways.domain, one_ways.coarse_domain, one_ways.partitions, one_ways.fine)


def _prior(one_ways: OneWays, rho: float) -> list[Floats]:
    """Return the prior of each column: its noisy counts, beside structural zeros as they allow."""
    coarse = one_ways.coarse_domain
    factors = []
    for block in _blocks(one_ways):
        if block.share is not None:
            allowed = block.share > 0
            logs = np.log(np.where(allowed, block.share, 1.0).astype(np.float64))
            names = tuple(coarse.names[column] for column in block.columns)
            factors.append(Factor(attributes=names, values=np.where(allowed, logs, FORBIDDEN)))
    return prior_beside(
        coarse,
        factors,
        one_ways.coarse,
        [observed.variance for observed in observations_of(one_ways, ())],
        total=one_ways.total,
        shrinkage=shrinkage_for(rho),
    )


def _alone(one_ways: OneWays, rho: float) -> tuple[Decoder, StoredLatents]:
    """Return the mixture of one component: columns as they were counted, unrelated."""
    origin = StoredLatents(values=np.zeros((1, 1), dtype=np.float32))
    return Decoder.of_one_point(_prior(one_ways, rho)), origin


def _search(one_ways: OneWays, rho: float, components: int) -> MixtureFit:
    """Return a search that begins at the prior."""
    from dpsynth.synth.neural.fitting import MixtureFit

    return MixtureFit(
        one_ways.coarse_domain,
        _blocks(one_ways),
        prior=_prior(one_ways, rho),
        total=one_ways.total,
        shrinkage=shrinkage_for(rho),
        components=components,
        seed=secrets.randbits(63),
    )


def _among(one_ways: OneWays, model: MixtureModel, pairs: Sequence[Scored]) -> dict[Scope, Floats]:
    """Return triples all of whose pairs were measured, with what a model expects in them."""
    coarse = one_ways.coarse_domain
    gains = {frozenset(pair.attributes): pair.gain for pair in pairs}
    found = []
    for triple in itertools.combinations(coarse.names, 3):
        inside = [frozenset(pair) for pair in itertools.combinations(triple, 2)]
        if all(pair in gains for pair in inside):
            found.append((sum(gains[pair] for pair in inside), triple))
    found.sort(reverse=True)
    scopes = small_enough(coarse, [triple for _, triple in found[:_MAX_TRIPLES]])
    return {scope: model.bin_marginal(scope) * one_ways.total for scope in scopes}
