"""A critic's worth, by hand: which episodes it tells apart, and how far it is off."""

import numpy as np
import pytest

from pacloop.datasets import DatasetError, Episode, EpisodeStore
from pacloop.learner.critic_check import STRIDE, area, calibration, discrimination, visit


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
    found, step, won = visit(store, store.snapshot(), discount=0.9, history=2)
    assert step.tolist() == [0, 5, 0, 0, 5]
    assert won.tolist() == [True, True, False, False, False]
    assert found.n_step_return == pytest.approx([0.9**6, 0.9, 0.0, 0.5 * 0.9**5, 0.5])
    assert found.observation["goal"].tolist() == [[0, 0], [4, 5], [0, 0], [0, 0], [4, 5]]
    first = next(iter(store.episodes("r001-collect-00000")))
    np.testing.assert_array_equal(found.action[:2], first.action[[0, 5]])


def test_what_is_excluded_is_not_visited(store):
    store.exclude("r001-collect-00000/0", reason="knocked over", by="ann")
    _, step, won = visit(store, store.snapshot(), discount=0.9, history=1)
    assert step.tolist() == [0, 0, 5] and not won.any()


def test_a_snapshot_without_episodes_is_refused(store):
    store.exclude("r001-collect-00000", reason="knocked over", by="ann")
    with pytest.raises(DatasetError):
        visit(store, store.snapshot(), discount=0.9, history=1)
