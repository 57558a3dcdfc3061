"""What pairs and guards cost and save, from simulation: no policy is played.

    OMP_NUM_THREADS=1 python benchmarks/pairing.py > benchmarks/results/pairing.md

Pairs: two policies whose outcomes on the same start state correlate, compared on the same seeds (the exact
test of pairs, and betting on the differences) and on seeds of their own. Guards: how many successes it
takes to show that a candidate is no slower, or that it is. Fixed seeds.
"""

import time

import numpy as np
from machine import machine

from pacloop.loop.gate.guards import Guard, look  # pyright: ignore[reportMissingImports]
from pacloop.loop.statistics.betting import BettingTest  # pyright: ignore[reportMissingImports]
from pacloop.loop.statistics.chances import follow  # pyright: ignore[reportMissingImports]
from pacloop.loop.statistics.paired import PairedTest, pairing  # pyright: ignore[reportMissingImports]
from pacloop.loop.statistics.sequential import calibrate  # pyright: ignore[reportMissingImports]

CAP, BLOCK, LEVEL, TRIALS = 500, 50, 0.05, 1000
GUARDED = 60
ROUND = 0.05 * 0.9 / 8
"""Level of one of the first eight rounds."""


def main() -> None:
    begun = time.process_time()
    print(f"# Pairs and guards, in figures\n\n{machine()}\n")
    for section in (pairs, guards):
        print(f"{section()}\n", flush=True)
    print(f"{time.process_time() - begun:.0f} CPU seconds in all.")


def pairs() -> str:
    """Power, mean pairs and wrong promotions, by how much the start state decides."""
    test = calibrate(0, CAP, BLOCK, LEVEL)
    alone = follow(test.plan(), np.array([0.7]), np.array([0.8]))
    rows = []
    for shared in (0.0, 0.25, 0.5, 0.9):
        rng = np.random.default_rng(0)
        big = pairing(*play(rng, 0.7, 0.8, shared, 200_000))
        cells = [f"{big.correlation:.2f}", f"{alone.promoted[0]:.2f}, {alone.episodes[0]:.0f}"]
        for paired in (PairedTest(CAP, BLOCK, LEVEL), BettingTest(0, CAP, BLOCK, LEVEL)):
            won, n = zip(*(run(paired, rng, 0.7, 0.8, shared) for _ in range(TRIALS)))
            cells.append(f"{np.mean(won):.2f}, {np.mean(n):.0f}")
        wrong = np.mean([run(PairedTest(CAP, BLOCK, LEVEL), rng, 0.7, 0.7, shared)[0] for _ in range(TRIALS)])
        rows.append((*cells, f"{big.saved:.0%}", f"{wrong:.3f}"))
    head = (
        "correlation",
        "seeds of their own",
        "pairs, exact",
        "pairs, betting",
        "saved, as `evaluate` says",
        "wrong, exact test of pairs",
    )
    return (
        f"## Power and mean episodes in each arm, 70 % against 80 % (level {LEVEL}, cap {CAP}, looks every "
        f"{BLOCK}, {TRIALS} trials; seeds of their own: exact)\n\n" + table(head, rows)
    )


def play(rng, champion: float, candidate: float, shared: float, n: int):
    """Scores of n pairs; the start state decides a share of the episodes for both."""
    luck, own = rng.random((2, n)), rng.random((2, n))
    same = rng.random(n) < shared
    fate = np.where(same, luck[0], own)
    return (fate[0] < champion).astype(float), (fate[1] < candidate).astype(float)


def run(test, rng, champion: float, candidate: float, shared: float) -> tuple[bool, int]:
    """Whether a comparison crosses, and after how many pairs it ends."""
    old, new = play(rng, champion, candidate, shared, CAP)
    for n in range(BLOCK, CAP + 1, BLOCK):
        if test.evidence(old[:n], new[:n], n) > test.boundary(n):
            return True, n
    return False, CAP


def guards() -> str:
    """Successes until a guard is kept or broken, at a round's level and a margin of a tenth."""
    guard = Guard("time_to_success", 0.1, "s", 6.0, lambda batch: np.zeros(0))
    rng, rows = np.random.default_rng(1), []
    for slower in (-0.05, 0.0, 0.05, 0.1, 0.15, 0.25):
        ends = [_end(guard, rng, slower) for _ in range(GUARDED)]
        states = [state for state, _ in ends]
        rows.append(
            (
                f"{slower:+.0%}",
                f"{states.count('kept') / len(states):.2f}",
                f"{states.count('broken') / len(states):.2f}",
                f"{np.mean([n for _, n in ends]):.0f}",
            )
        )
    return (
        "## A guard on time to success, margin 0.1 (champion: 800 successes of 3.0 +- 0.75 s; level "
        f"{ROUND:g}, looks every 100 successes up to 1000, {GUARDED} trials)\n\n"
        + table(("candidate's mean time", "kept", "broken", "its successes, mean"), rows)
    )


def _end(guard, rng, slower: float) -> tuple[str, int]:
    champion, candidate = _times(rng, 3.0, 800), _times(rng, 3.0 * (1 + slower), 1000)
    for n in range(100, 1001, 100):
        state = look(guard, champion, candidate[:n], ROUND).state
        if state != "open":
            return state, n
    return "open", 1000


def _times(rng, seconds: float, n: int) -> np.ndarray:
    """As numbers: 1 - time / horizon, in control steps of 1/20 s."""
    steps = rng.normal(20 * seconds, 20 * 0.75, n).round().clip(1, 120)
    return 1 - steps / 120


def table(head, rows) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    main()
