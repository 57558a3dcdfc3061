"""How fast episodes are committed and a dataset is opened, with Minari's two formats beside it.

    OMP_NUM_THREADS=1 python benchmarks/append.py [--turns 12] [--episodes 100000]

pacloop syncs, reads back and renames every batch. Minari does none of these: here what it changed is synced
after each update, to compare equal durability. All writers take turns, and medians of an update are
compared, so that a slow moment of the disk or the machine hits all alike. CPU is what the process worked:
what is between it and the time that passed is the disk. `grows` is an episode's time in the last third of
the updates against the first: an append that looks at what is there already gets slower. The last row is
the arithmetic limit.

Before each update a file is written and removed: a virtual machine gives memory that nobody uses back to its
host within seconds, and to fetch a page takes ten times as long as to write it.

The second table appends the same batches, in turns, to stores that hold more and more episodes already (short
ones: an append never looks at them); the third opens the largest.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from pacloop.datasets import (  # pyright: ignore[reportMissingImports]
    Episode,
    EpisodeStore,
    Field,
    Replay,
    Schema,
)

STEPS, OBSERVATION, ACTION = 500, 40, 5
GROUP = 50
"""Episodes that are committed together, as a block of a collection is."""

WARM_BYTES = 2**26

Seconds = tuple[float, float]
"""That passed, and that the processor worked."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Append rates, pacloop against Minari.")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--episodes", type=int, default=100_000)
    options = parser.parse_args()
    print(f"episodes of {STEPS} steps, {OBSERVATION} + {ACTION} float32; {machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        against_minari(Path(folder), options.turns)
    with tempfile.TemporaryDirectory() as folder:
        stores = {
            count: grown(Path(folder) / str(count), count)
            for count in sorted({min(1_000, options.episodes), options.episodes // 10, options.episodes})
        }
        flatness(stores, options.turns)
        opening(stores[options.episodes].folder)


def against_minari(root: Path, turns: int) -> None:
    groups = [[make_episode(GROUP * i + k) for k in range(GROUP)] for i in range(turns + 1)]
    print("| synced | ms an episode | CPU ms | episodes/s | pacloop is faster | grows |")
    print("|---|---|---|---|---|---|")
    for size in (GROUP, 1):
        batches = groups if size == GROUP else [[e] for group in groups for e in group[:8]]
        writers = {
            "pacloop": append_each(root / f"pacloop{size}", batches),
            "Minari HDF5": minari_each(root / f"hdf5{size}", batches, "hdf5"),
            "Minari Arrow": minari_each(root / f"arrow{size}", batches, "arrow"),
            "the same bytes, raw": raw_each(root / f"raw{size}", batches),
        }
        times = in_turns(list(writers.values()), len(batches), root / "warm")
        base = median(times[0])[0]
        for name, own in zip(writers, times):
            wall, cpu = median(own)
            third = max(1, len(own) // 3)
            grows = median(own[-third:])[0] / median(own[:third])[0]
            row = (
                f"{wall / size * 1e3:.2f} | {cpu / size * 1e3:.2f} | {size / wall:.0f} | {wall / base:.1f} x"
            )
            print(f"| {name}, {size} at once | {row} | {grows:.2f} |", flush=True)


def flatness(stores: dict[int, EpisodeStore], turns: int) -> None:
    batches = [[make_episode(GROUP * i + k) for k in range(GROUP)] for i in range(turns + 1)]
    times = in_turns(
        [append_each(store.folder, batches) for store in stores.values()],
        len(batches),
        next(iter(stores.values())).folder / "warm",
    )
    print(
        "\n| episodes there | ms an episode | to the first | CPU ms | to the first |\n|---|---|---|---|---|"
    )
    wall, cpu = median(times[0])
    for count, own in zip(stores, times):
        now, worked = median(own)
        row = f"{now / GROUP * 1e3:.2f} | {now / wall:.2f} | {worked / GROUP * 1e3:.2f} | {worked / cpu:.2f}"
        print(f"| {count:,} | {row} |", flush=True)


def opening(folder: Path) -> None:
    """Each from nothing: a store knows what it has read before."""

    def replay() -> object:
        store = EpisodeStore.open(folder)
        return Replay(store, store.snapshot(), n_step=5, discount=0.99, time_limit_is_terminal=True)

    whole = EpisodeStore.open(folder)
    batches = whole.batches()
    names = f"{sum(b.episodes for b in batches):,} episodes in {len(batches):,} batches"
    print(f"\n| {names} | seconds | CPU seconds |\n|---|---|---|")
    ways: dict[str, Callable[[], object]] = {
        "open, list and pin in a snapshot": lambda: EpisodeStore.open(folder).snapshot(),
        "open and read one episode": lambda: EpisodeStore.open(folder).episode(f"{batches[0].id}/0"),
        "open, pin and make a replay": replay,
    }
    for name, way in ways.items():
        wall, cpu = median([timed(way) for _ in range(5)])
        print(f"| {name} | {wall:.3f} | {cpu:.3f} |", flush=True)


def grown(folder: Path, episodes: int) -> EpisodeStore:
    store = EpisodeStore.create(folder, schema())
    size = min(100, episodes)
    for start in range(0, episodes, size):
        made = [make_episode(start + k, steps=2) for k in range(size)]
        store.append(made, batch_id=f"short{start}", source="collection")
    return store


def schema() -> Schema:
    bound = (1.0,) * ACTION
    low = tuple(-x for x in bound)
    return Schema("benchmark", {"state": Field((OBSERVATION,))}, Field((ACTION,)), low, bound, 20.0, STEPS)


def make_episode(seed: int, steps: int = STEPS) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        observation={"state": rng.standard_normal((steps + 1, OBSERVATION), np.float32)},
        action=rng.uniform(-1, 1, (steps, ACTION)).astype(np.float32),
        reward=rng.random(steps, np.float32),
        discount=np.ones(steps, np.float32),
        score=1.0,
        seed=seed,
    )


def append_each(folder: Path, batches: list[list[Episode]]) -> Iterator[None]:
    store = EpisodeStore.create(folder, schema())
    for number, batch in enumerate(batches):
        store.append(batch, batch_id=f"b{number}", source="collection")
        yield


def raw_each(folder: Path, batches: list[list[Episode]]) -> Iterator[None]:
    """What no writer as durable can beat: a new file of the arrays' bytes, it and its folder synced."""
    folder.mkdir()
    for number, batch in enumerate(batches):
        with (folder / str(number)).open("xb") as file:
            for episode in batch:
                for array in (
                    *episode.observation.values(),
                    episode.action,
                    episode.reward,
                    episode.discount,
                ):
                    file.write(array.data)
        sync_each([folder / str(number), folder])
        yield


def minari_each(folder: Path, batches: list[list[Episode]], data_format: str) -> Iterator[None]:
    import gymnasium as gym
    from minari.dataset.minari_storage import MinariStorage

    storage = MinariStorage.new(
        folder,
        gym.spaces.Box(-np.inf, np.inf, (OBSERVATION,), np.float32),
        gym.spaces.Box(-1, 1, (ACTION,), np.float32),
        data_format=data_format,
    )
    done = 0
    for batch in batches:
        storage.update_episodes([minari_buffer(episode) for episode in batch])
        # HDF5 keeps one growing file; Arrow a folder an episode. Nothing else changes but metadata.json.
        new = [folder / str(done + k) for k in range(len(batch))]
        own = [path for one in new for path in (one, *one.glob("*")) if path.exists()]
        shared = [path for path in (folder / "main_data.hdf5", folder / "metadata.json") if path.exists()]
        sync_each([*own, *shared])
        done += len(batch)
        yield


def minari_buffer(episode: Episode) -> Any:
    from minari.data_collector.episode_buffer import EpisodeBuffer

    return EpisodeBuffer(
        seed=episode.seed,
        observations=episode.observation["state"],  # pyright: ignore[reportArgumentType]
        actions=episode.action,  # pyright: ignore[reportArgumentType]
        rewards=episode.reward,  # pyright: ignore[reportArgumentType]
        terminations=np.zeros(STEPS, bool),  # pyright: ignore[reportArgumentType]
        truncations=np.arange(STEPS) == STEPS - 1,  # pyright: ignore[reportArgumentType]
    )


def sync_each(paths: list[Path]) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def in_turns(writers: list[Iterator[None]], updates: int, warm: Path) -> list[list[Seconds]]:
    """Times of each writer's updates, without the first, which pays for imports."""
    turns = [[warm_and_timed(writer.__next__, warm) for writer in writers] for _ in range(updates)]
    return [list(own) for own in zip(*turns[1:])]


def warm_and_timed(work: Callable[[], object], warm: Path) -> Seconds:
    with warm.open("wb", buffering=0) as file:
        for _ in range(WARM_BYTES // 2**16):
            file.write(bytes(2**16))
    warm.unlink()
    os.sync()
    return timed(work)


def timed(work: Callable[[], object]) -> Seconds:
    begun, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun, time.process_time() - worked


def median(times: list[Seconds]) -> Seconds:
    wall, cpu = zip(*times)
    return statistics.median(wall), statistics.median(cpu)


if __name__ == "__main__":
    main()
