"""How long an export of one new batch takes when there are few and when there are many already.

    python benchmarks/export.py [--batches 50] [--repeats 7]

The 2nd and the last batch are exported in turns, each time into a copy of the folder as it was before
them, and the medians are compared: of the time that passed, and of the processor's time, which other
work on the machine disturbs less. Beside it TFDS's own writer (`tfds.core.SequentialWriter`), which can
append too: it needs TensorFlow, syncs nothing and replaces `dataset_info.json` in place; and the same
writer writing all batches anew, which is what `download_and_prepare` does to a dataset that grew.
Opening the store and importing libraries is not counted. The last table is what the mirror costs a run:
rows of the stacking task's size, and the same with a camera of 84x84.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from pacloop.datasets import Episode, EpisodeStore, Field, Schema  # pyright: ignore[reportMissingImports]
from pacloop.datasets.exports.lerobot.export import export_lerobot  # pyright: ignore[reportMissingImports]
from pacloop.datasets.exports.parquet import export_parquet  # pyright: ignore[reportMissingImports]
from pacloop.datasets.exports.tfds.rlds import export_rlds  # pyright: ignore[reportMissingImports]

EPISODES, STEPS, OBSERVATION, ACTION = 10, 100, 40, 5

Export = Callable[[EpisodeStore, Path], Any]
Seconds = tuple[float, float]
"""That passed, and that the processor worked."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of an export against what is there already.")
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    batches, repeats = arguments.batches, arguments.repeats
    print(f"batches of {EPISODES} episodes of {STEPS} steps, {OBSERVATION} + {ACTION} float32; {machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        mirror = [cost(root / "state", {}), cost(root / "camera", {"camera": Field((84, 84, 3), "uint8")})]
        assert "tensorflow" not in sys.modules
        print(
            f"| new batch | 2nd, ms | {batches}th, ms | ratio | 2nd, CPU ms | {batches}th, CPU ms | ratio |"
        )
        print("|---|---|---|---|---|---|---|")
        few, many = fill(root / "few", 2), fill(root / "many", batches)
        for name, export in (
            ("rlds", export_rlds),
            ("parquet", export_parquet),
            ("lerobot", export_lerobot),
            ("TFDS's writer, appending, not synced", tfds_append),
        ):
            early, late = compared(root / name[:4], export, few, many, repeats)
            figures = [f"{a * 1e3:.0f} | {b * 1e3:.0f} | {b / a:.2f}" for a, b in zip(early, late)]
            print(f"| {name} | {' | '.join(figures)} |", flush=True)
        wall, cpu = timed(tfds_anew, many, root / "anew")
        print(f"| TFDS's writer, all anew | | {wall * 1e3:.0f} | | | {cpu * 1e3:.0f} | |\n")
    print("| rows as in the stacking task | steps/s | steps/CPU s | nothing new, CPU ms |\n|---|---|---|---|")
    for name, ((wall, cpu), idle) in zip(("27 + 5 float32", "and a camera of 84x84x3"), mirror):
        print(f"| {name} | {wall:,.0f} | {cpu:,.0f} | {idle * 1e3:.1f} |")


def fill(folder: Path, batches: int) -> EpisodeStore:
    store = EpisodeStore.create(folder, make_schema(OBSERVATION, {}))
    rng = np.random.default_rng(0)
    for i in range(batches):
        made = [make_episode(store.schema, STEPS, rng) for _ in range(EPISODES)]
        store.append(made, batch_id=f"b{i:03d}", source="collection", round=i)
    return store


def make_schema(numbers: int, more: dict[str, Field]) -> Schema:
    bound = (1.0,) * ACTION
    low = tuple(-x for x in bound)
    return Schema(
        "benchmark", {"state": Field((numbers,)), **more}, Field((ACTION,)), low, bound, 20.0, STEPS
    )


def make_episode(schema: Schema, steps: int, rng: np.random.Generator) -> Episode:
    shape = (steps + 1, *schema.observation["state"].shape)
    observation: dict[str, np.ndarray] = {"state": rng.standard_normal(shape, np.float32)}
    if "camera" in schema.observation:
        # smooth pictures with some noise, as rendered ones: random ones would not compress
        shades = np.linspace(0, 200, 84)[:, None] + np.linspace(0, 40, 84)[None]
        shape = (steps + 1, *schema.observation["camera"].shape)
        observation["camera"] = (shades[:, :, None] + rng.integers(0, 4, shape)).astype(np.uint8)
    return Episode(
        observation=observation,
        action=rng.uniform(-1, 1, (steps, ACTION)).astype(np.float32),
        reward=rng.random(steps, np.float32),
        discount=np.ones(steps, np.float32),
        score=1.0,
        seed=0,
        policy="r001-pac",
    )


def compared(
    root: Path, export: Export, few: EpisodeStore, many: EpisodeStore, repeats: int
) -> tuple[Seconds, Seconds]:
    """Median seconds of the last batch of either store, measured in turns."""
    stores = {"few": few, "many": many}
    for name, store in stores.items():
        before = Copied(store, len(store.batches()) - 1)
        export(before, root / name)  # pyright: ignore[reportArgumentType]
    times: dict[str, list[Seconds]] = {name: [] for name in stores}
    for _ in range(repeats):
        for name, store in stores.items():
            shutil.copytree(root / name, root / "now")
            os.sync()
            times[name].append(timed(export, store, root / "now"))
            shutil.rmtree(root / "now")
    return median(times["few"]), median(times["many"])


class Copied:
    """A store as it was when it had fewer batches."""

    def __init__(self, store: EpisodeStore, count: int) -> None:
        self._store, self._count = store, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def batches(self) -> list[Any]:
        return self._store.batches()[: self._count]


def timed(export: Export, store: EpisodeStore, folder: Path) -> Seconds:
    begun, worked = time.perf_counter(), time.process_time()
    export(store, folder)
    return time.perf_counter() - begun, time.process_time() - worked


def median(times: list[Seconds]) -> Seconds:
    wall, cpu = zip(*times)
    return statistics.median(wall), statistics.median(cpu)


def tfds_append(store: EpisodeStore, folder: Path) -> None:
    """The batches that are not there yet, by TFDS's own writer."""
    _tfds_write(store, folder, overwrite=False)


def tfds_anew(store: EpisodeStore, folder: Path) -> None:
    _tfds_write(store, folder, overwrite=True)


def _tfds_write(store: EpisodeStore, folder: Path, overwrite: bool) -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.dataset_info import DatasetIdentity, DatasetInfo
    from tensorflow_datasets.core.sequential_writer import SequentialWriter

    from pacloop.datasets.exports.steps import rlds_steps  # pyright: ignore[reportMissingImports]
    from pacloop.datasets.exports.tfds.features import tfds_features  # pyright: ignore[reportMissingImports]

    folder.mkdir(parents=True, exist_ok=True)
    steps = tfds_features(store.schema)["steps"]
    identity = DatasetIdentity("benchmark", tfds.core.Version("1.0.0"), str(folder), "")
    info = DatasetInfo(builder=identity, features=tfds.features.FeaturesDict({"steps": steps}))
    writer = SequentialWriter(info, max_examples_per_shard=EPISODES, overwrite=overwrite)
    writer.initialize_splits(["train"], fail_if_exists=False)
    done = 0 if overwrite else len(list(folder.glob("*tfrecord*")))
    for batch in store.batches()[done:]:
        for episode in store.episodes(batch):
            flat = rlds_steps(episode)
            state = {"state": flat.pop("observation/state")}
            writer.add_examples({"train": [{"steps": {**flat, "observation": state}}]})
    writer.close_all()


def cost(root: Path, more: dict[str, Field]) -> tuple[Seconds, float]:
    """Steps a second of an export to RLDS, and seconds of work of one that finds nothing new."""
    store = EpisodeStore.create(root / "dataset", make_schema(27, more))
    rng = np.random.default_rng(0)
    count = 5 if more else 50
    store.append([make_episode(store.schema, STEPS, rng)], batch_id="warm-up", source="collection")
    export_rlds(store, root / "rlds")
    store.append(
        [make_episode(store.schema, STEPS, rng) for _ in range(count)], batch_id="a", source="collection"
    )
    wall, cpu = timed(export_rlds, store, root / "rlds")
    idle = median([timed(export_rlds, store, root / "rlds") for _ in range(5)])[1]
    return (count * STEPS / wall, count * STEPS / cpu), idle


if __name__ == "__main__":
    main()
