"""What stock TFDS and rlds read is what the store holds, however often and however rudely it was exported."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from recordings import recordings

from pacloop.datasets import DatasetError, EpisodeStore, Field
from pacloop.datasets.exports.tfds.rlds import export_rlds, tfds_name


def read(path, split="train"):
    """Episodes as stock TFDS reads them: pairs of a list of steps and the metadata, as numpy."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(path)
    return [
        (list(tfds.as_numpy(episode["steps"])), tfds.as_numpy(episode["episode_metadata"]))
        for episode in builder.as_dataset(split=split)
    ]


def ids(path, split="train"):
    """The ids of the episodes as stock TFDS reads them."""
    import tensorflow_datasets as tfds

    found = tfds.builder_from_directory(path).as_dataset(split=split)
    return tuple(episode["episode_metadata"]["id"].numpy().decode() for episode in found)


def leaf(tree, name):
    for part in name.split("/"):
        tree = tree[part]
    return tree


def assert_same(found, row, episode):
    """Every step and every fact of an episode of the store, against what was read."""
    steps, facts = found
    assert len(steps) == episode.length + 1
    for t, step in enumerate(steps):
        for name, array in episode.observation.items():
            value, wanted = leaf(step["observation"], name), np.asarray(array[t], array.dtype)
            if array.dtype == object:
                texts = np.asarray(value, object).reshape(-1).tolist()
                assert texts == [text.encode() for text in wanted.reshape(-1).tolist()], name
            else:
                value = np.asarray(value)
                assert value.dtype == array.dtype and value.shape == wanted.shape
                np.testing.assert_array_equal(value, wanted, err_msg=name)
        for name in ("action", "reward", "discount"):
            wanted = getattr(episode, name)
            np.testing.assert_array_equal(step[name], wanted[t] if t < episode.length else 0 * step[name])
            assert step[name].dtype == wanted.dtype
        flags = (t == 0, t == episode.length, t == episode.length and episode.is_terminal)
        assert tuple(step[name] for name in ("is_first", "is_last", "is_terminal")) == flags
    assert facts == {
        "id": row.id.encode(),
        "batch": row.id.rpartition("/")[0].encode(),
        "source": b"collection",
        "policy": (row.policy or "").encode(),
        "round": -1 if row.round is None else row.round,
        "seed": -1 if row.seed is None else row.seed,
        "score": row.score,
        "instruction": row.instruction.encode(),
        "info": row.info.encode(),
    }


def assert_equal(found, store, excluded=(), order=None):
    rows = [row for row in store.iter_rows(order) if row.id not in excluded]
    assert [facts["id"].decode() for _, facts in found] == [row.id for row in rows]
    for one, row in zip(found, rows, strict=True):
        assert_same(one, row, store.episode(row.id))


def files(path):
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.iterdir() if "tfrecord" in p.name}


def test_every_kind_of_field_comes_out_equal(tmp_path, everything, exports):
    store = EpisodeStore.create(tmp_path / "dataset", everything)
    exports.fill(store, "demos", "r1")
    done = export_rlds(store, tmp_path / "out")
    assert (done.shards, done.episodes) == (2, 4)
    assert done.path == tmp_path / "out" / "test_reach" / "1.0.0"
    assert_equal(read(done.path), store)


@pytest.mark.parametrize("words", [[""], ["näher\0", ""], ["one", "two", "three"]])
def test_text_and_episodes_of_no_step_and_of_one(tmp_path, build, words):
    """As many observations as words."""
    schema = build.schema(observation={"say/loud": Field((), "str"), "say/pair": Field((2,), "str")})
    store = EpisodeStore.create(tmp_path / "dataset", schema)
    told = {"say/loud": np.array(words, object), "say/pair": np.array([words, words], object).T}
    episodes = [build.episode(len(words) - 1, seed, schema=schema, observation=told) for seed in range(2)]
    store.append(episodes, batch_id="a", source="collection")
    assert_equal(read(export_rlds(store, tmp_path / "out").path), store)


