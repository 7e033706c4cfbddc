"""Policies shipped with dpsynth, as YAML data. Installed as ``dpsynth.policies``."""
