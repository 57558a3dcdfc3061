"""The gate's figures from exact chances, simulation and recorded episodes: no policy is played.

    OMP_NUM_THREADS=1 python benchmarks/gate.py > benchmarks/results/gate.md

Wrong promotions at every common rate and level, power and episodes beside fixed-n tests and STEP's
published figures, real policies replayed from a bank (`bank.py`), whole runs whose candidates depend on
the collection's luck, giving up early, mean scores, and the alarm. Fixed seeds; under two minutes on one
core.
"""

import json
import time
from itertools import pairwise

import numpy as np
from bank import BANK, unpack
from machine import machine

from pacloop.loop.gate.alarm import drop  # pyright: ignore[reportMissingImports]
from pacloop.loop.gate.budget import round_level  # pyright: ignore[reportMissingImports]
from pacloop.loop.gate.simulate import fixed_n_per_arm  # pyright: ignore[reportMissingImports]
from pacloop.loop.statistics.betting import BettingTest  # pyright: ignore[reportMissingImports]
from pacloop.loop.statistics.chances import Plan, follow  # pyright: ignore[reportMissingImports]
from pacloop.loop.statistics.sequential import (  # pyright: ignore[reportMissingImports]
    SequentialTest,
    calibrate,
    crossing_probability,
)

PAIRS = [(0.5, 0.6), (0.6, 0.75), (0.7, 0.8), (0.8, 0.9), (0.85, 0.93)]
STEP = [(0.90, 257), (1.00, 130), (0.95, 223), (1.00, 161), (0.99, 192)]
"""STEP (arXiv 2503.10966) at level .05 and cap 500: power and episodes in each arm."""

CHAMPION, CANDIDATE = np.array(PAIRS).T
BETWEEN = np.arange(1, 1000) / 1000 - 0.0001
CASES = {"500 collected": 500, "both arms fresh": 0}


def main() -> None:
    begun = time.process_time()
    print(f"# The gate, in figures\n\n{machine()}\n")
    for section in (levels, simulated, power, replayed, giving_up, runs, scores, alarms):
        print(f"{section()}\n", flush=True)
    print(f"{time.process_time() - begun:.0f} CPU seconds in all.")


def levels() -> str:
    """Exact worst chance of a wrong promotion, at 999 rates it was not calibrated on."""
    rows = []
    for level in (0.05, 0.01, 0.005625, 0.001, 0.0001):
        for name, n0 in CASES.items():
            test = calibrate(n0, 500, 50, level)
            found = crossing_probability(test, BETWEEN, BETWEEN)
            at = BETWEEN[found.argmax()]
            rows.append((f"{level:g}", name, f"{test.constant:.2f}", f"{found.max():.6f}", f"{at:.4f}"))
    head = ("level", "champion's arm", "c", "largest chance", "at rate")
    return (
        "## Wrong promotions, exact, at 999 rates it was not calibrated on (cap 500, looks every 50)\n\n"
        + table(head, rows)
    )


def simulated() -> str:
    """20,000 comparisons at each rate .05 to .95."""
    rng, rows = np.random.default_rng(0), []
    for name, n0 in CASES.items():
        test = calibrate(n0, 500, 10, 0.05)
        found = [play_trials(test, p, 20_000, rng).mean() for p in np.arange(1, 20) / 20]
        rows.append((name, f"{max(found):.4f}", f"{np.mean(found):.4f}"))
    head = ("champion's arm", "largest share", "mean share")
    title = "## Wrong promotions, 20,000 simulated comparisons at each rate .05 to .95 (level .05)"
    return f"{title}\n\n" + table(head, rows)


def play_trials(test: SequentialTest, rate: float, trials: int, rng: np.random.Generator) -> np.ndarray:
    """`[trials]`: which comparisons promote a candidate of the champion's rate."""
    plan = test.plan()
    steps = np.diff(plan.looks, prepend=0)
    s1 = rng.binomial(steps, rate, (trials, len(steps))).cumsum(1)
    if test.champion_n:
        s0 = np.broadcast_to(rng.binomial(test.champion_n, rate, (trials, 1)), s1.shape)
    else:
        s0 = rng.binomial(steps, rate, s1.shape).cumsum(1)
    return ended(plan, s0, s1)[1]


