import numpy as np
import pytest

from pacloop.actors.registry import find_task
from pacloop.actors.rollout.rollout import rollout
from pacloop.actors.tasks.stack.demonstrator import Demonstrator
from pacloop.actors.tasks.stack.mistakes import CLEAN
from pacloop.datasets import EpisodeStore
from pacloop.loop.injection.inject import Request, inject
from pacloop.loop.progress import silent


@pytest.fixture(scope="module")
def task():
    return find_task("pacloop/stack")


@pytest.fixture(scope="module")
def made(task):
    return next(rollout(task, Demonstrator(CLEAN), [5], environments=[task.make()]))


def write(folder, episode, **facts):
    folder.mkdir()
    observation = {f"observation/{name}": value for name, value in episode.observation.items()}
    np.savez(folder / "x.npz", action=episode.action, **observation, **facts)
    return Request(folder, score="replay")


def test_the_simulator_gives_score_rewards_and_end(space, tmp_path, made):
    outcome = inject(space, write(tmp_path / "n", made, seed=5), silent)
    store = EpisodeStore.open(space.folder / "dataset")
    (found,) = store.episodes(outcome.batches[0])
    assert found.score == made.score == 1
    assert np.array_equal(found.reward, made.reward)
    assert found.is_terminal
    assert found.info["replay_error"] < 1e-6


@pytest.mark.parametrize(
    ("facts", "says"),
    [({}, "has no seed"), ({"seed": 6}, "starts otherwise than pacloop/stack does from seed 6: ")],
)
def test_what_cannot_be_replayed_says_so(space, tmp_path, made, facts, says):
    outcome = inject(space, write(tmp_path / "n", made, **facts), silent)
    assert says in outcome.quarantined[0].reasons[0]


def test_actions_after_the_simulator_s_end(space, tmp_path, made):
    from dataclasses import replace

    longer = replace(
        made,
        action=np.concatenate([made.action, made.action[-2:]]),
        observation={name: np.concatenate([v, v[-2:]]) for name, v in made.observation.items()},
    )
    outcome = inject(space, write(tmp_path / "n", longer, seed=5), silent)
    assert "but the simulator ended it after" in outcome.quarantined[0].reasons[0]
