"""The release file: everything that a person decides about one release, before data is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.results import AttackProfile, SignerRole, words_of
from dpsynth.signing.keys import SCHEME
from dpsynth.yamlfile import read_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEYS: dict[str, frozenset[str]] = {
    "": frozenset(
        {
            "version", "name", "lineage", "data", "privacy", "synthesizer", "output", "holdout",
            "attacks", "audit", "policy", "waivers", "origin", "recipient", "purpose", "sign",
        }
    ),
    "data": frozenset({"source", "dictionary"}),
    "privacy": frozenset(
        {
            "epsilon", "delta", "max_rows_per_unit", "unit_name", "total", "discovery_share",
            "fidelity_share", "max_hits_in_100", "false_alarms_in_100",
        }
    ),
    "privacy.total": frozenset({"epsilon", "delta"}),
    "output": frozenset({"rows", "format", "paper"}),
    "recipient": frozenset({"name", "jurisdiction"}),
    "sign": frozenset(
        {"key", "passphrase_file", "tsa", "level", "certificates", "crls", "roles"}
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ReleaseSettings:
    """One release as declared. Epsilon and delta have no default.

    Attributes:
        name: Name of the release, also of its folder.
        lineage: The people; the budget belongs to them.
        source: CSV or Parquet file.
        dictionary: Path of dictionary.yaml.
        epsilon: Privacy loss of this release at `delta`; text or number, checked by Budget.
        delta: See epsilon.
        max_hits_in_100: In place of epsilon: how many of 100 members an attacker may recognise at
            most, at `false_alarms_in_100`.
        false_alarms_in_100: How many of 100 others the attacker takes for members.
        max_rows_per_unit: Rows kept of one unit at most; None takes the dictionary's, or 1.
        unit_name: What one unit is, in words ("patient"); None takes it from the dictionary.
        total_epsilon: Cap of the lineage, used when the lineage is new; None takes the policy's.
        total_delta: See total_epsilon.
        discovery_share: Share of the budget that finds the domains of columns which the dictionary
            leaves open; 0 leaves those columns out.
        fidelity_share: Share of the budget that measures the published error; 0 publishes none.
        synthesizer: Registered name.
        options: Options of the synthesizer.
        rows: Number of synthetic rows, or None for the noisy estimate.
        format: csv or parquet, or None for the format of the source.
        holdout: Share of units sealed for the tests.
        attacks: quick, full or off.
        audit: Answer of ``dpsynth audit mechanism --json``, or None.
        policy: Name or path.
        waivers: Signed waivers of gates of that policy.
        origin: Jurisdiction that the data come from.
        recipient: Who receives the data.
        jurisdiction: Where the recipient is.
        purpose: What for.
        key: PKCS#12 file of the signer, or pkcs11: URI; None takes the trial authority's.
        passphrase_file: File that holds its passphrase, or None.
        tsa: URL of a time-stamping authority (RFC 3161), or None.
        level: PAdES level: B-B, B-T, B-LT or B-LTA; None takes B-T with an authority, else B-B.
        certificates: For B-LT and B-LTA: files of the issuers of signer and authority.
        crls: For B-LT and B-LTA: files of their revocation lists.
        roles: Who signs the certificate, in order: the issuer, then expert or dpo; "dpo=AB:CD:..."
            with the SHA-256 fingerprint of the one certificate that may sign.
        paper: Size of the documents' pages: a4 or letter.
    """

    name: str = ""
    lineage: str = ""
    source: Path | None = None
    dictionary: Path | None = None
    epsilon: float | str | None = None
    delta: float | str | None = None
    max_hits_in_100: float | None = None
    false_alarms_in_100: float | None = None
    max_rows_per_unit: int | None = None
    unit_name: str | None = None
    total_epsilon: float | str | None = None
    total_delta: float | str | None = None
    discovery_share: float = 0.1
    fidelity_share: float = 0.05
    synthesizer: str = "cliquetree"
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    format: str | None = None
    holdout: float = 0.2
    attacks: str = AttackProfile.QUICK.value
    audit: Path | None = None
    policy: str = "default"
    waivers: tuple[Path, ...] = ()
    origin: str = ""
    recipient: str = ""
    jurisdiction: str = ""
    purpose: str = ""
    key: Path | None = None
    passphrase_file: Path | None = None
    tsa: str | None = None
    level: str | None = None
    certificates: Sequence[Path] = ()
    crls: Sequence[Path] = ()
    roles: Sequence[str] = (SignerRole.ISSUER.value,)
    paper: str = "a4"

    def override(self, **changes: Any) -> ReleaseSettings:
        """Return a copy where every change that is given replaces what the file says."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None and v != []})

    def checked(self, *, protected: bool = True) -> ReleaseSettings:
        """Return self if it is complete and well formed.

        Args:
            protected: Whether the method has a guarantee; without one no privacy loss may be given.

        Raises:
            InputError: Something is missing or malformed; says which key and option.
        """
        losses = (
            (
                "privacy.epsilon (--epsilon)",
                self.epsilon if self.max_hits_in_100 is None else self.max_hits_in_100,
            ),
            ("privacy.delta (--delta)", self.delta),
        )
        if not protected:
            for label, value in losses:
                if value is not None:
                    raise InputError(
                        f"is given, but the method {self.synthesizer} has no guarantee.",
                        where=label,
                        fix="Leave it out: no privacy loss can be stated for this method.",
                    )
        for label, value in (
            ("data.dictionary (--dictionary)", self.dictionary),
            *(losses if protected else ()),
            ("lineage (--lineage)", self.lineage),
            ("name (--name)", self.name),
        ):
            if value is None or value == "":
                raise InputError(
                    "is not given.", where=label, fix="There is no default: a person decides it."
                )
        if self.max_hits_in_100 is not None and self.epsilon is not None:
            raise InputError(
                "is given twice: as epsilon and as a largest number of hits.",
                where="privacy.epsilon",
                fix="Give one of the two.",
            )
        if (self.max_hits_in_100 is None) is not (self.false_alarms_in_100 is None):
            raise InputError(
                "The largest number of hits and the false alarms that go with it belong together.",
                where="privacy.max_hits_in_100",
                fix="For example max_hits_in_100: 3 and false_alarms_in_100: 1.",
            )
        for label, text in (("name", self.name), ("lineage", self.lineage)):
            if not _NAME.fullmatch(text):
                raise InputError(
                    "is not a plain name.",
                    where=label,
                    fix="Use at most 64 letters, digits, points, dashes and underscores.",
                )
        if self.unit_name is not None and not (
            0 < len(self.unit_name.strip()) <= 40 and self.unit_name.isprintable()
        ):
            raise InputError(
                "must be one to 40 printable characters.",
                where="privacy.unit_name",
                fix="Say in a word what one unit is, for example patient.",
            )
        if not 0.0 < self.holdout <= 0.5:
            raise InputError("must lie in (0, 0.5].", where="holdout", fix="0.2 is usual.")
        for label, share in (
            ("privacy.discovery_share", self.discovery_share),
            ("privacy.fidelity_share", self.fidelity_share),
        ):
            if not (share == 0.0 or 0.001 <= share <= 0.3):
                raise InputError("must be 0 or lie in [0.001, 0.3].", where=label)
        if self.attacks not in words_of(AttackProfile):
            raise InputError("must be quick, full or off.", where="attacks")
        if self.format not in {None, "csv", "parquet"}:
            raise InputError("must be csv or parquet.", where="output.format")
        if self.rows is not None and not 1 <= self.rows <= 100_000_000:
            raise InputError("must be auto or lie in [1, 100000000].", where="output.rows")
        if self.max_rows_per_unit is not None and not 1 <= self.max_rows_per_unit <= 1000:
            raise InputError("must lie in [1, 1000].", where="privacy.max_rows_per_unit")
        return self


