"""Seeds of episodes: who draws them can never draw another's.

A seed is one 64-bit number made of purpose, run, round and position, so that seeds of different
purposes, rounds or runs cannot meet: evaluation never sees a start state that was collected or
learned from.
"""

from collections.abc import Sequence
from typing import Literal, get_args

from ..errors import LoopError

Purpose = Literal[
    "demonstration",
    "collection",
    "gate",
    "baseline",
    "final",
    "manual",
    "race",
    "reference",
]

POSITIONS, ROUNDS, RUNS = 2**24, 2**16, 2**16


def run_of(seed: int | None) -> int | None:
    """The seed of the run that plays an episode's seed; None for a demonstration's, and for a stranger's."""
    run, drawn = (seed or 0) // (POSITIONS * ROUNDS), len(get_args(Purpose)) * RUNS
    return run % RUNS if RUNS <= run < drawn else None


def episode_seeds(purpose: Purpose, *, run: int, round: int, count: int, first: int = 0) -> Sequence[int]:
    """`count` seeds from position `first` on, of one purpose in one round of the run with this seed.

    Raises LoopError where it has none there.
    """
    if not (0 <= run < RUNS and 0 <= round < ROUNDS and 0 <= first <= first + count <= POSITIONS):
        raise LoopError(
            f"there are no seeds for episodes {first} to {first + count} of round {round} of a run with seed "
            f"{run}: there are {POSITIONS} episodes, {ROUNDS} rounds, {RUNS} runs"
        )
    number = get_args(Purpose).index(purpose)
    start = ((number * RUNS + run) * ROUNDS + round) * POSITIONS + first
    return range(start, start + count)