def ended(plan: Plan, s0: np.ndarray, s1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At which look comparisons end, and whether they promote, `[trials]`; successes are `[trials, L]`."""
    row, look = np.searchsorted(plan.rows, s0, side="right") - 1, np.arange(len(plan.looks))
    over = s1 >= plan.promote_at[look, row]
    stops = over | (s1 < plan.give_up_at[look, row])
    stops[:, -1] = True
    at = stops.argmax(1)
    return at, over[np.arange(len(s1)), at]


def power() -> str:
    """The five pairs."""
    rows, ratios = [], {name: [] for name in CASES}
    for name, n0 in CASES.items():
        test = calibrate(n0, 500, 10, 0.05)
        found = follow(test.plan(), CHAMPION, CANDIDATE)
        for i, (p, q) in enumerate(PAIRS):
            step_power, step = STEP[i]
            total = found.episodes[i] * (1 if n0 else 2)
            ratios[name].append(total / (2 * step))
            fixed = fixed_n_per_arm(p, q, 0.05, float(found.promoted[i])) or 0
            cells = (f"{found.promoted[i]:.3f}", f"{step_power:.2f}", f"{found.episodes[i]:.0f}", f"{step}")
            rows.append(
                (
                    name,
                    f"{p:g} -> {q:g}",
                    *cells,
                    f"{fixed}",
                    f"{total / (2 * step):.2f}",
                    f"{total / (2 * fixed):.2f}",
                )
            )
    head = (
        "champion's arm",
        "pair",
        "power",
        "STEP's",
        "candidate episodes",
        "STEP's",
        "fixed n",
        "of STEP's total",
        "of fixed n's total",
    )
    means = ", ".join(f"{name} {np.mean(ratio):.2f}" for name, ratio in ratios.items())
    title = "## Power and episodes (level .05, cap 500, looks every 10)"
    return f"{title}\n\n{table(head, rows)}\n\nMean share of STEP's total episodes: {means}."


def replayed(trials: int = 40_000) -> str:
    """Neighbouring champions of a real stacking run, and each against itself."""
    bank, rng, rows = json.loads(BANK.read_text()), np.random.default_rng(4), []
    line = {
        key.partition("/")[2]: unpack(bits)
        for key, bits in sorted(bank.items())
        if key.startswith("collected")
    }
    names = list(line)
    for name, n0 in CASES.items():
        test = calibrate(n0, 500, 10, 0.05)
        for old, new in [*pairwise(names), *zip(names, names)]:
            p, q = line[old].mean(), line[new].mean()
            exact = follow(test.plan(), np.array([p]), np.array([q]))
            share, episodes = replay(test, line[old], line[new], trials, rng, same=old == new)
            fixed = fixed_n_per_arm(p, q, 0.05, float(exact.promoted[0]))
            of_fixed = f"{episodes * (1 if n0 else 2) / (2 * fixed):.2f}" if fixed else ""
            pair = f"{old} {p:.1%} of {len(line[old])} -> {new} {q:.1%} of {len(line[new])}"
            cells = (
                f"{share:.3f}",
                f"{exact.promoted[0]:.3f}",
                f"{episodes:.0f}",
                f"{exact.episodes[0]:.0f}",
            )
            rows.append((name, f"{old} against itself" if old == new else pair, *cells, of_fixed))
    head = (
        "champion's arm",
        "pair",
        "promoted",
        "exact",
        "candidate episodes",
        "exact",
        "of fixed n's total",
    )
    title = f"## Real policies: champions of the run of seed 0, {trials} comparisons drawn from what each"
    return f"{title} collected (level .05, cap 500, looks every 10)\n\n{table(head, rows)}"


def replay(
    test: SequentialTest,
    old: np.ndarray,
    new: np.ndarray,
    trials: int,
    rng: np.random.Generator,
    *,
    same: bool,
) -> tuple[float, float]:
    """Share promoted and mean candidate episodes; arms are drawn without putting back, apart where `same`."""
    plan, n0 = test.plan(), test.champion_n or test.cap
    at = np.array([rng.permutation(len(new))[: test.cap + (n0 if same else 0)] for _ in range(trials)])
    s1 = new[at[:, : test.cap]].cumsum(1)[:, plan.looks - 1]
    given = at[:, test.cap :] if same else np.array([rng.permutation(len(old))[:n0] for _ in range(trials)])
    s0 = old[given].cumsum(1)
    s0 = np.broadcast_to(s0[:, -1:], s1.shape) if test.champion_n else s0[:, plan.looks - 1]
    ends, won = ended(plan, s0, s1)
    return float(won.mean()), float(plan.looks[ends].mean())


def giving_up() -> str:
    """What futility by evidence saves on candidates that are no better, and costs on better ones."""
    rows = []
    for futility in (0.0, 0.01, 0.03):
        test = calibrate(500, 500, 10, 0.05, futility=futility)
        better = follow(test.plan(), CHAMPION, CANDIDATE)
        same = follow(test.plan(), CHAMPION, CHAMPION)
        worse = follow(test.plan(), CHAMPION, CHAMPION - 0.05)
        cells = (better.promoted.min(), better.episodes.mean(), same.episodes.mean(), worse.episodes.mean())
        rows.append((f"{futility:g}", f"{cells[0]:.3f}", *(f"{cell:.0f}" for cell in cells[1:])))
    head = (
        "futility",
        "least power of the five",
        "episodes, better",
        "episodes, equal",
        "episodes, 5 points worse",
    )
    return "## Giving up by evidence (500 collected, cap 500, looks every 10)\n\n" + table(head, rows)


def runs(count: int = 20_000, rounds: int = 20, size: int = 100) -> str:
    """Whole runs of 20 rounds in which no candidate is ever better; collections add up."""
    rng, earlier, rows = np.random.default_rng(1), [], []
    tests = []
    for number in range(1, rounds + 1):
        level = round_level(0.05, earlier)
        earlier.append({"decision": "rejected", "level": level})
        tests.append(calibrate(size * number, size, 25, level))
    for name, rule in RULES.items():
        rate = rng.uniform(0.2, 0.95, count)
        won, wrong = np.zeros(count, int), np.zeros(count, bool)
        for number, test in enumerate(tests, 1):
            won += rng.binomial(size, rate)
            luck = won / (size * number) - rate
            wrong |= promoted(test, won, rule(rate, luck), rng)
        rows.append((name, f"{wrong.mean():.4f}"))
    head = ("every candidate", "runs with a wrong promotion")
    title = f"## {count:,} runs of {rounds} rounds, budget .05 ({size} collected a round, cap {size})"
    return f"{title}\n\n" + table(head, rows)


RULES = {
    "as good as the champion": lambda rate, luck: rate,
    "as good after an unlucky collection, else 10 points worse": lambda rate, luck: np.where(
        luck < 0, rate, np.maximum(rate - 0.1, 0.0)
    ),
    "as good after a lucky collection, else 10 points worse": lambda rate, luck: np.where(
        luck > 0, rate, np.maximum(rate - 0.1, 0.0)
    ),
    "worse by what the collection was lucky": lambda rate, luck: np.clip(rate - np.abs(luck), 0.0, 1.0),
}


def promoted(test: SequentialTest, won: np.ndarray, rate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which of the runs promote in this round."""
    plan = test.plan(stopping=False)
    steps = np.diff(plan.looks, prepend=0)
    s1 = rng.binomial(steps, rate[:, None]).cumsum(1)
    row = np.searchsorted(plan.rows, won, side="right") - 1
    crossed: np.ndarray = s1 >= plan.promote_at[:, row].T
    return np.any(crossed, axis=1)


def scores(trials: int = 100) -> str:
    """The betting test, on binary scores, so that it can be compared with the test of rates."""
    rng, rows = np.random.default_rng(2), []
    for name, n0 in CASES.items():
        test = BettingTest(n0, 500, 50, 0.05)
        wrong = [bets(test, p, p, trials, rng)[0] for p in (0.3, 0.5, 0.8)]
        rows.append((name, "equal, .3, .5, .8", f"{np.mean(wrong):.3f}", ""))
        for p, q in PAIRS[1::2]:
            share, episodes = bets(test, p, q, trials, rng)
            rows.append((name, f"{p:g} -> {q:g}", f"{share:.2f}", f"{episodes:.0f}"))
    head = ("champion's arm", "pair", "promoted", "candidate episodes")
    title = f"## Mean scores by betting, {trials} comparisons of binary scores each (level .05, cap 500)"
    return f"{title}\n\n" + table(head, rows)


def bets(test: BettingTest, p: float, q: float, trials: int, rng: np.random.Generator) -> tuple[float, float]:
    """Share promoted, mean candidate episodes."""
    won, episodes, n = 0, 0, 0
    for _ in range(trials):
        old = (rng.random(test.champion_n or test.cap) < p).astype(float)
        new = (rng.random(test.cap) < q).astype(float)
        for n in range(test.block, test.cap + 1, test.block):
            if test.evidence(old if test.champion_n else old[:n], new[:n], n) > test.boundary(n):
                won += 1
                break
        episodes += n
    return won / trials, episodes / trials


def alarms(reigns: int = 150, rounds: int = 8, n: int = 500) -> str:
    """False alarms of whole reigns, and rounds until a drop after the third round is seen."""
    rng, rows, limit = np.random.default_rng(3), [], np.log(100)
    for after in (0.85, 0.8, 0.75, 0.7):
        seen = []
        for _ in range(reigns):
            occasions = []
            for number in range(1, rounds + 1):
                rate = 0.85 if number <= 3 else after
                occasions.append((np.arange(n) < rng.binomial(n, rate)).astype(float))
                if drop(occasions)[0] >= limit:
                    seen.append(number - 3)
                    break
        delay = f"{np.mean(seen):.1f}" if seen and after < 0.85 else ""
        rows.append((f"0.85 -> {after:g}", f"{len(seen) / reigns:.3f}", delay))
    head = ("rate after round 3", "alarms within 8 rounds", "rounds until then, mean")
    return f"## The alarm at level .01 ({reigns} reigns, {n} episodes a round)\n\n" + table(head, rows)


def table(head: tuple, rows: list[tuple]) -> str:
    """As markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    main()
