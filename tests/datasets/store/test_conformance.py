"""What every place that keeps a dataset promises: the same tests for a folder and for a bucket.

A further backend joins by one more entry of `PLACES` in conftest.py.
"""

import json

import numpy as np
import pytest

from pacloop.datasets import DatasetError, EpisodeStore, Replay
from pacloop.datasets.store.quarantine import Quarantined, read_quarantine, write_quarantine

# The backend itself.


def test_small_files_are_written_once_and_listed_by_name(place, store):
    backend, other = store.backend, place.backend()
    assert other.names("quarantine") == []
    assert backend.create("quarantine/b.json", b"1")
    assert other.create("quarantine/a.json", b"2")
    assert not other.create("quarantine/b.json", b"3")
    assert other.names("quarantine") == backend.names("quarantine") == ["a.json", "b.json"]
    keys = ["quarantine/b.json", "quarantine/none.json", "batches/none/batch.json", "quarantine/a.json"]
    assert other.read(keys) == backend.read(keys) == [b"1", None, None, b"2"]
    assert other.read([]) == []


def test_a_place_where_nothing_is(place):
    assert not EpisodeStore.exists(place.backend())
    with pytest.raises(DatasetError, match="holds no dataset: schemas has 0 files, but must have one"):
        EpisodeStore.open(place.backend())


# What goes in comes out.


def test_what_goes_in_comes_out_elsewhere(store, elsewhere, build):
    episodes = [build.episode(5, 1), build.episode(9, 2, terminal=False, score=0.25, policy=None, info={})]
    facts = {"batch_id": "r1-collect.0", "source": "collection", "round": 1}
    batch = store.append(episodes, **facts, origin={"host": "h", "n": (1, 2)})
    assert (batch.episodes, batch.steps, batch.successes, batch.score_sum) == (2, 14, 1, 1.25)
    assert batch.mean_score == 0.625
    assert batch.origin == {"host": "h", "n": [1, 2]}
    other = elsewhere()
    assert other.batches() == store.batches() == [batch]
    assert all(build.same(a, b) for a, b in zip(episodes, other.episodes(batch), strict=True))
    assert build.same(episodes[1], other.episode("r1-collect.0/1"))
    assert [row.id for row in other.iter_rows()] == ["r1-collect.0/0", "r1-collect.0/1"]
    assert store.verify() == other.verify() == []
    assert store.clean() == other.clean() == []


def test_batches_keep_the_order_of_their_commits(store, elsewhere, build):
    for seed, name in enumerate(("z", "a", "m")):
        store.append([build.episode(seed=seed)], batch_id=name, source="collection")
    assert [batch.id for batch in store.batches()] == ["z", "a", "m"]
    assert [batch.id for batch in elsewhere().batches()] == ["z", "a", "m"]


def test_a_snapshot_is_read_elsewhere(store, elsewhere, build):
    for number in range(3):
        store.append([build.episode(20, number)], batch_id=f"b{number}", source="collection")
    settings = {"n_step": 3, "discount": 0.9, "time_limit_is_terminal": True, "history": 2}
    snapshot = store.snapshot()
    mine, theirs = (Replay(each, snapshot, **settings).at(np.arange(60)) for each in (store, elsewhere()))
    for name in ("action", "n_step_return", "bootstrap_discount"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name))


# Once, and the same for ever.


def test_appending_again_writes_nothing(place, store, elsewhere, build):
    first = store.append([build.episode()], batch_id="a", source="collection", round=1)
    before = place.files()
    for again in (store, elsewhere()):
        assert again.append([build.episode()], batch_id="a", source="collection", round=1) == first
    assert place.files() == before


@pytest.mark.parametrize("changes", [{"seed": 1}, {"source": "evaluation"}, {"round": 2}])
def test_other_content_under_the_same_id_is_refused(store, elsewhere, build, changes):
    facts = {"seed": 0, "source": "collection", "round": 1}
    store.append([build.episode(seed=0)], batch_id="a", source="collection", round=1)
    facts |= changes
    for each in (store, elsewhere()):
        with pytest.raises(DatasetError, match="batch a is already committed, with other content"):
            each.append(
                [build.episode(seed=facts["seed"])],
                batch_id="a",
                source=facts["source"],
                round=facts["round"],
            )


