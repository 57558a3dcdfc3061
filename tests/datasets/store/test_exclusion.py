import json

import numpy as np
import pytest

from pacloop.datasets import DatasetError, EpisodeStore, Replay, Snapshot
from pacloop.datasets.files import fingerprint, json_bytes, parse_model
from pacloop.datasets.store import exclusion
from pacloop.datasets.store.exclusion import EXCLUDED


@pytest.fixture
def store(tmp_path, build, schema):
    store = EpisodeStore.create(tmp_path / "dataset", schema)
    store.append([build.episode(3, i) for i in range(3)], batch_id="demo", source="demonstration")
    scores = [build.episode(5, i, score=float(i == 1)) for i in range(2)]
    store.append(scores, batch_id="r1", source="collection", round=1)
    return store


def exclude(store, target, reason="the camera was off"):
    return store.exclude(target, reason=reason, by="ann")


def files(store):
    return sorted((store.folder / EXCLUDED).glob("*"))


def test_an_episode_a_batch_and_back_again(store):
    assert store.excluded() == frozenset()
    assert exclude(store, "demo/1") == 1
    assert exclude(store, "demo") == 2, "one of three was out already"
    assert store.excluded() == {"demo/0", "demo/1", "demo/2"}
    assert store.include("demo/2", reason="it was on", by="bob") == 1
    assert EpisodeStore.open(store.folder).excluded() == {"demo/0", "demo/1"}
    said = [(t.id, t.action, t.reason, t.by) for t in store.tombstones()]
    assert said == [
        ("demo/1", "exclude", "the camera was off", "ann"),
        ("demo", "exclude", "the camera was off", "ann"),
        ("demo/2", "include", "it was on", "bob"),
    ]
    assert store.include("demo", reason="all was well", by="bob") == 2
    assert store.excluded() == frozenset()
    assert store.verify() == []


def test_nothing_committed_is_touched(store):
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    exclude(store, "r1")
    first = {path: path.read_bytes() for path in files(store)}
    store.include("r1", reason="after all", by="bob")
    for path, content in (before | first).items():
        assert path.read_bytes() == content
    assert len(files(store)) == 2


def test_later_snapshots_respect_it_and_earlier_ones_stay(store):
    before = store.snapshot()
    exclude(store, "demo/1")
    exclude(store, "r1")
    after = store.snapshot()
    assert (after.batch_ids, after.excluded) == (("demo",), ("demo/1",))
    assert after.id != before.id
    assert parse_model(Snapshot, json.loads(json_bytes("s", after)), "s") == after
    assert [(b.episodes, b.steps) for b in store.counted(after)] == [(2, 6)]
    assert store.counted(before) == store.pinned(before) == store.batches()
    store.include("demo", reason="after all", by="bob")
    store.include("r1", reason="after all", by="bob")
    assert store.snapshot() == before, "the id is what it was"


def test_counts_are_those_of_what_is_left(store):
    exclude(store, "r1/1")
    batch = store.counted(store.snapshot())[1]
    assert (batch.episodes, batch.steps, batch.successes, batch.score_sum) == (1, 5, 0, 0.0)
    assert store.batch("r1").successes == 1


def test_a_replay_never_draws_an_excluded_episode(store):
    whole = open_replay(store, store.snapshot())
    exclude(store, "demo/0")
    exclude(store, "r1/0")
    replay = open_replay(store, store.snapshot())
    assert (replay.episodes, replay.rows) == (3, 11)
    assert (whole.episodes, whole.rows) == (5, 19)
    every, kept = replay.at(np.arange(11)), whole.at(np.array([*range(3, 9), *range(14, 19)]))
    for name in ("action", "n_step_return", "bootstrap_discount"):
        assert (getattr(every, name) == getattr(kept, name)).all()
    for name, column in every.next_observation.items():
        assert (column == kept.next_observation[name]).all()


