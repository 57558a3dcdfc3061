"""The same episodes under two batch ids count once, whoever is killed, and whoever is at work beside."""

import subprocess
import sys

import pytest

from pacloop.datasets import DatasetError, EpisodeStore

WRITER = """
import os, signal, sys
import numpy as np
from pathlib import Path
from pacloop.datasets import DatasetError, Episode, EpisodeStore
from pacloop.datasets.store.bucket import CachedBucket
address, cache, who, batches, dies = sys.argv[1:]
store = EpisodeStore.open(CachedBucket(address, Path(cache), 2**40) if "://" in address else address)
if dies == "dies":  # between the claim and the commit
    store.backend.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(batches)):
    observation = {n: np.ones((3, *f.shape), f.dtype) for n, f in store.schema.observation.items()}
    ones = np.ones(2, np.float32)
    episode = Episode(observation, np.zeros((2, 2), np.float32), ones, ones, 1.0, seed=number)
    facts = {"batch_id": f"{who}{number}", "source": "demonstration", "origin": {"by": who}}
    try:
        print(store.append([episode], **facts).id, flush=True)
    except DatasetError as error:
        print(error, flush=True)
"""


@pytest.fixture
def writer(place, store, tmp_path):
    """Start a process that appends so many batches when it is told to."""

    def start(who, batches=1, dies=""):
        words = [place.address, tmp_path / f"cache-{who}", who, str(batches), dies]
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        return process

    return start


def lines(process):
    return process.communicate("\n", timeout=60)[0].splitlines()


def test_the_same_episodes_count_once(store, elsewhere, build):
    facts = {"source": "demonstration", "round": 1}
    store.append([build.episode()], batch_id="a", **facts)
    sentence = "batch b holds the same episodes as a, and would count twice"
    for each in (store, elsewhere()):
        with pytest.raises(DatasetError, match=sentence):
            each.append([build.episode()], batch_id="b", **facts)
    assert [batch.id for batch in elsewhere().batches()] == ["a"]
    assert elsewhere().verify() == []
    played = [{"stage": f"race-{way}"} for way in ("mode", "sample")]
    for number, origin in enumerate(played):  # whose actions may be the same
        store.append([build.episode()], batch_id=f"race-{number}", origin=origin, **facts)
    assert len(elsewhere().batches()) == 3


def test_what_a_killed_writer_claimed_is_committed_in_its_name(store, elsewhere, writer):
    killed = writer("a", dies="dies")
    assert (lines(killed), killed.returncode) == ([], -9)
    assert elsewhere().batches() == []
    assert lines(writer("b")) == ["a0"], "who comes next commits it"
    assert lines(writer("a")) == ["a0"], "and the killed one finds it"
    assert lines(writer("b")) == ["batch b0 holds the same episodes as a0, and would count twice"]
    (batch,) = elsewhere().batches()
    assert (batch.id, batch.origin) == ("a0", {"by": "a"})
    store.clean()
    assert elsewhere().verify() == []


def test_two_processes_that_append_the_same_episodes_make_one_batch(store, elsewhere, writer):
    writers = {who: writer(who, batches=20) for who in "ab"}
    for process in writers.values():
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = {who: process.communicate(timeout=120)[0].splitlines() for who, process in writers.items()}
    batches = elsewhere().batches()
    assert sorted(int(batch.id[1:]) for batch in batches) == list(range(20))
    for batch in batches:
        assert outputs[batch.id[0]][int(batch.id[1:])] == batch.id
        assert batch.origin == {"by": batch.id[0]}
    assert elsewhere().verify() == []


def test_who_overtakes_a_living_writer_commits_in_its_name(store, elsewhere, build, monkeypatch):
    publish, rivals = store.backend.publish, []

    def late(aside, batch):
        rivals.append(elsewhere().append([build.episode()], batch_id="b", source="collection"))
        publish(aside, batch)

    monkeypatch.setattr(store.backend, "publish", late)
    batch = store.append([build.episode()], batch_id="a", source="collection")
    assert rivals == elsewhere().batches() == [batch]
    assert batch.id == "a"
    assert elsewhere().verify() == []


def test_a_claim_is_void_once_its_id_holds_something_else(store, elsewhere, build, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store.backend, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        store.append([build.episode()], batch_id="a", source="collection")
    store.append([build.episode(seed=1)], batch_id="a", source="collection")
    assert store.append([build.episode()], batch_id="b", source="collection").id == "b"
    with pytest.raises(DatasetError, match="batch c holds the same episodes as b"):
        elsewhere().append([build.episode()], batch_id="c", source="collection")
    assert elsewhere().verify() == []


@pytest.mark.parametrize(
    ("words", "committed"),
    [(b"a", "a"), (b"", "b"), (b"\0\0", "b"), (b'a\n{"by"', "b")],
    ids=["an earlier pacloop's", "none", "zeros", "half"],
)
def test_words_of_a_claim_that_say_only_half(place, store, schema, build, tmp_path, words, committed):
    twin = EpisodeStore.create(tmp_path / "twin", schema)
    content = twin.append([build.episode()], batch_id="a", source="collection").content
    assert store.backend.create(f"contents/{content}", words)
    batch = store.append([build.episode()], batch_id="b", source="collection", origin={"by": "ann"})
    assert (batch.id, batch.origin) == (committed, {"by": "ann"})
