"""How fast episodes are committed, against Minari's two formats writing the same episodes.

    python benchmarks/append.py [--episodes 150]

pacloop syncs, reads back and renames every batch. Minari does none of these; the rows called synced
sync what Minari changed after each update, to compare equal durability. The ratios are of this machine
and this run: the disk's sync time decides. `tail` is the rate over the last fifth:
an append that looks at what is there already gets slower.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import machine

from pacloop.datasets import Episode, EpisodeStore, Field, Schema  # pyright: ignore[reportMissingImports]

STEPS, OBSERVATION, ACTION = 500, 40, 5


def main() -> None:
    parser = argparse.ArgumentParser(description="Append rates, pacloop against Minari.")
    parser.add_argument("--episodes", type=int, default=150)
    count = parser.parse_args().episodes
    if count < 100:
        parser.error(f"--episodes is {count}, but two batches of 50 need at least 100")
    episodes = [make_episode(seed) for seed in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        writers = {
            "pacloop, one episode a batch, synced": (append_each(root / "one", episodes), 1),
            "pacloop, 50 episodes a batch, synced": (append_each(root / "many", episodes, 50), 50),
        }
        for kind in ("hdf5", "arrow"):
            for synced in (False, True):
                name = f"Minari {kind}, one episode an update, {'synced' if synced else 'not synced'}"
                writers[name] = (minari_each(root / name, episodes, kind, synced), 1)
        rates = {name: timed(writer, size) for name, (writer, size) in writers.items()}
    print(f"{count} episodes of {STEPS} steps, {OBSERVATION} + {ACTION} float32; {machine()}\n")
    base = rates["pacloop, one episode a batch, synced"][0]
    print("| writer | episodes/s | tail | times the rate of the first row |\n|---|---|---|---|")
    for name, (rate, tail) in rates.items():
        print(f"| {name} | {rate:.0f} | {tail:.0f} | {rate / base:.2f} |")


def make_episode(seed: int) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        observation={"state": rng.standard_normal((STEPS + 1, OBSERVATION), np.float32)},
        action=rng.uniform(-1, 1, (STEPS, ACTION)).astype(np.float32),
        reward=rng.random(STEPS, np.float32),
        discount=np.ones(STEPS, np.float32),
        score=1.0,
        seed=seed,
    )


def append_each(folder: Path, episodes: list[Episode], size: int = 1) -> Iterator[None]:
    bound = (1.0,) * ACTION
    observation = {"state": Field((OBSERVATION,))}
    low = tuple(-x for x in bound)
    store = EpisodeStore.create(
        folder, Schema("benchmark", observation, Field((ACTION,)), low, bound, 20.0, STEPS)
    )
    for start in range(0, len(episodes), size):
        store.append(episodes[start : start + size], batch_id=f"b{start}", source="collection")
        yield


def minari_each(
    folder: Path, episodes: list[Episode], data_format: str, synced: bool = False
) -> Iterator[None]:
    import gymnasium as gym
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    storage = MinariStorage.new(
        folder,
        gym.spaces.Box(-np.inf, np.inf, (OBSERVATION,), np.float32),
        gym.spaces.Box(-1, 1, (ACTION,), np.float32),
        data_format=data_format,
    )
    cut = np.arange(STEPS) == STEPS - 1
    for number, episode in enumerate(episodes):
        buffer = EpisodeBuffer(
            seed=episode.seed,
            observations=episode.observation["state"],  # pyright: ignore[reportArgumentType]
            actions=episode.action,  # pyright: ignore[reportArgumentType]
            rewards=episode.reward,  # pyright: ignore[reportArgumentType]
            terminations=np.zeros(STEPS, bool),  # pyright: ignore[reportArgumentType]
            truncations=cut,  # pyright: ignore[reportArgumentType]
        )
        storage.update_episodes([buffer])
        if synced:
            # HDF5 keeps one growing file; Arrow a folder an episode. Nothing else changes but metadata.json.
            own = [path for path in (folder / str(number)).glob("*") if path.is_file()]
            shared = [path for path in (folder / "main_data.hdf5", folder / "metadata.json") if path.exists()]
            sync_each([*own, *shared])
        yield


def sync_each(paths: list[Path]) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def timed(writer: Iterator[None], size: int = 1) -> tuple[float, float]:
    """Episodes a second over all writes but the first, which pays for imports, and over the last fifth."""
    next(writer)
    times = [time.perf_counter()]
    times += [time.perf_counter() for _ in writer]
    fifth = max(1, (len(times) - 1) // 5)
    return (
        size * (len(times) - 1) / (times[-1] - times[0]),
        size * fifth / (times[-1] - times[-1 - fifth]),
    )


if __name__ == "__main__":
    main()
