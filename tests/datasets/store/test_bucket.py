"""Datasets in a bucket of a real S3 server: the same as in a folder, whoever dies and whenever."""

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from pacloop.datasets import DatasetError, Episode, EpisodeStore, Replay
from pacloop.datasets.objects import Bucket
from pacloop.datasets.store import bucket as remote
from pacloop.datasets.store.bucket import CachedBucket

LARGE = 2**40

WRITER = """
import os, signal, sys
import numpy as np
from itertools import count
from pathlib import Path
from pacloop.datasets import Episode, EpisodeStore
from pacloop.datasets.objects import Bucket
from pacloop.datasets.store.bucket import CachedBucket
url, folder, calls, when = sys.argv[1:]
done = count(1)
def counted(real):
    def call(*args):
        number = next(done)
        if when == "before" and number == int(calls):
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(*args)
        if when == "after" and number == int(calls):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return call
store = EpisodeStore.open(CachedBucket(url, Path(folder), 2**40))
for name in ("upload", "replace"):
    setattr(Bucket, name, counted(getattr(Bucket, name)))
observation = {n: np.ones((3, *f.shape), f.dtype) for n, f in store.schema.observation.items()}
ones = np.ones(2, np.float32)
episode = Episode(observation, np.zeros((2, 2), np.float32), ones, ones, 1.0)
print("ready", flush=True)
sys.stdin.readline()
batch = store.append([episode], batch_id="a", source="collection")
print(batch.committed)
"""


@pytest.fixture
def store(bucket_store):
    return bucket_store


@pytest.fixture
def elsewhere(bucket_elsewhere):
    return bucket_elsewhere


def keys(store):
    return sorted(Bucket(store.place).list("batches"))


def start_writer(url, folder, calls=0, when=""):
    command = [sys.executable, "-c", WRITER, url, str(folder), str(calls), when]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    return process.communicate("\n", timeout=60)[0]


# The same as in a folder.


def test_what_goes_in_comes_out_as_from_a_local_store(store, elsewhere, tmp_path, build):
    local = EpisodeStore.create(tmp_path / "local", build.schema())
    for number in range(3):
        episodes = [build.episode(5 + i, 10 * number + i, terminal=bool(i)) for i in range(3)]
        facts = {"batch_id": f"b{number}", "source": "collection", "round": number, "origin": {"host": "h"}}
        assert store.append(episodes, **facts).digest == local.append(episodes, **facts).digest
    other = elsewhere()
    assert other.batches() == store.batches()
    assert [(b.id, b.digest, b.digests) for b in other.batches()] == [
        (b.id, b.digest, b.digests) for b in local.batches()
    ]
    assert list(other.iter_rows()) == list(local.iter_rows())
    for batch in local.batches():
        pairs = zip(local.episodes(batch), other.episodes(batch), strict=True)
        assert all(build.same(left, right) for left, right in pairs)
    assert build.same(other.episode("b1/2"), local.episode("b1/2"))
    assert other.snapshot() == local.snapshot()
    assert store.verify() == other.verify() == []
    assert store.clean() == []


def test_a_replay_draws_the_same(store, elsewhere, tmp_path, build):
    local = EpisodeStore.create(tmp_path / "local", build.schema())
    for number in range(3):
        for each in (local, store):
            each.append([build.episode(20, number)], batch_id=f"b{number}", source="collection")
    settings = {"n_step": 3, "discount": 0.9, "time_limit_is_terminal": True, "history": 2}
    samples = [
        Replay(each, each.snapshot(), **settings).sample(64, np.random.default_rng(0))
        for each in (local, elsewhere())
    ]
    for name in ("action", "n_step_return", "bootstrap_discount"):
        assert np.array_equal(getattr(samples[0], name), getattr(samples[1], name))
    for name, column in samples[0].observation.items():
        assert np.array_equal(column, samples[1].observation[name])


def test_appending_again_writes_nothing(s3, store, elsewhere, build):
    first = store.append([build.episode()], batch_id="a", source="collection")
    before = keys(store)
    s3.requests.clear()
    for again in (store, elsewhere()):
        assert again.append([build.episode()], batch_id="a", source="collection") == first
        with pytest.raises(DatasetError, match="already committed, with other content"):
            again.append([build.episode(seed=1)], batch_id="a", source="collection")
    assert {method for method, _ in s3.requests} == {"GET"}
    assert keys(store) == before


