"""How fast transitions are sampled: against numpy on the same arrays, and against the learner's appetite.

    OMP_NUM_THREADS=1 python benchmarks/replay.py [--steps 500000]

The first table's baseline does the least that any sampler must: it draws rows and indexes plain arrays, of
the same shapes, with everything else left out. A window is one transition with its observation history. The
two are measured in turns, in the processor's time, and medians are compared: other work on the machine
disturbs both alike. Many batches that shall not be copied into memory are packed, or for comparison mapped
as they lie. The next table is of what it costs to open them.

The last table is of steps with a camera of 84x84x3 and a sensor's noise. Its baseline is a gradient step
of `pac-nano` on the stacking task's numbers alone, for which everything lies ready: no learner that also
looked at the pictures could ask for more. The learner's own thread samples while the gradient step before is
taken, so what counts is that one core samples faster than another learns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import machine

from pacloop.datasets import Episode, EpisodeStore, Field, Replay, Schema  # pyright: ignore[reportMissingImports]
from pacloop.datasets.replay import columns  # pyright: ignore[reportMissingImports]

FEW = columns.FEW
EPISODE, OBSERVATION, ACTION, BATCH = 100, 40, 5, 256
TURNS, TURN_SEC = 15, 0.1
CAMERA = {"camera": Field((84, 84, 3), "uint8")}
CAMERA_STEPS = 4_000

Sample = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description="Sampling rates, Replay against numpy and the learner.")
    parser.add_argument("--steps", type=int, default=500_000)
    steps = parser.parse_args().steps
    print(f"{steps} steps of {OBSERVATION} + {ACTION} float32, batches of {BATCH}; {machine()}\n")
    print("| batches on disk | history | columns | numpy, windows/s | Replay, windows/s | ratio |")
    print("|---|---|---|---|---|---|")
    opened = []
    for batches in (1, 100, 1000):
        with tempfile.TemporaryDirectory() as folder:
            store = fill(Path(folder), steps // EPISODE, batches)
            if batches > FEW:
                ways = {"mapped": batches, "packed for the first time": FEW, "packed before": FEW}
                opened += [f"| {batches} | {name} | {opening(store, few)} |" for name, few in ways.items()]
            for history in (1, 5):
                for name, draw in samplers(store, batches, history).items():
                    base, found = rates([baseline(steps, history), draw])
                    shown = f"{base:,.0f} | {found:,.0f} | {found / base:.2f}"
                    print(f"| {batches} | {history} | {name} | {shown} |", flush=True)
    print("\n| batches on disk | columns | to open, s | maps | handles |\n|---|---|---|---|---|")
    print("\n".join(opened))
    print("\n| 84x84x3 | learner, samples/s | Replay, windows/s | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = fill(Path(folder), CAMERA_STEPS // EPISODE, 4, CAMERA)
        learner = gradient_step()
        for name, limit in {"decoded into memory": 2**30, "decoded as they are drawn": 0}.items():
            base, found = rates([learner, sampler(store, 1, limit)])
            print(f"| {name} | {base:,.0f} | {found:,.0f} | {found / base:.2f} |", flush=True)


def fill(folder: Path, episodes: int, batches: int, more: dict[str, Field] | None = None) -> EpisodeStore:
    bound = (1.0,) * ACTION
    low = tuple(-x for x in bound)
    observation = {"state": Field((OBSERVATION,)), **(more or {})}
    schema = Schema("benchmark", observation, Field((ACTION,)), low, bound, 20.0, EPISODE)
    store = EpisodeStore.create(folder, schema)
    rng = np.random.default_rng(0)
    for i in range(batches):
        made = [make_episode(rng, schema) for _ in range(episodes // batches)]
        store.append(made, batch_id=f"b{i}", source="collection")
    return store


def make_episode(rng: np.random.Generator, schema: Schema) -> Episode:
    observation: dict[str, np.ndarray] = {
        "state": rng.standard_normal((EPISODE + 1, OBSERVATION), np.float32)
    }
    if "camera" in schema.observation:
        observation["camera"] = pictures(rng)
    return Episode(
        observation=observation,
        action=rng.uniform(-1, 1, (EPISODE, ACTION)).astype(np.float32),
        reward=rng.random(EPISODE, np.float32),
        discount=np.ones(EPISODE, np.float32),
        score=1.0,
    )


def pictures(rng: np.random.Generator) -> np.ndarray:
    """A shaded plane with coloured squares that move, and a sensor's noise on it."""
    shape = (EPISODE + 1, *CAMERA["camera"].shape)
    shades = np.linspace(40, 200, 84)[:, None] + np.linspace(0, 40, 84)[None]
    images = np.broadcast_to(shades[None, :, :, None], shape).copy()
    for colour in np.eye(3):
        x, y = rng.integers(0, 60, 2)
        for t, image in enumerate(images):
            image[y : y + 20, x + t // 10 : x + t // 10 + 20] = 30 + 180 * colour
    return (images + rng.normal(0, 4, shape)).clip(0, 255).astype(np.uint8)


def samplers(store: EpisodeStore, batches: int, history: int) -> dict[str, Sample]:
    """How the columns may be read, each ready to draw."""
    packed = {"packed": sampler(store, history, 0)} if batches > FEW else {}
    return {
        "in memory": sampler(store, history, 2**30),
        **packed,
        "mapped": sampler(store, history, 0, few=batches),
    }


def opening(store: EpisodeStore, few: int) -> str:
    """Seconds, memory maps of the dataset and handles that an open replay takes."""
    start, before = time.perf_counter(), handles()
    replay = open_replay(store, 1, 0, few)
    seconds = time.perf_counter() - start
    maps = Path("/proc/self/maps").read_text().count(str(store.folder))
    assert replay.remark == ""
    return f"{seconds:.2f} | {maps} | {handles() - before}"


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def sampler(store: EpisodeStore, history: int, ram_limit: int, few: int = FEW) -> Sample:
    replay, rng = open_replay(store, history, ram_limit, few), np.random.default_rng(0)
    return lambda: replay.sample(BATCH, rng)


def open_replay(store: EpisodeStore, history: int, ram_limit: int, few: int) -> Replay:
    """Up to `few` batches are not packed."""
    columns.FEW = few
    return Replay(
        store,
        store.snapshot(),
        n_step=5,
        discount=0.99,
        time_limit_is_terminal=True,
        history=history,
        ram_limit=ram_limit,
    )


def baseline(steps: int, history: int) -> Sample:
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


def gradient_step() -> Sample:
    """One step of `pac-nano` on a batch of the stacking task's numbers, with its targets given."""
    import torch

    from pacloop.actors.tasks.stack.stack import task  # pyright: ignore[reportMissingImports]
    from pacloop.learner.config import SIZES, LearnConfig  # pyright: ignore[reportMissingImports]
    from pacloop.learner.network.pac import Pac  # pyright: ignore[reportMissingImports]
    from pacloop.learner.training.objective import Batch, loss, make_targets  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(1)
    torch.manual_seed(0)
    schema, config = task().schema, LearnConfig(steps=1)
    network = Pac(schema, SIZES["pac-nano"])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    now, later = (
        {name: torch.randn(BATCH, 1, *field.shape) for name, field in schema.observation.items()}
        for _ in range(2)
    )
    action, zeros = torch.rand(BATCH, schema.action.size) * 2 - 1, torch.zeros(BATCH)
    batch = Batch(now, action, zeros, zeros, later)
    targets = make_targets(network, batch, config=config, generator=torch.Generator())

    def step() -> object:
        total, _ = loss(network, batch, targets, config=config)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimizer.step()
        return total

    return step


def rates(samples: Sequence[Sample]) -> list[float]:
    """Windows per second of the processor's time of each, in turns, after one turn to warm up."""
    found = [[rate(sample) for sample in samples] for _ in range(TURNS + 1)]
    return [statistics.median(turns) for turns in zip(*found[1:])]


def rate(sample: Sample) -> float:
    start, count = time.process_time(), 0
    while (passed := time.process_time() - start) < TURN_SEC:
        sample()
        count += BATCH
    return count / passed


if __name__ == "__main__":
    main()
