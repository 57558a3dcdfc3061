"""What a critic is worth, on episodes that its learner has not read: figures over plain arrays.

* discrimination: does Q of the actions taken tell the episodes that will succeed from those that will
  not, at the same step (the area under the ROC curve: the chance that a success has the larger Q)?
* calibration: is Q the discounted return that followed? In bins of equally many steps (the adaptive
  expected calibration error of Nixon et al., 2019).
* what another critic makes of a policy's choices: a critic that chose an action overrates it (double
  Q-learning; van Hasselt, 2010), so that only one that did not choose can say how good the choice was.

Steps of one episode tell much the same, so the unit of every interval is the episode. M is the number of
steps looked at, A the action's dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets import EpisodeStore, Replay, Snapshot
from ..datasets.replay.index import step_numbers
from .policy import Policy

STRIDE = 5
"""Every so manieth step is looked at: neighbours are much alike."""

BINS = 10
DRAWS = 2000
"""Resamples of a bootstrap interval."""


@dataclass(frozen=True)
class Visited:
    """Steps of whole episodes, as a policy would see them.

    Attributes:
      observation: by name, `[M, H, ...]`.
      action: what was done, in the task's own range, `[M, A]`.
      returned: the discounted return from there to the episode's end, `[M]`. Where a time limit is not
        terminal, it lacks what would have come after.
      step: number of the step in its episode, `[M]`.
      episode: which episode, from 0, `[M]`.
      won: whether the episode has score 1, `[M]`.
    """

    observation: Mapping[str, np.ndarray]
    action: np.ndarray
    returned: np.ndarray
    step: np.ndarray
    episode: np.ndarray
    won: np.ndarray

    @property
    def episodes(self) -> int:
        """How many."""
        return len(np.unique(self.episode))


def visit(store: EpisodeStore, snapshot: Snapshot, *, discount: float, history: int) -> Visited:
    """Every `STRIDE`th step of the episodes of a snapshot. Raises DatasetError where it has none."""
    rows = list(store.counted_rows(snapshot))
    lengths = np.array([row.length for row in rows])
    replay = Replay(
        store,
        snapshot,
        n_step=int(lengths.max()),
        discount=discount,
        time_limit_is_terminal=True,
        history=history,
    )
    step = step_numbers(lengths)
    seen = np.flatnonzero(step % STRIDE == 0)
    found = replay.at(seen)
    episode = np.repeat(np.arange(len(rows)), lengths)[seen]
    won = np.array([row.score >= 1.0 for row in rows])
    return Visited(found.observation, found.action, found.n_step_return, step[seen], episode, won[episode])


def choose(policy: Policy, visited: Visited, *, seed: int) -> np.ndarray:
    """What a policy would do at each step, `[M, A]`; ways of acting with equal seeds share their draws."""
    draws, size = policy.noise_shape
    noise = np.random.default_rng(seed).random((draws, len(visited.action), size), np.float32)
    return policy.act(visited.observation, np.ascontiguousarray(noise.swapaxes(0, 1)))


def discrimination(q: np.ndarray, step: np.ndarray, won: np.ndarray) -> dict[str, Any]:
    """Areas under the ROC curve, `[M]` each.

    Returns:
      `by_step`: `step`, `auc` and the `pairs` of a success and a failure behind it, for every step at
      which there are both; `auc`: the mean of them by pairs, None where there are none.
    """
    found = []
    for number in np.unique(step).tolist():
        here = step == number
        pairs = int(won[here].sum() * (~won[here]).sum())
        if pairs:
            found.append({"step": number, "auc": area(q[here], won[here]), "pairs": pairs})
    total = sum(each["pairs"] for each in found)
    mean = sum(each["auc"] * each["pairs"] for each in found) / total if total else None
    return {"auc": mean, "by_step": found}


def area(q: np.ndarray, won: np.ndarray) -> float:
    """The chance that a success has a larger Q than a failure; ties count half. Both must be there."""
    from scipy.stats import rankdata

    wins, losses = int(won.sum()), int((~won).sum())
    return float((rankdata(q)[won].sum() - wins * (wins + 1) / 2) / (wins * losses))


def calibration(q: np.ndarray, returned: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """The reliability curve and its mean distance from the diagonal, in units of the return."""
    parts = [part for part in np.array_split(np.argsort(q, kind="stable"), bins) if len(part)]
    curve = [
        {"q": float(q[part].mean()), "returned": float(returned[part].mean()), "steps": len(part)}
        for part in parts
    ]
    error = sum(abs(bin_["q"] - bin_["returned"]) * bin_["steps"] for bin_ in curve) / len(q)
    return {"error": error, "curve": curve}


def mean_interval(values: np.ndarray, episode: np.ndarray, *, level: float = 0.05) -> dict[str, Any]:
    """Mean of `[M]` values, with `low` and `high` of the percentile bootstrap over episodes.

    Efron and Tibshirani (1993), 13.3. Both are None for a single episode.
    """
    from scipy.stats import bootstrap

    _, which = np.unique(episode, return_inverse=True)
    sums, counts = np.bincount(which, values), np.bincount(which)
    mean = float(values.mean())
    if len(sums) < 2:
        return {"mean": mean, "low": None, "high": None}
    found = bootstrap(
        (sums, counts),
        lambda s, n, axis: s.sum(axis) / n.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=DRAWS,
        confidence_level=1 - level,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return {"mean": mean, "low": float(found.low), "high": float(found.high)}
