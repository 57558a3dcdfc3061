"""A workspace in a bucket has one loop over all machines; a dead holder is followed, a sleeping one stops."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from recorded import put

from pacloop.datasets import DatasetError
from pacloop.loop.errors import InUse, LoopError
from pacloop.loop.progress import silent
from pacloop.loop.workspace import bucket_lease
from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.lease import at_work, hold
from pacloop.loop.workspace.lease_holder import Holder
from pacloop.loop.workspace.records import Begun
from pacloop.loop.workspace.workspace import Workspace

HOLDER = """
import sys, time
from pacloop.loop.workspace.lease import hold
from pacloop.loop.workspace.workspace import Workspace
with hold(Workspace.open(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
WRITER = """
import sys
from itertools import count
import numpy as np
from pacloop.datasets import Episode, Field, Schema
from pacloop.loop.workspace import bucket_lease
from pacloop.loop.workspace.lease import hold
from pacloop.loop.workspace.workspace import Workspace
bucket_lease.BEAT_SEC = 0.05
space, ones = Workspace.open(sys.argv[1]), np.ones(1, np.float32)
with hold(space):
    store = space.make_store(Schema("t", {"x": Field((1,))}, Field((1,)), (-1,), (1,), 20, 5))
    for number in count():
        episode = Episode({"x": np.ones((2, 1), np.float32)}, ones[:, None], ones, ones, 1.0, seed=number)
        store.append([episode], batch_id=f"b{number}", source="collection")
        print(number, flush=True)
"""
LONG_SEC = 1000.0


@pytest.fixture
def url(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(bucket_lease, "LOOK_SEC", 0.02)
    return f"s3://robots/{tmp_path.name}"


@pytest.fixture
def on(url, tmp_path, monkeypatch):
    """The workspace on a machine: one with a cache of its own."""

    def on(machine):
        monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / machine))
        return Workspace.create(url, Config())

    return on


def times(monkeypatch, *, beat, expiry):
    monkeypatch.setattr(bucket_lease, "BEAT_SEC", beat)
    monkeypatch.setattr(bucket_lease, "EXPIRY_SEC", expiry)


def killed_holder(url):
    """Who held the workspace on this machine, and was killed."""
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    return process.pid


def test_two_machines_do_not_hold_it_at_once(on, url, monkeypatch):
    times(monkeypatch, beat=0.05, expiry=LONG_SEC)
    one, two = on("one"), on("two")
    words = f"process {os.getpid()} on "
    told = []
    with hold(one):
        assert str(at_work(two)).startswith(words)
        assert str(at_work(one)).startswith(words)
        with (
            pytest.raises(InUse, match=f"^{url} is in use by {words}.*; stop it, or wait until it is done$"),
            hold(two, lambda *news: told.append(news)),
        ):
            pass
        put(one, 1, "begin", champion="a")
    assert told[0][0] == "lease" and told[0][2] == LONG_SEC
    assert at_work(two) is None
    with hold(two):
        assert two.record(Begun, 1).champion == "a", "it is up to date when it is held"


def test_a_machine_does_not_wait_for_its_own_dead(on, url, monkeypatch):
    times(monkeypatch, beat=LONG_SEC, expiry=LONG_SEC)
    one = on("one")
    killed_holder(url)
    with hold(one):
        put(one, 1, "begin")


def test_a_machine_of_the_same_name_with_a_clone_of_the_copy_takes_nothing_over(
    on, url, tmp_path, monkeypatch
):
    times(monkeypatch, beat=0.05, expiry=LONG_SEC)
    with hold(one := on("one")):
        shutil.copytree(tmp_path / "one", tmp_path / "clone")
        with pytest.raises(InUse, match=f"^{url} is in use by process"), hold(on("clone")):
            pass
        put(one, 1, "begin")


def test_what_died_elsewhere_is_taken_over_once_it_was_silent(on, url, monkeypatch):
    times(monkeypatch, beat=LONG_SEC, expiry=0.3)
    on("one")
    pid = killed_holder(url)
    two, told = on("two"), []
    begun = time.monotonic()
    with hold(two, lambda *news: told.append(news[3])):
        assert time.monotonic() - begun >= 0.3
    assert told[0].startswith(f"sees whether process {pid} on ")


def test_a_holder_that_slept_stops_before_it_writes(on, url, monkeypatch):
    times(monkeypatch, beat=LONG_SEC, expiry=0.1)
    one, two = on("one"), on("two")
    with pytest.raises(LoopError, match="was taken over by process"), hold(one):
        put(one, 1, "begin")
        with hold(two):
            for name in ("rounds/001/gate.json", "champion.json"):
                with pytest.raises(LoopError, match=f"^{url} was taken over by process .* it stops"):
                    one.write_json(name, {})
            put(two, 1, "collect")
        assert [two.has_record(1, stage) for stage in ("gate", "collect")] == [False, True]
    with hold(two):  # what the sleeper let go of was not his
        pass


def test_the_work_of_a_holder_that_was_followed_is_interrupted(on, url, monkeypatch):
    times(monkeypatch, beat=0.05, expiry=LONG_SEC)
    one, other, begun = on("one"), b'{"run": "x"}', time.monotonic()
    bucket = one.copy.bucket
    with pytest.raises(LoopError, match=f"^{url} was taken over by another process"), hold(one):
        while bucket.replace(bucket_lease.KEY, other, bucket.fetch(bucket_lease.KEY).version) is None:
            pass
        time.sleep(60)
    assert time.monotonic() - begun < 30
    assert bucket.read(bucket_lease.KEY) == other, "it lets go of nothing"


def test_a_holder_that_is_suspended_and_followed_appends_nothing_more(on, url, tmp_path, monkeypatch):
    times(monkeypatch, beat=0.05, expiry=0.5)
    on("one")
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and [process.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        process.send_signal(signal.SIGSTOP)
        two = on("two")
        bucket = two.copy.bucket
        with hold(two):
            keys = set(bucket.list("dataset"))
            process.send_signal(signal.SIGCONT)
            _, words = process.communicate(timeout=60)
            assert process.returncode == 1
            assert f"LoopError: {url} was taken over by process {os.getpid()} on " in words.splitlines()[-1]
            assert set(bucket.list("dataset")) == keys
            assert len(two.open_store().batches()) >= 3


def test_of_two_that_take_over_one_gets_it(on, monkeypatch):
    times(monkeypatch, beat=LONG_SEC, expiry=0.1)
    on("gone").copy.bucket.replace(bucket_lease.KEY, b'{"pid": 1, "copy": "gone"}', None)
    one, two = on("one"), on("two")
    replace = two.copy.bucket.replace
    with ExitStack() as meanwhile:

        def late(*wanted):
            meanwhile.enter_context(hold(one))
            return replace(*wanted)

        monkeypatch.setattr(two.copy.bucket, "replace", late)
        with pytest.raises(InUse, match=f"in use by process {os.getpid()}"), hold(two):
            pass


def test_a_bucket_that_is_away_for_a_while_costs_nothing(on, s3, monkeypatch):
    times(monkeypatch, beat=0.02, expiry=LONG_SEC)
    one = on("one")
    with hold(one):
        s3.deny = True
        time.sleep(0.2)
        with pytest.raises(DatasetError, match=r"lease.json cannot be written: access denied"):
            put(one, 1, "begin")
        s3.deny = False
        put(one, 1, "begin")
        seen = len(s3.requests)
        time.sleep(0.2)
        assert len(s3.requests) > seen, "it goes on saying that it lives"


def test_it_says_that_it_lives_whoever_keeps_the_local_copy_locked(on, monkeypatch):
    times(monkeypatch, beat=0.02, expiry=LONG_SEC)
    one = on("one")
    with hold(one):
        put(one, 0, "append")
        with (one.folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            figures = one.round_folder(0) / "learn-run" / "metrics.jsonl"
            figures.parent.mkdir()
            figures.write_text("{}")
            time.sleep(0.5)
            seen = one.copy.bucket.read(bucket_lease.KEY)
            time.sleep(0.5)
            assert one.copy.bucket.read(bucket_lease.KEY) != seen


def test_a_beat_that_arrived_unheard_is_its_own(on, monkeypatch):
    times(monkeypatch, beat=LONG_SEC, expiry=LONG_SEC)
    copy = on("one").copy
    held = bucket_lease._Claim(copy, Holder(host="h"))
    held.take(silent)
    before = held._version
    held.renew()
    held._version = before  # as if the answer had been lost
    held.renew()
    held.renew()


def test_a_silent_holder_is_not_shown(on, monkeypatch):
    times(monkeypatch, beat=LONG_SEC, expiry=LONG_SEC)
    one, two = on("one"), on("two")
    with hold(one):
        monkeypatch.setattr(bucket_lease, "EXPIRY_SEC", -1.0)
        assert at_work(two) is None
        assert at_work(one), "this machine knows better"
