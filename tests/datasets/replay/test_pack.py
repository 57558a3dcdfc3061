"""The pack: the samples of the batches themselves, from few files, whatever becomes of them."""

import os
import resource
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
import pytest

from pacloop.datasets import EpisodeStore, Field, Replay
from pacloop.datasets.replay import columns, packing
from pacloop.datasets.replay.pack import INDEX, PACKED
from pacloop.datasets.store.bucket import CachedBucket

BATCHES = 12


@pytest.fixture
def schema(build):
    """Numbers of several kinds, small images, which are packed, and large ones and text, which are not."""
    observation = build.schema().observation
    more = {"large": Field((32, 32, 1), "uint8"), "half": Field((2, 3), "float16"), "words": Field((), "str")}
    return build.schema(observation=observation | more)


@pytest.fixture
def grow(build, schema):
    def grow(store, numbers):
        for number in numbers:
            episodes = [build.episode(1 + (number + k) % 5, 10 * number + k, schema=schema) for k in range(3)]
            store.append(episodes, batch_id=f"b{number}", source="collection")
        return store

    return grow


@pytest.fixture
def store(tmp_path, schema, grow):
    return grow(EpisodeStore.create(tmp_path / "dataset", schema), range(BATCHES))


def open_replay(store, snapshot=None, **changes):
    facts = {"n_step": 3, "discount": 0.5, "time_limit_is_terminal": False, "history": 2, "ram_limit": 0}
    return Replay(store, snapshot or store.snapshot(), **(facts | changes))


def unpacked(store, snapshot=None):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "FEW", 10**9)
        return open_replay(store, snapshot)


def check(replay, store, snapshot=None):
    """What it draws is what the batches hold, bit by bit."""
    base = unpacked(store, snapshot)
    assert (replay.rows, replay.returns, replay.identity) == (base.rows, base.returns, base.identity)
    every = np.arange(base.rows)
    for left, right in (
        (replay.at(every), base.at(every)),
        (replay.sample(99, np.random.default_rng(1)), base.sample(99, np.random.default_rng(1))),
    ):
        for name in ("action", "n_step_return", "bootstrap_discount"):
            assert_same(getattr(left, name), getattr(right, name))
        for name in ("observation", "next_observation"):
            ours, theirs = getattr(left, name), getattr(right, name)
            assert list(ours) == list(theirs)
            for key, column in ours.items():
                assert_same(column, theirs[key])


def assert_same(left, right):
    assert (left.dtype, left.shape) == (right.dtype, right.shape)
    assert left.tobytes() == right.tobytes()


def pack_of(store):
    return {path.name: path.read_bytes() for path in (store.folder / PACKED).iterdir()}


def maps(place):
    return sum(str(place) in line for line in Path("/proc/self/maps").read_text().splitlines())


def handles():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_samples_are_those_of_the_batches(store):
    replay = open_replay(store)
    assert replay.remark == ""
    assert set(pack_of(store)) == {INDEX, *(f"{number}.bin" for number in range(7))}
    check(replay, store)
    check(open_replay(store, ram_limit=2**14), store)  # some of the columns are copied into memory


def test_few_maps_and_handles(tmp_path, build):
    store = EpisodeStore.create(tmp_path / "dataset", build.schema())
    for number in range(60):
        store.append([build.episode(2, number)], batch_id=f"b{number}", source="collection")
    base, before = unpacked(store), handles()
    assert maps(tmp_path) == 60
    del base
    replay = open_replay(store)
    assert maps(tmp_path) == 4 >= handles() - before, "three observations and the action"
    check(replay, store)


def test_few_batches_or_what_fits_the_memory_is_not_packed(store, grow):
    some = store.snapshot(batches=[f"b{number}" for number in range(columns.FEW)])
    check(open_replay(store, some), store, some)
    check(open_replay(store, ram_limit=2**30), store)
    assert not (store.folder / PACKED).exists()


def test_what_is_there_stays_when_it_grows(store, grow):
    before, early = open_replay(store), store.snapshot()
    bytes_before = pack_of(store)
    grow(store, range(BATCHES, BATCHES + 5))
    check(open_replay(store), store)
    after = pack_of(store)
    for name in set(after) - {INDEX}:
        assert after[name].startswith(bytes_before[name]) and len(after[name]) > len(bytes_before[name])
    check(before, store, early)
    check(open_replay(store, early), store, early)
    assert pack_of(store) == after, "who finds its batches writes nothing"


def test_snapshots_that_pin_less_in_any_order(store):
    """The pack begins with the last batches; an episode and a whole batch are excluded."""
    open_replay(store, store.snapshot(batches=[f"b{number}" for number in range(3, BATCHES)]))
    check(open_replay(store), store)
    store.exclude("b5/1", reason="it slipped", by="ann")
    store.exclude("b2", reason="so did these", by="ann")
    before = pack_of(store)
    replay, snapshot = open_replay(store), store.snapshot()
    assert "b2" not in snapshot.batch_ids and snapshot.excluded == ("b5/1",)
    check(replay, store)
    mixed = {"mixture": {"collection": 1.0}, "task_mixture": {"reach": 1.0}}
    left, right = (open_replay(store, ram_limit=limit, **mixed).at(np.arange(9)) for limit in (0, 2**30))
    assert_same(left.observation["half"], right.observation["half"])
    assert pack_of(store) == before


