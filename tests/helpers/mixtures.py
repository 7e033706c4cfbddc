"""What tests of mixtures share: decoders with random weights, and their joint table by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Domain
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.neural.decoder import Decoder, Layer, layer_shapes
from dpsynth.synth.neural.latents import Latents, NormalLatents
from dpsynth.synth.neural.mixture_model import MixtureModel, equal_mixture

DOMAIN = Domain.from_sizes({"a": 3, "b": 4, "c": 5, "d": 2, "w": 9}, ordered=["w"])
# Bins of the wide column; every other code is its own bin.
WIDE = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])


def decoder_of(sizes: Sequence[int], *, blocks: int = 2, seed: int = 0, scale: float = 1.2):
    """Return a decoder of latent dimension 3 and width 8 with random weights."""
    rng = np.random.default_rng(seed)
    return Decoder(
        sizes=tuple(sizes),
        layers=tuple(
            Layer(
                weight=rng.normal(0, scale / np.sqrt(shape[0]), shape).astype(np.float32),
                bias=rng.normal(0, 0.3, shape[1]).astype(np.float32),
            )
            for shape in layer_shapes(3, 8, blocks, sum(sizes))
        ),
    )


def zeros() -> tuple[Zeros, ...]:
    """Return facts that tie a, b and c: some pairs of codes never occur together."""
    one = np.ones((3, 4), dtype=np.bool_)
    one[0, 1:3] = one[2, 0] = False
    other = np.ones((4, 5), dtype=np.bool_)
    other[3, :4] = False
    code = [np.arange(size) for size in (3, 4, 5)]
    return (
        Zeros(names=("b", "a"), classes=(code[1], code[0]), allowed=one.T),
        Zeros(names=("b", "c"), classes=(code[1], code[2]), allowed=other),
    )


def model_of(
    *, count: int = 40, tied: bool = False, seed: int = 0, latents: Latents | None = None
) -> MixtureModel:
    """Return a model over DOMAIN, with structural zeros if `tied`."""
    domain = replace(DOMAIN, zeros=zeros()) if tied else DOMAIN
    partitions = {a.name: np.arange(a.size) for a in domain} | {"w": WIDE}
    sizes = [int(p.max()) + 1 for p in partitions.values()]
    rng = np.random.default_rng(5)
    fine = tuple(rng.uniform(1, 20, a.size) for a in domain)
    latents = latents or NormalLatents(seed=7, count=count, dimension=3)
    return MixtureModel(
        method="marginal-net",
        domain=domain,
        total=1000.0,
        partitions=partitions,
        fine=fine,
        measurements=tuple(
            Measurement(
                attributes=(a.name,),
                values=np.zeros(a.size, dtype=np.int64),
                sigma=1.0,
                rho=1.0,
                ledger_seq=1,
            )
            for a in domain
        ),
        mixture=equal_mixture(domain, partitions, fine, decoder_of(sizes, seed=seed), latents),
    )


def joint_of(model: MixtureModel) -> np.ndarray:
    """Return the joint table of the fine codes by going through all components and cells."""
    mixture, domain = model.mixture, model.domain
    points = mixture.latents.points(np.arange(mixture.latents.count))
    values = mixture.decoder.probabilities(points).astype(np.float64)
    columns = np.split(values, np.cumsum(mixture.decoder.sizes)[:-1], axis=1)
    inside = []
    for own, (name, bins) in zip(model.fine, model.partitions.items(), strict=True):
        assert name in domain.names
        inside.append(own / np.bincount(bins, weights=own)[bins])
    joint = np.zeros(domain.shape(domain.names))
    for k in range(mixture.latents.count):
        table = np.ones(())
        for column, bins, share in zip(columns, model.partitions.values(), inside, strict=True):
            table = np.multiply.outer(table, column[k][bins] * share)
        for cell in itertools.product(*map(range, joint.shape)):
            codes = [np.array(code) for code in cell]
            for each in domain.zeros:
                if not each.holds([codes[domain.index(name)] for name in each.names]):
                    table[cell] = 0.0
        joint += table / table.sum() / mixture.latents.count
    return joint
