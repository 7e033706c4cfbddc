"""One release from declared settings to a signed bundle, and the plan that prices it."""

from dpsynth.pipeline.prepare import Plan, check_destination, load_release_signer, prepare
from dpsynth.pipeline.run import Outcome, run
from dpsynth.pipeline.settings import ReleaseSettings, load_settings

__all__ = [
    "Outcome",
    "Plan",
    "ReleaseSettings",
    "check_destination",
    "load_release_signer",
    "load_settings",
    "prepare",
    "run",
]