@settings(max_examples=8)
@given(recorded=recordings())
def test_any_schema_comes_out_equal(recorded):
    schema, episodes = recorded
    with tempfile.TemporaryDirectory() as folder:
        store = EpisodeStore.create(f"{folder}/dataset", schema)
        store.append(episodes, batch_id="a", source="collection")
        names = set(schema.observation)
        if any(name.startswith(f"{other}/") for name in names for other in names):
            with pytest.raises(DatasetError, match="cannot be nested"):
                export_rlds(store, Path(folder) / "out")
        else:
            assert_equal(read(export_rlds(store, Path(folder) / "out").path), store)


def test_batch_by_batch_each_one_a_new_file(tmp_path, store, exports):
    for number, name in enumerate(["demos", "r1", "r2"], start=1):
        before = files(tmp_path / "out" / "test_reach" / "1.0.0") if number > 1 else {}
        exports.fill(store, name)
        done = export_rlds(store, tmp_path / "out")
        assert (done.shards, done.episodes) == (1, 2 * number)
        now = files(done.path)
        assert before.items() <= now.items(), "an old shard was touched"
        assert len(now) == number
        assert done.bytes == sum(len(data) for data, _ in now.values())
        assert_equal(read(done.path), store)
    assert export_rlds(store, tmp_path / "out").shards == 0
    assert files(done.path) == now


def test_another_time_limit_of_the_task_is_in_the_next_export(tmp_path, store, exports):
    exports.fill(store, "demos")
    export_rlds(store, tmp_path / "out")
    longer = EpisodeStore.create(store.folder, replace(store.schema, horizon=99))
    path = export_rlds(longer, tmp_path / "out").path
    assert json.loads((path / "metadata.json").read_text())["horizon"] == 99


