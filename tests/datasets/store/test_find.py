from datetime import UTC, datetime, timedelta

import pytest

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets.store.find import Query, find_batches, find_rows, moment


@pytest.fixture
def store(tmp_path, build, schema):
    store = EpisodeStore.create(tmp_path / "dataset", schema)
    made = [
        build.episode(3, i, score=score, policy=who) for i, (score, who) in enumerate(zip((0, 0.5), "ab"))
    ]
    store.append(made, batch_id="demo", source="demonstration", round=0)
    store.append([build.episode(4, policy="b")], batch_id="r3", source="collection", round=3)
    store.append([build.episode(5, policy="b", score=0.0)], batch_id="r3-gate", source="evaluation", round=3)
    return store


@pytest.mark.parametrize(
    ("asked", "batches", "episodes"),
    [
        ({}, ["demo", "r3", "r3-gate"], ["demo/0", "demo/1", "r3/0", "r3-gate/0"]),
        ({"round": 3}, ["r3", "r3-gate"], ["r3/0", "r3-gate/0"]),
        ({"round": 0}, ["demo"], ["demo/0", "demo/1"]),
        ({"round": 3, "source": "collection"}, ["r3"], ["r3/0"]),
        ({"policy": "a"}, ["demo"], ["demo/0"]),
        ({"policy": "b", "maximum_score": 0.5}, ["demo", "r3-gate"], ["demo/1", "r3-gate/0"]),
        ({"maximum_score": 0.0}, ["demo", "r3-gate"], ["demo/0", "r3-gate/0"]),
        ({"minimum_score": 0.5, "maximum_score": 0.9}, ["demo"], ["demo/1"]),
        ({"policy": "c"}, [], []),
    ],
)
def test_what_is_found(store, asked, batches, episodes):
    assert [batch.id for batch in find_batches(store, Query(**asked))] == batches
    found = list(find_rows(store, Query(**asked)))
    assert [row.id for _, row in found] == episodes
    assert [batch.id for batch, _ in found] == [episode.partition("/")[0] for episode in episodes]


def test_since(store):
    last = datetime.fromisoformat(store.batches()[-1].committed)
    assert [batch.id for batch in find_batches(store, Query(since=last))] == ["r3-gate"]
    assert find_batches(store, Query(since=last + timedelta(seconds=1))) == []


def test_times_in_words():
    assert moment("2026-11-21") == datetime(2026, 11, 21, tzinfo=UTC)
    assert moment("2026-11-21T09:30+01:00") == datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    with pytest.raises(DatasetError, match="'soon' is no time; write 2026-11-21"):
        moment("soon")


def test_an_unknown_source_is_refused():
    with pytest.raises(DatasetError, match="source is 'dreams'"):
        Query(source="dreams")
