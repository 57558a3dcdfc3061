"""Rollouts: an episode is a function of its seed and its policy, whoever runs beside it."""

import pickle
import random

import dm_env
import numpy as np
import pytest

from pacloop.actors.rollout.rollout import ACTION_NOISE, PolicyError, rollout
from pacloop.actors.task import Task
from pacloop.datasets import Field, Schema
from pacloop.datasets.records.episode import check_episode
from pacloop.learner.checkpoint import build_policy

SEEDS = range(100, 120)


@pytest.fixture(scope="module")
def policy(reacher):
    return build_policy(*reacher)


class Scripted:
    """Takes its action from a function of observation and noise; remembers what it saw."""

    noise_shape = (1, 2)

    def __init__(self, action):
        self.action, self.seen = action, []

    def act(self, observation, noise):
        self.seen.append((observation, noise))
        return self.action(observation, noise).astype(np.float32)


def run(task, policy, seeds, environments, **more):
    made = [task.make() for _ in range(environments)]
    return list(rollout(task, policy, list(seeds), environments=made, **more))


def still(observation, noise):
    return np.zeros((len(noise), 2))


@pytest.mark.parametrize("environments", [1, 3, 8, 50])
@pytest.mark.parametrize("shuffled", [False, True])
def test_episodes_depend_on_nobody_beside_them(reach, policy, same_episode, environments, shuffled):
    alone = {seed: run(reach, policy, [seed], 1, history=2)[0] for seed in SEEDS}
    seeds = random.Random(0).sample(SEEDS, len(SEEDS)) if shuffled else SEEDS
    found = run(reach, policy, seeds, environments, history=2)
    assert sorted(episode.seed for episode in found) == list(SEEDS)
    assert all(same_episode(episode, alone[episode.seed]) for episode in found)
    assert len({episode.length for episode in found}) > 2, "episodes of different lengths overtake each other"


def test_start_and_noise_come_from_the_seed_alone(reach):
    def follow(observation, noise):
        return 2 * noise[:, 0] - 1

    for episode in run(reach, Scripted(follow), SEEDS, 4):
        start = np.random.default_rng(episode.seed).uniform(-1, 1, 4)
        np.testing.assert_array_equal(episode.observation["arm"][0], start.astype(np.float32))
        noise = np.random.default_rng([episode.seed, ACTION_NOISE])
        drawn = [2 * noise.random((1, 2), np.float32)[0] - 1 for _ in range(episode.length)]
        np.testing.assert_array_equal(episode.action, drawn)


def test_each_policy_call_serves_all_environments(reach):
    policy = Scripted(still)
    run(reach, policy, range(6), 3)
    sizes = [len(noise) for _, noise in policy.seen]
    assert sizes[0] == 3 and set(sizes) <= {1, 2, 3}
    assert all(observation["arm"].shape == (len(noise), 1, 4) for observation, noise in policy.seen)


def test_the_window_repeats_the_first_observation(reach):
    policy = Scripted(still)
    [episode] = run(reach, policy, [1], 1, history=3)
    assert episode.length == 8, "seed 1 starts away from its goal, so standing still takes all the time"
    clocks = [observation["clock"][0].tolist() for observation, _ in policy.seen]
    assert clocks[:4] == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert clocks[-1] == [5, 6, 7]


def test_an_episode_is_whole_and_says_whose_it_is(reach, policy):
    found = run(reach, policy, SEEDS, 8, history=2, policy_id="p7")
    for episode in found:
        check_episode(episode, reach.schema)
        assert episode.policy == "p7"
        assert episode.score == episode.reward.sum() == float(episode.is_terminal)
        assert episode.observation["clock"].tolist() == list(range(episode.length + 1))
    assert {episode.score for episode in found} == {0.0, 1.0}


def test_short_episodes_do_not_wait_for_long_ones(reach):
    def straight(observation, noise):
        arm = observation["arm"][:, -1]
        return np.clip((arm[:, 2:] - arm[:, :2]) / 0.4, -1, 1)

    lengths = [episode.length for episode in run(reach, Scripted(straight), range(8), 8)]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]


def test_no_seeds_no_episodes(reach, policy):
    assert run(reach, policy, [], 3) == []


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_actions_that_are_not_finite_are_the_policys_fault(reach, wrong):
    policy = Scripted(lambda observation, noise: np.full((len(noise), 2), wrong))
    with pytest.raises(PolicyError, match="policy p7 gave actions that are not finite"):
        run(reach, policy, [1], 1, policy_id="p7")


def test_a_policy_that_crashes_is_named(reach):
    policy = Scripted(lambda observation, noise: observation["no such field"])
    with pytest.raises(PolicyError, match="policy p7 failed to act: KeyError") as caught:
        run(reach, policy, [1], 1, policy_id="p7")
    assert pickle.loads(pickle.dumps(caught.value)).policy == "p7", "it must arrive from an actor whole"


class Counting:
    """Keeps what it was told to do; ends after five steps, by a time limit of its own."""

    def __init__(self):
        self.done = []

    def seed(self, seed):
        pass

    def reset(self):
        return dm_env.restart({"arm": np.zeros(1, np.float32)})

    def step(self, action):
        self.done.append(action.copy())
        observation = {"arm": np.zeros(1, np.float32)}
        return (
            dm_env.truncation(0.0, observation)
            if len(self.done) == 5
            else dm_env.transition(0.0, observation)
        )


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float64", "float32"])
def test_what_is_recorded_is_what_was_done(dtype):
    schema = Schema("t", {"arm": Field((1,))}, Field((2,), dtype), (-100.0,) * 2, (100.0,) * 2, 20.0, 9)
    task = Task(schema, Counting, score=lambda rewards: 0.0, time_limit_is_terminal=True)
    environment = Counting()
    policy = Scripted(lambda _, noise: 7 * noise[:, 0] + 0.3)
    (episode,) = rollout(task, policy, [1], environments=[environment])
    check_episode(episode, schema)
    assert np.array_equal(episode.action, np.array(environment.done))
    assert np.array(environment.done).dtype == dtype
    given = np.concatenate([7 * noise[:, 0] + 0.3 for _, noise in policy.seen])
    np.testing.assert_allclose(episode.action, np.rint(given) if dtype[0] != "f" else given, rtol=1e-6)
    assert (episode.length, episode.ended(9), episode.info["ended"]) == (5, "horizon", "horizon")


def test_a_whole_number_that_does_not_fit_is_the_policy_s_fault():
    schema = Schema("t", {"arm": Field((1,))}, Field((2,), "uint8"), (0.0,) * 2, (9.0,) * 2, 20.0, 9)
    task = Task(schema, Counting, score=lambda rewards: 0.0, time_limit_is_terminal=True)
    policy = Scripted(lambda _, noise: 0 * noise[:, 0] - 1)
    with pytest.raises(PolicyError, match="policy p gave actions that uint8 cannot hold"):
        list(rollout(task, policy, [1], environments=[Counting()], policy_id="p"))
