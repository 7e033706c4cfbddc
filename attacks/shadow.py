"""Shadow-model membership inference: what does this generator do when this very row is there?

Two classifiers learn from shadow runs (see `shadow_runs`) and are judged on other shadow runs:

- `lira`: Gaussian log-likelihood ratio of each target, in the manner of Carlini et al. (S&P 2022):
  means of the target's features with and without it, one shrunk covariance for both.
- `forest`: a random forest for each target on features of the target and of the whole output, as in
  Houssiau et al., "TAPAS" (2022), and Stadler et al. (USENIX Security 2022).

Vulnerable targets (far from their neighbours) and random targets are reported apart: the mean over
people hides the person at risk. Scores of all targets of a group are judged together; the bound on
epsilon of the worst single target is corrected for the number of targets.

Never true here: a shadow that is both learned from and judged on, or a result about the released
table: generators are attacked, on tables of this size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from dpsynth.attacks.api import (
    LEVEL,
    MIN_ROWS,
    Attack,
    AttackData,
    Generate,
    inconclusive,
    too_little,
)
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.scores import AUDIT_DELTA, Details, membership_result
from dpsynth.attacks.shadow_runs import Features, Shadows, run_shadows
from dpsynth.attacks.stats import auc
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from dpsynth.exact import epsilon_lower_bound
from dpsynth.results import AttackResult

TREES = 100
_SHRINK = 0.1  # share of the identity in the covariance of scaled features
NOTE = (
    "Adversary: knows the generator, every other row and the target. Shadow tables are smaller "
    "than the real one, where one row weighs less. Silence is not evidence of privacy."
)


class Classifier(StrEnum):
    """How the attack learns from shadows."""

    LIRA = "lira"
    FOREST = "forest"


class Targets(StrEnum):
    """Whose membership is guessed."""

    WORST = "worst"
    RANDOM = "random"


_TITLES = {
    (Classifier.LIRA, Targets.WORST): "Shadow models, likelihood ratio, vulnerable targets",
    (Classifier.LIRA, Targets.RANDOM): "Shadow models, likelihood ratio, random targets",
    (Classifier.FOREST, Targets.WORST): "Shadow models, random forest, vulnerable targets",
    (Classifier.FOREST, Targets.RANDOM): "Shadow models, random forest, random targets",
}


@dataclass(frozen=True, kw_only=True)
class ShadowGame:
    """Generator and size of a shadow game.

    Attributes:
        generate: Runs the generator on coded rows with a seed; returns coded rows.
        fitted: Even number of shadow runs that classifiers learn from.
        judged: Even number of shadow runs that they are judged on.
        targets: Number of vulnerable targets and of random targets.
        rows: Largest number of real rows in a shadow table.
        columns: Columns that the game is played on, in the order that the generator takes them;
            none: all of them.
        tell: Called before each shadow with its number and the number of all.
    """

    generate: Generate
    fitted: int = 200
    judged: int = 100
    targets: int = 20
    rows: int = 5000
    columns: tuple[str, ...] = ()
    tell: Callable[[int, int], None] = lambda number, shadows: None

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be halved, and games without targets or known rows."""
        if min(self.fitted, self.judged) < 8 or self.fitted % 2 or self.judged % 2:
            raise ValueError("shadows: two even numbers of at least 8")
        if self.targets < 1 or self.rows < MIN_ROWS:
            raise ValueError(f"shadows: at least one target and {MIN_ROWS} rows")


class SharedShadows:
    """The shadow runs of a game, made once for the attacks that look at them.

    It is mutable and holds the private tables that it was asked about last, with what their shadows
    showed, until it is closed. After that it makes the runs anew.
    """

    def __init__(self, game: ShadowGame) -> None:
        """Take a game; nothing is run yet.

        Args:
            game: Generator and sizes.
        """
        self.game = game
        self._made: tuple[AttackData, int, Shadows | Exception] | None = None

    def of(self, data: AttackData, seed: int) -> Shadows:
        """Return the shadow runs of tables and a seed.

        A generator that failed is not asked again by the next attack: the same exception is raised.

        Args:
            data: The tables; the very object is recognised, not an equal one.
            seed: As :func:`run_shadows` takes it.
        """
        if self._made is None or self._made[0] is not data or self._made[1] != seed:
            self._made = (data, seed, self._run(data, seed))
        found = self._made[2]
        if isinstance(found, Exception):
            raise found.with_traceback(None)
        return found

    def close(self) -> None:
        """Let go of tables and runs."""
        self._made = None

    def _run(self, data: AttackData, seed: int) -> Shadows | Exception:
        game = self.game
        try:
            return run_shadows(
                data.on(game.columns) if game.columns else data,
                game.generate,
                seed,
                fitted=game.fitted,
                judged=game.judged,
                targets=game.targets,
                rows=game.rows,
                tell=game.tell,
            )
        # Whatever it is, the attack that asked gets it, and so do those that ask next.
        except Exception as error:  # noqa: BLE001
            return error.with_traceback(None)


