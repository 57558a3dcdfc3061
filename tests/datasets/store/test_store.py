import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pacloop.datasets import Batch, DatasetError, Episode, EpisodeStore, Field
from pacloop.datasets.files import parse_model


@pytest.fixture
def store(tmp_path, schema):
    return EpisodeStore.create(tmp_path / "dataset", schema)


def hidden(store):
    return [path.name for path in (store.folder / "batches").iterdir() if path.name.startswith(".")]


# What goes in comes out.


def test_rows_tell_lineage(store, build):
    store.append([build.episode(5, 1)], batch_id="a", source="demonstration")
    store.append([build.episode(6, 2), build.episode(7, 3)], batch_id="b", source="collection", round=4)
    rows = list(store.iter_rows())
    assert [row.id for row in rows] == ["a/0", "b/0", "b/1"]
    assert [(row.offset, row.length, row.seed, row.round) for row in rows] == [
        (0, 5, 1, None),
        (0, 6, 2, 4),
        (7, 7, 3, 4),
    ]
    assert [row.id for row in store.iter_rows(["b"])] == ["b/0", "b/1"]


def test_the_file_is_plain_arrow_with_the_steps_of_rlds(store, build):
    store.append(
        [build.episode(2, 1), build.episode(1, 2, terminal=False)], batch_id="a", source="collection"
    )
    table = pa.ipc.open_file(store.folder / "batches" / "a" / "steps.arrow").read_all()
    assert table.column("is_first").to_pylist() == [True, False, False, True, False]
    assert table.column("is_last").to_pylist() == [False, False, True, False, True]
    assert table.column("is_terminal").to_pylist() == [False, False, True, False, False]
    assert table.column("observation/arm/position").type == pa.fixed_shape_tensor(pa.float32(), (3,))
    assert table.column("discount").to_pylist() == [1, 0, 0, 1, 0]


@pytest.mark.parametrize("episode_id", ["a/2", "a/-1", "a/x", "a/", "a", "../a/0", "b/0"])
def test_an_unknown_episode_is_refused(store, build, episode_id):
    store.append([build.episode(), build.episode()], batch_id="a", source="collection")
    with pytest.raises(DatasetError):
        store.episode(episode_id)


# Once, and the same for ever.


def test_appending_again_writes_nothing(store, build):
    first = store.append([build.episode()], batch_id="a", source="collection", round=1)
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")}
    for again in (store, EpisodeStore.open(store.folder)):
        assert again.append([build.episode()], batch_id="a", source="collection", round=1) == first
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")} == before


def test_appending_does_not_look_at_other_batches(store, build):
    store.append([build.episode()], batch_id="a", source="collection")
    (store.folder / "batches" / "a" / "batch.json").write_text("broken")
    fresh = EpisodeStore.open(store.folder)
    fresh.append([build.episode(seed=1)], batch_id="b", source="collection")
    with pytest.raises(DatasetError, match=r"batch\.json is not valid JSON"):
        fresh.batches()


# Refusals.


def test_create_is_idempotent_and_names_the_difference(store, build):
    EpisodeStore.create(store.folder, build.schema())
    with pytest.raises(DatasetError, match=r"dataset is of another schema: control_hz is 10.0"):
        EpisodeStore.create(store.folder, build.schema(control_hz=10.0))


@pytest.mark.parametrize("field", [Field((2,), "complex64"), Field((2, 0)), Field((1,), "datetime64[s]")])
def test_fields_that_cannot_be_kept_are_refused(tmp_path, build, field):
    with pytest.raises(DatasetError, match="observation/odd"):
        EpisodeStore.create(tmp_path / "d", build.schema(observation={"odd": field}))
    assert not (tmp_path / "d").exists()


def test_open_names_what_is_missing_or_changed(tmp_path, store):
    with pytest.raises(DatasetError, match=r"none holds no dataset: schemas has 0 files, but must have one"):
        EpisodeStore.open(tmp_path / "none")
    (path,) = (store.folder / "schemas").glob("*.json")
    path.write_text(path.read_text().replace("20.0", "30.0"))
    with pytest.raises(DatasetError, match="changed by hand"):
        EpisodeStore.open(store.folder)


