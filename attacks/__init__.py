"""Attacks that try to refute a privacy claim. Installed as ``dpsynth.attacks``."""

if __name__ != "dpsynth.attacks":
    raise ImportError(
        "This package installs as dpsynth.attacks: run `pip install .` and import that."
    )

from dpsynth.attacks.api import ALPHA, Attack, AttackData
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.generators import (
    Generator,
    generator_attack_names,
    generator_attacks,
    without_generator,
)
from dpsynth.attacks.suite import CONTROLS, PROFILES, output_attacks, run

__all__ = [
    "ALPHA",
    "CONTROLS",
    "PROFILES",
    "Attack",
    "AttackData",
    "Claim",
    "Generator",
    "generator_attack_names",
    "generator_attacks",
    "output_attacks",
    "run",
    "without_generator",
]
