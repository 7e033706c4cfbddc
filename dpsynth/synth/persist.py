"""Model files: ``model.json`` and ``arrays.npz``, never pickle, never rows.

The reader knows every key and derives every shape from the domain in the JSON file, so an array of
rows, or anything else that does not belong to a model, is refused and not carried along.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Codes, Measurement
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.estimate import block_partition
from dpsynth.synth.oneway import coarse_domain

Floats = NDArray[np.float64]

FORMAT = "dpsynth-marginal-model"
VERSION = 2
_KEYS = {"format", "version", "method", "total", "domain", "zeros", "measurements", "scopes"}
_MEASUREMENT_KEYS = {"attributes", "level", "sigma", "rho", "ledger_seq"}
# At which resolution a marginal was counted: fine codes, blocks of them, or the bins of the model.
_LEVELS = ("cells", "blocks", "bins")


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What a model is made from; see MarginalModel and GraphicalModel."""

    method: str
    domain: Domain
    coarse_domain: Domain
    total: float
    partitions: dict[str, Codes]
    fine: tuple[Floats, ...]
    measurements: tuple[Measurement, ...]
    scopes: tuple[tuple[str, ...], ...]
    potentials: tuple[Floats, ...]


def save_parts(
    folder: Path,
    *,
    method: str,
    domain: Domain,
    total: float,
    partitions: Mapping[str, Codes],
    fine: Sequence[Floats],
    measurements: Sequence[Measurement],
    scopes: Sequence[Sequence[str]],
    potentials: Sequence[Floats],
) -> None:
    """Write the two files into an existing folder."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "method": method,
        "total": total,
        "domain": [asdict(attribute) for attribute in domain],
        "zeros": [zeros.names for zeros in domain.zeros],
        "measurements": [
            {
                "attributes": m.attributes,
                "level": _level(m),
                "sigma": m.sigma,
                "rho": m.rho,
                "ledger_seq": m.ledger_seq,
            }
            for m in measurements
        ],
        "scopes": scopes,
    }
    arrays: dict[str, NDArray[Any]] = {
        f"partition_{i}": partitions[name] for i, name in enumerate(domain.names)
    }
    arrays |= zeros_arrays(domain)
    arrays |= {f"fine_{i}": array for i, array in enumerate(fine)}
    arrays |= {f"measurement_{i}": m.values for i, m in enumerate(measurements)}
    arrays |= {f"potential_{i}": array for i, array in enumerate(potentials)}
    text = json.dumps(head, indent=1, allow_nan=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")
    with (folder / "arrays.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_parts(folder: Path) -> Parts:
    """Read and check the two files.

    Raises:
        InputError: A file is missing, damaged, or holds more or less than a model.
    """
    try:
        head = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _checked(head, arrays)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            "is not a readable model of this version of dpsynth.",
            where=folder.name,
            fix="Give the folder that a release wrote as internal/model.",
        ) from error


def _checked(head: Any, arrays: dict[str, NDArray[Any]]) -> Parts:
    """Build the parts from known keys and shapes only; ValueError for anything else."""
    _require(isinstance(head, dict) and set(head) == _KEYS)
    _require(head["format"] == FORMAT and head["version"] == VERSION)
    _require(isinstance(head["method"], str))
    total = _positive(head["total"])
    attributes = tuple(
        Attribute(**{**a, "positions": tuple(a["positions"])}) for a in head["domain"]
    )
    domain = domain_of(attributes, head["zeros"], arrays)
    scopes = tuple(tuple(scope) for scope in head["scopes"])
    partitions = {}
    for i, attribute in enumerate(domain):
        bins = _take(arrays, f"partition_{i}", (attribute.size,), np.int64)
        used = np.unique(bins)
        _require(bool((used == np.arange(used.size)).all()))
        partitions[attribute.name] = bins
    coarse = coarse_domain(partitions)
    fine = tuple(_take(arrays, f"fine_{i}", (a.size,), np.float64) for i, a in enumerate(domain))
    _require(all(bool((weight >= 0).all()) for weight in fine))
    measurements = []
    for i, entry in enumerate(head["measurements"]):
        _require(set(entry) == _MEASUREMENT_KEYS and type(entry["ledger_seq"]) is int)
        names = tuple(entry["attributes"])
        coarser = _partitions_of(entry["level"], domain.project(names), partitions)
        shape = tuple(int(coarser[n].max()) + 1 if n in coarser else domain[n].size for n in names)
        measurements.append(
            Measurement(
                attributes=names,
                values=_take(arrays, f"measurement_{i}", shape, np.int64),
                sigma=_positive(entry["sigma"]),
                rho=_positive(entry["rho"]),
                ledger_seq=entry["ledger_seq"],
                partitions=coarser,
            )
        )
    potentials = tuple(
        _take(arrays, f"potential_{i}", coarse.shape(scope), np.float64)
        for i, scope in enumerate(scopes)
    )
    _require(not arrays)
    return Parts(
        method=head["method"],
        domain=domain,
        coarse_domain=coarse,
        total=total,
        partitions=partitions,
        fine=fine,
        measurements=tuple(measurements),
        scopes=scopes,
        potentials=potentials,
    )


def zeros_arrays(domain: Domain) -> dict[str, NDArray[Any]]:
    """Return the arrays of the structural zeros of a domain, by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for i, zeros in enumerate(domain.zeros):
        arrays[f"allowed_{i}"] = zeros.allowed
        arrays |= {f"classes_{i}_{k}": classes for k, classes in enumerate(zeros.classes)}
    return arrays


