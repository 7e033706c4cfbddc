"""``dpsynth sign`` and ``dpsynth renew``: what is signed after a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, prompt, say
from dpsynth.errors import InputError
from dpsynth.pipeline.further import Trusted, countersign
from dpsynth.pipeline.further import renew as renew_stamps
from dpsynth.pipeline.prepare import load_release_signer
from dpsynth.signing.keys import load_crls, load_roots
from dpsynth.signing.levels import Assurance, Level, assurance_of
from dpsynth.signing.roles import Role

_Trust = Annotated[
    list[Path],
    typer.Option("--trust", help="Root certificate (PEM) of the signers, got by another way."),
]
_Bundle = Annotated[Path, typer.Argument(help="Bundle folder, or its public folder alone.")]


def sign(
    bundle: _Bundle,
    role: Annotated[str, typer.Option("--role", help="Who signs: expert or dpo.")],
    key: Annotated[Path, typer.Option("--key", help="PKCS#12 file of this signer.")],
    trust: _Trust,
    passphrase_file: o.PassphraseFile = None,
    tsa: o.Tsa = None,
    level: o.Level = None,
    certificate: o.Certificates = None,
    crl: o.Crls = None,
    tsa_trust: o.TsaTrust = None,
    json: o.Json = False,
) -> None:
    """Sign the certificate of a bundle as the next declared signer, after verifying it."""
    known = {each.value: each for each in Role if each is not Role.ISSUER}
    if role not in known:
        raise InputError(f"must be one of {', '.join(known)}.", where="--role")
    waiting = countersign(
        bundle,
        role=known[role],
        signer=load_release_signer(key, passphrase_file, prompt()),
        assurance=_assurance(level, tsa, certificate, crl),
        trusted=_trusted(trust, tsa_trust),
    )
    if json:
        emit_json({"signed": role, "waiting": [each.value for each in waiting]})
        return
    say(f"Signed as {known[role].words}.", "bold green")
    if waiting:
        say(f"Still to sign: {', '.join(each.words for each in waiting)}.")


def renew(
    bundle: _Bundle,
    tsa: Annotated[str, typer.Option("--tsa", help="URL of a time-stamping authority.")],
    trust: _Trust,
    tsa_trust: o.TsaTrust = None,
    certificate: o.Certificates = None,
    crl: o.Crls = None,
    json: o.Json = False,
) -> None:
    """Put new time stamps over documents and manifests of a bundle, before the last expire."""
    paths = renew_stamps(
        bundle,
        assurance=_assurance(Level.B_LTA.value, tsa, certificate, crl),
        trusted=_trusted(trust, tsa_trust),
    )
    if json:
        emit_json({"renewed": [str(path) for path in paths]})
        return
    for path in paths:
        say(f"Renewed {path}")


def _assurance(
    level: str | None, tsa: str | None, certificate: list[Path] | None, crl: list[Path] | None
) -> Assurance:
    return assurance_of(
        level, tsa, load_roots(certificate) if certificate else (), load_crls(crl or ())
    )


def _trusted(trust: list[Path], tsa_trust: list[Path] | None) -> Trusted:
    return Trusted(roots=load_roots(trust), authorities=load_roots(tsa_trust) if tsa_trust else ())
