from dataclasses import replace

import numpy as np
import pytest

from pacloop.datasets import DatasetError, EpisodeStore, Field
from pacloop.datasets.records.episode import check_episode


def test_a_good_episode_passes(build, schema):
    episode = build.episode(7, terminal=False)
    check_episode(episode, schema)
    assert episode.length == 7
    assert not episode.is_terminal
    assert build.episode(7).is_terminal


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"action": np.zeros((5, 3), np.float32)}, r"action has shape \(5, 3\), but must have \(5, 2\)"),
        ({"action": np.zeros((5, 2))}, "action is float64, but must be float32"),
        ({"action": np.full((5, 2), 1.5, np.float32)}, "outside its bounds"),
        ({"action": np.full((5, 2), np.nan, np.float32)}, "action is not finite at step 0"),
        ({"reward": np.zeros(4, np.float32)}, "reward has shape"),
        ({"discount": np.full(5, 2, np.float32)}, "discount must lie"),
        ({"score": 1.5}, "score is 1.5"),
        ({"score": float("nan")}, "score is nan"),
        ({"observation": {}}, "observation has the fields"),
    ],
)
def test_a_bad_field_is_named(build, schema, changes, sentence):
    with pytest.raises(DatasetError, match=sentence):
        check_episode(build.episode(5, **changes), schema)


@pytest.mark.parametrize("name", ["action", "reward", "discount"])
def test_a_list_is_no_array(build, schema, name):
    episode = build.episode(5)
    with pytest.raises(DatasetError, match=f"{name} is a list, but must be a numpy array"):
        check_episode(replace(episode, **{name: getattr(episode, name).tolist()}), schema)
    listed = {**episode.observation, "touch": episode.observation["touch"].tolist()}
    with pytest.raises(DatasetError, match="observation touch is a list, but must be a numpy array"):
        check_episode(replace(episode, observation=listed), schema)


def test_a_store_refuses_a_list_in_a_sentence(tmp_path, build, schema):
    episode = replace(build.episode(5), action=build.episode(5).action.tolist())
    store = EpisodeStore.create(tmp_path / "d", schema)
    with pytest.raises(DatasetError, match="batch b, episode 0: action is a list, but must be a numpy array"):
        store.append([episode], batch_id="b", source="demonstration")


def test_length_is_bounded(build, schema):
    with pytest.raises(DatasetError, match="more than the horizon of 40"):
        check_episode(build.episode(41), schema)


def test_an_episode_may_be_empty(build, schema):
    empty = build.episode(0)
    check_episode(empty, schema)
    assert (empty.length, empty.is_terminal) == (0, False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (np.array([["a", 3], ["b", "c"]], object), "observation told holds 3, but must hold text"),
        (np.array([["a", "\ud800"], ["b", "c"]]), "which is no valid Unicode"),
        (np.zeros((2, 2)), "observation told is float64, but must be str"),
        (np.array(["a", "b"]), r"observation told has shape \(2,\), but must have \(2, 2\)"),
    ],
)
def test_text_is_checked(build, words, sentence):
    schema = build.schema(observation={"told": Field((2,), "str")})
    good = build.episode(1, schema=schema, observation={"told": np.array([["a", "ü"], ["", "\0"]], object)})
    check_episode(good, schema)
    with pytest.raises(DatasetError, match=sentence):
        check_episode(build.episode(1, schema=schema, observation={"told": words}), schema)