def load_settings(path: Path) -> ReleaseSettings:
    """Read a release file; relative paths in it are relative to its folder.

    Raises:
        InputError: The file cannot be read or has a key that is not known.
    """
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise InputError("is not a release file: expected keys and values.", where=str(path))
    _check_keys(path, "", tree)
    if tree.get("version", 1) != 1:
        raise InputError("has a version that this dpsynth does not know.", where=str(path))
    section = {name: _section(path, tree, name) for name in ("data", "privacy", "output")}
    total = section["privacy"].get("total") or {}
    if not isinstance(total, dict):
        raise InputError("expects epsilon and delta under privacy.total.", where=str(path))
    _check_keys(path, "privacy.total", total)
    waivers = tree.get("waivers") or []
    if not isinstance(waivers, list):
        raise InputError("expects a list of files under waivers.", where=str(path))
    unit_name = section["privacy"].get("unit_name")
    if unit_name is not None and not isinstance(unit_name, str):
        raise InputError("must be text.", where="privacy.unit_name", fix="Put it in quotes.")
    data, privacy, output = section["data"], section["privacy"], section["output"]
    recipient, sign = _section(path, tree, "recipient"), _section(path, tree, "sign")
    named = tree.get("synthesizer") or {}
    if not isinstance(named, dict | str):
        raise InputError("expects a name under synthesizer.", where=str(path))
    method = {"name": named} if isinstance(named, str) else dict(named)
    name = _word(method, "name")
    method.pop("name", None)
    rows = output.get("rows", "auto")

    def file(value: Any) -> Path | None:
        if isinstance(value, str) and value.startswith(SCHEME):
            return Path(value)
        return None if value is None else path.parent / Path(str(value)).expanduser()

    # None is what the file does not say: the defaults stand once, in ReleaseSettings.
    return ReleaseSettings().override(
        name=str(tree.get("name") or ""),
        lineage=str(tree.get("lineage") or ""),
        source=file(data.get("source")),
        dictionary=file(data.get("dictionary")),
        epsilon=privacy.get("epsilon"),
        delta=privacy.get("delta"),
        max_hits_in_100=_optional(privacy.get("max_hits_in_100"), "max_hits_in_100"),
        false_alarms_in_100=_optional(privacy.get("false_alarms_in_100"), "false_alarms_in_100"),
        max_rows_per_unit=_integer(privacy.get("max_rows_per_unit"), "max_rows_per_unit"),
        unit_name=unit_name,
        total_epsilon=total.get("epsilon"),
        total_delta=total.get("delta"),
        discovery_share=_share(privacy, "discovery_share"),
        fidelity_share=_share(privacy, "fidelity_share"),
        synthesizer=name,
        options=method,
        rows=None if rows == "auto" else _integer(rows, "output.rows"),
        format=output.get("format"),
        holdout=_share(tree, "holdout"),
        attacks=_profile(tree),
        audit=file(tree.get("audit")),
        policy=_policy(path, tree),
        waivers=tuple(path.parent / Path(str(each)).expanduser() for each in waivers),
        origin=str(tree.get("origin") or ""),
        recipient=str(recipient.get("name") or ""),
        jurisdiction=str(recipient.get("jurisdiction") or ""),
        purpose=str(tree.get("purpose") or ""),
        key=file(sign.get("key")),
        passphrase_file=file(sign.get("passphrase_file")),
        tsa=_text(sign.get("tsa"), "sign.tsa"),
        level=_text(sign.get("level"), "sign.level"),
        certificates=[path.parent / each for each in _texts(sign, "certificates")],
        crls=[path.parent / each for each in _texts(sign, "crls")],
        roles=_texts(sign, "roles"),
        paper=_word(output, "paper"),
    )


