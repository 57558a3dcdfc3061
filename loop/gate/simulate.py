"""What a gate with given numbers would do: chances and episodes, before anything is played."""

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from ..errors import LoopError
from ..statistics.chances import Plan
from ..statistics.sequential import RATES, SequentialTest, calibrate, expected, level_of


@dataclass(frozen=True)
class Simulated:
    """Many comparisons of two rates under one gate.

    Attributes:
      champion: true rate of the champion.
      candidate: true rate of the candidate.
      alpha: the level.
      cap: most episodes of the candidate.
      collected: episodes of the champion's given sample; 0 where both arms are fresh.
      block: episodes between two looks.
      margin: by which a candidate must be better.
      futility: power that giving up early may cost.
      trials: simulated comparisons.
      promoted: share of them that promoted.
      rejected: share of them that gave up, or reached the cap, on a candidate that did worse.
      candidate_episodes: of the candidate, on average.
      champion_episodes: of the champion, on average, beyond what was collected.
      wrong_promotions: share promoted among as many comparisons with a candidate that is no better.
      promoted_exact: the chance that `promoted` estimates, computed and not simulated.
      candidate_episodes_exact: likewise.
      wrong_promotions_worst: the largest exact chance of a wrong promotion at any common rate.
      fixed_n_per_arm: episodes in each arm with which a fixed-n test of the same level has the same
        power; None where the candidate is no better.
    """

    champion: float
    candidate: float
    alpha: float
    cap: int
    collected: int
    block: int
    margin: float
    futility: float
    trials: int
    promoted: float
    rejected: float
    candidate_episodes: float
    champion_episodes: float
    wrong_promotions: float
    promoted_exact: float
    candidate_episodes_exact: float
    wrong_promotions_worst: float
    fixed_n_per_arm: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def simulate(
    *,
    champion: float,
    candidate: float,
    alpha: float = 0.05,
    cap: int = 500,
    collected: int = 500,
    block: int = 10,
    margin: float = 0.0,
    futility: float = 0.0,
    trials: int = 2000,
    seed: int = 0,
) -> Simulated:
    """Play `trials` comparisons, and as many with a candidate that is exactly no better.

    Raises LoopError for numbers that no gate can obey.
    """
    if not (0 <= champion <= 1 and 0 <= candidate <= 1 and 0 < alpha < 1):
        raise LoopError("rates must be between 0 and 1, and the level above 0 and below 1")
    if min(cap, block, trials) < 1 or collected < 0 or block > cap:
        raise LoopError("cap, block and trials must be at least 1, the block at most the cap")
    test = calibrate(collected, cap, block, alpha, margin=margin, futility=futility)
    rng = np.random.default_rng(seed)
    won, worse, episodes = play_trials(test, champion, candidate, trials, rng)
    wrong, _, _ = play_trials(test, champion, min(champion + margin, 1.0), trials, rng)
    exact = expected(test, np.array([champion]), np.array([candidate]))
    power = float(exact.promoted[0])
    return Simulated(
        champion=champion,
        candidate=candidate,
        alpha=alpha,
        cap=cap,
        collected=collected,
        block=block,
        margin=margin,
        futility=futility,
        trials=trials,
        promoted=float(won.mean()),
        rejected=float(worse.mean()),
        candidate_episodes=float(episodes.mean()),
        champion_episodes=0.0 if collected else float(episodes.mean()),
        wrong_promotions=float(wrong.mean()),
        promoted_exact=round(power, 6),
        candidate_episodes_exact=round(float(exact.episodes[0]), 3),
        wrong_promotions_worst=round(level_of(test, RATES), 6),
        fixed_n_per_arm=fixed_n_per_arm(champion, candidate, alpha, power, margin),
    )


def play_trials(
    test: SequentialTest, champion: float, candidate: float, trials: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`[trials]` each: promoted, ended on a candidate that did worse, candidate episodes."""
    plan = test.plan()
    steps = np.diff(plan.looks, prepend=0)
    s1 = rng.binomial(steps, candidate, (trials, len(steps))).cumsum(1)
    if test.champion_n:
        given = rng.binomial(test.champion_n, champion, (trials, 1))
        s0, n0 = np.broadcast_to(given, s1.shape), np.full(len(steps), test.champion_n)
    else:
        s0, n0 = rng.binomial(steps, champion, (trials, len(steps))).cumsum(1), plan.looks
    at, won = ended(plan, s0, s1)
    every = np.arange(trials)
    worse = s1[every, at] / plan.looks[at] - s0[every, at] / n0[at] < test.margin
    return won, worse & ~won, plan.looks[at]


def ended(plan: Plan, s0: np.ndarray, s1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At which look comparisons end, and whether they promote, `[trials]`; successes are `[trials, L]`."""
    row, look = np.searchsorted(plan.rows, s0, side="right") - 1, np.arange(len(plan.looks))
    over = s1 >= plan.promote_at[look, row]
    stops = over | (s1 < plan.give_up_at[look, row])
    stops[:, -1] = True
    at = stops.argmax(1)
    return at, over[np.arange(len(s1)), at]


def fixed_n_per_arm(
    champion: float, candidate: float, alpha: float, power: float, margin: float = 0.0
) -> int | None:
    """Episodes in each of two fresh arms for a one-sided z test of fixed size.

    Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, 4.2. A power above
    0.999 is taken as 0.999.
    """
    gain = candidate - champion - margin
    if gain < 1e-9 or power <= alpha:
        return None
    z = NormalDist().inv_cdf
    middle = (champion + candidate) / 2
    spread = (champion * (1 - champion) + candidate * (1 - candidate)) ** 0.5
    root = z(1 - alpha) * (2 * middle * (1 - middle)) ** 0.5 + z(min(power, 0.999)) * spread
    return int(np.ceil((root / gain) ** 2))


def power_png(found: Simulated) -> bytes:
    """Chance to promote and mean candidate episodes over the candidate's rate, as a PNG."""
    from ..views.curve import new_figure, plain_axes, png

    test = calibrate(
        found.collected,
        found.cap,
        found.block,
        found.alpha,
        margin=found.margin,
        futility=found.futility,
    )
    rates = np.linspace(max(0.005, found.champion - 0.15), min(0.995, found.champion + 0.3), 46)
    curve = expected(test, np.full(len(rates), found.champion), rates)
    figure = new_figure(8.0, 3.6)
    drawn = ((curve.promoted, "chance to promote"), (curve.episodes, "candidate episodes, mean"))
    for axes, (values, label) in zip(figure.subplots(1, 2), drawn):
        axes.plot(rates, values, color="#0550ae")
        axes.axvline(found.champion + found.margin, color="#57606a", linestyle="--", linewidth=1)
        axes.axvline(found.candidate, color="#1a7f37", linestyle=":", linewidth=1)
        axes.set_xlabel("candidate's rate (dashed: no better)")
        axes.set_ylabel(label)
        axes.set_ylim(0, None)
        plain_axes(axes)
    return png(figure)
