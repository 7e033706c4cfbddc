"""Model files: ``model.json`` and a file of arrays, never pickle, never rows.

The reader knows every key and derives every shape from the domain in the JSON file, so an array of
rows, or anything else that does not belong to a model, is refused and not carried along. What every
model keeps is here, and the file of the graphical ones; ``neural/files.py`` has that of mixtures.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Floats, Integers
from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.estimate import block_partition
from dpsynth.synth.oneway import coarse_domain

FORMAT = "dpsynth-marginal-model"
VERSION = 2
_HEAD_KEYS = {"format", "version", "method", "total", "domain", "zeros", "measurements"}
_MEASUREMENT_KEYS = {"attributes", "level", "sigma", "rho", "ledger_seq"}
# At which resolution a marginal was counted: fine codes, blocks of them, or the bins of the model.
_LEVELS = ("cells", "blocks", "bins")


class Kept(Protocol):
    """What the files of every model hold; see BinnedModel."""

    @property
    def method(self) -> str:
        """Registered name of the synthesizer."""
        ...

    @property
    def domain(self) -> Domain:
        """The fine domain."""
        ...

    @property
    def total(self) -> float:
        """Estimated number of rows."""
        ...

    @property
    def partitions(self) -> Mapping[str, Integers]:
        """Bin of every fine code."""
        ...

    @property
    def fine(self) -> tuple[Floats, ...]:
        """Weights of the fine codes."""
        ...

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Everything that was measured."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Common:
    """What every model is made from; see BinnedModel."""

    method: str
    domain: Domain
    total: float
    partitions: dict[str, Integers]
    fine: tuple[Floats, ...]
    measurements: tuple[Measurement, ...]

    @property
    def coarse_domain(self) -> Domain:
        """The domain of the bins."""
        return coarse_domain(self.partitions)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a BinnedModel by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What a graphical model is made from besides; see GraphicalModel."""

    common: Common
    scopes: tuple[tuple[str, ...], ...]
    potentials: tuple[Floats, ...]


def save_parts(
    folder: Path,
    model: Kept,
    *,
    scopes: Sequence[Sequence[str]],
    potentials: Sequence[Floats],
) -> None:
    """Write the two files of a graphical model into an existing folder."""
    arrays = arrays_of(model)
    arrays |= {f"potential_{i}": array for i, array in enumerate(potentials)}
    write_head(folder, head_of(model, FORMAT, VERSION) | {"scopes": scopes})
    write_arrays(folder, arrays)


def load_parts(folder: Path) -> Parts:
    """Read and check the two files.

    Raises:
        InputError: A file is missing, damaged, or holds more or less than a model.
    """
    with reading(folder):
        head, arrays = read_head(folder), read_arrays(folder)
        common = common_of(head, arrays, FORMAT, VERSION, {"scopes"})
        scopes = tuple(tuple(scope) for scope in head["scopes"])
        coarse = common.coarse_domain
        potentials = tuple(
            take(arrays, f"potential_{i}", coarse.shape(scope), np.float64)
            for i, scope in enumerate(scopes)
        )
        require(not arrays)
        return Parts(common=common, scopes=scopes, potentials=potentials)


def head_of(model: Kept, form: str, version: int) -> dict[str, Any]:
    """Return what every ``model.json`` says."""
    return {
        "format": form,
        "version": version,
        "method": model.method,
        "total": model.total,
        "domain": [asdict(attribute) for attribute in model.domain],
        "zeros": [zeros.names for zeros in model.domain.zeros],
        "measurements": [
            {
                "attributes": m.attributes,
                "level": _level(m),
                "sigma": m.sigma,
                "rho": m.rho,
                "ledger_seq": m.ledger_seq,
            }
            for m in model.measurements
        ],
    }


def arrays_of(model: Kept) -> dict[str, NDArray[Any]]:
    """Return the arrays that every model has, by name."""
    arrays: dict[str, NDArray[Any]] = {
        f"partition_{i}": model.partitions[name] for i, name in enumerate(model.domain.names)
    }
    arrays |= zeros_arrays(model.domain)
    arrays |= {f"fine_{i}": array for i, array in enumerate(model.fine)}
    return arrays | {f"measurement_{i}": m.values for i, m in enumerate(model.measurements)}


def write_head(folder: Path, head: Mapping[str, Any]) -> None:
    """Write ``model.json``."""
    text = json.dumps(head, indent=1, allow_nan=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")


def read_head(folder: Path) -> dict[str, Any]:
    """Read ``model.json``; ValueError if it is no mapping."""
    head = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    require(isinstance(head, dict))
    return dict(head)


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``arrays.npz``."""
    with (folder / "arrays.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """Read ``arrays.npz``: numbers only, never pickle."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn whatever damaged or foreign files raise into one InputError."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, InputError) as error:
        raise InputError(
            "is not a readable model of this version of dpsynth.",
            where=folder.name,
            fix="Give the folder that a release wrote as internal/model.",
        ) from error


