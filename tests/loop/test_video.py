"""The video of a stacking episode, and what is said of it."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

from pacloop.datasets import DatasetError
from pacloop.loop.demonstrations import add_demonstrations
from pacloop.loop.errors import LoopError
from pacloop.loop.progress import silent
from pacloop.loop.video import write_video


@pytest.fixture
def store(space):
    """A demonstration, cut after a few steps; and the same, with an observation nobody made."""
    batch = add_demonstrations(
        space.folder, task="pacloop/stack", episodes=1, seed=0, clean=True, bare=False, progress=silent
    )
    whole = space.store.episode(f"{batch.id}/0")
    short = replace(
        whole,
        observation={name: column[:4] for name, column in whole.observation.items()},
        **{name: getattr(whole, name)[:3] for name in ("action", "reward", "discount")},
    )
    hand = short.observation["hand"].copy()
    hand[1] += np.float32(0.25)
    forged = replace(short, observation={**short.observation, "hand": hand})
    space.store.append([short, forged], batch_id="cut", source="intervention")
    return space.store


def elsewhere(*arguments):
    """`write_video` in a fresh process, as the command line has it.

    Mesa's software renderer crashes in a process that has loaded TensorFlow, as other tests here do.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(write_video, arguments)


def test_an_episode_is_acted_out_again_and_compared(store, tmp_path):
    said = elsewhere(store, "cut/0", tmp_path / "a.mp4")
    assert (
        said == f"{tmp_path / 'a.mp4'} shows the episode acted out again; all 4 observations are as recorded"
    )
    assert (tmp_path / "a.mp4").stat().st_size > 1000
    said = elsewhere(store, "cut/1", tmp_path / "a.mp4")
    assert "not as it was recorded: from step 1 on hand is another, by 0.25" in said


def test_bad_requests_leave_no_file(store, tmp_path):
    with pytest.raises(LoopError, match=r"must end in \.mp4"):
        write_video(store, "cut/0", tmp_path / "a.gif")
    with pytest.raises(DatasetError, match="names no episode"):
        write_video(store, "cut", tmp_path / "a.mp4")
    assert not list(tmp_path.glob("a*"))
