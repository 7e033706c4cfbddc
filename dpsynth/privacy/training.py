"""Noisy gradients for training a network on private rows (DP-SGD; Abadi et al. 2016).

One step: every unit takes part by a coin of its own (Poisson sampling); the gradient of the loss is
taken for each row by itself and summed over the rows of a unit; each unit's gradient is cut down to
a norm and rounded to whole numbers of a fine grid, whose squared norm is checked exactly; the sum
gets discrete Gaussian noise and is divided by a public number. An empty sample is a step like any
other. The number of steps was charged in full before the first one, whoever stops early has paid
for all, and whoever starts again pays again.

The loss is a function of parameters, the bins of one row and public random numbers. It runs under
`torch.func` transforms, sees one row and never a batch, so nothing in it can mix units. The bins
that it saw are wiped, and of an error in it only the type is told: both could hold a row.

Never true here: a loss or a gradient norm that is shown, returned or logged; a size that depends on
how many units a sample has; a step more than was paid for; noise that is not on whole numbers. The
gradient of a row is computed in floating point beside those of others. That its last bits do not
depend on them is argued from how it is computed, not proved: hence assurance class B.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.measurement import Partitions, TrainingQuery
from dpsynth.privacy.requests import marginal_request
from dpsynth.privacy.sampled import SampledSteps, steps_for
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import MarginalSource

Parameters = Mapping[str, torch.Tensor]
#: loss(parameters, bins of one row int64 (d,), normal draws float32 (k,)) -> scalar
Loss = Callable[[Parameters, torch.Tensor, torch.Tensor], torch.Tensor]

# Numbers of the per-row gradients that are held at once: 128 MiB.
_AT_ONCE = 2**25
# Gradients are computed for a multiple of so many rows. Products of few rows add up in another
# order, and the last bits of one gradient would depend on how many others there are.
_ROWS = 64
# Of the numbers of gradients, so many are held in 64 bits at once: 8 MiB.
_WIDENED = 2**20
_LEAST, _MOST, _MOST_NORMALS = 1e-9, 1e9, 1_000_000
# What computing in 32 bits may add to the norm of a gradient that was cut down; beyond it the check
# in whole numbers would drop the gradient.
_ROUNDING = 1.0 + 1e-5


class Entropy(Protocol):
    """Where coins and noise come from: the module `noise`, and nothing else outside tests."""

    def on_sums(self, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add discrete Gaussian noise of scale ``2**SUM_BITS`` to every sum, shape (size,)."""
        ...

    def normals(self, size: int) -> NDArray[np.float64]:
        """Return independent standard normal draws, shape (size,)."""
        ...

    def coins(self, size: int, rate: float) -> NDArray[np.bool_]:
        """Return independent coins, shape (size,)."""
        ...


