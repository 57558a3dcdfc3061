"""What other libraries wrote goes in by `inject` and comes out of the RLDS export equal, step by step."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import SCHEMA, WRITERS, make_episode, write_rlds_writer

from pacloop.datasets import EpisodeStore
from pacloop.datasets.exports.tfds.rlds import export_rlds
from pacloop.loop.injection.inject import Request, inject
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

WRITE = WRITERS | {"rlds-writer": write_rlds_writer}
LENGTHS = (5, 9, 1)
TOLD = ("rlds", "rlds-writer", "lerobot-video", "lerobot-images", "npz", "parquet", "pacloop")
"""Those whose files have a place for the instruction."""
CODEC = 5  # of 255, in a video; the next frame differs by 3, and the test of the reader looks closer


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Every format into one workspace, exported after each; what was recorded, and where it came out."""
    folder = tmp_path_factory.mktemp("through")
    space = Workspace.create(folder / "space", parse_config({}, "test"))
    store = EpisodeStore.create(space.folder / "dataset", SCHEMA)
    recorded = {}
    for number, (name, write) in enumerate(WRITE.items()):
        episodes = [make_episode(n, 10 * number + i, float(i % 2)) for i, n in enumerate(LENGTHS)]
        outcome = inject(space, Request(write(folder / name, episodes, SCHEMA), by="anna"), silent)
        assert (outcome.accepted, outcome.quarantined) == (len(LENGTHS), []), name
        done = export_rlds(store, folder / "out")
        assert done.shards == 1, "each injection is one file more"
        recorded[name] = sorted(episodes, key=lambda episode: episode.length)  # TFDS shuffles what it writes
    return recorded, done.path


@pytest.fixture(scope="module")
def found(exported):
    """What stock TFDS reads of each format: its slice of the split, by episode."""
    import tensorflow_datasets as tfds

    builder, n = tfds.builder_from_directory(exported[1]), len(LENGTHS)
    slices = [f"train[{n * i}:{n * (i + 1)}]" for i in range(len(WRITE))]
    read = [
        [(list(tfds.as_numpy(e["steps"])), tfds.as_numpy(e["episode_metadata"])) for e in each]
        for each in builder.as_dataset(split=slices)
    ]
    return {name: sorted(each, key=lambda one: len(one[0])) for name, each in zip(WRITE, read)}


@pytest.mark.parametrize("name", WRITE)
def test_every_step_is_what_was_recorded(exported, found, name):
    for (steps, facts), episode in zip(found[name], exported[0][name], strict=True):
        told = repeated(episode) if name.startswith("lerobot") else episode
        assert len(steps) == told.length + 1
        for t, step in enumerate(steps):
            seen = step["observation"]
            assert_equal(seen["hand"], told.observation["hand"][t])
            assert_equal(seen["arm"]["joints"], told.observation["arm/joints"][t])
            off = np.abs(seen["image"].astype(int) - told.observation["image"][t]).max()
            assert off <= (CODEC if name == "lerobot-video" else 0)
            for key in ("action", "reward", "discount"):
                rows = getattr(told, key)
                assert_equal(step[key], rows[t] if t < told.length else 0 * rows[0])
            flags = (t == 0, t == told.length, t == told.length and told.is_terminal)
            assert tuple(step[flag] for flag in ("is_first", "is_last", "is_terminal")) == flags
        assert (facts["source"], facts["score"]) == (b"demonstration", told.score)
        assert facts["instruction"] == (told.instruction.encode() if name in TOLD else b"")


def test_tfds_load_and_the_transformations_of_rlds(exported):
    import rlds
    import tensorflow_datasets as tfds

    recorded, path = exported
    episodes = tfds.load("pacloop_stack", data_dir=path.parents[1], split="train")
    wanted = [e for name in WRITE for e in recorded[name]]
    assert len(episodes) == len(wanted)
    rewards = rlds.transformations.map_nested_steps(episodes, lambda step: step["reward"])
    sums = sorted(sum(float(r) for r in episode["steps"]) for episode in rewards)
    assert sums == sorted(float(e.reward.sum()) for e in wanted)
    one = next(iter(episodes))
    pairs = list(rlds.transformations.batch(one["steps"], size=2, shift=1, drop_remainder=True))
    assert len(pairs) in LENGTHS


def repeated(episode):
    """As LeRobot keeps it: without the observation after the last action."""
    last = {name: np.concatenate([v[:-1], v[-2:-1]]) for name, v in episode.observation.items()}
    return replace(episode, observation=last)


def assert_equal(value, wanted):
    assert value.dtype == wanted.dtype
    np.testing.assert_array_equal(value, wanted)
