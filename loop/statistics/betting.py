"""A sequential test of two mean scores in [0, 1], by betting; and an interval for one mean.

Against "the mean of X in [0, 1] is at most q" bet the share b of one's wealth on every X:

    W(q) = prod_i (1 - b + b * X_i / q).

Where that is true, nobody's expected wealth grows, so it ever exceeds 1/level with at most the level's
chance (Ville), however often one looks (Waudby-Smith and Ramdas, 2024, JRSS B 86). What is used here is
the mean of W over fixed shares b: it falls with q and grows with every X.

Fresh arms: the difference of the two scores of each pair is bounded, X = (1 + Y - C) / 2, and
q = (1 + margin) / 2.

Champion's sample given: for a mean t of the champion's scores C, bet on 1 - C against 1 - t and on the
candidate's Y against t + margin. At the champion's true mean the first product expects at most 1. The
second, whatever the candidate made of that sample, expects no growth given the sample, as its fresh
episodes' mean is at most t + margin. So the product of both is bounded by Ville's inequality too. The
true mean is not known: the evidence is the smallest product over all t, taken between neighbouring
points of a grid from its worse end, which never overstates it. (Betting on pairs Y - C would not be
safe here: earlier Y may tell of later C, which the candidate learned from.)

Evidence is the natural logarithm of the wealth, the boundary that of 1/level.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

SHARES = np.geomspace(0.02, 0.8, 12)
"""b: small ones find small gains late, large ones large gains early."""

GRID = np.linspace(0.0, 1.0, 401)


@dataclass(frozen=True)
class BettingTest:
    """A test of mean scores; its numbers are those of a `SequentialTest`."""

    champion_n: int
    cap: int
    block: int
    level: float
    margin: float = 0.0
    kind: Literal["scores"] = field(default="scores", init=False)

    def evidence(self, champion: np.ndarray, candidate: np.ndarray, n: int) -> float:
        """Log wealth after `n` candidate episodes, from `[n0]` and `[n]` scores in [0, 1]."""
        if self.champion_n:
            against_champion = log_wealth(1 - champion, 1 - GRID[:-1])
            return float((against_champion + log_wealth(candidate, GRID[1:] + self.margin)).min())
        pairs = (1 + candidate[:n] - champion[:n]) / 2
        return float(log_wealth(pairs, np.array([(1 + self.margin) / 2]))[0])

    def boundary(self, n: int) -> float:
        """What the evidence must exceed: the same at every look."""
        return float(-np.log(self.level))

    def can_still_promote(self, champion: np.ndarray, candidate: np.ndarray, n: int) -> bool:
        """Whether perfect scores up to the cap (and none of a fresh champion) would cross."""
        left = self.cap - n
        worst = champion if self.champion_n else np.append(champion, np.zeros(left))
        best = np.append(candidate, np.ones(left))
        return left > 0 and self.evidence(worst, best, self.cap) > self.boundary(self.cap)


def least_wealth(
    champion: np.ndarray, candidate: np.ndarray, bound: Callable[[np.ndarray], np.ndarray]
) -> float:
    """Log wealth against "the candidate's mean is at most `bound`(the champion's)", whatever the latter is.

    Valid at every look, for a sample of the champion that is given as for one that grows; `bound` must not
    fall. Where it is below 0 nothing is at most that, and the candidate's first score above 0 shows it.
    Both sides also bet a share of 0: for many means one side alone shows it, and must not be undone by what
    the other loses.
    """
    count = len(SHARES)
    down = log_wealth(1 - champion, 1 - GRID[:-1])
    up = log_wealth(candidate, np.maximum(bound(GRID[1:]), 1e-9))
    both = [np.logaddexp(side + np.log(count), 0) - np.log(count + 1) for side in (down, up)]
    return float(np.sum(both, axis=0).min())


def log_wealth(scores: np.ndarray, means: np.ndarray) -> np.ndarray:
    """`[Q]`: log of the mean wealth of the shares, for scores in [0, 1] against each mean above 0."""
    values, counts = np.unique(scores, return_counts=True)
    gain = values[:, None, None] / means[None, :, None] * SHARES + (1 - SHARES)  # [V, Q, B]
    each = np.tensordot(counts.astype(float), np.log(gain), axes=1)  # [Q, B]
    return np.logaddexp.reduce(each, axis=1) - np.log(len(SHARES))


def interval(scores: np.ndarray) -> tuple[float, float]:
    """An interval that misses the mean at any look with a chance of at most 5 %.

    That holds however the number of scores came about. The ends are points of a grid of 0.0025.
    """
    limit = np.log(2 / 0.05)
    too_low = log_wealth(scores, np.maximum(GRID, 1e-9)) >= limit
    too_high = log_wealth(1 - scores, np.maximum(1 - GRID, 1e-9)) >= limit
    low, high = GRID[too_low].max(initial=0.0), GRID[too_high].min(initial=1.0)
    return round(float(low), 4), round(float(high), 4)
