"""The local copies of a bucket's files: what is kept, what makes way, what is never shown again."""

import os
import time

import pytest

from pacloop.datasets import EpisodeStore
from pacloop.datasets.objects import Bucket
from pacloop.datasets.store import cache
from pacloop.datasets.store.bucket import CachedBucket

LARGE = 2**40


@pytest.fixture
def store(bucket_store):
    return bucket_store


@pytest.fixture
def elsewhere(bucket_elsewhere):
    return bucket_elsewhere


def sizes(store):
    return {path: path.stat().st_size for path in store.folder.rglob("*.arrow")}


def test_the_cache_keeps_its_bound_and_everything_can_be_read(store, elsewhere, build):
    for number in range(6):
        store.append([build.episode(30, number)], batch_id=f"b{number}", source="collection")
    whole = sum(sizes(store).values())
    tiny = elsewhere(whole // 3)
    for _ in range(2):
        for number in range(6):
            assert build.same(tiny.episode(f"b{number}/0"), build.episode(30, number))
            assert sum(sizes(tiny).values()) <= whole // 3
    kept = {path.parent.name for path in sizes(tiny)}
    assert "b5" in kept, "the most recent stays"
    assert "b0" not in kept


def test_what_is_mapped_stays_readable_when_it_makes_way(store, elsewhere, build):
    for number in range(3):
        store.append([build.episode(30, number)], batch_id=f"b{number}", source="collection")
    none = elsewhere(1)
    first = none.episode("b0/0")
    assert build.same(none.episode("b2/0"), build.episode(30, 2))
    assert len(sizes(none)) == 1
    assert build.same(first, build.episode(30, 0))


def test_what_a_replay_uses_does_not_make_way(s3, store, elsewhere, build):
    for number in range(4):
        store.append([build.episode(30, number)], batch_id=f"b{number}", source="collection")
    tiny = elsewhere(1)
    pinned = tiny.pinned(tiny.snapshot(batches=["b0", "b1"]))
    for number in (2, 3):
        tiny.episode(f"b{number}/0")
    assert {path.parent.name for path in sizes(tiny)} >= {batch.id for batch in pinned}
    s3.requests.clear()
    tiny.episode("b0/0")
    assert s3.requests == []
    tiny.pinned(tiny.snapshot(batches=["b3"]))
    tiny.episode("b2/0")
    assert {path.parent.name for path in sizes(tiny)} == {"b3", "b2"}, "the first snapshot's make way now"


def test_what_another_process_has_just_asked_for_stays(store, elsewhere, url, build, monkeypatch):
    for number in range(3):
        store.append([build.episode(30, number)], batch_id=f"b{number}", source="collection")
    one = elsewhere(1)
    two = EpisodeStore.open(CachedBucket(url, one.folder.parent, 1))
    path = one.file("b0", "steps.arrow")
    two.episode("b1/0")
    assert path.exists()
    monkeypatch.setattr(cache, "JUST_USED_SEC", 0.0)
    two.episode("b2/0")
    assert not path.exists()


def test_what_was_asked_for_before_a_clock_was_set_back_makes_way(store, elsewhere, url, build):
    for number in range(2):
        store.append([build.episode(30, number)], batch_id=f"b{number}", source="collection")
    one = elsewhere(1)
    path = one.file("b0", "steps.arrow")
    tomorrow = time.time() + 24 * 3600
    os.utime(path, (tomorrow, tomorrow))
    EpisodeStore.open(CachedBucket(url, one.folder.parent, 1)).episode("b1/0")
    assert not path.exists()


def test_the_second_read_asks_for_nothing(s3, store, elsewhere, build):
    store.append([build.episode()], batch_id="a", source="collection")
    s3.requests.clear()
    store.episode("a/0")
    assert s3.requests == [], "what this process appended is in the cache"
    other = elsewhere()
    other.episode("a/0")
    s3.requests.clear()
    other.episode("a/0")
    assert s3.requests == []


def test_a_dataset_that_was_made_anew_never_shows_old_copies(store, url, build):
    store.append([build.episode()], batch_id="a", source="collection")
    objects = Bucket(url)
    objects.delete(list(objects.list("batches")))
    again = EpisodeStore.open(CachedBucket(url, store.folder.parent, LARGE))
    assert again.batches() == []
    again.append([build.episode(seed=1)], batch_id="a", source="collection")
    for fresh in (EpisodeStore.open(CachedBucket(url, store.folder.parent, LARGE)) for _ in range(2)):
        assert [batch.id for batch in fresh.batches()] == ["a"]
        assert build.same(fresh.episode("a/0"), build.episode(seed=1))