def test_a_bad_episode_asks_for_nothing(s3, store, build):
    s3.requests.clear()
    with pytest.raises(DatasetError, match="action lies in"):
        store.append(
            [build.episode(action=np.full((5, 2), 3, np.float32))], batch_id="a", source="collection"
        )
    assert s3.requests == []


# No more requests and syncs than it takes.


def test_the_files_of_an_append_are_uploaded_at_once_and_then_committed(s3, store, build, monkeypatch):
    upload, both = Bucket.upload, Barrier(2)

    def meet(self, path, key):
        both.wait(20)
        upload(self, path, key)

    monkeypatch.setattr(Bucket, "upload", meet)
    s3.requests.clear()
    store.append([build.episode()], batch_id="a", source="collection")
    methods = [method for method, path in s3.requests if "/batches/" in path and "." in path]
    assert sorted(methods[-5:-1]) == ["GET", "GET", "PUT", "PUT"], "each is read back"
    assert methods[-1] == "PUT" and s3.requests[-1][1].endswith("batch.json")


def test_of_what_is_only_a_copy_the_bytes_are_synced(store, elsewhere, build, monkeypatch):
    synced, fsync = [], os.fsync

    def count(handle):
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    other = elsewhere()
    monkeypatch.setattr(os, "fsync", count)
    store.append([build.episode()], batch_id="a", source="collection")
    assert sorted(synced) == ["episodes.arrow", "steps.arrow"]
    synced.clear()
    list(other.episodes("a"))
    assert [name.split(".")[1:3] for name in sorted(synced)] == [["episodes", "arrow"], ["steps", "arrow"]]


def test_verify_keeps_the_copies_of_manifests(s3, store, elsewhere, url, build):
    for number in range(3):
        store.append([build.episode(seed=number)], batch_id=f"b{number}", source="collection")
    assert store.verify() == []
    again = EpisodeStore.open(CachedBucket(url, store.folder.parent, LARGE))
    s3.requests.clear()
    assert len(again.batches()) == 3
    assert len(s3.requests) == 1, "the listing"


def test_a_copy_of_a_manifest_that_a_power_cut_spoiled_is_fetched_again(s3, store, url, build):
    batch = store.append([build.episode()], batch_id="a", source="collection")
    (copy,) = (store.folder / "batches" / "a").glob("*.json")
    for spoiled in (b"", bytes(copy.stat().st_size)):
        copy.write_bytes(spoiled)
        for gets in (2, 1):  # the listing, and what was spoiled
            again = EpisodeStore.open(CachedBucket(url, store.folder.parent, LARGE))
            s3.requests.clear()
            assert again.batches() == [batch]
            assert len(s3.requests) == gets


# Two at once.


def test_two_processes_that_append_one_id_make_one_batch(store, elsewhere, tmp_path, url):
    writers = [start_writer(url, tmp_path / f"writer{i}") for i in range(2)]
    for process in writers:
        process.stdin.write("\n")
        process.stdin.flush()
    committed = [process.communicate(timeout=60)[0] for process in writers]
    assert [process.returncode for process in writers] == [0, 0]
    assert committed[0] == committed[1], "both see one commit, made at one time"
    assert len(elsewhere().batches()) == 1
    assert elsewhere().verify() == []


def test_an_answer_that_came_too_late_is_no_loss(store, build, monkeypatch):
    replace = Bucket.replace

    def sent_twice(self, *words):
        replace(self, *words)
        return replace(self, *words)

    monkeypatch.setattr(Bucket, "replace", sent_twice)
    batch = store.append([build.episode()], batch_id="a", source="collection")
    assert store.batches() == [batch]
    assert store.verify() == []


# Whoever dies.


