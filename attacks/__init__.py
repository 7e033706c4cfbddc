"""Attacks that try to refute a privacy claim. Installed as ``dpsynth.attacks``."""

if __name__ != "dpsynth.attacks":
    raise ImportError(
        "This package installs as dpsynth.attacks: run `pip install .` and import that."
    )
