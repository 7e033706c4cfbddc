"""Fit a mixture to noisy tables: the objective of ``pgm/fit.py``, over mixtures and not over trees.

Over all mixtures p of K product distributions that a decoder makes of K latent points, minimise

    total * KL(p || prior) + sum over cells (mu - y)^2 / (2 * shrinkage * variance)

with mu(p) = total * (marginals of p). No junction tree is needed, so any set of tables can be
observed; the price is that the optimum is approached by gradient steps (Adam, Kingma and Ba 2015).
The squares are those of GEM (Liu, Vietri and Wu 2021), all pairs from one matrix product. Without
the entropy term a mixture that fits the observed pairs leaves the others to chance: on Adult at
epsilon 1 their error is 0.062, with it 0.041. Its gradient is estimated without bias: with f =
log(p / prior), that of a component's distribution of a block is the expectation of f over the other
blocks, drawn from the component; over the block itself the sum is exact (local expectation
gradients, Titsias and Lazaro-Gredilla 2015). Input is noisy values only: nothing here may depend
on a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import logsumexp

from dpsynth.arrays import Floats
from dpsynth.schema.domain import Domain
from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.latents import StoredLatents
from dpsynth.synth.neural.mixture import Block
from dpsynth.synth.neural.torch_decoder import TorchDecoder
from dpsynth.synth.pgm.fit import Observation

# Components whose gradient of the entropy is estimated in a step: 50 to 500 gave the same error.
_DRAWN = 100
_DIMENSION, _WIDTH, _RESIDUAL_BLOCKS = 128, 128, 1
# At 0.05 Adult comes out alike, and small tables with little noise do not converge.
_RATE, _BETAS, _WARM_UP = 0.02, (0.9, 0.99), 0.05
# Points begin close together: the search then begins at the prior, and relations are learned and
# not unlearned.
_SPREAD = 0.25
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """Observed tables of some columns with one more each, all in different blocks, side by side.

    One matrix product gives what the mixture expects in all of them.

    Attributes:
        columns: One or more columns that the tables share.
        partners: The one that each has besides.
        shares: Noisy shares of the rows, shape (cells of the columns, bins of the partners).
        weights: Of their squared errors.
    """

    columns: tuple[int, ...]
    partners: tuple[int, ...]
    shares: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table:
    """An observation of one block, or of several columns of one block among others.

    Attributes:
        factors: Number of a block, and its axes that are observed.
        shares: Noisy shares of the rows, one axis a factor.
        weights: Of their squared errors.
    """

    factors: tuple[tuple[int, tuple[int, ...]], ...]
    shares: torch.Tensor
    weights: torch.Tensor


class MixtureFit:
    """A search for the best mixture.

    Args:
        domain: The bins.
        blocks: Columns that a component holds together.
        prior: Log potential of each column, see ``pgm.fit.prior_beside``.
        total: Number of rows, estimated.
        shrinkage: Weight of the prior against the observations.
        components: Number of components.
        seed: Seed of first weights and draws; training is post-processing.
    """

    def __init__(
        self,
        domain: Domain,
        blocks: Sequence[Block],
        *,
        prior: Sequence[Floats],
        total: float,
        shrinkage: float,
        components: int,
        seed: int,
    ) -> None:
        self._domain, self._blocks = domain, tuple(blocks)
        self._sizes = [attribute.size for attribute in domain]
        self._total, self._shrinkage = total, shrinkage
        self._random = torch.Generator().manual_seed(seed)
        self._network = TorchDecoder(
            self._sizes,
            dimension=_DIMENSION,
            width=_WIDTH,
            blocks=_RESIDUAL_BLOCKS,
            generator=self._random,
        )
        self._network.begin_at([_tensor(column) for column in prior])
        self._points = torch.nn.Parameter(
            _SPREAD * torch.randn(components, _DIMENSION, generator=self._random)
        )
        self._shares = [None if b.share is None else torch.from_numpy(b.share) for b in blocks]
        self._prior = [self._log_prior(number, prior) for number in range(len(blocks))]

    def run(self, observations: Sequence[Observation], steps: int) -> None:
        """Take so many steps from where the search stands.

        Args:
            observations: Noisy tables of bins, in rows.
            steps: How many; the rate rises at first and falls to zero.
        """
        rows, tables = self._split(observations)
        with _one_thread():
            self._descend(rows, tables, steps)

    def decoder(self) -> Decoder:
        """Return the decoder as it stands."""
        return self._network.export()

    def latents(self) -> StoredLatents:
        """Return the points as they stand."""
        return StoredLatents(values=self._points.detach().numpy().copy())

    def _descend(self, rows: Sequence[_Row], tables: Sequence[_Table], steps: int) -> None:
        """Take the steps."""
        parameters = [*self._network.parameters(), self._points]
        adam = torch.optim.Adam(parameters, lr=_RATE, betas=_BETAS)
        for step in range(steps):
            for group in adam.param_groups:
                group["lr"] = _RATE * _schedule((step + 1) / steps)
            joint, columns = self._components()
            loss = self._divergence(joint)
            for row in rows:
                beside = torch.cat([columns[number] for number in row.partners], dim=1)
                shared = _outer([columns[number] for number in row.columns])
                expected = shared.T @ beside / len(beside)
                loss = loss + ((expected - row.shares) ** 2 * row.weights).sum()
            for table in tables:
                expected = self._expected(joint, table)
                loss = loss + ((expected - table.shares) ** 2 * table.weights).sum()
            adam.zero_grad()
            torch.autograd.backward(loss)
            adam.step()

    def _components(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return, of each component, the joint table of each block and each column by itself."""
        alone = torch.split(self._network(self._points), self._sizes, dim=1)
        columns, joint = list(alone), []
        for block, share in zip(self._blocks, self._shares, strict=True):
            table = alone[block.columns[0]]
            if share is not None:
                for number in block.columns[1:]:
                    table = table.unsqueeze(-1) * _last(alone[number], table.dim())
                table = table * share + _TINY * share
                table = table / table.flatten(1).sum(1).reshape(-1, *[1] * share.dim())
                for axis, number in enumerate(block.columns):
                    others = [i + 1 for i in range(share.dim()) if i != axis]
                    columns[number] = table.sum(dim=others)
            joint.append(table.flatten(1))
        return joint, columns

    def _divergence(self, joint: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return a number whose gradient is, on average, that of KL(p || prior)."""
        with torch.no_grad():
            tables = [table.detach().clamp_min(_TINY) for table in joint]
            count = len(tables[0])
            chosen = torch.randperm(count, generator=self._random)[:_DRAWN]
            drawn = [
                torch.multinomial(table.detach()[chosen], 1, generator=self._random)[:, 0]
                for table in joint
            ]
            picked = [
                table.T.contiguous()[cells] for table, cells in zip(tables, drawn, strict=True)
            ]
            logs = torch.zeros(len(chosen), count)
            for own in picked:
                logs += torch.log(own)
            top = logs.max(dim=1, keepdim=True).values
            likely = torch.exp(logs - top)
            prior = [log[cells] for log, cells in zip(self._prior, drawn, strict=True)]
            whole = torch.stack(prior).sum(dim=0)
        parts = []
        for number, table in enumerate(tables):
            with torch.no_grad():
                logs = torch.log(likely / picked[number] @ table / count) + top
                ratio = logs - (whole - prior[number])[:, None] - self._prior[number]
            parts.append((ratio * joint[number][chosen]).sum())
        return torch.stack(parts).sum() / len(chosen)

    def _expected(self, joint: Sequence[torch.Tensor], table: _Table) -> torch.Tensor:
        """Return the share of the rows that the mixture expects in each cell of a table."""
        *most, last = [self._block_marginal(joint, *factor) for factor in table.factors]
        if not most:
            return last.mean(dim=0).reshape(table.shares.shape)
        return (_outer(most).T @ last / len(last)).reshape(table.shares.shape)

    def _block_marginal(
        self, joint: Sequence[torch.Tensor], number: int, axes: tuple[int, ...]
    ) -> torch.Tensor:
        """Return some columns of a block in each component, shape (components, cells)."""
        columns = self._blocks[number].columns
        shaped = joint[number].reshape(-1, *(self._sizes[column] for column in columns))
        others = [axis + 1 for axis in range(len(columns)) if axis not in axes]
        return (shaped.sum(dim=others) if others else shaped).flatten(1)

    def _log_prior(self, number: int, prior: Sequence[Floats]) -> torch.Tensor:
        """Return the log prior of the cells of a block; 0 where nothing may be, which none asks."""
        block = self._blocks[number]
        table = np.zeros(())
        for column in block.columns:
            table = np.add.outer(table, prior[column])
        if block.share is not None:
            with np.errstate(divide="ignore"):
                table = table + np.log(block.share)
        table = table - logsumexp(table)
        return _tensor(np.where(np.isfinite(table), table, 0.0).ravel())

    def _split(self, observations: Sequence[Observation]) -> tuple[list[_Row], list[_Table]]:
        """Sort observations into rows and other tables."""
        place = {c: (n, i) for n, b in enumerate(self._blocks) for i, c in enumerate(b.columns)}
        found: dict[tuple[int, ...], list[tuple[int, Floats, Floats]]] = {}
        tables = []
        for seen in observations:
            columns = [self._domain.index(name) for name in seen.attributes]
            blocks = sorted({place[column][0] for column in columns})
            apart = len(columns) == len(blocks) > 1
            # The largest column is the partner: the product of the others is kept.
            key = (lambda c: (self._sizes[c], c)) if apart else place.__getitem__
            order = sorted(range(len(columns)), key=lambda axis: key(columns[axis]))
            columns = [columns[axis] for axis in order]
            shares = seen.values.transpose(order) / self._total
            weights = self._total / (2.0 * self._shrinkage * seen.variance.transpose(order))
            if apart:
                flat = (-1, shares.shape[-1])
                table = (columns[-1], shares.reshape(flat), weights.reshape(flat))
                found.setdefault(tuple(columns[:-1]), []).append(table)
                continue
            factors = tuple(
                (block, tuple(place[c][1] for c in columns if place[c][0] == block))
                for block in blocks
            )
            tables.append(_Table(factors=factors, shares=_tensor(shares), weights=_tensor(weights)))
        rows = [
            _Row(
                columns=columns,
                partners=tuple(partner for partner, _, _ in beside),
                shares=_tensor(np.concatenate([shares for _, shares, _ in beside], axis=1)),
                weights=_tensor(np.concatenate([weights for _, _, weights in beside], axis=1)),
            )
            for columns, beside in found.items()
        ]
        return rows, tables


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold torch to one thread: on matrices of this size more cost time and gain none."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _schedule(progress: float) -> float:
    """Return the share of the highest rate: a linear rise, then half a cosine down to zero."""
    if progress < _WARM_UP:
        return progress / _WARM_UP
    return 0.5 * (1.0 + math.cos(math.pi * (progress - _WARM_UP) / (1.0 - _WARM_UP)))


def _outer(factors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the product of tables of each component, shape (components, product of cells)."""
    product, *others = factors
    for factor in others:
        product = (product.unsqueeze(2) * factor.unsqueeze(1)).flatten(1)
    return product


def _last(column: torch.Tensor, axes: int) -> torch.Tensor:
    """Return a column of each component as the last one of so many axes, the first kept."""
    return column.reshape(len(column), *[1] * (axes - 1), -1)


def _tensor(values: Floats) -> torch.Tensor:
    """Return an array in single precision."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
