"""A one-sided sequential test of two success rates; the champion's sample is given, or both arms are fresh.

Given: the champion's sample is what it collected, s0 successes of n0 episodes, and the candidate's
episodes come one by one; after n1 of them s1 succeeded. Fresh: both are played in step, so n0 = n1.
Evidence is Z, the signed root of twice the log likelihood ratio (`likelihood.py`), and the candidate
is promoted at the first look where Z exceeds a Wang-Tsiatis boundary
(Wang and Tsiatis, 1987, Biometrics 43),

    c * t^-d,    t = I / I_max,    I = 1 / (1/n0 + 1/n1),    I_max = I at the cap.

`c` is the smallest for which the chance to promote a candidate that is no better stays below the
level at every common rate of a grid, computed exactly (`chances.py`). The looks are those the gate
takes, after every `block` episodes; looking more rarely only makes the test more cautious. A `margin`
m asks for more than that: "no better" then means a rate of at most the champion's plus m. A negative one
asks whether the candidate is no worse by -m (non-inferiority).

Giving up by evidence: the comparison ends without promotion where Z falls to the inner boundary of
Pampallona and Tsiatis (1994, J. Stat. Plan. Inference 42),

    (c + k) * t^(1/2) - k * t^-d,

which meets the outer one at the cap. `k` is the smallest for which this costs at most `futility` of
the power at every pair of a grid. It never raises the chance of a wrong promotion, because `c` is
found without it.

Why the collection may serve although the candidate learned from it: let the candidate be no better
than the champion, given any collection. Its episodes are fresh, so given that collection its
successes are stochastically no more than those of an independent policy of the champion's rate, and
Z grows with each success. Averaged over collections, the chance to cross is at most the one
calibrated here, whatever the candidate made of the collection.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from ..errors import LoopError
from .chances import Plan, follow
from .likelihood import signed_root

_EDGE = (np.arange(1, 101) - 0.3) / 1000
RATES = np.sort(np.concatenate([np.arange(1, 200) / 200, _EDGE, 1 - _EDGE]))
"""Common rates at which the level is held: the chance to cross ripples between coarser ones, most of all
near 0 and 1."""

SHAPE = 0.13
"""Wang and Tsiatis' d: 0 spends the level early (Pocock), 0.5 late (O'Brien and Fleming). Less costs power
of small gains, more costs episodes of large ones (benchmarks/results/gate.md)."""

LEAST = 8
"""A candidate with fewer successes is not promoted. At rates below 1 %, against a large sample, three lucky
ones would make Z large so often that the boundary had to rise for all rates."""

MOST_ROWS = 1000
"""A given sample of more episodes is told apart by so many counts: each as the lowest of its group,
which only makes the test more cautious."""

MOST_FRESH = 2000
"""Largest cap that is computed with both arms fresh: time grows with its third power."""

LARGEST = 6.0
"""No constant above is tried: no level above 1e-7 needs one."""

GAINS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
"""What the power cost of giving up early is held at, above each rate of `WORST_RATES`."""
WORST_RATES = np.arange(1, 20) / 20


@dataclass(frozen=True)
class SequentialTest:
    """A test of success rates with a calibrated boundary.

    Attributes:
      champion_n: n0 of the given sample; 0 where both arms are fresh.
      cap: most candidate episodes.
      block: candidate episodes between two looks; the last look is at the cap.
      level: chance to promote a candidate that is no better.
      constant: c of the boundary.
      shape: d of the boundary.
      margin: m, by which a candidate must be better.
      slack: k of the inner boundary; None where nothing is given up by evidence.
      least: successes of the candidate below which its evidence is at most nought.
    """

    champion_n: int
    cap: int
    block: int
    level: float
    constant: float
    shape: float = SHAPE
    margin: float = 0.0
    slack: float | None = None
    least: int = 0
    kind: Literal["rates"] = field(default="rates", init=False)

    def evidence(self, champion: int, candidate: int, n: int) -> float:
        """Z after `n` candidate episodes, `candidate` of them successes; `champion` is s0."""
        z = self._root(champion, candidate, n)
        return z if candidate >= self.least else min(z, 0.0)

    def boundary(self, n: int) -> float:
        """What Z must exceed after `n` candidate episodes."""
        return float(self.constant * self._time(np.array(n)) ** -self.shape)

    def inner_boundary(self, n: int) -> float:
        """The Z at which the comparison is given up after `n` candidate episodes; minus infinity: at none."""
        if self.slack is None:
            return -np.inf
        time = self._time(np.array(n))
        return float((self.constant + self.slack) * time**0.5 - self.slack * time**-self.shape)

    def can_still_promote(self, champion: int, candidate: int, n: int) -> bool:
        """Whether any continuation up to the cap crosses: futility by arithmetic, which costs no power."""
        later = np.array([look for look in looks(self.cap, self.block) if look > n], int)
        if later.size == 0:
            return False
        given = np.full_like(later, self.champion_n) if self.champion_n else later
        z = signed_root(np.array(champion), given, candidate + later - n, later, self.margin)
        over = z > [self.boundary(look) for look in later]
        return bool(np.any(over & (candidate + later - n >= self.least)))

    def gives_up(self, champion: int, candidate: int, n: int) -> float | None:
        """The inner boundary, where the evidence has fallen to it: futility by evidence."""
        limit = self.inner_boundary(n)
        return limit if self._root(champion, candidate, n) <= limit else None

    def plan(self, *, stopping: bool = True) -> Plan:
        """When it stops, in counts of successes; without `stopping` nothing is given up before the cap."""
        at = np.array(looks(self.cap, self.block))
        most = self.champion_n or self.cap
        rows = np.arange(most + 1)
        if self.champion_n > MOST_ROWS:
            rows = np.linspace(0, most, MOST_ROWS + 1).astype(int)
        promote = np.maximum(self._smallest(at, rows, self.boundary), self.least)
        give_up = np.zeros_like(promote)
        if stopping:
            short = np.minimum.accumulate((promote - at[:, None])[::-1])[::-1]
            give_up[:-1] = np.maximum(short[1:] + at[:-1, None], 0)
            if self.slack is not None:
                give_up = np.maximum(give_up, self._smallest(at, rows, self.inner_boundary))
        return Plan(at, self.champion_n, rows, promote, give_up)

    def _root(self, champion: int, candidate: int, n: int) -> float:
        given = np.array(self.champion_n or n)
        return float(signed_root(np.array(champion), given, np.array(candidate), np.array(n), self.margin))

    def _smallest(self, at: np.ndarray, rows: np.ndarray, limit_of: Callable[[int], float]) -> np.ndarray:
        """`[L, S]`: the smallest s1 whose Z exceeds the look's limit; n + 1 where there is none."""
        n = at[:, None]
        given = np.full_like(n, self.champion_n) if self.champion_n else n
        s0, limit = np.minimum(rows[None, :], given), np.array([[limit_of(k)] for k in at.tolist()])
        low, high = np.full(s0.shape, -1), np.broadcast_to(n + 1, s0.shape)
        while np.any(high - low > 1):
            middle = np.clip((low + high) // 2, 0, n)
            over = signed_root(s0, given, middle, n, self.margin) > limit
            open_ = high - low > 1
            low, high = np.where(open_ & ~over, middle, low), np.where(open_ & over, middle, high)
        return high

    def _time(self, n: np.ndarray) -> np.ndarray:
        if self.champion_n == 0:
            return n / self.cap
        return (1 / self.champion_n + 1 / self.cap) / (1 / self.champion_n + 1 / n)


def looks(cap: int, block: int) -> list[int]:
    """Candidate episodes after which the test looks."""
    return sorted({*range(block, cap + 1, block), cap})


@lru_cache(maxsize=64)
def calibrate(
    champion_n: int,
    cap: int,
    block: int,
    level: float,
    *,
    margin: float = 0.0,
    futility: float = 0.0,
) -> SequentialTest:
    """Find the smallest constant (to 0.01) that keeps the level. About a second at 500 + 500 episodes.

    `champion_n` 0 means both arms fresh. Raises LoopError for a level or a cap that is beyond it.
    """
    if champion_n == 0 and cap > MOST_FRESH:
        raise LoopError(f"a cap of {cap} is too large with both arms fresh: at most {MOST_FRESH}")
    test = SequentialTest(champion_n, cap, block, level, LARGEST, margin=margin, least=LEAST)
    if level_of(test, RATES) > level:
        raise LoopError(f"a level of {level:g} is too small: no boundary up to {LARGEST:g} keeps it")
    low, high = 1.0, LARGEST
    while high - low > 0.01:
        middle = (low + high) / 2
        trial = replace(test, constant=middle)
        # most constants fail at one rate in five already
        if level_of(trial, RATES[::5]) <= level and level_of(trial, RATES) <= level:
            high = middle
        else:
            low = middle
    test = replace(test, constant=high)
    return _with_futility(test, futility) if futility else test


def level_of(test: SequentialTest, rates: np.ndarray) -> float:
    """The largest chance to promote a candidate whose rate is the champion's plus the margin."""
    champion = rates[(rates + test.margin < 1) & (rates + test.margin > 0)]
    return float(crossing_probability(test, champion, champion + test.margin).max())


def crossing_probability(
    test: SequentialTest, champion_rates: np.ndarray, candidate_rates: np.ndarray
) -> np.ndarray:
    """Exact chance that Z ever crosses, for each pair of rates: `[R]` and `[R]`, in step, to `[R]`."""
    return follow(test.plan(stopping=False), champion_rates, candidate_rates).promoted


def _with_futility(test: SequentialTest, futility: float) -> SequentialTest:
    """Find the smallest slack (to 0.05) that costs at most so much power at every pair of the grid."""
    pairs = [(p, p + test.margin + g) for p in WORST_RATES for g in GAINS if p + test.margin + g < 1]
    champion, candidate = np.array(pairs).T
    power = crossing_probability(test, champion, candidate)
    low, high = 0.0, 16.0
    while high - low > 0.05:
        middle = (low + high) / 2
        remaining = follow(replace(test, slack=middle).plan(), champion, candidate).promoted
        if (power - remaining).max() <= futility:
            high = middle
        else:
            low = middle
    return replace(test, slack=high)