def _text(value: Any, where: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InputError("must be text.", where=where, fix="Put it in quotes.")
    return value


def _texts(section: Mapping[str, Any], key: str) -> list[str]:
    value = section.get(key) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError("must be a list of texts.", where=f"sign.{key}")
    return value


def _word(section: Mapping[str, Any], key: str) -> str | None:
    """Return what stands there as text; None where the key is absent."""
    return str(section[key]) if key in section else None


def _share(section: Mapping[str, Any], key: str) -> float | None:
    """Return a number; None where the key is absent, and an error where it is left empty."""
    return _number(section[key], key) if key in section else None


def _profile(tree: Mapping[str, Any]) -> str | None:
    """YAML reads a bare `off` as False."""
    off = tree.get("attacks") is False
    return AttackProfile.OFF.value if off else _word(tree, "attacks")


def _policy(path: Path, tree: Mapping[str, Any]) -> str | None:
    """A policy with a suffix is a file beside the release file; without, a shipped name."""
    text = _word(tree, "policy")
    return str(path.parent / text) if text and text.endswith((".yaml", ".yml")) else text


def _check_keys(path: Path, name: str, tree: Mapping[str, Any]) -> None:
    unknown = sorted(set(map(str, tree)) - _KEYS[name])
    if unknown:
        raise InputError(
            f"does not know the key {unknown[0]!r}{f' under {name}' if name else ''}.",
            where=str(path),
            fix=f"Known: {', '.join(sorted(_KEYS[name]))}.",
        )


def _section(path: Path, tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name) or {}
    if not isinstance(value, dict):
        raise InputError(f"expects keys and values under {name}.", where=str(path))
    _check_keys(path, name, value)
    return value


def _integer(value: Any, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError("must be a whole number.", where=where)
    return value


def _optional(value: Any, where: str) -> float | None:
    return None if value is None else _number(value, where)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("must be a number.", where=where)
    return float(value)