def test_batches_of_the_same_steps_are_packed_once(tmp_path, build):
    """Two ways of acting may have played the same."""
    store = EpisodeStore.create(tmp_path / "dataset", build.schema())
    for number in range(BATCHES):
        origin, episode = {"stage": f"race-{number}"}, build.episode(4, number // 2)
        store.append([episode], batch_id=f"b{number}", source="collection", origin=origin)
    check(open_replay(store), store)
    assert len(pack_of(store)["0.bin"]) == BATCHES // 2 * 5 * 12


def shorten(folder):
    os.truncate(folder / "1.bin", (folder / "1.bin").stat().st_size - 1)


def flip(folder):
    raw = bytearray((folder / "2.bin").read_bytes())
    raw[-1] ^= 1
    (folder / "2.bin").write_bytes(raw)


DAMAGE = {
    "a file is gone": lambda folder: (folder / "0.bin").unlink(),
    "a file is short": shorten,
    "a bit is wrong": flip,
    "no index": lambda folder: (folder / INDEX).unlink(),
    "half an index": lambda folder: os.truncate(folder / INDEX, 100),
    "another version": lambda folder: (folder / INDEX).write_text('{"version": 7}'),
    "all is gone": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_made_good(store, grow, damage):
    open_replay(store)
    whole = pack_of(store)
    DAMAGE[damage](store.folder / PACKED)
    check(open_replay(store), store)
    assert pack_of(store) == whole
    DAMAGE[damage](store.folder / PACKED)
    grow(store, [BATCHES])
    check(open_replay(store), store)


def test_what_others_have_mapped_stays_when_it_is_made_anew(store):
    mapped = open_replay(store)
    (store.folder / PACKED / INDEX).unlink()
    later = store.snapshot(batches=[f"b{number}" for number in range(2, BATCHES)])
    check(open_replay(store, later), store, later)
    check(mapped, store)


def test_a_batch_that_was_changed_is_not_packed(store):
    path = store.file("b7", "steps.arrow")
    raw, reward = path.read_bytes(), next(store.episodes("b7")).reward.copy()
    path.write_bytes(raw.replace(reward.tobytes(), (reward + 1).tobytes()))
    why = f"{path} was changed since it was committed"
    assert open_replay(store).remark == f"12 batches are read one by one, which takes longer: {why}"
    path.write_bytes(raw)
    check(open_replay(store), store)


@contextmanager
def no_file_beyond(size):
    """Any write beyond this many bytes of a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_the_disk_refuses_the_batches_are_read(store, grow):
    open_replay(store)
    before = pack_of(store)
    grow(store, range(BATCHES, BATCHES + 8))
    with no_file_beyond(max(map(len, before.values())) + 100):
        replay = open_replay(store)
    assert replay.remark.endswith("packed cannot be written: file too large")
    check(replay, store)
    assert pack_of(store) == before, "what did not fit is gone"
    check(open_replay(store), store)


def test_a_disk_without_room_to_spare_is_left_alone(store, monkeypatch):
    usage = shutil.disk_usage(store.folder)
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: usage._replace(free=9000))
    replay = open_replay(store)
    assert "packed would take 0.0 of the 0.0 GB that are free" in replay.remark
    check(replay, store)
    assert pack_of(store) == {}


def test_a_dataset_that_may_only_be_read(store, monkeypatch):
    """Root may write anywhere, so the folder's name is taken instead."""
    (store.folder / PACKED).write_text("")
    replay = open_replay(store)
    assert replay.remark.endswith("packed cannot be made: file exists")
    check(replay, store)


SLOWLY = """
import sys, time
from pacloop.datasets import EpisodeStore, Replay
from pacloop.datasets.replay import packing

def slowly(*arguments):
    print("packs", flush=True)
    time.sleep(0.05)
    return committed(*arguments)

committed, packing._committed = packing._committed, slowly
store = EpisodeStore.open(sys.argv[1])
Replay(store, store.snapshot(), n_step=1, discount=1.0, time_limit_is_terminal=True, ram_limit=0)
"""


@contextmanager
def pack_elsewhere(store, words):
    """Another process, which packs slowly and has told so many times that it takes up a batch."""
    with Popen([sys.executable, "-c", SLOWLY, str(store.folder)], stdout=PIPE, text=True) as process:
        assert process.stdout
        assert [process.stdout.readline() for _ in range(words)] == ["packs\n"] * words
        yield process


def test_a_kill_in_the_middle_leaves_what_was_there(store, grow):
    open_replay(store)
    before = pack_of(store)
    grow(store, range(BATCHES, BATCHES + 3))
    with pack_elsewhere(store, 3) as process:
        process.kill()
    killed = pack_of(store)
    assert killed[INDEX] == before[INDEX]
    assert len(killed["0.bin"]) > len(before["0.bin"]), "it had begun to write"
    check(open_replay(store), store)


def test_of_two_that_pack_at_once_one_waits_and_finds_it_done(store, monkeypatch):
    with pack_elsewhere(store, 1) as process:
        with monkeypatch.context() as patch:
            patch.delattr(packing, "_committed")
            replay = open_replay(store)
        check(replay, store)
    assert process.returncode == 0
    once = pack_of(store)
    shutil.rmtree(store.folder / PACKED)
    open_replay(store)
    assert pack_of(store) == once


def test_a_dataset_in_a_bucket_is_packed_in_the_cache(url, tmp_path, schema, grow):
    store = grow(EpisodeStore.create(CachedBucket(url, tmp_path / "cache", 2**40), schema), range(BATCHES))
    replay = open_replay(store)
    check(replay, store)
    assert (store.folder / PACKED / INDEX).is_relative_to(tmp_path / "cache") and pack_of(store)
    assert store.verify() == [] and store.clean() == []
    other = EpisodeStore.open(CachedBucket(url, tmp_path / "cache2", 2**40))
    assert not (other.folder / PACKED).exists(), "the bucket has no packs"
