"""How a policy is shown to people: tables, and plain sentences with their reasons."""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.cli.console import say, show_table
from dpsynth.policy import Policy, Unmet
from dpsynth.policy.explain import Sentence

_SECTIONS = {
    "limits": "Before anything is spent",
    "requirements": "What must stand beside the data",
    "transfers": "Where data may go",
    "gates": "After the run",
    "waivers": "Waivers",
}


def say_policy(policy: Policy) -> None:
    """Show what a policy asks, as tables."""
    say(f"{policy.title} ({policy.name}, sha256 {policy.digest[:16]}...)", "bold")
    say(policy.description)
    tree = policy.to_json()
    show_table(
        ("rule", "limit"),
        [
            (key, _shown(rule["limit"]))
            for section in ("limits", "requirements")
            for key, rule in tree[section].items()
        ],
    )
    rules = [rule.sentence for group in policy.transfers for rule in group]
    if rules:
        show_table(("transfer",), [(rule,) for rule in rules])
    show_table(
        ("gate", "metric", "condition", "severity", "why"),
        [(g.id, g.metric, g.limit_text, g.severity.value, g.reason) for g in policy.gates],
    )


def say_sentences(
    policy: Policy, said: Sequence[Sentence], unmet: Sequence[Unmet], *, judged: bool
) -> None:
    """Say every rule in words.

    Args:
        policy: The policy.
        said: Its rules.
        unmet: Rules that are not met.
        judged: Whether a release was looked at, so that a rule that is not unmet is met.
    """
    say(f"{policy.title} ({policy.name})", "bold")
    say(policy.description)
    section = ""
    missed = {rule.rule for rule in unmet}
    for sentence in said:
        name = sentence.rule.partition(".")[0]
        if name != section:
            section = name
            say("")
            say(_SECTIONS[name], "bold")
        mark = ""
        if sentence.rule in missed:
            mark = " [NOT MET]" if judged else " [not in this version: a release is refused]"
        elif judged and sentence.beforehand and name != "waivers":
            mark = " [met]"
        say(f"- {sentence.text}{mark}", "red" if sentence.rule in missed else "")
        for ground in sentence.grounds:
            say(f"    {ground.reason} ({ground.source})", "dim")
    say("")
    say_unmet(unmet)
    say("Not legal advice. Nothing here says that data are anonymous; it is evidence for a person.")


def say_unmet(unmet: Sequence[Unmet]) -> None:
    """Say which rules are not met."""
    for rule in unmet:
        say(f"Not met: {rule.text} [{rule.rule}]", "bold red")


def _shown(limit: object) -> str:
    if isinstance(limit, dict):
        return ", ".join(f"{key} {value}" for key, value in limit.items())
    return ", ".join(map(str, limit)) if isinstance(limit, list) else str(limit)
