"""The layout that LeRobot v3.0 documents, read as its own code reads it: with `datasets` and pandas."""

import json

import numpy as np
import pytest

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets.exports.lerobot.export import export_lerobot
from pacloop.datasets.exports.lerobot.frames import frame_fields


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


def hf_features(info):
    """What LeRobot's `get_hf_features_from_features` makes of `info.json`."""
    import datasets

    found = {}
    for name, feature in info["features"].items():
        dtype, shape = feature["dtype"], tuple(feature["shape"])
        if dtype == "image":
            found[name] = datasets.Image()
        elif shape == (1,):
            found[name] = datasets.Value(dtype)
        elif len(shape) == 1:
            found[name] = datasets.Sequence(datasets.Value(dtype), length=shape[0])
        else:
            found[name] = {2: datasets.Array2D, 3: datasets.Array3D}[len(shape)](shape=shape, dtype=dtype)
    return datasets.Features(found)


def read(root):
    """`info`, the frames, the episodes and the tasks, read as `LeRobotDataset` does."""
    import pandas

    from datasets import Dataset

    info = json.loads((root / "meta" / "info.json").read_text())
    frames = Dataset.from_parquet(
        [str(p) for p in sorted((root / "data").glob("*/*.parquet"))], features=hf_features(info)
    )
    episodes = Dataset.from_parquet(
        [str(p) for p in sorted((root / "meta" / "episodes").glob("*/*.parquet"))]
    )
    return info, frames, episodes, pandas.read_parquet(root / "meta" / "tasks.parquet")


def test_every_kind_of_field_comes_out_equal(tmp_path, everything, exports):
    store = EpisodeStore.create(tmp_path / "dataset", everything)
    exports.fill(store, "demos", "r1", episodes=3)
    done = export_lerobot(store, tmp_path / "out")
    assert (done.shards, done.episodes) == (2, 6)
    info, frames, episodes, tasks = read(tmp_path / "out")
    assert (info["codebase_version"], info["fps"], info["splits"]) == ("v3.0", 20, {"train": "0:6"})
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (6, len(frames), 2)
    assert tasks.loc["reach"].task_index == 0 and tasks.loc["stäck"].task_index == 1
    assert frames["index"][:] == list(range(len(frames)))
    for number, row in enumerate(store.iter_rows()):
        entry, episode = episodes[number], store.episode(row.id)
        path = info["data_path"].format(
            chunk_index=entry["data/chunk_index"], file_index=entry["data/file_index"]
        )
        assert (tmp_path / "out" / path).exists()
        assert (entry["episode_index"], entry["length"], entry["pacloop/id"]) == (number, row.length, row.id)
        found = frames[entry["dataset_from_index"] : entry["dataset_to_index"]]
        assert set(found["episode_index"]) == {number}
        np.testing.assert_array_equal(found["frame_index"], np.arange(row.length))
        np.testing.assert_allclose(found["timestamp"], np.arange(row.length) / 20, atol=1e-4)
        assert set(found["task_index"]) == {tasks.loc[row.instruction].task_index}
        wanted = {"action": episode.action, "next.reward": episode.reward, "next.discount": episode.discount}
        for name, array in episode.observation.items():
            known = name.replace("/", ".")
            known = f"observation.images.{known}" if "camera" in name else f"observation.{known}"
            wanted[known] = array[: row.length]
        for name, array in wanted.items():
            values = np.array([np.asarray(cell, array.dtype) for cell in found[name]]).reshape(array.shape)
            np.testing.assert_array_equal(values, array, err_msg=name)
        last = np.arange(row.length) == row.length - 1
        np.testing.assert_array_equal(found["next.done"], last)
        np.testing.assert_array_equal(found["next.truncated"], last & (not row.terminal))
        np.testing.assert_array_equal(found["next.success"], last & (row.score == 1))


def test_statistics_are_those_of_all_frames(tmp_path, everything, exports):
    store = EpisodeStore.create(tmp_path / "dataset", everything)
    exports.fill(store, "demos")
    export_lerobot(store, tmp_path / "out")
    exports.fill(store, "r1", "r2", episodes=3)
    export_lerobot(store, tmp_path / "out")
    stats = json.loads((tmp_path / "out" / "meta" / "stats.json").read_text())
    assert set(stats) == set(frame_fields(everything))
    kept = [store.episode(row.id) for row in store.iter_rows()]
    matrix = np.concatenate([episode.observation["matrix"][:-1] for episode in kept])
    camera = np.concatenate([episode.observation["camera/wrist"][:-1] for episode in kept]) / 255
    for name, values, axes, shape in (
        ("observation.matrix", matrix, 0, (2, 3)),
        ("observation.images.camera.wrist", camera, (0, 1, 2), (3, 1, 1)),
    ):
        for figure in ("min", "max", "mean", "std"):
            wanted = getattr(np, figure)(values.astype(float), axis=axes).reshape(shape)
            np.testing.assert_allclose(stats[name][figure], wanted, atol=1e-9)
        assert stats[name]["count"] == [len(values)]