class NoisyGradients:
    """The right to so many noisy gradients. Made by the Curator, which charged for all of them.

    Args:
        table: The rows, with the unit of each.
        query: What was asked.
        planned: What was charged.
        entropy: Where coins and noise come from.
        drawn: Called once, at the first step.
    """

    def __init__(
        self,
        table: MarginalSource,
        *,
        query: TrainingQuery,
        planned: SampledSteps,
        entropy: Entropy,
        drawn: Callable[[], None],
    ) -> None:
        order = np.argsort(table.units, kind="stable")
        rows = table.rows()[order]
        self._bins: NDArray[np.int64] | None = _bins(rows, table.domain, query.partitions)
        self._ends: NDArray[np.int64] = np.cumsum(np.bincount(table.units)).astype(np.int64)
        self._query = query
        self._planned = planned
        self._entropy = entropy
        self._drawn = drawn
        self._left = planned.steps

    @property
    def noise_multiplier(self) -> float:
        """Standard deviation of the noise as a multiple of the clipping norm. Public."""
        return self._planned.noise_multiplier

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise of every number of a gradient. Public.

        The grid makes it larger, by a share of ``sqrt(size) * noise_multiplier / 2**21``.
        """
        return self._planned.noise_multiplier * self._query.clip / self._query.divisor

    @property
    def steps_left(self) -> int:
        """How many steps are left. Public."""
        return self._left

    def close(self) -> None:
        """Let go of the rows; a further step raises."""
        self._bins, self._ends = None, np.zeros(0, dtype=np.int64)

    def step(self, loss: Loss, parameters: Parameters) -> dict[str, torch.Tensor]:
        """Return one noisy gradient: (sum of clipped gradients + noise) / divisor, by parameter.

        Args:
            loss: The loss of one row, see :data:`Loss`.
            parameters: float32 tensors on one device; the answer has their shapes and device.

        Raises:
            InputError: All steps were taken, the Curator is closed, or there is no such parameter.
            SelfTestError: The loss failed; its words are not repeated.
        """
        bins = self._open_bins()
        if self._left == 0:
            raise InputError("All steps that were paid for were taken.", where="training")
        # Checked before a coin is thrown: what fails in an empty sample only would tell of it.
        size = sum(p.numel() for p in parameters.values())
        if {p.dtype for p in parameters.values()} != {torch.float32} or (
            size == 0 or len({p.device for p in parameters.values()}) > 1
        ):
            raise InputError("Training needs float32 parameters on one device.", where="training")
        some = next(iter(parameters.values()))
        norm = self._norm(size)
        if self._left == self._planned.steps:
            self._drawn()
        self._left -= 1
        total = torch.zeros(size, dtype=torch.float64, device=some.device)
        for rows, unit in self._sample(size, bins):
            total += self._clipped(loss, parameters, rows, unit, norm)
        noisy = self._entropy.on_sums(total.cpu().numpy().astype(np.int64))
        unit_of_grid = self._query.clip / norm / self._query.divisor
        flat = torch.from_numpy(noisy * unit_of_grid).to(some.device, some.dtype)
        parts = torch.split(flat, [p.numel() for p in parameters.values()])
        return {
            name: part.reshape(p.shape)
            for (name, p), part in zip(parameters.items(), parts, strict=True)
        }

    def _norm(self, size: int) -> float:
        """Return the clipping norm in units of the grid, less what rounding to it may add.

        Raises:
            InputError: Rounding may add more than half of the norm.
        """
        norm, added = math.sqrt(self._planned.squared_sensitivity), 0.5 * math.sqrt(size) + 1.0
        if added > 0.5 * norm:
            raise InputError(
                f"{size} parameters are too many for noise of {self.noise_multiplier:g} times the "
                "clipping norm.",
                where="training",
                fix="Take fewer steps, a smaller network, or a larger epsilon.",
            )
        return norm - added

    def _open_bins(self) -> NDArray[np.int64]:
        """Return the bins of all rows unless the Curator is closed."""
        if self._bins is None:
            raise InputError("The Curator is closed: its table is gone.", where="training")
        return self._bins

    def _sample(
        self, size: int, bins: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return a Poisson sample of units as (bins of rows, unit of each row), in whole units."""
        taken = np.flatnonzero(self._entropy.coins(len(self._ends), self._query.sampling_rate))
        if not len(taken):
            return []
        counts = np.diff(self._ends, prepend=0)[taken]
        most = max(1, _AT_ONCE // (size * int(counts.max())))
        parts = []
        for block in range(0, len(taken), most):
            some = slice(block, block + most)
            rows = np.concatenate(
                [
                    np.arange(end - count, end)
                    for end, count in zip(self._ends[taken[some]], counts[some], strict=True)
                ]
            )
            parts.append((bins[rows], np.repeat(np.arange(len(counts[some])), counts[some])))
        return parts

    def _clipped(
        self,
        loss: Loss,
        parameters: Parameters,
        bins: NDArray[np.int64],
        unit: NDArray[np.int64],
        norm: float,
    ) -> torch.Tensor:
        """Return the sum of the clipped gradients of some units in units of the grid.

        Whole numbers below 2**53 in float64, which add up exactly in any order; shape (size,).
        """
        device = next(iter(parameters.values())).device
        # Filled up with rows of first bins, which are dropped below.
        filled = np.pad(bins, ((0, -len(bins) % _ROWS), (0, 0)))
        draws = self._entropy.normals(len(filled) * self._query.normals)
        normals = torch.from_numpy(draws.astype(np.float32).reshape(len(filled), -1)).to(device)
        found = _gradients(loss, parameters, torch.from_numpy(filled).to(device), normals)
        # A cast to fewer bits, as autocast makes it, would stretch what was cut down.
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            parts = [found[name].reshape(len(filled), -1)[: len(bins)] for name in parameters]
            if unit[-1] + 1 < len(unit):  # some unit has several rows
                whose = torch.from_numpy(unit).to(device)
                parts = [_sum_by(part, whose, int(unit[-1]) + 1) for part in parts]
            norms = torch.stack(
                [torch.linalg.vector_norm(part, dim=1, dtype=torch.float64) for part in parts]
            )
            norms = torch.linalg.vector_norm(norms, dim=0) * _ROUNDING
            # A gradient that is no number counts as none: one row must not poison the sum.
            finite = torch.isfinite(norms)
            if not bool(finite.all()):
                parts = [torch.where(finite[:, None], part, 0.0) for part in parts]
            share = torch.where(finite, norm / norms.clamp(min=self._query.clip), 0.0)
            return _whole_sum(share, parts, self._planned.squared_sensitivity)


def _gradients(
    loss: Loss, parameters: Parameters, rows: torch.Tensor, normals: torch.Tensor
) -> Parameters:
    """Return the gradient of each row by parameter, shape (n, *shape); the bins are wiped.

    Raises:
        SelfTestError: The loss failed; its words are not repeated.
    """
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    failed = ""
    try:
        with torch.no_grad():
            found: Parameters = each(dict(parameters), rows, normals)
        return found
    except Exception as error:  # noqa: BLE001 (whatever it says may quote a row)
        failed = type(error).__name__
    finally:
        rows.zero_()
    # Raised out here, so that nothing points to the first error and to the rows behind it.
    raise SelfTestError(
        f"A loss failed on the rows ({failed}); what it said is not repeated.",
        where="training",
        fix="The release stops. Try the method on made-up rows of the same domain.",
    )


def _whole_sum(share: torch.Tensor, parts: Sequence[torch.Tensor], most: int) -> torch.Tensor:
    """Return the sum of what units are worth on the grid, float64, shape (columns of all parts,).

    Each row is multiplied by its share and rounded to whole numbers. A row whose squared norm is
    then above `most` counts as none; arithmetic in 64 bits is exact as far as that.

    Args:
        share: What each row is multiplied by, shape (n,).
        parts: One row a unit, each of shape (n, columns), to be read beside each other.
        most: Largest squared norm that the price allows, below 2**53.
    """
    columns = sum(part.shape[1] for part in parts)
    total = torch.zeros(columns, dtype=torch.float64, device=share.device)
    block = max(1, _WIDENED // columns)
    for start in range(0, len(share), block):
        some = slice(start, start + block)
        units = torch.cat([part[some] for part in parts], dim=1)
        whole = (share[some, None].to(torch.float64) * units).round_()
        whole[~(whole.square().sum(dim=1) <= most)] = 0.0  # also where it is no number
        total += whole.sum(dim=0)
    return total


def _sum_by(rows: torch.Tensor, whose: torch.Tensor, units: int) -> torch.Tensor:
    """Return the sums of the rows of each unit, shape (units, columns)."""
    return torch.zeros(units, rows.shape[1], device=rows.device).index_add_(0, whose, rows)


def planned_steps(
    query: TrainingQuery, domain: Domain, *, order: float, reserved: SampledSteps | None
) -> SampledSteps:
    """Return the steps of a query, checked and calibrated before anything is charged.

    Args:
        query: What is asked.
        domain: The fine domain.
        order: Renyi order of the price.
        reserved: Steps that were calibrated and reserved beforehand, or None.

    Raises:
        InputError: A number of the query is out of range, an attribute has no bins, or it is not
            what was reserved.
    """
    if set(query.partitions) != set(domain.names):
        raise InputError("must name the bins of every attribute.", where="partitions")
    for name, partition in query.partitions.items():
        marginal_request(domain, (name,), {name: partition})
    for name in ("clip", "divisor"):
        value = getattr(query, name)
        if not _LEAST <= value <= _MOST:
            raise InputError(f"must lie in [{_LEAST:g}, {_MOST:g}].", where=name)
    if type(query.normals) is not int or not 0 <= query.normals <= _MOST_NORMALS:
        raise InputError(f"must be a whole number from 0 to {_MOST_NORMALS}.", where="normals")
    if reserved is None:
        return steps_for(query.sampling_rate, query.steps, rho=query.rho, order=order)
    if (reserved.sampling_rate, reserved.steps) != (query.sampling_rate, query.steps):
        raise InputError("Training differs from what was reserved.", where="training")
    return reserved


def _bins(rows: NDArray[np.int32], domain: Domain, partitions: Partitions) -> NDArray[np.int64]:
    """Return the bins of coded rows, int64, shape (n, d)."""
    columns = [partitions[name][rows[:, i]] for i, name in enumerate(domain.names)]
    return np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.int64)
