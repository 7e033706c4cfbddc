"""PAdES levels (ETSI EN 319 142-1): how long after signing a signature can still be checked.

    B-B    who signed what; no trusted time
    B-T    and a time stamp of an authority outside this house
    B-LT   and the certificates and revocation lists that a check needs, inside the file
    B-LTA  and an archive time stamp over all of that, which can be renewed

Never true here: a level that silently becomes a lower one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509

from dpsynth.errors import InputError


class Level(StrEnum):
    """A PAdES baseline level; each holds what the one before it holds."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"

    @property
    def stamped(self) -> bool:
        """Whether each signature has a time stamp."""
        return self is not Level.B_B

    @property
    def long_term(self) -> bool:
        """Whether what a check needs is inside the file."""
        return self in {Level.B_LT, Level.B_LTA}


@dataclass(frozen=True, kw_only=True)
class Assurance:
    """What a signature shall carry beside itself.

    Attributes:
        level: The level.
        tsa: URL of the time-stamping authority; needed from B-T on, None for B-B.
        certificates: For B-LT and B-LTA: certificates of the issuers of signer and authority, up to
            their roots.
        crls: For B-LT and B-LTA: revocation lists of those issuers, DER.
    """

    level: Level = Level.B_B
    tsa: str | None = None
    certificates: tuple[x509.Certificate, ...] = ()
    crls: tuple[bytes, ...] = ()


BASELINE = Assurance()


def assurance_of(
    level: str | None,
    tsa: str | None,
    certificates: Sequence[x509.Certificate] = (),
    crls: Sequence[bytes] = (),
) -> Assurance:
    """Return what was declared; without a level, B-T where there is an authority, else B-B.

    Raises:
        InputError: The level is not known, or it lacks what it needs.
    """
    known = {each.value: each for each in Level}
    if level is not None and level not in known:
        raise InputError(f"must be one of {', '.join(known)}.", where="sign.level")
    chosen = known[level] if level else Level.B_T if tsa else Level.B_B
    if chosen.stamped and tsa is None:
        raise InputError(
            f"{chosen} needs a time-stamping authority.",
            where="sign.tsa",
            fix="Name its URL, or sign at level B-B.",
        )
    if not chosen.stamped and tsa is not None:
        raise InputError(
            "B-B holds no time stamp, but an authority is named.",
            where="sign.level",
            fix="Leave the level out, or name B-T, B-LT or B-LTA.",
        )
    if chosen.long_term and not crls:
        raise InputError(
            f"{chosen} needs revocation lists of the issuers of signer and authority.",
            where="sign.crls",
            fix="Name the files, and those issuers under sign.certificates; or sign at level B-T.",
        )
    return Assurance(level=chosen, tsa=tsa, certificates=tuple(certificates), crls=tuple(crls))