def test_what_a_kill_left_untold_is_told_by_the_next_export(tmp_path, store, exports):
    """The files of a batch are there and counted, but `stats.json` and `info.json` are those before it."""
    exports.fill(store, "a")
    export_lerobot(store, tmp_path / "out")
    meta = tmp_path / "out" / "meta"
    before = {name: (meta / name).read_bytes() for name in ("info.json", "stats.json")}
    exports.fill(store, "b")
    export_lerobot(store, tmp_path / "out")
    after = {name: json.loads((meta / name).read_text()) for name in before}
    for name, data in before.items():
        (meta / name).write_bytes(data)
    assert export_lerobot(store, tmp_path / "out").shards == 0
    assert json.loads((meta / "info.json").read_text()) == after["info.json"]
    for name, figures in json.loads((meta / "stats.json").read_text()).items():
        for figure, value in figures.items():
            np.testing.assert_allclose(value, after["stats.json"][name][figure])


def test_batch_by_batch_two_new_files_each(tmp_path, store, exports):
    exports.fill(store, "a", "b")
    export_lerobot(store, tmp_path / "out")
    data = {
        p: p.stat().st_mtime_ns
        for folder in ("data", "meta/episodes")
        for p in (tmp_path / "out" / folder).rglob("*.parquet")
    }
    exports.fill(store, "c")
    assert export_lerobot(store, tmp_path / "out").shards == 1
    assert export_lerobot(store, tmp_path / "out").shards == 0
    assert {p: p.stat().st_mtime_ns for p in data} == data
    info, frames, episodes, _ = read(tmp_path / "out")
    assert info["total_episodes"] == len(episodes) == 6
    assert episodes["episode_index"][:] == list(range(6))
    assert info["total_frames"] == len(frames) == sum(row.length for row in store.iter_rows())


def test_killed_at_any_point_it_is_readable_and_the_next_export_goes_on(tmp_path, store, exports):
    exports.fill(store, "a")
    export_lerobot(store, tmp_path / "before")
    exports.fill(store, "b")
    for folder in exports.killed(export_lerobot, store, tmp_path, points=10):
        info, frames, episodes, tasks = read(folder)
        assert info["total_episodes"] in (2, 4)
        assert len(episodes) >= info["total_episodes"] and len(frames) >= info["total_frames"]
        assert max(frames[: info["total_frames"]]["task_index"]) < len(tasks)
        assert export_lerobot(store, folder).episodes == 4
        info, frames, episodes, _ = read(folder)
        assert info["total_episodes"] == len(episodes) == 4
        assert episodes["pacloop/id"][:] == [row.id for row in store.iter_rows()]
        assert info["total_frames"] == len(frames)
        assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def test_what_a_killed_export_did_not_count_is_removed(tmp_path, store, exports):
    exports.fill(store, "a")
    export_lerobot(store, tmp_path / "out")
    first = tmp_path / "out" / "data" / "chunk-000" / "file-000.parquet"
    left = first.with_name("file-001.parquet")
    left.write_bytes(first.read_bytes())
    export_lerobot(store, tmp_path / "out")
    assert not left.exists()


def test_episodes_are_left_out_but_not_taken_out(tmp_path, store, exports):
    exports.fill(store, "a", "b")
    done = export_lerobot(store, tmp_path / "out", excluded={"a/0", "b/0", "b/1"})
    assert done.episodes == 1
    _, _, episodes, _ = read(tmp_path / "out")
    assert episodes["pacloop/id"][:] == ["a/1"]
    with pytest.raises(DatasetError, match="holds batch a with other exclusions"):
        export_lerobot(store, tmp_path / "out")
    exports.fill(store, "c")
    assert export_lerobot(store, tmp_path / "out", excluded={"a/0", "b/0", "b/1"}).episodes == 3


@pytest.mark.parametrize("name", ["info.json", "stats.json", "tasks.parquet"])
def test_metadata_that_was_changed_by_hand_is_written_anew(tmp_path, store, exports, name):
    exports.fill(store, "a")
    export_lerobot(store, tmp_path / "out")
    path = tmp_path / "out" / "meta" / name
    before = path.read_bytes()
    path.write_text("broken")
    export_lerobot(store, tmp_path / "out")
    assert path.read_bytes() == before


def test_a_folder_of_an_earlier_pacloop_is_refused(tmp_path, store, exports):
    exports.fill(store, "a")
    export_lerobot(store, tmp_path / "out")
    ledger = tmp_path / "out" / ".pacloop-export.json"
    ledger.write_text(json.dumps({k: v for k, v in json.loads(ledger.read_text()).items() if k != "total"}))
    with pytest.raises(DatasetError, match="was exported by a pacloop before this one; name another"):
        export_lerobot(store, tmp_path / "out")


def test_names_that_would_meet_are_refused(tmp_path, build, exports):
    from pacloop.datasets import Field

    observation = {"arm/x": Field((2,)), "arm.x": Field((2,))}
    store = EpisodeStore.create(tmp_path / "d", build.schema(observation=observation))
    exports.fill(store, "a")
    with pytest.raises(
        DatasetError, match=r"observation arm.x would be called observation.arm.x, as another"
    ):
        export_lerobot(store, tmp_path / "out")
    assert not (tmp_path / "out").exists()
