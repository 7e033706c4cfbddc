"""One release from declared settings to a signed bundle, and the plan that prices it."""

from dpsynth.pipeline.folder import check_target
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.prepare import load_release_signer, prepare
from dpsynth.pipeline.run import Outcome, run
from dpsynth.pipeline.settings import ReleaseSettings, load_settings

__all__ = [
    "Outcome",
    "Plan",
    "ReleaseSettings",
    "check_target",
    "load_release_signer",
    "load_settings",
    "prepare",
    "run",
]
