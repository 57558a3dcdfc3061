"""What a critic is worth, on episodes that its learner has not read: figures over plain arrays.

* discrimination: does Q of the actions taken tell the episodes that will succeed from those that will
  not, at the same step?
* calibration: is Q the discounted return that followed, in bins of equally many steps?

M is the number of steps looked at.
"""

from typing import Any

import numpy as np

from ..datasets import EpisodeStore, Replay, Snapshot, Transitions
from ..datasets.records.episode import is_success
from ..datasets.replay.index import step_numbers

STRIDE = 5
"""Every fifth step is looked at: neighbours are much alike."""

BINS = 10


def visit(
    store: EpisodeStore, snapshot: Snapshot, *, discount: float, history: int
) -> tuple[Transitions, np.ndarray, np.ndarray]:
    """Every `STRIDE`th step of the episodes of a snapshot. Raises DatasetError where it has none.

    Returns:
      What a policy sees and did there; the n-step return is the whole one, to the episode's end, which lacks
      what would have come after a time limit. The step's number in its episode, `[M]`. Whether the episode
      has score 1, `[M]`.
    """
    rows = list(store.counted_rows(snapshot))
    lengths = np.array([row.length for row in rows])
    replay = Replay(
        store,
        snapshot,
        n_step=int(lengths.max(initial=1)),
        discount=discount,
        time_limit_is_terminal=True,
        history=history,
    )
    step = step_numbers(lengths)
    places = np.flatnonzero(step % STRIDE == 0)
    won = np.repeat([is_success(row.score) for row in rows], lengths)
    return replay.at(places), step[places], won[places]


def discrimination(q: np.ndarray, step: np.ndarray, won: np.ndarray) -> dict[str, Any]:
    """Areas under the ROC curve, `[M]` each.

    Returns:
      `by_step`: `step`, `auc` and the `pairs` of a success and a failure behind it, for every step at
      which there are both; `auc`: the mean of them by pairs, None where there are none.
    """
    by_step = []
    for number in np.unique(step).tolist():
        at_step = step == number
        pairs = int(won[at_step].sum() * (~won[at_step]).sum())
        if pairs:
            by_step.append({"step": number, "auc": area(q[at_step], won[at_step]), "pairs": pairs})
    total = sum(row["pairs"] for row in by_step)
    mean = sum(row["auc"] * row["pairs"] for row in by_step) / total if total else None
    return {"auc": mean, "by_step": by_step}


def area(q: np.ndarray, won: np.ndarray) -> float:
    """The chance that a success has a larger Q than a failure; ties count half. There must be one of each.

    The Mann-Whitney statistic, which is the area under the ROC curve (Hanley and McNeil, 1982).
    """
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(q[won], q[~won]).statistic / (won.sum() * (~won).sum()))


def calibration(q: np.ndarray, returned: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """The reliability curve and its mean distance from the diagonal, in units of the return.

    The adaptive expected calibration error of Nixon et al. (2019).
    """
    parts = [part for part in np.array_split(np.argsort(q, kind="stable"), bins) if len(part)]
    curve = [
        {"q": float(q[part].mean()), "returned": float(returned[part].mean()), "steps": len(part)}
        for part in parts
    ]
    error = sum(abs(bin_["q"] - bin_["returned"]) * bin_["steps"] for bin_ in curve) / len(q)
    return {"error": error, "curve": curve}
