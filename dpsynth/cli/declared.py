"""The options that declare a release, written once for every command that takes them.

A command takes `settings` and its own options; what it shows to Typer is the release file, all
options of the table below, and its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any, get_type_hints

from dpsynth.cli import options as o
from dpsynth.pipeline import ReleaseSettings, load_settings

Command = Callable[..., None]

# name of the parameter -> (option, field of ReleaseSettings)
_OPTIONS: Mapping[str, tuple[Any, str]] = {
    "data": (o.Data, "source"),
    "dictionary": (o.DictionaryOption, "dictionary"),
    "epsilon": (o.Epsilon, "epsilon"),
    "delta": (o.Delta, "delta"),
    "max_hits": (o.MaxHits, "max_hits_in_100"),
    "false_alarms": (o.FalseAlarms, "false_alarms_in_100"),
    "max_rows_per_unit": (o.MaxRows, "max_rows_per_unit"),
    "unit_name": (o.UnitName, "unit_name"),
    "lineage": (o.Lineage, "lineage"),
    "name": (o.Name, "name"),
    "total_epsilon": (o.TotalEpsilon, "total_epsilon"),
    "total_delta": (o.TotalDelta, "total_delta"),
    "discovery_share": (o.DiscoveryShare, "discovery_share"),
    "fidelity_share": (o.FidelityShare, "fidelity_share"),
    "synthesizer": (o.Method, "synthesizer"),
    "rows": (o.Rows, "rows"),
    "format": (o.Format, "format"),
    "holdout": (o.Holdout, "holdout"),
    "attacks": (o.Attacks, "attacks"),
    "audit": (o.Audit, "audit"),
    "policy": (o.PolicyOption, "policy"),
    "waivers": (o.Waivers, "waivers"),
    "origin": (o.Origin, "origin"),
    "recipient": (o.Recipient, "recipient"),
    "jurisdiction": (o.Jurisdiction, "jurisdiction"),
    "purpose": (o.Purpose, "purpose"),
    "key": (o.Key, "key"),
    "passphrase_file": (o.PassphraseFile, "passphrase_file"),
    "tsa": (o.Tsa, "tsa"),
    "level": (o.Level, "level"),
    "certificate": (o.Certificates, "certificates"),
    "crl": (o.Crls, "crls"),
    "role": (o.Roles, "roles"),
    "paper": (o.Paper, "paper"),
}


def takes_release(*, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Give a command the options that declare a release.

    Args:
        without: Names of options that this command does not take, or takes in a sense of its own.
    """

    def decorate(command: Command) -> Command:
        fields = {name: field for name, (_, field) in _OPTIONS.items() if name not in without}
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in signature(command).parameters.items()
            if name != "settings"
        ]

        @wraps(command)
        def run(*, file: Path | None, **given: Any) -> None:
            changes = {field: _said(given.pop(name)) for name, field in fields.items()}
            declared = load_settings(file) if file else ReleaseSettings()
            command(declared.override(**changes), **given)

        shown = [_parameter("file", o.ReleaseFile)]
        shown += [_parameter(name, _OPTIONS[name][0]) for name in fields]
        shown += [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own]
        run.__signature__ = Signature(shown)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in shown} | {"return": None}
        return run

    return decorate


def _said(value: Any) -> Any:
    """Return what was given for an option; a list that may be repeated is None where it was not."""
    return (tuple(value) or None) if isinstance(value, list) else value


def _parameter(name: str, annotation: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
