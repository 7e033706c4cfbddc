"""Step 1 of a release: check everything that can be checked while nothing private is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dpsynth.errors import InputError
from dpsynth.pipeline import published
from dpsynth.pipeline.audited import NO_AUDIT, AuditFact, read_audit
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.price import Price, own_delta, with_training
from dpsynth.pipeline.required import refusals, waivers_of
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.pipeline.signatures import declared_signatures
from dpsynth.places import PASSPHRASE_VARIABLE, keys_folder
from dpsynth.policy import Policy, Total, load_policy
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger import LineageTerms
from dpsynth.privacy.meaning import Guarantee
from dpsynth.privacy.targets import budget_for_hits
from dpsynth.privacy.unit import PrivacyUnit, Relation
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import (
    CategoryDomain,
    Column,
    Dictionary,
    OpenDomain,
    PatternDomain,
    load_dictionary,
)
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.schema.line import FINE_CELLS
from dpsynth.schema.undeclared import open_columns
from dpsynth.signing.keys import SCHEME, Signer, load_signer, read_passphrase
from dpsynth.signing.token import load_token_signer
from dpsynth.sources.files import open_source
from dpsynth.sources.source import Source
from dpsynth.synth import registry
from dpsynth.synth.api import PlannedStage, Synthesizer, Trains
from dpsynth.synth.discovery import planned_stage

ASSUMED_CATEGORIES = 100  #: size that a plan assumes of a column whose domain is still open


def prepare(settings: ReleaseSettings, *, source: Source | None = None) -> Plan:
    """Load and check everything of a release; price the plan. Spends nothing, reads no row.

    Args:
        settings: What was declared.
        source: A table in memory in place of the file that the settings name.

    Raises:
        InputError: Something is missing, malformed or does not fit together.
        PolicyRefusal: The policy forbids what is asked.
    """
    protected = registry.find(settings.synthesizer).protected
    settings = settings.checked(protected=protected)
    if settings.dictionary is None:
        raise InputError("is not given.", where="data.dictionary (--dictionary)")
    dictionary = load_dictionary(settings.dictionary)
    if dictionary.is_draft:
        raise InputError(
            "is a draft.",
            where=str(settings.dictionary),
            fix="A person must declare each column and set `status: declared`.",
        )
    policy = load_policy(settings.policy)
    unit = _unit(settings, dictionary)
    budget, total, audit = declared_of(policy, settings, max_rows=unit.max_rows)
    now = datetime.now(UTC)
    policy.refuse(refusals(policy, settings, budget=budget, total=total, audit=audit, now=now))
    waivers = waivers_of(policy, settings, now)
    if source is None:
        if settings.source is None:
            raise InputError("is not given.", where="data.source (--data)")
        source = open_source(
            settings.source, delimiter=dictionary.delimiter, encoding=dictionary.encoding
        )
    extra = source.check_against(dictionary)
    _check_encoding(dictionary, str(settings.dictionary))
    codec = Codec.from_dictionary(dictionary)
    opened = open_columns(dictionary) if settings.discovery_share and protected else ()
    if not len(codec.domain) and not opened:
        raise InputError(
            "leaves no column to model.",
            where=str(settings.dictionary),
            fix="Declare the domain of at least one column.",
        )
    synthesizer = synthesizer_for(settings, dictionary, codec)
    terms = LineageTerms.of(
        settings.lineage,
        unit=unit,
        total=total,
        discovery_delta=own_delta(total),
        recipient=_cap(policy.recipient_total),
        jurisdiction=_cap(policy.jurisdiction_total),
    )
    price = None
    if budget is not None:
        price = Price.of(
            budget,
            opened,
            discovery_share=settings.discovery_share,
            fidelity_share=settings.fidelity_share,
        )
        if isinstance(synthesizer, Trains):
            domain = _planned_domain(codec, opened)
            price = with_training(price, synthesizer, domain, budget=budget, order=terms.order)
    plan = Plan(
        settings=settings,
        dictionary=dictionary,
        codec=codec,
        source=source,
        extra_columns=extra,
        policy=policy,
        unit=unit,
        stated_budget=budget,
        stated_price=price,
        open_columns=opened,
        terms=terms,
        synthesizer=synthesizer,
        stages=_stages(synthesizer, codec, opened, price),
        audit=audit,
        waivers=waivers,
        signatures=declared_signatures(settings),
    )
    _check_risk(plan)
    return plan


def declared_of(
    policy: Policy, settings: ReleaseSettings, *, max_rows: int | None
) -> tuple[Budget | None, Budget, AuditFact]:
    """Return budget, cap of a new lineage, and what a mechanism audit says, as declared.

    There is no budget where the method has no guarantee.

    Args:
        policy: Its policy.
        settings: What was declared.
        max_rows: Rows that are kept of a unit; None where that is not declared yet.

    Raises:
        InputError: One of them is missing or malformed, or an audit is named where nothing is
            claimed.
        PolicyRefusal: The audit rejected the claim of the method.
    """
    total, protected = policy.lineage_total, registry.find(settings.synthesizer).protected
    if settings.audit is not None and not protected:
        raise InputError(
            f"The method {settings.synthesizer} claims nothing that an audit could test.",
            where="audit",
            fix="Leave it out.",
        )
    return (
        _budget(settings) if protected else None,
        Budget.checked(
            total.epsilon if settings.total_epsilon is None else settings.total_epsilon,
            total.delta if settings.total_delta is None else settings.total_delta,
        ),
        _audit(settings, max_rows),
    )


def _audit(settings: ReleaseSettings, max_rows: int | None) -> AuditFact:
    """Return what an audit of the mechanism says, or why none is part of the release."""
    if settings.audit is None:
        return NO_AUDIT
    tried: tuple[str, ...] = ()
    if "candidates" in registry.find(settings.synthesizer).options:
        tried = registry.candidates_of(registry.make(settings.synthesizer, settings.options))
    return read_audit(
        settings.audit,
        settings.synthesizer,
        candidates=tried,
        max_rows=max_rows,
    )


def synthesizer_for(settings: ReleaseSettings, dictionary: Dictionary, codec: Codec) -> Synthesizer:
    """Return the synthesizer; the dictionary's label is its label unless an option says another.

    A label whose domain is open is none until it was found.
    """
    options = dict(settings.options)
    label = options.get("label", dictionary.label)
    if label in {column.name for column in open_columns(dictionary)}:
        options.pop("label", None)
    elif label in codec.domain.names and "label" in registry.find(settings.synthesizer).options:
        options["label"] = label
    return registry.make(settings.synthesizer, options)


def _stages(
    synthesizer: Synthesizer, codec: Codec, opened: Sequence[Column], price: Price | None
) -> tuple[PlannedStage, ...]:
    """Return everything that would be asked; open columns count with an assumed size."""
    if price is None:
        return synthesizer.plan(codec.domain, 0.0)
    domain = _planned_domain(codec, opened)
    stages = list(synthesizer.plan(domain, price.fit))
    if opened:
        stages.insert(0, planned_stage(opened, price.discovery))
    if price.fidelity:
        stages.append(
            PlannedStage(
                stage=published.STAGE,
                description=published.DESCRIPTION,
                queries=published.planned_queries(len(domain)),
                rho=price.fidelity,
            )
        )
    return tuple(stages)


def _planned_domain(codec: Codec, opened: Sequence[Column]) -> Domain:
    """Return the domain that a plan supposes: what is declared, and open columns as assumed."""
    assumed = [_assumed(column) for column in opened]
    return Domain((*codec.domain.attributes, *assumed), zeros=codec.domain.zeros)


def _assumed(column: Column) -> Attribute:
    """Return an open column as a plan supposes it: so many categories, or cells on a line."""
    if isinstance(column.domain, OpenDomain):
        return Attribute(name=column.name, size=ASSUMED_CATEGORIES)
    line = tuple(float(cell) for cell in range(FINE_CELLS))
    return Attribute(name=column.name, size=FINE_CELLS + 2, n_ordered=FINE_CELLS, positions=line)


def _cap(total: Total | None) -> Budget | None:
    return None if total is None else Budget(epsilon=total.epsilon, delta=total.delta)


def _budget(settings: ReleaseSettings) -> Budget:
    """Return the declared budget, or the one that keeps the declared attack risk."""
    if settings.max_hits_in_100 is None or settings.false_alarms_in_100 is None:
        return Budget.checked(settings.epsilon, settings.delta)
    delta = Budget.checked(1, settings.delta).delta
    return budget_for_hits(
        settings.max_hits_in_100 / 100, settings.false_alarms_in_100 / 100, delta
    )


def _check_risk(plan: Plan) -> None:
    """Refuse training that would not keep a declared attack risk.

    The budget of a risk is worked out for zCDP (:func:`budget_for_hits`). Training of the same
    epsilon at the same delta has another curve.
    """
    hits, alarms = plan.settings.max_hits_in_100, plan.settings.false_alarms_in_100
    if plan.sampled is None or hits is None or alarms is None:
        return
    promise = Guarantee.of(
        (),
        rho=plan.price.rho,
        delta_own=plan.price.discovery_delta,
        fixed_plan=False,
        sampled=(plan.sampled, plan.rest_rho),
    )
    found = promise.hit_rate(alarms / 100)
    if found > hits / 100:
        raise InputError(
            f"Training at the epsilon of that risk allows {100 * found:.4g} hits in 100.",
            where="privacy.max_hits_in_100",
            fix="Declare epsilon and delta, or choose a method that is zCDP, such as mst.",
        )


def _check_encoding(dictionary: Dictionary, where: str) -> None:
    """Refuse a declared text that the declared encoding cannot hold, before anything is spent."""
    for column in dictionary.columns:
        domain = column.domain
        texts = [column.name, *column.missing, *column.special]
        if isinstance(domain, CategoryDomain):
            texts += domain.categories
        if isinstance(domain, PatternDomain):
            texts += domain.public_groups
        try:
            "".join(texts).encode(dictionary.encoding)
        except UnicodeEncodeError:
            raise InputError(
                f"declares text of column {column.name!r} that {dictionary.encoding} cannot hold.",
                where=where,
                fix="Correct `encoding`, or the text.",
            ) from None


def load_release_signer(
    key: Path | None, passphrase_file: Path | None, prompt: Callable[[str], str] | None
) -> Signer:
    """Load a signer: the key that was named, else the trial authority's.

    Args:
        key: PKCS#12 file or PKCS#11 address, or None.
        passphrase_file: Holds its passphrase, or None.
        prompt: Asks for one where neither file nor environment has it, or None.

    Raises:
        InputError: There is no key, the passphrase is wrong, or the certificate has expired.
    """
    key = key or keys_folder() / "signer.p12"
    on_device = str(key).startswith(SCHEME)
    if not on_device and not key.is_file():
        raise InputError(
            "There is no signing key.",
            where=str(key),
            fix="Make a trial authority with `dpsynth keys init`, or name a PKCS#12 file: --key.",
        )
    passphrase = read_passphrase(file=passphrase_file, env=PASSPHRASE_VARIABLE, prompt=prompt)
    return load_token_signer(str(key), passphrase) if on_device else load_signer(key, passphrase)


def _unit(settings: ReleaseSettings, dictionary: Dictionary) -> PrivacyUnit:
    """Return the privacy unit: the dictionary's, with the rows kept per unit."""
    spec = dictionary.privacy_unit
    if spec.column is None:
        if settings.max_rows_per_unit not in {None, 1}:
            raise InputError(
                "The dictionary says that each row is one unit, so at most 1 row is kept.",
                where="privacy.max_rows_per_unit",
                fix="Leave it out, or name the column of the unit in the dictionary.",
            )
        return PrivacyUnit(
            relation=Relation.ADD_REMOVE,
            name=settings.unit_name or "row",
            column=None,
            max_rows=1,
        )
    rows = settings.max_rows_per_unit or spec.max_rows_declared
    if rows is None:
        raise InputError(
            f"One unit ({spec.column}) may have several rows: how many are kept must be declared.",
            where="privacy.max_rows_per_unit",
            fix="Choose a small number such as 1, 2 or 5. Do not read it off the data.",
        )
    return PrivacyUnit(
        relation=Relation.ADD_REMOVE,
        name=settings.unit_name or spec.column,
        column=spec.column,
        max_rows=rows,
    )
