"""Annex D of the internal report: what some sources ask for, and where it has evidence on that.

A table of names and sections; its words stand in the catalogue under ``crosswalk``. How well each
source was read is part of it, because a wrong paraphrase of a law is worse than none.

Never true here: that a source is met, applies, or is quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dpsynth.reports.text import say
from markupsafe import Markup


class Basis(StrEnum):
    """How a source is known to those who wrote the paraphrase."""

    READ = "read"  #: a published copy of the text
    PARTS = "parts"  #: summaries, contents or parts of it
    GENERAL = "general"  #: general knowledge, to be confirmed by counsel


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source and the sections of the internal report that answer to it.

    Attributes:
        key: Its name in the catalogue; what it asks for stands at ``{key}_asks``.
        sections: Numbers of sections, ascending.
        basis: How it is known.
    """

    key: str
    sections: tuple[int, ...]
    basis: Basis

    @property
    def name(self) -> Markup:
        """Its name and date."""
        return say(f"crosswalk.{self.key}")

    @property
    def asks(self) -> Markup:
        """What it asks for, in our words."""
        return say(f"crosswalk.{self.key}_asks")

    @property
    def known(self) -> Markup:
        """How it is known, in words."""
        return say(f"crosswalk.basis_{self.basis}")


SOURCES = (
    Source(key="wp216", sections=(3, 7, 12), basis=Basis.READ),
    Source(key="edpb", sections=(1, 7), basis=Basis.READ),
    Source(key="ehds", sections=(3, 7, 11), basis=Basis.PARTS),
    Source(key="ico", sections=(1, 7, 11, 12), basis=Basis.READ),
    Source(key="fca", sections=(8, 9, 10, 12), basis=Basis.PARTS),
    Source(key="hipaa", sections=(1, 3, 7, 11, 13), basis=Basis.READ),
    Source(key="glba", sections=(1, 2), basis=Basis.GENERAL),
    Source(key="nist", sections=(2, 3, 4, 5, 6, 9, 10), basis=Basis.PARTS),
    Source(key="quebec", sections=(1, 3, 7, 12), basis=Basis.PARTS),
    Source(key="pipeda", sections=(7, 11), basis=Basis.GENERAL),
    Source(key="korea", sections=(4, 7, 8, 12, 13), basis=Basis.READ),
    Source(key="singapore", sections=(2, 7, 8, 11), basis=Basis.PARTS),
    Source(key="iso_27559", sections=(1, 2, 7, 11, 12), basis=Basis.PARTS),
    Source(key="iso_20889", sections=(3, 4), basis=Basis.GENERAL),
)