def test_a_bad_episode_leaves_nothing(place, store, build):
    before = place.files()
    with pytest.raises(DatasetError, match="batch a, episode 0: action lies in"):
        store.append(
            [build.episode(action=np.full((5, 2), 3, np.float32))], batch_id="a", source="collection"
        )
    assert place.files() == before


@pytest.mark.parametrize("same_content", [True, False])
def test_losing_the_race_at_the_last_moment(place, store, elsewhere, build, monkeypatch, same_content):
    backend, rival, won = type(store.backend), elsewhere(), []
    publish = backend.publish

    def too_late(self, aside, batch):
        monkeypatch.setattr(backend, "publish", publish)
        episodes = [build.episode(seed=int(not same_content))]
        won.append(rival.append(episodes, batch_id="a", source="collection"))
        publish(self, aside, batch)

    monkeypatch.setattr(backend, "publish", too_late)
    if same_content:
        assert store.append([build.episode()], batch_id="a", source="collection") == won[0]
    else:
        with pytest.raises(DatasetError, match="already committed, with other content"):
            store.append([build.episode()], batch_id="a", source="collection")
    assert len([key for key in place.files() if key.startswith("batches/")]) == 3, "the loser's are gone"
    assert store.verify() == elsewhere().verify() == []


# What is recorded beside the batches.


def test_exclusions_are_seen_everywhere(store, elsewhere, build):
    store.append([build.episode(), build.episode(seed=1)], batch_id="a", source="collection")
    other = elsewhere()
    assert other.exclude("a/1", reason="it slipped", by="ann") == 1
    assert store.excluded() == {"a/1"}
    assert store.snapshot().excluded == ("a/1",)
    assert store.include("a/1", reason="it did not", by="ben") == 1
    assert [t.reason for t in other.tombstones()] == ["it slipped", "it did not"]
    assert elsewhere().verify() == []


def test_the_quarantine_keeps_one_record_of_an_injection(store, elsewhere):
    entries = [Quarantined("x", ("bad", "late"))]
    first = write_quarantine(store, entries, {"when": "1", "path": "p"})
    assert write_quarantine(elsewhere(), entries, {"when": "2", "path": "p"}) == first
    (record,) = read_quarantine(elsewhere())
    assert record == {
        "id": first,
        "when": "1",
        "path": "p",
        "entries": [{"where": "x", "reasons": ["bad", "late"]}],
    }


# Layout and task.


def test_another_layout_is_refused_by_name(place, store, build):
    with pytest.raises(DatasetError, match=f"{store.place} is of another schema: control_hz is 10.0"):
        EpisodeStore.create(place.backend(), build.schema(control_hz=10.0))
    assert EpisodeStore.exists(place.backend())


def test_the_schema_lies_under_its_fingerprint_with_the_facts_beside(place, store, schema):
    data = json.loads(place.files()[f"schemas/{schema.fingerprint()}.json"])
    assert data["facts"] == {"task": "test/reach", "horizon": 40, "instruction": ""}
    assert set(data["layout"]) == {"observation", "action", "action_minimum", "action_maximum", "control_hz"}
    assert data["version"] == 1


def test_of_two_that_make_it_with_different_layouts_one_wins(place, build, monkeypatch):
    one, two = build.schema(), build.schema(control_hz=10.0)
    late, backend = {}, place.backend()
    create = backend.create

    def meanwhile(key, raw):
        if not late:
            late["store"] = EpisodeStore.create(place.backend(), two)
        return create(key, raw)

    monkeypatch.setattr(backend, "create", meanwhile)
    with pytest.raises(DatasetError, match=r"is of another schema: control_hz is 20.0, but must be 10.0"):
        EpisodeStore.create(backend, one)
    assert EpisodeStore.open(place.backend()).schema == two == late["store"].schema


