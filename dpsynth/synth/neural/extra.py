"""The extra that training needs; loading and sampling a model do not."""

from __future__ import annotations

from importlib.util import find_spec

from dpsynth.errors import MissingExtraError


def need_torch(method: str) -> None:
    """Refuse early, before anything is paid, where the extra is missing.

    Raises:
        MissingExtraError: It is.
    """
    if find_spec("torch") is None:
        raise MissingExtraError(
            "needs torch to train.",
            where=f"synthesizer {method}",
            fix="pip install dpsynth[neural]",
        )