@dataclass(frozen=True, kw_only=True)
class ShadowMembership:
    """One classifier against one group of targets of a shadow game.

    Attributes:
        shared: The shadow runs, which other attacks may look at too.
        classifier: How it learns from them.
        targets: Whose membership it guesses.
        claim: The claim to hold the rates against, where one is known.
    """

    shared: SharedShadows
    classifier: Classifier
    targets: Targets
    claim: Claim | None = None

    @property
    def name(self) -> str:
        """Machine name."""
        return f"shadow_{self.classifier}_{self.targets}"

    @property
    def title(self) -> str:
        """Human title."""
        return _TITLES[self.classifier, self.targets]

    @property
    def all_rows(self) -> bool:
        """It draws the rows of its shadows itself."""
        return False

    def close(self) -> None:
        """Let go of the shadow runs; the other attacks that share them make them anew."""
        self.shared.close()

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Attack the generator.

        Args:
            data: The tables; the real rows of both sides serve as known rows and targets.
            seed: Draws targets, known rows, coins, forests and the halves of the epsilon bound.
        """
        reason = too_little(data)
        if reason is not None:
            return inconclusive(self, reason)
        rows = min(self.shared.game.rows, len(data.train) + len(data.holdout))
        if rows < 4 * self.shared.game.targets:
            return inconclusive(self, "Fewer than four real rows for each target.")
        shadows = self.shared.of(data, seed)
        group = np.flatnonzero(shadows.worst == (self.targets is Targets.WORST))
        fit = _lira if self.classifier is Classifier.LIRA else _forest
        scores = np.stack([fit(shadows, target, seed) for target in group.tolist()], axis=1)
        labels = shadows.included[shadows.fitted :, group]
        order = np.random.default_rng(seed).permutation(int((~labels).sum()))
        return membership_result(
            self,
            scores[labels],
            scores[~labels][order],
            seed=seed,
            claim=self.claim,
            audit=True,
            details={
                "targets": len(group),
                "shadows_fitted": shadows.fitted,
                "shadows_judged": len(labels),
                "known_rows": shadows.base_rows,
                **_by_target(scores, labels, self.claim),
            },
            note=NOTE,
        )


def shadow_attacks(game: ShadowGame, claim: Claim | None = None) -> tuple[Attack, ...]:
    """Return the four attacks of a game: each classifier against each group of targets."""
    shared = SharedShadows(game)
    return tuple(
        ShadowMembership(shared=shared, classifier=classifier, targets=targets, claim=claim)
        for targets in Targets
        for classifier in Classifier
    )


def _lira(shadows: Shadows, target: int, seed: int) -> NDArray[np.float64]:
    """Return the log-likelihood ratio of each judged shadow."""
    features = shadows.targeted[:, target]
    present = shadows.included[: shadows.fitted, target]
    learn, judge = features[: shadows.fitted], features[shadows.fitted :]
    spread = learn.std(axis=0)
    used = spread > 0
    if not used.any():
        return np.zeros(len(judge))
    learn, judge = learn[:, used] / spread[used], judge[:, used] / spread[used]
    with_it, without = learn[present].mean(axis=0), learn[~present].mean(axis=0)
    residual = learn - np.where(present[:, None], with_it, without)
    pooled = residual.T @ residual / (len(learn) - 2)
    covariance = (1 - _SHRINK) * pooled + _SHRINK * np.eye(len(pooled))
    weights = np.linalg.solve(covariance, with_it - without)
    out: NDArray[np.float64] = (judge - 0.5 * (with_it + without)) @ weights
    return out


def _forest(shadows: Shadows, target: int, seed: int) -> NDArray[np.float64]:
    """Return the forest's membership probability in each judged shadow."""
    features: Features = np.concatenate([shadows.targeted[:, target], shadows.whole], axis=1)
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=2, random_state=np.random.RandomState(seed % 2**32), n_jobs=1
    )
    forest.fit(features[: shadows.fitted], shadows.included[: shadows.fitted, target])
    found: NDArray[Any] = forest.predict_proba(features[shadows.fitted :])
    return found[:, 1].astype(np.float64)


def _by_target(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], claim: Claim | None
) -> Details:
    """Return the mean AUC of a target and the epsilon bound of the worst one.

    A target is called a member in the half of the judged shadows where it scores highest, a rule
    that knows no label; runs are independent, and the confidence is shared among the targets.
    """
    delta = AUDIT_DELTA if claim is None else claim.delta
    confidence = 1.0 - (1.0 - LEVEL) / scores.shape[1]
    areas, bounds = [], []
    for column, label in zip(scores.T, labels.T, strict=True):
        areas.append(auc(column[label], column[~label]).value)
        called = column > np.median(column)
        bounds.append(
            epsilon_lower_bound(
                int(called[label].sum()),
                int(label.sum()),
                int(called[~label].sum()),
                int((~label).sum()),
                delta=delta,
                confidence=confidence,
            )
        )
    return {
        "mean_auc_of_targets": float(np.mean(areas)),
        "highest_auc_of_targets": float(np.max(areas)),
        "epsilon_lower_bound_worst_target": float(np.max(bounds)),
    }