def common_of(
    head: Mapping[str, Any],
    arrays: dict[str, NDArray[Any]],
    form: str,
    version: int,
    others: Collection[str],
) -> Common:
    """Build what every model has from known keys and shapes only; ValueError for anything else.

    Args:
        head: What ``model.json`` says.
        arrays: The arrays by name; those that are used are removed.
        form: Name of the expected format.
        version: Its version.
        others: Keys of the head that only this format has.
    """
    require_head(head, _HEAD_KEYS | set(others), form, version)
    domain = domain_of(head, arrays)
    partitions = {}
    for i, attribute in enumerate(domain):
        bins = take(arrays, f"partition_{i}", (attribute.size,), np.int64)
        used = np.unique(bins)
        require(bool((used == np.arange(used.size)).all()))
        partitions[attribute.name] = bins
    fine = tuple(take(arrays, f"fine_{i}", (a.size,), np.float64) for i, a in enumerate(domain))
    require(all(bool((weight >= 0).all()) for weight in fine))
    measurements = []
    for i, entry in enumerate(head["measurements"]):
        require(set(entry) == _MEASUREMENT_KEYS and type(entry["ledger_seq"]) is int)
        names = tuple(entry["attributes"])
        coarser = _partitions_of(entry["level"], domain.project(names), partitions)
        shape = tuple(int(coarser[n].max()) + 1 if n in coarser else domain[n].size for n in names)
        measurements.append(
            Measurement(
                attributes=names,
                values=take(arrays, f"measurement_{i}", shape, np.int64),
                sigma=positive(entry["sigma"]),
                rho=positive(entry["rho"]),
                ledger_seq=entry["ledger_seq"],
                partitions=coarser,
            )
        )
    return Common(
        method=head["method"],
        domain=domain,
        total=positive(head["total"]),
        partitions=partitions,
        fine=fine,
        measurements=tuple(measurements),
    )


def zeros_arrays(domain: Domain) -> dict[str, NDArray[Any]]:
    """Return the arrays of the structural zeros of a domain, by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for i, zeros in enumerate(domain.zeros):
        arrays[f"allowed_{i}"] = zeros.allowed
        arrays |= {f"classes_{i}_{k}": classes for k, classes in enumerate(zeros.classes)}
    return arrays


def require_head(head: Mapping[str, Any], keys: Collection[str], form: str, version: int) -> None:
    """Raise ValueError unless a head is of this format and has just these keys."""
    require(set(head) == set(keys))
    require(head["format"] == form and head["version"] == version)
    require(isinstance(head["method"], str))


def domain_of(head: Mapping[str, Any], arrays: dict[str, NDArray[Any]]) -> Domain:
    """Return the domain of a head with its structural zeros, whose arrays are removed."""
    domain = Domain(
        tuple(Attribute(**{**a, "positions": tuple(a["positions"])}) for a in head["domain"])
    )
    found = tuple(_zeros(arrays, i, domain.project(n)) for i, n in enumerate(head["zeros"]))
    return replace(domain, zeros=found)


def _zeros(arrays: dict[str, NDArray[Any]], number: int, domain: Domain) -> Zeros:
    """Return structural zeros: classes 0, 1, ... of every code of their columns."""
    classes = tuple(
        take(arrays, f"classes_{number}_{k}", (a.size,), np.int64) for k, a in enumerate(domain)
    )
    allowed = arrays[f"allowed_{number}"]
    require(allowed.ndim == len(classes) >= 2)
    for own, count in zip(classes, allowed.shape, strict=True):
        require(bool(((own >= 0) & (own < count)).all()) and count <= max(4, own.size))
    return Zeros(
        names=domain.names,
        classes=classes,
        allowed=take(arrays, f"allowed_{number}", allowed.shape, np.bool_),
    )


def _level(measurement: Measurement) -> str:
    """Return the resolution: one-way counts are fine or in blocks, all others in bins."""
    if not measurement.partitions:
        return "cells"
    return "blocks" if len(measurement.attributes) == 1 else "bins"


def _partitions_of(
    level: object, domain: Domain, bins: Mapping[str, Integers]
) -> dict[str, Integers]:
    """Return the partitions of a measurement: blocks follow from the domain alone."""
    require(level in _LEVELS)
    if level == "cells":
        return {}
    if level == "bins":
        return {name: bins[name] for name in domain.names}
    blocks = {attribute.name: block_partition(attribute) for attribute in domain}
    found = {name: partition for name, partition in blocks.items() if partition is not None}
    require(len(found) == len(domain))
    return found


def take(
    arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...], dtype: type[np.generic]
) -> NDArray[Any]:
    """Remove one array from the archive and return it; its shape and type are as declared."""
    array = arrays.pop(name)
    require(array.shape == shape and array.dtype == dtype and bool(np.isfinite(array).all()))
    return array


def positive(value: object) -> float:
    """Return a number that is finite and positive; ValueError for anything else."""
    require(type(value) in (int, float))
    number = float(value)  # type: ignore[arg-type]
    require(math.isfinite(number) and number > 0)
    return number


def require(condition: bool) -> None:
    """Raise ValueError unless a condition holds."""
    if not condition:
        raise ValueError("not a model")