def test_what_a_replay_cannot_learn_from(store):
    exclude(store, "demo")
    exclude(store, "r1")
    with pytest.raises(DatasetError, match="no batches"):
        open_replay(store, store.snapshot())
    with pytest.raises(DatasetError, match="snapshot excludes b/0, but does not hold its batch"):
        Snapshot("s", (("a", "1"),), ("b/0",))


def open_replay(store, snapshot):
    return Replay(store, snapshot, n_step=2, discount=0.9, time_limit_is_terminal=True, history=2)


def test_what_two_snapshots_share(store, build):
    before = store.snapshot()
    store.append([build.episode()], batch_id="r2", source="collection", round=2)
    exclude(store, "demo/1")
    after = store.snapshot()
    shared = after.shared(before)
    assert (shared.batch_ids, shared.excluded) == (("demo", "r1"), ("demo/1",))
    assert before.shared(after) == shared


def test_a_tombstone_of_an_episode_counts_no_batch(store, monkeypatch):
    ranges = []
    monkeypatch.setattr(exclusion, "range", lambda size: ranges.append(size) or range(size), raising=False)
    for number in (1, 2):
        exclude(store, f"demo/{number}")
    assert store.snapshot().excluded == ("demo/1", "demo/2")
    assert ranges == []


UNKNOWN = ["nope", "demo/3", "demo/-1", "demo/01", "demo/", "", "/0", "../demo/0", "demo/" + "9" * 5000]


@pytest.mark.parametrize("target", UNKNOWN)
def test_what_is_not_there_cannot_be_excluded(store, target):
    with pytest.raises(DatasetError, match=f"has no batch or episode {target}"):
        exclude(store, target)
    assert files(store) == []


def test_what_changes_nothing_is_refused(store):
    with pytest.raises(DatasetError, match="reason to exclude demo is empty"):
        exclude(store, "demo", reason=" ")
    with pytest.raises(DatasetError, match="demo/0 is not excluded"):
        store.include("demo/0", reason="why not", by="bob")
    exclude(store, "demo")
    with pytest.raises(DatasetError, match="demo/0 is excluded already"):
        exclude(store, "demo/0")
    assert len(files(store)) == 1


def test_a_clock_that_is_behind_does_not_change_the_order(store):
    exclude(store, "demo")
    (path,) = files(store)
    data = json.loads(path.read_text()) | {"since": "2999-01-01T00:00:00.000000+00:00"}
    rename_to_fit(path, json.dumps(data))
    store.include("demo", reason="after all", by="bob")
    assert [t.action for t in store.tombstones()] == ["exclude", "include"]
    assert store.excluded() == frozenset()


def rename_to_fit(path, text):
    path.write_text(text)
    digest = fingerprint(text.encode())[:12]
    path.rename(path.with_name(f"29990101T000000.000000Z-{digest}.json"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}'])
def test_a_broken_record_is_named_and_nothing_is_learned_meanwhile(store, text):
    exclude(store, "demo/0")
    (path,) = files(store)
    path.write_text(text)
    with pytest.raises(DatasetError, match=path.name):
        store.snapshot()
    (sentence,) = store.verify()
    assert f"{path} was changed" in sentence
    rename_to_fit(path, text)
    with pytest.raises(DatasetError, match="29990101"):
        store.excluded()


def test_verify_names_a_record_of_what_is_gone(store, build):
    store.append([build.episode()], batch_id="r2", source="collection")
    exclude(store, "r2/0")
    for path in (store.folder / "batches" / "r2").iterdir():
        path.unlink()
    (store.folder / "batches" / "r2").rmdir()
    store = EpisodeStore.open(store.folder)
    assert store.excluded() == frozenset()
    (sentence,) = store.verify()
    assert "names r2/0, which is not in the store" in sentence


def test_a_full_disk_leaves_nothing_excluded(store, monkeypatch):
    from pacloop.datasets import files as files_

    def full(path):
        raise OSError(28, "No space left on device")

    exclude(store, "demo/0")
    monkeypatch.setattr(files_, "sync", full)
    with pytest.raises(DatasetError, match="no space left on device"):
        exclude(store, "demo/1")
    assert len(files(store)) == 1
    assert store.excluded() == {"demo/0"}
