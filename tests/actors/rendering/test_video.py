"""Videos of episodes: their own images, or the task acted out again."""

import dm_env
import numpy as np
import pytest
from dm_env import specs

from pacloop.actors.rendering.video import act_again, image_fields, mp4, show_images
from pacloop.actors.task import Task
from pacloop.datasets import DatasetError, Episode, Field, Schema

RED, BLUE = np.array([200, 20, 20], np.uint8), np.array([20, 20, 200], np.uint8)


def make_schema(observation):
    return Schema("test/slide", observation, Field((1,)), (-1.0,), (1.0,), 10.0, 9)


def read(path):
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return (
            stream.codec_context.name,
            float(stream.average_rate),
            [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)],
        )


class Slide(dm_env.Environment):
    """A point that starts at its seed and moves by what it is told; it ends beyond 9."""

    def seed(self, seed):
        self.start = seed

    def reset(self):
        self.at = np.float32(self.start)
        return dm_env.restart(self.seen())

    def step(self, action):
        self.at += action[0]
        if self.at > 9:
            return dm_env.termination(1.0, self.seen())
        return dm_env.transition(0.0, self.seen())

    def seen(self):
        return {"at": np.array([self.at], np.float32)}

    def observation_spec(self):
        return {"at": specs.Array((1,), np.float32)}

    def action_spec(self):
        return specs.BoundedArray((1,), np.float32, -1, 1)

    def render(self):
        return np.full((32, 48, 3), int(self.at) * 20, np.uint8)


def slide(make=Slide):
    return Task(make_schema({"at": Field((1,))}), make, lambda rewards: float(rewards.max()), False)


def again(episode, see, make=Slide):
    return act_again(slide(make), episode, see, environment=make())


def slid(start=2, actions=(1, 1, 1), seen=None):
    seen = np.cumsum([start, *actions], dtype=np.float32) if seen is None else np.array(seen, np.float32)
    n = len(actions)
    action = np.array(actions, np.float32)[:, None]
    return Episode({"at": seen[:, None]}, action, np.zeros(n, np.float32), np.ones(n, np.float32), 0.0, start)


def test_an_episode_is_acted_out_again():
    seen = []
    assert again(slid(), seen.append) is None
    assert [int(picture[0, 0, 0]) for picture in seen] == [40, 60, 80, 100]


@pytest.mark.parametrize(
    ("episode", "sentence", "pictures"),
    [
        (slid(seen=(2, 3, 4.5, 6)), "from step 2 on at is another, by 0.5", 4),
        (slid(start=8, actions=(1, 1, 1)), "it ends after 2 steps, but the episode has 3", 3),
    ],
)
def test_what_does_not_come_out_the_same_is_said(episode, sentence, pictures):
    seen = []
    assert again(episode, seen.append) == sentence
    assert len(seen) == pictures


def test_what_cannot_be_shown_is_refused(tmp_path):
    class Blind(Slide):
        render = None

    with pytest.raises(DatasetError, match="test/slide cannot be looked at"):
        again(slid(), print, Blind)
    lost = Episode(**(vars(slid()) | {"seed": None}))
    with pytest.raises(DatasetError, match="no seed"), mp4(tmp_path / "a.mp4", 10.0) as see:
        again(lost, see)
    nowhere = tmp_path / "none" / "a.mp4"
    with pytest.raises(DatasetError, match=r"none/a\.mp4 cannot be written: no such"), mp4(nowhere, 9) as see:
        again(slid(), see)
    assert list(tmp_path.iterdir()) == [], "no half of a file is left"


def test_an_episodes_own_images_side_by_side(tmp_path):
    fields = {"left": Field((6, 8, 3), "uint8"), "wrist": Field((12, 10, 1), "uint8"), "at": Field((1,))}
    schema = make_schema(fields)
    assert image_fields(schema) == ["left", "wrist"]
    episode = slid()
    images = {
        "left": np.broadcast_to(RED, (4, 6, 8, 3)),
        "wrist": np.full((4, 12, 10, 1), 90, np.uint8),
    }
    episode = Episode(**(vars(episode) | {"observation": {**episode.observation, **images}}))
    with mp4(tmp_path / "a.mp4", schema.control_hz) as see:
        show_images(episode, ["left", "wrist"], see)
    codec, hz, frames = read(tmp_path / "a.mp4")
    assert (codec, hz, len(frames)) == ("vp9", 10.0, 4)
    assert frames[0].shape == (240, 320 + 200, 3)
    assert np.abs(frames[-1][120, 100].astype(int) - RED).max() < 25
    assert np.abs(frames[-1][120, 420].astype(int) - 90).max() < 10


@pytest.mark.parametrize("shape", [(31, 47, 3), (2, 2, 3)])
def test_odd_sizes_and_a_single_picture(tmp_path, shape):
    with mp4(tmp_path / "a.mp4", 12.5) as see:
        see(np.full(shape, BLUE))
    _, hz, (frame,) = read(tmp_path / "a.mp4")
    assert hz == 12.5
    assert frame.shape == (shape[0] // 2 * 2, shape[1] // 2 * 2, 3)
