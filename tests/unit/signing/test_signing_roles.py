"""Who signs, in which order, and with which certificate, as a release declares it."""

from __future__ import annotations

import pytest

from dpsynth.errors import InputError
from dpsynth.signing.roles import Role, declared_signers

ONE, OTHER = "3f" * 32, "a9" * 32


def test_signers_in_order_with_and_without_a_certificate() -> None:
    printed = ":".join([ONE[:2].upper()] * 32)
    signers = declared_signers(["issuer", f"dpo={printed}", "expert"])
    assert list(signers.items()) == [(Role.ISSUER, ""), (Role.DPO, ONE), (Role.EXPERT, "")]
    assert declared_signers(["issuer"]) == {Role.ISSUER: ""}


@pytest.mark.parametrize(
    "texts",
    [
        ["issuer", "dpo="],
        ["issuer", f"dpo={ONE[:-1]}"],
        ["issuer", f"dpo={ONE[:-1]}g"],
        [f"issuer={ONE}", "dpo"],
        ["issuer", f"dpo={ONE}", f"expert={ONE}"],
    ],
)
def test_a_fingerprint_that_is_none_is_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match="no fingerprint of a certificate of his own"):
        declared_signers(texts)


@pytest.mark.parametrize("texts", [[], ["dpo"], ["issuer", "issuer"], ["issuer", f"boss={OTHER}"]])
def test_roles_are_checked_first(texts: list[str]) -> None:
    with pytest.raises(InputError, match="issuer first"):
        declared_signers(texts)