@pytest.mark.parametrize(
    ("calls", "when", "committed"),
    [(2, "after", 0), (3, "after", 0), (4, "before", 0), (4, "after", 1)],
)
def test_a_kill_leaves_a_whole_batch_or_nothing(store, elsewhere, url, calls, when, committed):
    process = start_writer(url, store.folder.parent, calls, when)
    assert go(process) == ""
    assert process.returncode == -9
    other = elsewhere()
    assert len(other.batches()) == committed
    uploads = {key.split("/")[2] for key in keys(store) if key.count("/") == 3}
    left = [upload for upload in uploads if not committed]
    assert (other.verify(), len(other.leftovers())) == ([], len(left)), "only leftovers may be there"
    assert other.clean() == [], "who knows whether the writer is dead?"
    removed = EpisodeStore.open(CachedBucket(url, store.folder.parent, LARGE)).clean()
    assert [name for name in removed if not name.endswith(".tmp")] == [f"a/{upload}" for upload in left]
    assert other.leftovers() == []
    observation = {n: np.ones((3, *f.shape), f.dtype) for n, f in store.schema.observation.items()}
    ones = np.ones(2, np.float32)
    same = Episode(observation, np.zeros((2, 2), np.float32), ones, ones, 1.0)
    store.append([same], batch_id="a", source="collection")
    assert len(keys(store)) == 3
    assert other.verify() == other.leftovers() == []


def test_what_was_left_from_elsewhere_goes_after_a_day(store, elsewhere, url, tmp_path, monkeypatch):
    go(start_writer(url, tmp_path / "gone", 4, "before"))
    assert store.clean() == []
    assert "batches/a/" in store.leftovers()[0]
    monkeypatch.setattr(remote, "UPLOAD_SEC", -5.0)
    assert len(store.clean()) == 1
    assert keys(store) == []


def test_a_machine_whose_clock_is_ahead_removes_no_living_writers_upload(
    store, elsewhere, url, build, tmp_path, monkeypatch
):
    go(start_writer(url, tmp_path / "gone", 4, "before"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 48 * 3600)
    assert store.clean() == []
    assert "batches/a/" in store.leftovers()[0]


def test_an_upload_that_took_half_a_day_is_not_committed(store, build, monkeypatch):
    monkeypatch.setattr(remote, "UPLOAD_SEC", -5.0)
    with pytest.raises(DatasetError, match="took too long to upload: append it again"):
        store.append([build.episode()], batch_id="a", source="collection")
    assert store.batches() == []


def test_a_server_that_goes_away_is_one_sentence_and_nothing_is_lost(s3, store, elsewhere, build):
    first = store.append([build.episode()], batch_id="a", source="collection")
    other = elsewhere()
    s3.stop()
    try:
        for call in (
            lambda: store.append([build.episode(seed=1)], batch_id="b", source="collection"),
            store.batches,
            store.verify,
            lambda: list(other.episodes("a")),
            lambda: store.exclude("a/0", reason="r", by="b"),
        ):
            with pytest.raises(DatasetError, match=r"cannot be \w+: no answer after 1 retries") as told:
                call()
            assert "\n" not in str(told.value)
        assert build.same(store.episode("a/0"), build.episode()), "what is in the cache can be read"
    finally:
        s3.start()
    second = store.append([build.episode(seed=1)], batch_id="b", source="collection")
    assert other.batches() == store.batches() == [first, second]
    assert store.verify() == []


def test_a_server_that_goes_away_between_upload_and_commit(s3, store, build, monkeypatch):
    replace = Bucket.replace

    def cut(self, *words):
        if words[0].endswith("batch.json"):
            s3.stop()
        return replace(self, *words)

    monkeypatch.setattr(Bucket, "replace", cut)
    with pytest.raises(DatasetError, match=r"batch.json cannot be written: no answer"):
        store.append([build.episode()], batch_id="a", source="collection")
    monkeypatch.undo()
    s3.start()
    assert store.batches() == []
    store.append([build.episode()], batch_id="a", source="collection")
    assert (store.verify(), len(store.leftovers())) == ([], 1), "one upload is left over, and said"


# What is wrong, in a sentence.


@pytest.mark.parametrize("name", ["steps.arrow", "episodes.arrow"])
def test_a_changed_or_missing_object_is_named(store, elsewhere, build, name):
    store.append([build.episode()], batch_id="a", source="collection")
    (key,) = [key for key in keys(store) if key.endswith(name)]
    objects = Bucket(store.place)
    raw = bytearray(objects.read(key))
    raw[-20] ^= 1
    objects.delete([key])
    missing = f"{name} cannot be read: there is no such object"
    assert missing in store.verify()[0]
    assert objects.create(key, bytes(raw))
    with pytest.raises(DatasetError, match=f"{name} was changed: its XXH3 is"):
        list(elsewhere().episodes("a"))
    assert f"{name} was changed" in store.verify()[0], "also where the cache has a good copy"