@pytest.mark.parametrize("batch_id", ["", ".a", "A", "a/b", "a b", "-a", "a\n", "x" * 129, "../x"])
def test_bad_batch_ids_are_refused(store, build, batch_id):
    with pytest.raises(DatasetError, match="batch id is"):
        store.append([build.episode()], batch_id=batch_id, source="collection")


def test_bad_episodes_and_facts_are_refused_and_leave_nothing(store, build):
    good, bad = build.episode(), build.episode(action=np.full((5, 2), 3, np.float32))
    for episodes, changes, sentence in [
        ([good, bad], {}, "batch a, episode 1: action lies in"),
        ([], {}, "batch a has no episodes"),
        ([good], {"source": "dream"}, "source is 'dream', but must be one of demonstration"),
        ([good], {"origin": {"x": object()}}, "batch a: origin is not JSON"),
        ([build.episode(info={"x": float("nan")})], {}, "batch a, episode 0: info is not JSON"),
        ([build.episode(seed=0, policy="p")], {"round": "1"}, "round is '1'"),
        ([good], {"round": 2**70}, "batch a, episode 0: round is .* must fit 64 bits"),
        ([replace(good, seed="x")], {}, "batch a, episode 0: seed is 'x', but must be a whole number"),
        ([replace(good, seed=1.7)], {}, r"batch a, episode 0: seed is 1\.7, but must be a whole number"),
        ([build.episode(instruction="\ud800")], {}, "episode 0: instruction holds .* no valid Unicode"),
        ([build.episode(policy="\udcff")], {}, "episode 0: policy holds .* no valid Unicode"),
    ]:
        with pytest.raises(DatasetError, match=sentence):
            store.append(episodes, **({"batch_id": "a", "source": "collection"} | changes))
    with pytest.raises(DatasetError, match=r"seed is .* must fit 64 bits"):
        store.append([Episode(**(vars(good) | {"seed": 2**63}))], batch_id="a", source="collection")
    assert list((store.folder / "batches").iterdir()) == []


@pytest.mark.parametrize("field", ["observation arm/position", "action", "reward", "discount"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_wherever_it_is(store, build, field, value):
    bad = build.episode(5, 1)
    array = bad.observation["arm/position"] if " " in field else getattr(bad, field)
    array[2] = value
    with pytest.raises(DatasetError, match=f"batch a, episode 1: {field} is not finite at step 2"):
        store.append([build.episode(5, 0), bad], batch_id="a", source="collection")
    assert list((store.folder / "batches").iterdir()) == []


def test_bounds_of_each_dimension_that_leave_out_zero(tmp_path, build):
    schema = build.schema(action_minimum=(1.0, -3.0), action_maximum=(2.0, -2.0))
    store = EpisodeStore.create(tmp_path / "own", schema)
    good = build.episode(5, schema=schema, action=np.tile(np.float32([1.5, -2.5]), (5, 1)))
    assert store.append([good], batch_id="a", source="collection").steps == 5
    bad = build.episode(5, schema=schema, action=np.tile(np.float32([1.5, 1.5]), (5, 1)))
    with pytest.raises(DatasetError, match="episode 0: action lies in"):
        store.append([bad], batch_id="b", source="collection")


def test_a_newer_batch_says_so(store, build):
    store.append([build.episode()], batch_id="a", source="collection")
    path = store.folder / "batches" / "a" / "batch.json"
    data = json.loads(path.read_text()) | {"version": 3, "novelty": 1}
    path.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=r"batch.json: version is 3, but this pacloop reads 2"):
        EpisodeStore.open(store.folder).batches()
    with pytest.raises(DatasetError, match="b: novelty is unknown"):
        parse_model(Batch, data | {"version": 2}, "b")


# Digests: what happened in an episode, whatever is said about it.


def test_rows_know_equal_episodes(store, build):
    same = {"score": 0.5, "policy": None, "info": {}, "instruction": "other"}
    store.append([build.episode(5, 1), build.episode(5, 1, **same)], batch_id="a", source="collection")
    store.append([build.episode(5, 2)], batch_id="b", source="demonstration")
    store.append([build.episode(5, 1, reward=np.ones(5, np.float32))], batch_id="c", source="collection")
    digests = [row.digest for row in store.iter_rows()]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
