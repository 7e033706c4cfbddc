"""Rules of transfer: which data may go from where, to where and for what, as a person declared it.

A rule names jurisdictions and purposes; what it leaves out means any. The rules of one file are one
group: nothing that a `deny` rule fits may go, and where a group has `allow` rules, one of them must
fit. Groups of several policies all hold. Jurisdictions are compared by letters and digits, purposes
by the words that a rule lists. What is not stated fits every `deny`, and no `allow` that names it.
Never true here: a transfer that is let through because something was not stated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.policy.rules import Ground, Unmet


@dataclass(frozen=True, kw_only=True, order=True)
class Transfer:
    """One rule.

    Attributes:
        allow: Whether what fits may go, or may not.
        origin: Jurisdictions that the data come from; empty: any.
        to: Jurisdictions of the recipient; empty: any.
        purpose: Words or phrases, one of which the declared purpose holds; empty: any.
        ground: Why, and who says so.
    """

    allow: bool
    origin: tuple[str, ...]
    to: tuple[str, ...]
    purpose: tuple[str, ...]
    ground: Ground

    @property
    def sentence(self) -> str:
        """The rule in a sentence."""
        parts = [f"from {_any(self.origin)}", f"to {_any(self.to)}"]
        if self.purpose:
            parts.append(f"for a purpose that names {' or '.join(self.purpose)}")
        return f"Data {'may' if self.allow else 'may not'} go {' '.join(parts)}."

    def fits(self, origin: str, to: str, purpose: str) -> bool:
        """Say whether a transfer is one that the rule is about; what is empty was not stated."""
        return all(
            (not wanted or (not self.allow if not given.strip() else found(given, wanted)))
            for wanted, given, found in (
                (self.origin, origin, _same),
                (self.to, to, _same),
                (self.purpose, purpose, _holds_words),
            )
        )

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {
            "decision": "allow" if self.allow else "deny",
            "from": list(self.origin),
            "to": list(self.to),
            "purpose": list(self.purpose),
            "reason": self.ground.reason,
            "source": self.ground.source,
        }


Group = tuple[Transfer, ...]


def transfer_refusals(
    groups: Sequence[Group], *, origin: str, to: str, purpose: str
) -> tuple[Unmet, ...]:
    """Return why a transfer is refused; empty if it is not.

    Args:
        groups: Rules of each policy.
        origin: Jurisdiction that the data come from; empty if not stated.
        to: Jurisdiction of the recipient; empty if not stated.
        purpose: Declared purpose; empty if not stated.
    """
    stated = {"origin": origin, "jurisdiction": to, "purpose": purpose}
    reasons = []
    for group in groups:
        for t in group:
            if not t.allow and t.fits(origin, to, purpose):
                named = {"origin": t.origin, "jurisdiction": t.to, "purpose": t.purpose}
                unsaid = [key for key, names in named.items() if names and not stated[key].strip()]
                why = [t.ground.reason.rstrip("."), *(f"the {key} is not stated" for key in unsaid)]
                reasons.append(f"{t.sentence[:-1]} ({'; '.join(why)})")
        allowed = [t for t in group if t.allow]
        if allowed and not any(t.fits(origin, to, purpose) for t in allowed):
            known = " ".join(t.sentence for t in allowed)
            reasons.append(f"no rule allows this origin, jurisdiction and purpose ({known[:-1]})")
    return tuple(Unmet(rule="transfers", text=text) for text in reasons)


def _any(names: tuple[str, ...]) -> str:
    return " or ".join(names) if names else "anywhere"


def _same(given: str, wanted: Sequence[str]) -> bool:
    return _words(given, "") in {_words(name, "") for name in wanted}


def _holds_words(given: str, wanted: Sequence[str]) -> bool:
    padded = f" {_words(given)} "
    return any(f" {_words(phrase)} " in padded for phrase in wanted)


def _words(text: str, between: str = " ") -> str:
    """Return the words of a text, case and punctuation aside."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return between.join(re.findall(r"[^\W_]+", plain))
