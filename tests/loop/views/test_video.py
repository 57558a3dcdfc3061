"""The video of a stacking episode, and what is said of it."""

import multiprocessing

import pytest

from pacloop.datasets import DatasetError
from pacloop.loop.errors import LoopError
from pacloop.loop.views.video import write_video


@pytest.fixture
def store(space, cut):
    space.store.append(cut, batch_id="cut", source="intervention")
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
        said == f"{tmp_path / 'a.mp4'} shows the episode acted out again; all 8 observations are as recorded"
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
