"""The model that every neural method returns: noisy counts and a mixture of products over bins.

Whatever the network is trained by, what is kept is a decoder and latent points, so that marginals,
conditions, draws and the self-test are those of one known distribution and need no torch. Noisy
one-way counts refine the bins, see ``binned_model.py``. What may never be true: a sample that needs
the network that the decoder was trained against, or a weight that came of unprotected rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Floats, Integers
from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Domain
from dpsynth.synth.binned_model import BinnedModel
from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.files import load_mixture_parts, save_mixture
from dpsynth.synth.neural.latents import Latents
from dpsynth.synth.neural.mixture import Mixture, blocks_of
from dpsynth.synth.oneway import OneWays, coarse_domain
from dpsynth.synth.selftest import BinTables


@dataclass(frozen=True, kw_only=True, eq=False)
class MixtureModel(BinnedModel):
    """A mixture of product distributions over bins, refined inside the bins.

    Attributes:
        mixture: Distribution of the bins.
    """

    mixture: Mixture

    @classmethod
    def from_decoder(
        cls,
        method: str,
        one_ways: OneWays,
        tables: Sequence[Measurement],
        decoder: Decoder,
        latents: Latents,
    ) -> MixtureModel:
        """Put together what a method measured and trained.

        Args:
            method: Registered name of the synthesizer.
            one_ways: Fine one-way counts and the bins that follow from them.
            tables: What else was measured, in those bins.
            decoder: The trained decoder, of those bins.
            latents: Its points; all components weigh the same.
        """
        return cls(
            method=method,
            domain=one_ways.domain,
            total=one_ways.total,
            partitions=one_ways.partitions,
            fine=one_ways.fine,
            measurements=(*one_ways.measurements, *tables),
            mixture=equal_mixture(
                one_ways.domain, one_ways.partitions, one_ways.fine, decoder, latents
            ),
        )

    def bin_marginal(self, attributes: Sequence[str]) -> Floats:
        """See :meth:`BinnedModel.bin_marginal`."""
        return self.mixture.marginal(attributes)

    def bin_tables(self) -> BinTables:
        """See :meth:`BinnedModel.bin_tables`; how rows are spread over components has no bound."""
        return BinTables(marginal=self.mixture.marginal, bounds=None)

    def _sample_bins(self, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
        return self.mixture.sample(rows, rng)

    def _conditioned(self, bins: Mapping[str, int]) -> tuple[Self, float]:
        mixture, probability = self.mixture.given(bins)
        return replace(self, mixture=mixture), probability

    def _write(self, folder: Path) -> None:
        save_mixture(folder, self, self.mixture.decoder, self.mixture.latents)


def equal_mixture(
    domain: Domain,
    partitions: Mapping[str, Integers],
    fine: Sequence[Floats],
    decoder: Decoder,
    latents: Latents,
) -> Mixture:
    """Return the mixture of equally likely components that holds the zeros of a domain.

    Args:
        domain: The fine domain.
        partitions: Bin of every fine code.
        fine: Weight of every fine code, by column.
        decoder: Of those bins.
        latents: One point a component.
    """
    coarse = coarse_domain(partitions)
    return Mixture(
        domain=coarse,
        decoder=decoder,
        latents=latents,
        blocks=blocks_of(domain, coarse, partitions, fine),
        weights=np.full(latents.count, 1.0 / latents.count),
    )


def load_mixture_model(folder: Path) -> MixtureModel:
    """Read what :meth:`MixtureModel.save` wrote.

    Raises:
        InputError: A file is missing, or holds anything but a model of the declared shapes.
    """
    parts = load_mixture_parts(folder)
    common = parts.common
    return MixtureModel(
        **common.fields(),
        mixture=equal_mixture(
            common.domain, common.partitions, common.fine, parts.decoder, parts.latents
        ),
    )
