"""Trusted time for a manifest: RFC 3161 tokens in a file beside it, each over all that came before.

The first token is over the bytes of the manifest. Each later one is over the manifest and all
earlier tokens (DER), one after the other, so that it also proves that those existed while their
authority's certificate was good: the idea of archive time stamps (RFC 4998). Both `openssl ts`
and this module check them::

    openssl ts -verify -token_in -in 1.der -data manifest.dsse.json -CAfile tsa.pem

The manifest is made first and cannot list this file; a token proves itself. Never true here: a time
that is believed of an authority that the reader did not name, or because a later token says so.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import rfc8785

from dpsynth.errors import InputError
from dpsynth.signing.manifest import STAMPS
from dpsynth.signing.statement import parse_canonical
from dpsynth.signing.timestamp import Authorities, TimeStamp, Trust, check_token, request_token

MAX_STAMPS = 2**20  #: bytes of the file; a token with its certificates takes a few thousand

_CLOCKS = timedelta(minutes=10)  # how far the clocks of two honest authorities may be apart


@dataclass(frozen=True, kw_only=True)
class ManifestTime:
    """What the tokens of a manifest say.

    Attributes:
        tokens: What each says, oldest first; as many as were checked.
        time: The earliest time that a trusted authority vouches for, or None.
        problems: (code, sentence) of what does not hold.
        unknown: (code, sentence) of what cannot be known.
    """

    tokens: tuple[TimeStamp, ...] = ()
    time: datetime | None = None
    problems: tuple[tuple[str, str], ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


def add_stamp(manifest: bytes, stamps: bytes | None, url: str) -> bytes:
    """Ask an authority to stamp a manifest and its earlier tokens; return the new file.

    Args:
        manifest: Bytes of the manifest.
        stamps: Bytes of the file of its tokens, or None where there is none yet.
        url: The authority's.

    Raises:
        InputError: The authority gave no time stamp, or there is no room for one more.
    """
    tokens = [] if stamps is None else parse_stamps(stamps)
    content = _written([*tokens, request_token(_covered(manifest, tokens), url)])
    if len(content) > MAX_STAMPS:
        raise InputError("has no room for one more time stamp.", where=STAMPS)
    return content


def parse_stamps(content: bytes) -> list[bytes]:
    """Read the file of tokens strictly: one or more, in one spelling.

    Raises:
        InputError: It is not such a file.
    """
    try:
        match parse_canonical(content):
            case {"tokens": [_, *_] as texts}:
                tokens = [base64.b64decode(text, validate=True) for text in texts]
                if _written(tokens) == content:
                    return tokens
    except (ValueError, TypeError):
        pass
    raise InputError("is not a list of time stamps.", where=STAMPS)


def check_stamps(
    manifest: bytes, stamps: bytes, authorities: Authorities, at: datetime
) -> ManifestTime:
    """Return what the tokens of a manifest prove; never raises on what they hold.

    Times are believed backwards from `at`: the newest token must be good then, each older one at
    the time of the next that is believed (ETSI EN 319 102-1). Revocation is not looked up.

    Args:
        manifest: Bytes of the manifest.
        stamps: Bytes of the file of its tokens.
        authorities: Roots of the authorities that the reader trusts; empty leaves times unchecked.
        at: Time for which the newest token is checked, now as a rule.
    """
    try:
        tokens = parse_stamps(stamps)
    except InputError as error:
        return ManifestTime(problems=(("stamps_form", f"It {error.what}"),))
    told: list[TimeStamp] = []
    problems, unknown = [], []
    moment, time = at, None
    for place in reversed(range(len(tokens))):
        which = f"Time stamp {place + 1} of {len(tokens)}"
        try:
            stamp = check_token(
                tokens[place], _covered(manifest, tokens[:place]), authorities, at=moment
            )
            if told and stamp.time > told[0].time + _CLOCKS:
                raise InputError("is newer than the one that is over it.")
        except InputError as error:
            problems.append(("stamp_refused", f"{which} {error.what}"))
            break
        told.insert(0, stamp)
        doubt = _doubt(stamp, at)
        if doubt is not None:
            unknown.append((doubt[0], f"{which} {doubt[1]}"))
        elif stamp.trust is Trust.TRUSTED:
            moment = time = min(stamp.time, moment)
    return ManifestTime(
        tokens=tuple(told), time=time, problems=tuple(problems), unknown=tuple(unknown)
    )


def _doubt(stamp: TimeStamp, at: datetime) -> tuple[str, str] | None:
    """Say why the time of a sound token cannot be believed; None if it can, or is not checked."""
    match stamp.trust:
        case Trust.EXPIRED:
            return "stamp_expired", "is of an authority that has expired: nothing newer proves it."
        case Trust.UNTRUSTED:
            return "stamp_untrusted", "is not of an authority that you trust."
        case Trust.TRUSTED if stamp.time > at + _CLOCKS:
            return "stamp_from_the_future", "is of a time that is still to come."
    return None


def _covered(manifest: bytes, earlier: Sequence[bytes]) -> bytes:
    """Return what the next token is over.

    A manifest is one JSON object and a token one DER value: their ends are known, so that no two
    lists give the same bytes.
    """
    return manifest + b"".join(earlier)


def _written(tokens: Sequence[bytes]) -> bytes:
    texts = [base64.b64encode(token).decode() for token in tokens]
    return rfc8785.dumps({"tokens": texts, "version": 1})
