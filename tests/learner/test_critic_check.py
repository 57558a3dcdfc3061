"""A critic's worth, by hand: who it tells apart, how far it is off, and by how much one may be unsure."""

from itertools import pairwise

import numpy as np
import pytest

from pacloop.datasets import Episode, EpisodeStore
from pacloop.learner.critic_check import (
    STRIDE,
    area,
    calibration,
    choose,
    discrimination,
    mean_interval,
    visit,
)
from pacloop.learner.policy import Acting, Policy


def array(*values):
    return np.array(values, float)


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    won = np.array([False, False, True, True])
    assert area(array(0.1, 0.4, 0.35, 0.8), won) == 3 / 4  # .35 is below .4
    assert area(array(0.1, 0.2, 0.3, 0.4), won) == 1.0
    assert area(array(0.4, 0.3, 0.2, 0.1), won) == 0.0
    assert area(array(0.5, 0.5, 0.5, 0.5), won) == 0.5


def test_discrimination_compares_episodes_at_the_same_step_only():
    step = np.array([0, 0, 5, 5, 5, 10, 10])
    won = np.array([False, True, True, False, True, True, True])
    q = array(0.2, 0.6, 0.3, 0.1, 0.05, 0.9, 0.8)
    assert discrimination(q, step, won) == {
        "auc": pytest.approx((1 * 1.0 + 2 * 0.5) / 3),  # at 5, .3 is above .1 and .05 below; at 10 all won
        "by_step": [{"step": 0, "auc": 1.0, "pairs": 1}, {"step": 5, "auc": 0.5, "pairs": 2}],
    }
    assert discrimination(q[-2:], step[-2:], won[-2:]) == {"auc": None, "by_step": []}


def test_calibration_by_hand():
    found = calibration(array(0.8, 0.2, 0.9, 0.1), array(1.0, 0.2, 0.6, 0.0), bins=2)
    assert found["error"] == pytest.approx(0.05)  # .15 against .1, .85 against .8
    assert [bin_["q"] for bin_ in found["curve"]] == pytest.approx([0.15, 0.85])
    assert [bin_["returned"] for bin_ in found["curve"]] == pytest.approx([0.1, 0.8])
    assert [bin_["steps"] for bin_ in found["curve"]] == [2, 2]
    q = np.linspace(0, 1, 7)
    assert calibration(q, q)["error"] == 0.0 and len(calibration(q, q)["curve"]) == 7


def test_the_unit_of_an_interval_is_the_episode():
    """Two episodes of a hundred equal steps tell no more than two numbers."""
    values, episode = np.repeat([0.0, 1.0], 100), np.repeat([3, 8], 100)
    assert mean_interval(values, episode) == {"mean": 0.5, "low": 0.0, "high": 1.0}
    many = mean_interval(values, np.arange(200))
    assert 0.4 < many["low"] < 0.45 < 0.55 < many["high"] < 0.6  # .5 and 1.96 times .035
    assert mean_interval(values, np.zeros(200)) == {"mean": 0.5, "low": None, "high": None}


def test_an_episode_weighs_by_its_steps():
    found = mean_interval(array(1, 1, 1, 0), np.array([0, 0, 0, 1]))
    assert found == {"mean": 0.75, "low": 0.0, "high": 1.0}


@pytest.fixture
def store(tmp_path, schema):
    """Three episodes of 7, 3 and 6 steps; the first is rewarded with 1 at its end, the last with 0.5."""
    store = EpisodeStore.create(tmp_path, schema)
    store.append(
        [episode(7, 1.0), episode(3, 0.0), episode(6, 0.5)],
        batch_id="r001-collect-00000",
        source="collection",
    )
    return store


def episode(steps, score):
    rng = np.random.default_rng(steps)
    return Episode(
        observation={
            "arm": rng.normal(size=(steps + 1, 3)).astype(np.float32),
            "goal": np.arange(steps + 1, dtype=np.float32),
        },
        action=rng.uniform(0, 1, (steps, 2)).astype(np.float32),
        reward=np.append(np.zeros(steps - 1), score).astype(np.float32),
        discount=np.ones(steps, np.float32),
        score=score,
    )


def test_what_is_visited(store):
    assert STRIDE == 5
    found = visit(store, store.snapshot(), discount=0.9, history=2)
    assert found.step.tolist() == [0, 5, 0, 0, 5]
    assert found.episode.tolist() == [0, 0, 1, 2, 2] and found.episodes == 3
    assert found.won.tolist() == [True, True, False, False, False]
    assert found.returned == pytest.approx([0.9**6, 0.9, 0.0, 0.5 * 0.9**5, 0.5])
    assert found.observation["goal"].tolist() == [[0, 0], [4, 5], [0, 0], [0, 0], [4, 5]]
    first = next(iter(store.episodes("r001-collect-00000")))
    np.testing.assert_array_equal(found.action[:2], first.action[[0, 5]])


def test_what_is_excluded_is_not_visited(store):
    store.exclude("r001-collect-00000/0", reason="knocked over", by="ann")
    found = visit(store, store.snapshot(), discount=0.9, history=1)
    assert found.step.tolist() == [0, 0, 5] and not found.won.any()


@pytest.fixture
def visited(store):
    return visit(store, store.snapshot(), discount=0.9, history=2)


def test_ways_of_acting_share_their_draws(build, schema, visited):
    def act(mode, actions, seed=1):
        return choose(Policy(build.pac(), schema, Acting(mode, actions)), visited, seed=seed)

    one = act("q_guided", 1)
    assert one.shape == (5, 2)
    np.testing.assert_array_equal(one, act("sample", 1))
    assert not np.array_equal(one, act("sample", 1, seed=2))


def test_a_critic_likes_what_it_chose_the_more_the_more_it_chose_from(build, schema, visited):
    policy = Policy(build.pac(), schema, Acting("q_guided", 1))
    found = []
    for actions in (1, 2, 4, 16):
        chosen = choose(Policy(policy.network, schema, Acting("q_guided", actions)), visited, seed=1)
        found.append(policy.q(visited.observation, chosen))
    assert all((later >= earlier - 1e-6).all() for earlier, later in pairwise(found))
    assert found[-1].mean() > found[0].mean()