def test_it_is_the_file_that_tfds_itself_would_write(tmp_path, everything, exports):
    """Byte by byte the records of TFDS's own encoder, through TensorFlow's own writer and reader."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    store = EpisodeStore.create(tmp_path / "dataset", everything)
    exports.fill(store, "a")
    done = export_rlds(store, tmp_path / "out")
    features = tfds.builder_from_directory(done.path).info.features
    found = [
        tf.train.Example.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(done.path / "test_reach-train.tfrecord-00000"))
    ]
    for example, (steps, facts) in zip(found, read(done.path), strict=True):
        wanted = tf.train.Example.FromString(
            features.serialize_example({"steps": steps, "episode_metadata": facts})
        )
        for name, value in wanted.features.feature.items():
            if "camera" not in name:  # PNG files may differ where their pictures do not
                assert example.features.feature[name] == value, name
        assert set(example.features.feature) == set(wanted.features.feature)


def test_tfds_load_and_slices_by_episode(tmp_path, store, exports):
    import tensorflow_datasets as tfds

    exports.fill(store, "a", "b", "c", episodes=8)
    done = export_rlds(store, tmp_path / "out")
    rows = list(store.iter_rows())
    assert list(ids(done.path, "train[8:16]")) == [row.id for row in rows[8:16]]
    assert ids(done.path, "train[-1:]") == (rows[-1].id,)
    loaded = tfds.load("test_reach", data_dir=tmp_path / "out", split="train[50%:]")
    assert len(loaded) == 12
    info = tfds.builder_from_directory(done.path).info
    assert info.metadata["control_hz"] == 20.0
    assert info.metadata["action_maximum"] == [1.0, 1.0]


def test_the_lines_it_prints_read_it(tmp_path, store, exports):
    exports.fill(store, "a")
    names = {}
    exec("\n".join(export_rlds(store, tmp_path / "out").read), names)
    assert len(names["episodes"]) == 2


def test_the_transformations_of_rlds_work_on_it(tmp_path, store, exports):
    import rlds
    import tensorflow_datasets as tfds

    exports.fill(store, "a")
    done = export_rlds(store, tmp_path / "out")
    episodes = tfds.builder_from_directory(done.path).as_dataset(split="train")
    for episode, row in zip(episodes, store.iter_rows(), strict=True):
        kept = store.episode(row.id)
        total = rlds.transformations.sum_dataset(episode["steps"], lambda step: step["reward"])
        np.testing.assert_allclose(total.numpy(), kept.reward.sum(), rtol=1e-6)
        pairs = list(rlds.transformations.batch(episode["steps"], size=2, shift=1, drop_remainder=True))
        assert len(pairs) == kept.length
        camera = np.stack([pair["observation"]["camera"][1] for pair in pairs])
        np.testing.assert_array_equal(camera, kept.observation["camera"][1:])
    first = rlds.transformations.map_nested_steps(episodes, lambda step: step["is_first"])
    assert [sum(map(bool, episode["steps"])) for episode in first] == [1, 1]


def test_excluding_rewrites_only_the_shard_concerned(tmp_path, store, exports):
    exports.fill(store, "a", "b", "c", episodes=3)
    done = export_rlds(store, tmp_path / "out")
    before = files(done.path)
    done = export_rlds(store, tmp_path / "out", excluded={"b/1", "b/7", "nowhere/0"})
    after = files(done.path)
    assert (done.shards, done.episodes, len(after)) == (1, 8, 3)
    assert {name: before[name] for name in before if not name.endswith("1")}.items() <= after.items()
    assert_equal(read(done.path), store, excluded={"b/1"}, order=["a", "c", "b"])
    assert export_rlds(store, tmp_path / "out", excluded=["b/1"]).shards == 0
    done = export_rlds(store, tmp_path / "out", excluded={"b/0", "b/1", "b/2"})
    assert (done.episodes, len(files(done.path))) == (6, 2), "nothing of an excluded batch stays"
    assert_equal(read(done.path), store, order=["a", "c"])
    done = export_rlds(store, tmp_path / "out")
    assert_equal(read(done.path), store, order=["a", "c", "b"])


def test_a_shard_that_is_gone_or_cut_is_written_again(tmp_path, store, exports):
    exports.fill(store, "a", "b", "c")
    done = export_rlds(store, tmp_path / "out")
    (done.path / "test_reach-train.tfrecord-00000").unlink()
    (done.path / "test_reach-train.tfrecord-00001").write_bytes(b"cut")
    assert export_rlds(store, tmp_path / "out").shards == 2
    assert_equal(read(done.path), store, order=["c", "a", "b"])


# Killed anywhere.


def test_killed_at_any_point_it_is_readable_and_the_next_export_goes_on(tmp_path, store, exports):
    """Two batches are there, one of them with an episode that is excluded now; a third one is new."""
    exports.fill(store, "a", "b")
    export_rlds(store, tmp_path / "before")
    exports.fill(store, "c")
    states, finished = set(), []
    for folder in exports.killed(export_rlds, store, tmp_path, points=12, excluded={"a/0"}):
        path = folder / "test_reach" / "1.0.0"
        states.add(ids(path))
        export_rlds(store, folder, excluded={"a/0"})
        finished.append({p.name: p.read_bytes() for p in path.iterdir()})
    assert all(content == finished[-1] for content in finished), "to the byte as if nobody had killed it"
    assert_equal(read(path), store, excluded={"a/0"}, order=["b", "a", "c"])
    assert states == {
        ("a/0", "a/1", "b/0", "b/1"),
        ("b/0", "b/1", "a/1"),
        ("b/0", "b/1", "a/1", "c/0", "c/1"),
    }


# Refusals.


def test_no_export_imports_tensorflow(tmp_path, store, exports):
    exports.fill(store, "a")
    say = (
        "import sys; from pathlib import Path; from pacloop.datasets import EpisodeStore\n"
        "from pacloop.datasets.exports.lerobot.export import export_lerobot\n"
        "from pacloop.datasets.exports.parquet import export_parquet\n"
        "from pacloop.datasets.exports.tfds.rlds import export_rlds\n"
        f"for export in (export_rlds, export_parquet, export_lerobot):\n"
        f"    export(EpisodeStore.open({str(store.folder)!r}), Path({str(tmp_path)!r}) / export.__name__)\n"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_folders_that_are_something_else_are_refused_and_left_alone(tmp_path, store, build, exports):
    exports.fill(store, "a")
    other = EpisodeStore.create(tmp_path / "other", build.schema())
    with pytest.raises(DatasetError, match="has no episodes to export"):
        export_rlds(other, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()
    done = export_rlds(store, tmp_path / "out")
    before = files(done.path)
    other.append([build.episode(seed=5)], batch_id="a", source="collection")
    faster = EpisodeStore.create(tmp_path / "faster", build.schema(control_hz=50.0))
    exports.fill(faster, "a")
    (tmp_path / "file").write_text("")
    (tmp_path / "foreign" / "test_reach" / "1.0.0").mkdir(parents=True)
    (tmp_path / "foreign" / "test_reach" / "1.0.0" / "features.json").write_text("{}")
    for source, folder, sentence in [
        (other, tmp_path / "out", "holds a batch a that is not"),
        (faster, tmp_path / "out", "another schema: control_hz is 50.0, but must be 20.0"),
        (store, done.path, "one version of a TFDS dataset; name the data_dir two folders above"),
        (store, tmp_path / "foreign", r"no export of pacloop's \(e.g. features.json\)"),
        (store, tmp_path / "file", "cannot be made: not a directory"),
    ]:
        with pytest.raises(DatasetError, match=sentence):
            export_rlds(source, folder)
    assert files(done.path) == before


@pytest.mark.parametrize("names", [("arm", "arm/position"), ("arm/position", "arm"), ("a//b",), ("/",)])
def test_names_that_cannot_be_nested_are_refused(tmp_path, build, exports, names):
    store = EpisodeStore.create(
        tmp_path / "d", build.schema(observation={name: Field((2,)) for name in names})
    )
    exports.fill(store, "a")
    with pytest.raises(DatasetError, match="cannot be nested"):
        export_rlds(store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_sentence_and_the_export_stays_readable(tmp_path, store, exports):
    import resource

    exports.fill(store, "a")
    done = export_rlds(store, tmp_path / "out")
    exports.fill(store, "b", episodes=40)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(DatasetError, match=r"tfrecord-00001 cannot be written: file too large"):
            export_rlds(store, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(done.path.glob(".*.tmp"))
    assert_equal(read(done.path), store, order=["a"])
    assert export_rlds(store, tmp_path / "out").episodes == 42


def test_two_exports_at_once(tmp_path, store, exports):
    exports.fill(store, "a")
    refusals = []

    def meanwhile(_done, _total):
        with pytest.raises(DatasetError, match="is being written by another export") as refused:
            export_rlds(store, tmp_path / "out")
        refusals.append(str(refused.value))

    export_rlds(store, tmp_path / "out", callback=meanwhile)
    assert len(refusals) == 2 and all("\n" not in sentence for sentence in refusals)


def test_what_a_dead_export_left_is_removed(tmp_path, store, exports):
    from pacloop.datasets.files import temporary_beside

    exports.fill(store, "a")
    done = export_rlds(store, tmp_path / "out")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with temporary_beside(done.path / "test_reach-train.tfrecord-00001") as aside:
        left = aside.with_name(aside.name.replace(f".{os.getpid()}-", f".{dead.pid}-"))
    left.write_bytes(b"half")
    export_rlds(store, tmp_path / "out")
    assert not left.exists()


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("pacloop/stack", "pacloop_stack"),
        ("dm_control/cartpole-swingup", "dm_control_cartpole_swingup"),
        ("7", "task_7"),
    ],
)
def test_names_of_tasks_as_tfds_wants_them(task, name):
    assert tfds_name(task) == name
