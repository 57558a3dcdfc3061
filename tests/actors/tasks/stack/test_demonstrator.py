"""The scripted demonstrator: a function of the seed, clean when told to be, clumsy in a known range."""

import numpy as np
import pytest

from pacloop.actors.rollout.rollout import rollout
from pacloop.actors.tasks.stack.demonstrator import Demonstrator
from pacloop.actors.tasks.stack.mistakes import CLEAN, CLUMSY, Chance
from pacloop.actors.tasks.stack.stack import task
from pacloop.datasets.records.episode import check_episode

TASK = task()


@pytest.fixture(scope="module")
def environment():
    environment = TASK.make()
    yield environment
    environment.close()


def run(environment, seeds, mistakes):
    actor = Demonstrator(mistakes)
    return list(rollout(TASK, actor, seeds, environments=[environment], policy_id="demonstrator"))


def test_clean_demonstrations_succeed(environment):
    episodes = run(environment, range(40), CLEAN)
    assert np.mean([episode.score for episode in episodes]) >= 0.95
    assert all(episode.info["mistakes"] == {} for episode in episodes)
    assert all(episode.is_terminal for episode in episodes if episode.score == 1.0)


def test_clumsy_demonstrations_mostly_fail_and_sometimes_succeed(environment):
    episodes = run(environment, range(60), CLUMSY)
    assert 0.12 <= np.mean([episode.score for episode in episodes]) <= 0.48
    for episode in episodes:
        check_episode(episode, TASK.schema)
        assert episode.policy == "demonstrator"
        assert set(episode.info["mistakes"]) <= set(CLUMSY)
    assert [episode.seed for episode in episodes] == list(range(60))


def test_an_episode_is_a_function_of_its_seed_alone(environment):
    alone = run(environment, [5], CLUMSY)[0]
    among = run(TASK.make(), [3, 4, 5], CLUMSY)[2]
    assert alone.info == among.info
    np.testing.assert_array_equal(alone.action, among.action)
    for name, values in alone.observation.items():
        np.testing.assert_array_equal(values, among.observation[name])


def test_episodes_beside_each_other_keep_their_own_script():
    alone = {episode.seed: episode for episode in run(TASK.make(), range(6), CLUMSY)}
    environments = [TASK.make() for _ in range(3)]
    together = list(rollout(TASK, Demonstrator(CLUMSY), range(6), environments=environments))
    assert sorted(episode.seed for episode in together) == list(range(6))
    for episode in together:
        assert episode.info == alone[episode.seed].info
        np.testing.assert_array_equal(episode.action, alone[episode.seed].action)


def test_the_grip_is_all_or_nothing(environment):
    for episode in run(environment, range(5), CLUMSY):
        assert set(np.unique(episode.action[:, 4])) <= {-1.0, 1.0}


def test_a_placement_far_off_fails(environment):
    mistakes = {**CLEAN, "place_offset": Chance(1.0, 0.05, 0.05)}
    episodes = run(environment, range(3), mistakes)
    assert [episode.score for episode in episodes] == [0.0, 0.0, 0.0]
    assert all(list(episode.info["mistakes"]) == ["place_offset"] for episode in episodes)


def test_chance_happens_as_often_as_it_says():
    random = np.random.default_rng(0)
    drawn = [Chance(0.25, 2.0, 3.0).draw(random) for _ in range(2000)]
    happened = [strength for strength in drawn if strength is not None]
    assert 0.21 < len(happened) / len(drawn) < 0.29
    assert min(happened) >= 2.0 and max(happened) <= 3.0
