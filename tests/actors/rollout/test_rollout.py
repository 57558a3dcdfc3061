"""Rollouts: an episode is a function of its seed and its policy, whoever runs beside it."""

import pickle
import random
import re
from dataclasses import replace

import dm_env
import numpy as np
import pytest

from pacloop.actors.rollout.rollout import EpisodeError, PolicyError, outcomes, rollout
from pacloop.actors.rollout.slot import ACTION_NOISE, Failure
from pacloop.actors.task import Task
from pacloop.datasets import Episode, Field, Schema
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


@pytest.mark.parametrize(
    "lack",
    [
        MemoryError("Unable to allocate 2 GiB"),
        OSError(24, "Too many open files"),
        RuntimeError("can't start new thread"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_what_the_machine_lacks_is_not_the_policys_fault(reach, lack):
    def fails(_observation, _noise):
        raise lack

    with pytest.raises(type(lack)) as caught:
        run(reach, Scripted(fails), [1], 1, policy_id="p7")
    assert caught.value is lack


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


@pytest.fixture
def misbehave(misbehaving, tmp_path, monkeypatch):
    """The outcomes of the task that misbehaves, by what goes wrong, with those of the sound one."""
    monkeypatch.setenv("PACLOOP_DRILL", str(tmp_path))
    hopeless = {"blocks", "dies", "dies once"}  # as for a process, which is the collectors' business
    seeds = [seed for seed in range(60) if misbehaving.fault_of(seed) not in hopeless]

    def played(task):
        return {o.seed: o for o in outcomes(task, Scripted(still), seeds, environments=[None] * 4)}

    bad, sound = played(misbehaving.task()), played(misbehaving.sound())
    assert sorted(bad) == sorted(sound) == seeds, "one outcome a seed"

    def of(fault):
        return [(bad[s], sound[s]) for s in seeds if misbehaving.fault_of(s) == fault]

    return of


@pytest.mark.parametrize(
    "fault", ["", "reuses buffers", "writes on actions", "overruns", "float64", "a field too many"]
)
def test_what_an_environment_does_with_its_buffers_changes_no_record(
    misbehave, misbehaving, same_episode, fault
):
    for found, sound in misbehave(fault):
        assert same_episode(found, sound)
        check_episode(found, misbehaving.task().schema)
    assert misbehave(fault)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raises in reset", "RuntimeError: the arm is stuck"),
        ("raises in step", "ValueError: no such joint"),
        ("raises once", "RuntimeError: this time"),
        ("NaN observation", "observation arm is not finite"),
        ("another shape", r"observation arm has shape \(3,\), but must have \(4,\)"),
        ("a field is missing", "observation arm is missing"),
        ("text for numbers", "observation clock is <U5, but must be float32"),
        ("reward is no number", "reward is 'a lot', but must be a finite number"),
        ("score beyond 1", r"score is \d+.0, but must lie in \[0, 1\]"),
    ],
)
def test_an_episode_that_cannot_be_played_is_named_with_its_seed(misbehave, fault, reason):
    found = [outcome for outcome, _ in misbehave(fault)]
    assert found and all(isinstance(outcome, Failure) for outcome in found)
    for outcome in found:
        assert re.fullmatch(f"drill/misbehaving, seed {outcome.seed}: {reason}", outcome.reason)


def test_where_all_must_be_played_a_failure_is_an_error(misbehaving):
    stuck = next(seed for seed in range(60) if misbehaving.fault_of(seed) == "raises in reset")
    with pytest.raises(EpisodeError, match=f"seed {stuck}: RuntimeError: the arm is stuck"):
        run(misbehaving.task(), Scripted(still), [0, stuck], 2)


def test_the_horizon_ends_an_episode_that_does_not_end_by_itself(reach):
    short = replace(reach, schema=replace(reach.schema, horizon=3))
    [episode] = run(short, Scripted(still), [1], 1)
    assert episode.length == 3 and not episode.is_terminal
    assert episode.discount.tolist() == [1.0, 1.0, 1.0]


def test_an_environment_that_counts_as_false_is_kept(reach):
    made = []

    class Empty(type(reach.make())):
        def __init__(self):
            super().__init__()
            made.append(self)

        def __len__(self):
            return 0

    run(replace(reach, make=Empty), Scripted(still), range(3), 1)
    assert len(made) == 1


def test_whole_numbers_that_do_not_fit_are_refused(reach):
    counts = replace(reach.schema, observation={"arm": Field((4,)), "clock": Field((), "int8")})

    class Counting:
        """Hands over the clock as a whole number, plus an offset."""

        def __init__(self, offset):
            self.inner, self.offset = reach.make(), offset
            self.seed, self.close = self.inner.seed, self.inner.close

        def reset(self):
            return self.whole(self.inner.reset())

        def step(self, action):
            return self.whole(self.inner.step(action))

        def whole(self, step):
            clock = int(step.observation["clock"]) + self.offset
            return step._replace(observation={**step.observation, "clock": clock})

    for offset, kind in ((0, Episode), (124, Failure)):
        environments = [Counting(offset)]
        task = replace(reach, schema=counts)
        [outcome] = outcomes(task, Scripted(still), [1], environments=environments)
        assert isinstance(outcome, kind)


class RandomState32:
    """An environment that hands its seed to numpy's RandomState."""

    def __init__(self, inner):
        self.inner, self.reset, self.step = inner, inner.reset, inner.step

    def seed(self, seed):
        np.random.RandomState(seed)
        self.inner.seed(seed)


def test_a_seed_that_an_environment_cannot_take_is_given_in_32_bits(misbehaving):
    """The loop's seeds begin at 2^56, and numpy's RandomState takes 32 bits."""
    large, make = range(2**56, 2**56 + 20), misbehaving.sound().make
    task = replace(misbehaving.sound(), seed_limit=2**32, make=lambda: RandomState32(make()))
    found = {e.observation["arm"][0].tobytes(): e.seed for e in run(task, Scripted(still), large, 4)}
    assert sorted(found.values()) == list(large), "each has a start of its own, and the seed it was asked for"
    (again,) = run(task, Scripted(still), [large[7]], 1)
    assert isinstance(
        next(outcomes(replace(task, seed_limit=2**63), Scripted(still), large, environments=[None])), Failure
    )
    assert found[again.observation["arm"][0].tobytes()] == large[7]
    assert task.environment_seed(2**32 - 1) == 2**32 - 1
    assert task.environment_seed(2**32) < 2**32
