"""A one-sided sequential test of two success rates, where the champion's sample is given.

The champion's sample is what it collected: s0 successes of n0 episodes. The candidate's
episodes come one by one; after n1 of them s1 succeeded. Evidence is the signed root of twice the log
likelihood ratio of "two rates" against "one rate",

    Z = sign(s1/n1 - s0/n0) * sqrt(2 * (l(s0, n0) + l(s1, n1) - l(s0 + s1, n0 + n1))),
    l(s, n) = s log(s/n) + (n - s) log(1 - s/n),

and the candidate is promoted at the first look where Z exceeds a Wang-Tsiatis boundary
(Wang and Tsiatis, 1987, Biometrics 43),

    c * (I_max / I)^d,    I = 1 / (1/n0 + 1/n1),    I_max = I at n1 = cap.

`c` is the smallest for which the chance to promote a candidate that is no better stays below the
level at every common rate of a grid, computed exactly: dynamic programming follows every path of
(n1, s1) to its first crossing. The looks are those the gate takes, after every `block` episodes;
looking more rarely only makes the test more cautious.

Why the collection may serve although the candidate learned from it: let the candidate be no better
than the champion, given any collection. Its episodes are fresh, so given that collection its
successes are stochastically no more than those of an independent policy of the champion's rate, and
Z grows with each success. Averaged over collections, the chance to cross is at most the one
calibrated here, whatever the candidate made of the collection.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RATES = np.arange(1, 200) / 200
"""Common rates at which the level is held: the chance to cross ripples between coarser ones."""

SHAPE = 0.1
"""Wang and Tsiatis' d: 0 spends the level early (Pocock), 0.5 late (O'Brien and Fleming)."""


@dataclass(frozen=True)
class SequentialTest:
    """A calibrated boundary.

    Attributes:
      champion_n: n0.
      cap: most candidate episodes.
      block: candidate episodes between two looks; the last look is at the cap.
      level: chance to promote a candidate that is no better.
      constant: c of the boundary.
    """

    champion_n: int
    cap: int
    block: int
    level: float
    constant: float

    def evidence(self, champion: int, candidate: int, n: int) -> float:
        """Z after `n` candidate episodes, `candidate` of them successes; `champion` is s0."""
        return float(_z(np.array(champion), self.champion_n, np.array(candidate), n))

    def boundary(self, n: int) -> float:
        """What Z must exceed after `n` candidate episodes."""
        return float(self.constant * _growth(self.champion_n, n, self.cap))

    def can_still_promote(self, champion: int, candidate: int, n: int) -> bool:
        """Whether any continuation up to the cap crosses: futility by arithmetic, which costs no power."""
        later = np.array([look for look in looks(self.cap, self.block) if look > n], int)
        z = _z(np.array(champion), self.champion_n, candidate + later - n, later)
        return bool(np.any(z > self.constant * _growth(self.champion_n, later, self.cap)))


def looks(cap: int, block: int) -> list[int]:
    """Candidate episodes after which the test looks."""
    return sorted({*range(block, cap + 1, block), cap})


@lru_cache(maxsize=64)
def calibrate(champion_n: int, cap: int, block: int, level: float) -> SequentialTest:
    """Find the smallest constant (to 0.01) that keeps the level. A few seconds at 500 + 500 episodes."""
    low, high = 1.0, 6.0
    while high - low > 0.01:
        middle = (low + high) / 2
        test = SequentialTest(champion_n, cap, block, level, middle)
        if crossing_probability(test, RATES, RATES).max() <= level:
            high = middle
        else:
            low = middle
    return SequentialTest(champion_n, cap, block, level, high)


def crossing_probability(
    test: SequentialTest, champion_rates: np.ndarray, candidate_rates: np.ndarray
) -> np.ndarray:
    """Exact chance to promote, for each pair of rates: `[R]` and `[R]`, in step, to `[R]`.

    `alive[s0, s1]` is the probability of each uncrossed state given s0 for a candidate of rate one
    half, moved on one episode at a time. All paths to (n1, s1) are equally likely at any rate, so a
    state at rate p weighs p^s1 (1-p)^(n1-s1) 2^n1 as much.
    """
    n0 = test.champion_n
    s0 = np.arange(n0 + 1)
    start = np.exp(_log_binomial(n0)[None, :] + _log_rate(champion_rates, s0, n0 - s0))
    alive = np.zeros((n0 + 1, test.cap + 1))
    alive[:, 0] = 1.0
    total = np.zeros(len(champion_rates))
    stops = set(looks(test.cap, test.block))
    for n in range(1, test.cap + 1):
        alive[:, 1 : n + 1] = 0.5 * (alive[:, 1 : n + 1] + alive[:, :n])
        alive[:, 0] *= 0.5
        if n in stops:
            s1 = np.arange(n + 1)
            crossed = _z(s0[:, None], n0, s1[None, :], n) > test.boundary(n)
            weight = np.exp(_log_rate(candidate_rates, s1, n - s1) + n * np.log(2.0))
            total += ((start @ np.where(crossed, alive[:, : n + 1], 0.0)) * weight).sum(1)
            alive[:, : n + 1][crossed] = 0.0
    return total


def _z(s0: np.ndarray, n0: int, s1: np.ndarray, n1: np.ndarray | int) -> np.ndarray:
    ratio = _log_likelihood(s0, n0) + _log_likelihood(s1, n1) - _log_likelihood(s0 + s1, n0 + n1)
    return np.sign(s1 / n1 - s0 / n0) * np.sqrt(2 * np.maximum(ratio, 0.0))


def _log_likelihood(s: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    rate = s / n
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.where(s > 0, s * np.log(np.where(s > 0, rate, 1)), 0.0)
        miss = np.where(s < n, (n - s) * np.log(np.where(s < n, 1 - rate, 1)), 0.0)
    return hit + miss


def _growth(n0: int, n1: np.ndarray | int, cap: int) -> np.ndarray | float:
    information = 1 / (1 / n0 + 1 / np.asarray(n1))
    return (1 / (1 / n0 + 1 / cap) / information) ** SHAPE


def _log_binomial(n: int) -> np.ndarray:
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return logs[n] - logs - logs[::-1]


def _log_rate(rates: np.ndarray, hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
    """log p^hits (1-p)^misses: `[R, N]`."""
    return np.log(rates)[:, None] * hits[None, :] + np.log1p(-rates)[:, None] * misses[None, :]
