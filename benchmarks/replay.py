"""How fast transitions are sampled, against gathering the same arrays from memory with numpy.

    python benchmarks/replay.py [--steps 500000]

The baseline does the least that any sampler must: it draws rows and indexes plain arrays, of the same
shapes, with everything else left out. A window is one transition with its observation history.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import machine

from pacloop.datasets import Episode, EpisodeStore, Field, Replay, Schema  # pyright: ignore[reportMissingImports]

EPISODE, OBSERVATION, ACTION, BATCH = 100, 40, 5, 256


def main() -> None:
    parser = argparse.ArgumentParser(description="Sampling rates, Replay against plain numpy.")
    parser.add_argument("--steps", type=int, default=500_000)
    steps = parser.parse_args().steps
    print(f"{steps} steps of {OBSERVATION} + {ACTION} float32, batches of {BATCH}; {machine()}\n")
    print("| batches on disk | history | columns | numpy, windows/s | Replay, windows/s | ratio |")
    print("|---|---|---|---|---|---|")
    for batches in (1, 100):
        with tempfile.TemporaryDirectory() as folder:
            store = fill(Path(folder), steps // EPISODE, batches)
            for history in (1, 5):
                base = rate(baseline(steps, history))
                limits = {"mapped": 0} if batches == 1 else {"in memory": 2**30, "mapped": 0}
                for name, limit in limits.items():
                    found = rate(sampler(store, history, limit))
                    rates = f"{base:,.0f} | {found:,.0f} | {found / base:.2f}"
                    print(f"| {batches} | {history} | {name} | {rates} |", flush=True)


def fill(folder: Path, episodes: int, batches: int) -> EpisodeStore:
    bound = (1.0,) * ACTION
    low = tuple(-x for x in bound)
    observation = {"state": Field((OBSERVATION,))}
    schema = Schema("benchmark", observation, Field((ACTION,)), low, bound, 20.0, EPISODE)
    store = EpisodeStore.create(folder, schema)
    rng = np.random.default_rng(0)
    for i in range(batches):
        made = [make_episode(rng) for _ in range(episodes // batches)]
        store.append(made, batch_id=f"b{i}", source="collection")
    return store


def make_episode(rng: np.random.Generator) -> Episode:
    return Episode(
        observation={"state": rng.standard_normal((EPISODE + 1, OBSERVATION), np.float32)},
        action=rng.uniform(-1, 1, (EPISODE, ACTION)).astype(np.float32),
        reward=rng.random(EPISODE, np.float32),
        discount=np.ones(EPISODE, np.float32),
        score=1.0,
    )


def sampler(store: EpisodeStore, history: int, ram_limit: int) -> Callable[[], object]:
    replay = Replay(
        store,
        store.snapshot(),
        n_step=5,
        discount=0.99,
        time_limit_is_terminal=True,
        history=history,
        ram_limit=ram_limit,
    )
    rng = np.random.default_rng(0)
    return lambda: replay.sample(BATCH, rng)


def baseline(steps: int, history: int) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    state = rng.standard_normal((steps, OBSERVATION), np.float32)
    action = rng.standard_normal((steps, ACTION), np.float32)
    returns, bootstrap = rng.random(steps, np.float32), rng.random(steps, np.float32)
    back = np.arange(-history + 1, 1)

    def sample() -> object:
        rows = rng.integers(history, steps - 5, size=BATCH)
        windows = rows[:, None] + back
        now, later = state.take(windows, axis=0), state.take(windows + 5, axis=0)
        return now, later, action.take(rows, axis=0), returns[rows], bootstrap[rows]

    return sample


def rate(sample: Callable[[], object], seconds: float = 1.5) -> float:
    """Windows a second, after half a second of warming up."""
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        sample()
    start, count = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        sample()
        count += BATCH
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