def test_what_a_killed_maker_began_is_finished(place, build, monkeypatch):
    backend, schema = place.backend(), build.schema()
    create = backend.create

    def die(key, raw):
        create(key, raw)
        raise KeyboardInterrupt

    monkeypatch.setattr(backend, "create", die)
    with pytest.raises(KeyboardInterrupt):
        EpisodeStore.create(backend, schema)
    assert not EpisodeStore.exists(place.backend())
    with pytest.raises(DatasetError, match="is of another schema"):
        EpisodeStore.create(place.backend(), build.schema(control_hz=10.0))
    assert EpisodeStore.create(place.backend(), schema).schema == schema


def test_a_changed_horizon_is_recorded_and_the_batches_stay(place, store, elsewhere, build):
    store.append([build.episode(40)], batch_id="a", source="collection")
    before, files = store.snapshot(), place.files()
    longer = build.schema(horizon=60, instruction="reach it")
    changed = EpisodeStore.create(place.backend(), longer)
    assert changed.schema == elsewhere().schema == longer
    assert {key: raw for key, raw in place.files().items() if key in files} == files, "nothing is rewritten"
    (record,) = [json.loads(raw) for key, raw in place.files().items() if key not in files]
    assert record["facts"] == {"task": "test/reach", "horizon": 60, "instruction": "reach it"}
    assert record["reason"] == "the task says so"
    changed.append([build.episode(60)], batch_id="b", source="collection")
    assert changed.snapshot(batches=["a"]) == before
    assert [batch.id for batch in changed.pinned(changed.snapshot())] == ["a", "b"]
    assert elsewhere().verify() == []


def test_facts_that_are_the_same_leave_no_record(place, store, schema, elsewhere):
    before = place.files()
    assert EpisodeStore.create(place.backend(), schema).schema == schema
    assert place.files() == before


def test_facts_that_change_back_count_as_they_are_last(place, store, schema, build, elsewhere):
    for horizon in (50, 40):
        EpisodeStore.create(place.backend(), build.schema(horizon=horizon))
        assert elsewhere().schema.horizon == horizon
    assert len([key for key in place.files() if key.startswith("facts/")]) == 2


def test_another_task_is_refused(place, store, build, elsewhere):
    before = place.files()
    with pytest.raises(DatasetError, match="is of the task test/reach, but must be of test/push"):
        EpisodeStore.create(place.backend(), build.schema(task="test/push"))
    assert place.files() == before


def test_a_broken_record_of_facts_is_named(place, store, build):
    EpisodeStore.create(place.backend(), build.schema(horizon=50))
    (key,) = [key for key in place.files() if key.startswith("facts/")]
    place.write(key, b"{}")
    with pytest.raises(DatasetError, match=f"{key} was changed: its content does not fit its name"):
        EpisodeStore.open(place.backend())


# Damage is named.


@pytest.mark.parametrize("name", ["steps.arrow", "episodes.arrow"])
def test_a_changed_data_file_is_named(place, store, elsewhere, build, name):
    store.append([build.episode()], batch_id="a", source="collection")
    (key,) = [key for key in place.files() if key.endswith(name)]
    raw = bytearray(place.files()[key])
    raw[-20] ^= 1
    place.write(key, bytes(raw))
    for each in (store, elsewhere()):
        (sentence,) = each.verify()
        assert f"{key} was changed: its XXH3 is" in sentence


def test_a_changed_manifest_is_named(place, store, elsewhere, build):
    store.append([build.episode()], batch_id="a", source="collection")
    data = json.loads(place.files()["batches/a/batch.json"])
    for changes, sentence in [
        ({"id": "c"}, "says id 'c', but lies under 'a'"),
        ({"schema": "0"}, "of another schema"),
        ({"episodes": 0}, "batch a has no episodes"),
        ({"version": 9}, "version is 9, but this pacloop reads 2"),
    ]:
        place.write("batches/a/batch.json", json.dumps(data | changes).encode())
        assert any(sentence in fault for fault in store.verify()), "also where it has a copy of the old one"
        assert any(sentence in fault for fault in elsewhere().verify()), sentence
        with pytest.raises(DatasetError, match=sentence):
            elsewhere().batches()
