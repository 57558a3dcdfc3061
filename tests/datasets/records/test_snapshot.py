import pytest

from pacloop.datasets import DatasetError, EpisodeStore, Snapshot
from pacloop.datasets.files import json_bytes, parse_json, parse_model


@pytest.fixture
def store(tmp_path, build, schema):
    store = EpisodeStore.create(tmp_path / "dataset", schema)
    store.append([build.episode(seed=1)], batch_id="demo", source="demonstration")
    store.append([build.episode(seed=2)], batch_id="r1-collect", source="collection", round=1)
    store.append([build.episode(seed=3)], batch_id="r1-evaluate", source="evaluation", round=1)
    return store


def test_json_gives_an_equal_snapshot_back(store):
    snapshot = store.snapshot()
    assert parse_model(Snapshot, parse_json("s", json_bytes("s", snapshot)), "s") == snapshot
    assert len(snapshot.id) == 16


def test_it_pins_what_was_committed_then(store, build):
    before = store.snapshot()
    assert before.batch_ids == ("demo", "r1-collect", "r1-evaluate")
    store.append([build.episode(seed=4)], batch_id="r2-collect", source="collection", round=2)
    assert before.batch_ids == ("demo", "r1-collect", "r1-evaluate")
    assert store.snapshot().id != before.id
    assert store.snapshot(batches=before.batch_ids) == before
    assert [batch.id for batch in store.pinned(before)] == list(before.batch_ids)


def test_it_chooses_by_batch(store):
    assert store.snapshot(batches=["r1-evaluate", "demo"]).batch_ids == ("demo", "r1-evaluate")
    with pytest.raises(DatasetError, match="has no batch nope"):
        store.snapshot(batches=["nope"])


def test_another_digest_is_refused_by_name(store):
    snapshot = store.snapshot()
    forged = Snapshot(snapshot.schema, (("demo", "0" * 64),))
    with pytest.raises(DatasetError, match=r"batch demo has digest .* pins 0000"):
        store.pinned(forged)
    with pytest.raises(DatasetError, match="another schema"):
        store.pinned(Snapshot("f" * 64, snapshot.batches))


def test_bad_json_and_a_batch_twice(store):
    with pytest.raises(DatasetError, match=r"round.json: schema is missing"):
        parse_model(Snapshot, {"batches": []}, "round.json")
    with pytest.raises(DatasetError, match="names the batch demo twice"):
        Snapshot("s", (("demo", "1"), ("demo", "1")))


def test_two_snapshots_are_compared_batch_by_batch_and_not_each_with_each():
    compared = []

    class Id(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(other)
            return str.__eq__(self, other)

    one, other = (Snapshot("s", tuple((Id(f"b{k}"), "1") for k in range(100))) for _ in range(2))
    compared.clear()
    assert one.shared(other) == one
    assert len(compared) < 1000
