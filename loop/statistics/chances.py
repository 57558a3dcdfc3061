"""Exact chances of a sequential comparison, by following every path of counts to where it stops.

`alive[s0, s1]` is the share of all paths to these counts that have not stopped before. All paths to
the same counts are equally likely at any rates, so one pass serves all rates: a state weighs its
share times the binomial probabilities of its counts. Shares stay in [0, 1] however many the episodes,
and move from n to n + b episodes by hypergeometric weights,

    share'(t) = sum_s share(s) C(n, s) C(b, t - s) / C(n + b, t).
"""

from dataclasses import dataclass

import numpy as np

PANEL = 64
"""Columns computed in one matrix product: wide enough for BLAS, narrow against the band."""

TINY = 1e-30
"""Probabilities below count as nothing: far below any level, and denormal numbers are slow."""


@dataclass(frozen=True)
class Plan:
    """When a comparison stops, for each look and each s0.

    Attributes:
      looks: candidate episodes at each look; the last is the cap.
      champion_n: n0 of a sample that is given; 0 where the champion is played in step.
      rows: the s0 that are told apart, increasing from 0. An s0 between two counts as the lower one.
      promote_at: `[L, S]`, the smallest s1 that promotes.
      give_up_at: `[L, S]`, the smallest s1 that goes on.
    """

    looks: np.ndarray
    champion_n: int
    rows: np.ndarray
    promote_at: np.ndarray
    give_up_at: np.ndarray


@dataclass(frozen=True)
class Chances:
    """What a plan does at each pair of rates, `[R]` each: chance to promote, mean candidate episodes."""

    promoted: np.ndarray
    episodes: np.ndarray


def follow(plan: Plan, champion_rates: np.ndarray, candidate_rates: np.ndarray) -> Chances:
    """Exact figures at pairs of rates, `[R]` and `[R]`."""
    fresh = plan.champion_n == 0
    alive = np.ones((1 if fresh else len(plan.rows), 1))
    promoted, episodes = np.zeros(len(champion_rates)), np.zeros(len(champion_rates))
    left = np.ones(len(champion_rates))
    given = binomial(plan.champion_n, champion_rates)
    champion = None if fresh else np.add.reduceat(given, plan.rows, axis=1)
    n = 0
    for look, promote, give_up in zip(plan.looks.tolist(), plan.promote_at, plan.give_up_at):
        episodes += (look - n) * left
        alive = _spread(alive, n, look)
        if fresh:
            alive = _spread(np.ascontiguousarray(alive.T), n, look).T
        weight = binomial(look, champion_rates) if champion is None else champion
        s1, rows = np.arange(look + 1), slice(0, look + 1 if fresh else None)
        over, under = s1 >= promote[rows, None], s1 < give_up[rows, None]
        candidate = binomial(look, candidate_rates)
        promoted += ((weight @ np.where(over, alive, 0.0)) * candidate).sum(1)
        alive = np.where(over | under, 0.0, alive)
        left = ((weight @ alive) * candidate).sum(1)
        n = look
    return Chances(promoted, episodes)


def binomial(n: int, rates: np.ndarray) -> np.ndarray:
    """`[R, n + 1]`: probability of each count of successes in n episodes."""
    from scipy.special import gammaln, xlog1py, xlogy  # a third of a second that `status` does not need

    s, rate = np.arange(n + 1), rates[:, None]
    logs = gammaln(s + 1.0)
    chances = np.exp(logs[n] - logs - logs[::-1] + xlogy(s, rate) + xlog1py(n - s, -rate))
    return np.where(chances < TINY, 0.0, chances)


def _spread(alive: np.ndarray, n: int, later: int) -> np.ndarray:
    """Shares after `later` episodes of the arm on the second axis, from those after `n`."""
    from scipy.special import gammaln

    logs, more = gammaln(np.arange(later + 1) + 1.0), later - n
    out = np.empty((len(alive), later + 1))
    for first in range(0, later + 1, PANEL):
        last = min(first + PANEL, later + 1)
        s = np.arange(max(0, first - more), min(n + 1, last))[:, None]
        t = np.arange(first, last)[None, :]
        won = t - s
        possible = (won >= 0) & (won <= more)
        won = np.where(possible, won, 0)
        paths = logs[n] - logs[s] - logs[n - s] + logs[more] - logs[won] - logs[more - won]
        share = np.exp(paths - logs[later] + logs[t] + logs[later - t])
        share = np.where(possible & (share > TINY), share, 0.0)
        out[:, first:last] = alive[:, s[0, 0] : s[-1, 0] + 1] @ share
    out[out < TINY] = 0.0
    return out
