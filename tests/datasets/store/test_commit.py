"""Crashes, races and full disks."""

import errno
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets.store import backend, commit

WRITER = """
import sys
import numpy as np
from pacloop.datasets import Episode, EpisodeStore
folder, prefix, first, last, seed = sys.argv[1:]
store = EpisodeStore.open(folder)
def episode(i):
    rng = np.random.default_rng(i)
    n = 1 + i % 30
    observation = {
        name: np.full((n + 1, *field.shape), i % 2, field.dtype)
        for name, field in store.schema.observation.items()
    }
    action = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    return Episode(observation, action, np.ones(n, np.float32), np.ones(n, np.float32), 1.0, seed=int(seed))
print("ready", flush=True)
sys.stdin.readline()
for i in range(int(first), int(last)):
    batch = store.append([episode(i), episode(i + 1)], batch_id=f"{prefix}{i}", source="collection")
    print(batch.id, batch.committed, flush=True)
"""


@pytest.fixture
def store(tmp_path, schema):
    return EpisodeStore.create(tmp_path / "dataset", schema)


def start_writer(store, prefix, first, last, seed=0):
    command = [sys.executable, "-c", WRITER, store.folder, prefix, str(first), str(last), str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def hidden(store):
    return [path.name for path in store.folder.rglob(".*.tmp")]


def test_kill_minus_nine_leaves_whole_batches_or_nothing(store):
    rng = random.Random(0)
    reported = []
    for attempt in range(6):
        process = start_writer(store, f"k{attempt}-", 0, 10**6, attempt)
        process.stdin.write("\n")
        process.stdin.flush()
        reported.append(process.stdout.readline().split()[0])  # at least one commit, however slow the disk
        time.sleep(rng.uniform(0.0, 0.25))
        process.kill()
        # The pipe may end in half a line: what counts as reported was printed whole.
        reported += [line.split()[0] for line in process.communicate()[0].split("\n")[:-1]]
    fresh = EpisodeStore.open(store.folder)
    leftovers = hidden(store)
    assert (fresh.verify(), len(fresh.leftovers())) == ([], len(leftovers)), "only leftovers may be there"
    assert set(reported) <= {batch.id for batch in fresh.batches()}, "a reported commit is a commit"
    assert len(reported) >= 6
    for batch in fresh.batches():
        assert sum(episode.length for episode in fresh.episodes(batch)) == batch.steps
    assert sorted(fresh.clean()) == sorted(leftovers)
    assert fresh.leftovers() == hidden(store) == []


def test_clean_removes_the_dead_and_spares_the_living(store, build):
    batches, code = (
        store.folder / "batches",
        (
            "import sys\nfrom pathlib import Path\nfrom pacloop.datasets.files import temporary_beside\n"
            "with temporary_beside(Path(sys.argv[1]), folder=True) as aside:\n"
            "  print(aside.name, flush=True); sys.stdin.read()"
        ),
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code, batches / "a"], **pipes)
    alive = process.stdout.readline().strip()
    host = alive.split(".")[2]
    # As from another container: its process id is of nobody here, or of us.
    folders = {"dead": f".a.{host}.{os.getpid()}-00000000.tmp", "elsewhere": ".a.elsewhere.1-00000000.tmp"}
    for name in folders.values():
        (batches / name).mkdir()
    other = alive.replace(f".{process.pid}-", ".4194304-")
    (batches / alive).rename(batches / other)
    assert store.batches() == []
    sentences = store.leftovers()
    assert (store.verify(), len(sentences)) == ([], 2)
    assert any("writer that died" in sentence and folders["dead"] in sentence for sentence in sentences)
    assert any("another host" in sentence for sentence in sentences)
    assert store.clean() == [folders["dead"]]
    if shutil.which("unshare") and os.geteuid() == 0:  # a container of the same host name
        assert _clean_in_a_container(store) == "[]\n"
        assert (batches / other).exists()
    process.kill()
    process.communicate()
    assert store.clean() == [other]


def _clean_in_a_container(store):
    code = (
        "import sys; from pacloop.datasets import EpisodeStore; print(EpisodeStore.open(sys.argv[1]).clean())"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", code, store.folder]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_writers_of_different_ids_do_not_meet_and_of_one_id_one_wins(store):
    writers = [start_writer(store, prefix, 0, 25, ord(prefix[0])) for prefix in ("a", "b", "same", "same")]
    for process in writers:
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0].splitlines() for process in writers]
    assert all(process.returncode == 0 for process in writers)
    assert outputs[2] == outputs[3], "both see one commit, made at one time"
    assert len(store.batches()) == 75
    assert store.verify() == []
    assert hidden(store) == []


def test_a_clock_that_is_set_back_keeps_the_order_of_the_commits(store, build, monkeypatch):
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=1)

    first = store.append([build.episode(seed=1)], batch_id="z", source="collection")
    monkeypatch.setattr(backend, "datetime", Yesterday)
    other = EpisodeStore.open(store.folder)
    assert other.batches() == [first]
    other.append([build.episode(seed=2)], batch_id="a", source="collection")
    assert [batch.id for batch in EpisodeStore.open(store.folder).batches()] == ["z", "a"]


@pytest.mark.parametrize("committed", ["yesterday", "2026-11-21", "2026-11-21T13:42:38", "2026-13-01T00:00Z"])
def test_a_commit_at_no_time_is_refused(store, build, committed):
    batch = store.append([build.episode()], batch_id="a", source="collection")
    with pytest.raises(DatasetError, match=r"batch a: committed is .*, but must be a time with a zone"):
        replace(batch, committed=committed)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(store, build, monkeypatch):
    fsync, left = os.fsync, []

    def full(handle):
        try:
            left.pop()  # one step, since files are synced by several threads
        except IndexError:
            raise OSError(errno.ENOSPC, "No space left on device") from None
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    for good in range(4):  # steps, episodes, manifest, folder
        left[:] = range(good)
        with pytest.raises(DatasetError, match="batches/a cannot be written: no space left on device"):
            store.append([build.episode()], batch_id="a", source="collection")
        assert list((store.folder / "batches").iterdir()) == []
    monkeypatch.undo()
    store.append([build.episode()], batch_id="a", source="collection")


def test_a_write_the_system_cuts_short_leaves_nothing(store, build):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(DatasetError, match="batches/a cannot be written: file too large"):
            store.append([build.episode(40, i) for i in range(20)], batch_id="a", source="collection")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((store.folder / "batches").iterdir()) == []


@pytest.mark.parametrize("name", ["steps.arrow", "episodes.arrow"])
def test_what_does_not_read_back_is_not_committed(store, build, monkeypatch, name):
    write = commit.write_table

    def forgetful(path, table):
        digest = write(path, table)
        if path.name == name:
            raw = bytearray(path.read_bytes())
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)
        return digest

    monkeypatch.setattr(commit, "write_table", forgetful)
    with pytest.raises(DatasetError, match=f"{name} does not read back as it was written"):
        store.append([build.episode()], batch_id="a", source="collection")
    assert list((store.folder / "batches").iterdir()) == []


def test_a_fork_appends_with_threads_of_its_own(store, build):
    store.append([build.episode()], batch_id="before", source="collection")
    child = os.fork()
    if not child:
        store.append([build.episode(seed=1)], batch_id="child", source="collection")
        os._exit(0)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    if ended == (0, 0):
        os.kill(child, 9)
    assert ended == (child, 0)
    assert store.holds("child")