def domain_of(
    attributes: tuple[Attribute, ...],
    zeros: Sequence[Sequence[str]],
    arrays: dict[str, NDArray[Any]],
) -> Domain:
    """Return a domain with structural zeros, whose arrays are removed from the archive."""
    domain = Domain(attributes)
    found = tuple(_zeros(arrays, i, domain.project(names)) for i, names in enumerate(zeros))
    return replace(domain, zeros=found)


def _zeros(arrays: dict[str, NDArray[Any]], number: int, domain: Domain) -> Zeros:
    """Return structural zeros: classes 0, 1, ... of every code of their columns."""
    classes = tuple(
        _take(arrays, f"classes_{number}_{k}", (a.size,), np.int64) for k, a in enumerate(domain)
    )
    allowed = arrays[f"allowed_{number}"]
    _require(allowed.ndim == len(classes) >= 2)
    for own, count in zip(classes, allowed.shape, strict=True):
        _require(bool(((own >= 0) & (own < count)).all()) and count <= max(4, own.size))
    return Zeros(
        names=domain.names,
        classes=classes,
        allowed=_take(arrays, f"allowed_{number}", allowed.shape, np.bool_),
    )


def _level(measurement: Measurement) -> str:
    """Return the resolution: one-way counts are fine or in blocks, all others in bins."""
    if not measurement.partitions:
        return "cells"
    return "blocks" if len(measurement.attributes) == 1 else "bins"


def _partitions_of(level: object, domain: Domain, bins: Mapping[str, Codes]) -> dict[str, Codes]:
    """Return the partitions of a measurement: blocks follow from the domain alone."""
    _require(level in _LEVELS)
    if level == "cells":
        return {}
    if level == "bins":
        return {name: bins[name] for name in domain.names}
    blocks = {attribute.name: block_partition(attribute) for attribute in domain}
    found = {name: partition for name, partition in blocks.items() if partition is not None}
    _require(len(found) == len(domain))
    return found


def _take(
    arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...], dtype: type[np.generic]
) -> NDArray[Any]:
    """Remove one array from the archive and return it; its shape and type are as declared."""
    array = arrays.pop(name)
    _require(array.shape == shape and array.dtype == dtype and bool(np.isfinite(array).all()))
    return array


def _positive(value: object) -> float:
    _require(type(value) in (int, float))
    number = float(value)  # type: ignore[arg-type]
    _require(math.isfinite(number) and number > 0)
    return number


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError("not a model")
