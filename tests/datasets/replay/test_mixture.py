"""Shares of sources and tasks: as wanted where there is something of them."""

from itertools import count

import numpy as np
import pytest

from pacloop.datasets import SOURCES, DatasetError, EpisodeStore, Replay
from pacloop.datasets.replay.mixture import shares_of


@pytest.fixture
def store(tmp_path, build):
    """Steps of two sources and three tasks; one task is the schema's own, and has no instruction."""
    store, number = EpisodeStore.create(tmp_path / "dataset", build.schema()), count()
    for source, words in (("demonstration", ("lift", "lift", "push")), ("collection", ("push", ""))):
        rewards = [np.full(4, next(number), np.float32) for _ in words]
        episodes = [build.episode(4, instruction=word, reward=r) for word, r in zip(words, rewards)]
        store.append(episodes, batch_id=source, source=source)
    return store


def open_replay(store, **mixtures):
    return Replay(
        store, store.snapshot(), n_step=1, discount=1.0, time_limit_is_terminal=True, history=1, **mixtures
    )


def drawn(replay, store):
    """How often each task of each source is drawn, of 8000."""
    episodes = [(batch.source, row) for batch in store.batches() for row in store.iter_rows([batch])]
    found = {}
    for number in replay.sample(8000, np.random.default_rng(0)).n_step_return.astype(int):
        source, episode = episodes[number]
        key = (source, episode.instruction or store.schema.task)
        found[key] = found.get(key, 0) + 1
    return found


def test_tasks_in_their_shares(store):
    found = drawn(open_replay(store, task_mixture={"lift": 1, "test/reach": 3}), store)
    assert found.keys() == {("demonstration", "lift"), ("collection", "test/reach")}
    assert abs(found["demonstration", "lift"] - 2000) < 150


def test_tasks_are_known_from_what_is_read_once(store, monkeypatch):
    file, opened = store.backend.file, []
    monkeypatch.setattr(
        store.backend, "file", lambda batch, name: opened.append((batch.id, name)) or file(batch, name)
    )
    open_replay(store, task_mixture={"lift": 1})
    assert len(opened) == len(set(opened)) == 4, "two files of each batch"


def test_an_excluded_episode_takes_its_task_along(store):
    store.exclude("demonstration/2", reason="it slipped", by="ann")
    found = drawn(open_replay(store, task_mixture={"push": 1}), store)
    assert found.keys() == {("collection", "push")}


def test_sources_and_tasks_together_multiply(store):
    shares = {"demonstration": 0.5, "collection": 0.5}
    found = drawn(open_replay(store, mixture=shares, task_mixture={"lift": 0.5, "push": 0.5}), store)
    assert found.keys() == {("demonstration", "lift"), ("demonstration", "push"), ("collection", "push")}
    assert all(abs(count - 8000 / 3) < 180 for count in found.values())


@pytest.mark.parametrize(
    ("mixtures", "says"),
    [
        ({"task_mixture": {"fly": 1}}, "task is 'fly', but must be one of lift, push, test/reach"),
        ({"task_mixture": {"lift": 0}}, "shares of the tasks must not all be 0"),
        ({"mixture": {"collection": 1}, "task_mixture": {"lift": 1}}, "the mixture leaves no step"),
    ],
)
def test_what_cannot_be_drawn(store, mixtures, says):
    with pytest.raises(DatasetError, match=says):
        open_replay(store, **mixtures)


def test_the_rest_is_divided_by_steps():
    steps = dict(zip(SOURCES, (100, 300, 100, 0)))
    shares = shares_of({"demonstration": 0.2}, steps)
    assert shares == pytest.approx({"demonstration": 0.2, "collection": 0.6, "evaluation": 0.2})
    assert shares_of({"collection": 1.0}, steps) == {"demonstration": 0, "collection": 1, "evaluation": 0}


def test_what_is_not_there_yet_gives_way():
    assert shares_of({"demonstration": 0.25, "collection": 0.75}, {"demonstration": 9}) == {
        "demonstration": 1
    }
    with pytest.raises(DatasetError, match="only demonstration is there, and its share is 0"):
        shares_of({"demonstration": 0.0}, {"demonstration": 9, "collection": 0})
