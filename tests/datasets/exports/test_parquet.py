"""What pandas, pyarrow and Hugging Face's `datasets` read is what the store holds."""

import json

import numpy as np
import pyarrow.dataset
import pytest

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets.exports.parquet import export_parquet
from pacloop.datasets.exports.steps import rlds_steps
from pacloop.datasets.exports.tfds.rlds import export_rlds


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


def shaped(values, array):
    return np.array(values.tolist() if hasattr(values, "tolist") else values, array.dtype)


def test_every_kind_of_field_comes_out_equal(tmp_path, everything, exports):
    import pandas
    from PIL import Image

    store = EpisodeStore.create(tmp_path / "dataset", everything)
    exports.fill(store, "demos", "r1", episodes=3)
    done = export_parquet(store, tmp_path / "out")
    assert (done.shards, done.episodes) == (2, 6)
    table = pandas.read_parquet(tmp_path / "out" / "data", dtype_backend="pyarrow")
    assert table.id.drop_duplicates().tolist() == [row.id for row in store.iter_rows()]
    for row in store.iter_rows():
        found, steps = table[table.id == row.id], rlds_steps(store.episode(row.id))
        assert found.step.tolist() == list(range(row.length + 1))
        for name, array in steps.items():
            field = everything.observation.get(name.removeprefix("observation/"))
            if field and field.is_image:
                from io import BytesIO

                pictures = [np.asarray(Image.open(BytesIO(cell["bytes"]))) for cell in found[name]]
                np.testing.assert_array_equal(np.stack(pictures).reshape(array.shape), array)
            else:
                np.testing.assert_array_equal(shaped(found[name], array), array, err_msg=name)
        for name in ("round", "seed", "policy"):
            values = found[name].unique().tolist()
            assert values == [getattr(row, name)] or (getattr(row, name) is None and found[name].isna().all())
        assert set(found.score) == {row.score}
        assert set(found.instruction) == {row.instruction}
        assert set(found["source"]) == {"collection"}
        assert json.loads(found["info"].iloc[0]) == {"host": "here", "n": 3}


def test_hugging_face_datasets_knows_the_pictures(tmp_path, store, exports):
    import datasets

    exports.fill(store, "a", "b")
    export_parquet(store, tmp_path / "out")
    found = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out" / "data" / "*.parquet"), split="train"
    )
    assert isinstance(found.features["observation/camera"], datasets.Image)
    wanted = [picture for row in store.iter_rows() for picture in store.episode(row.id).observation["camera"]]
    for cell, picture in zip(found["observation/camera"], wanted, strict=True):
        np.testing.assert_array_equal(np.asarray(cell), picture[..., 0])
    assert len(datasets.load_dataset(str(tmp_path / "out"), split="train")) == len(found)


def test_batch_by_batch_one_file_each(tmp_path, store, exports):
    exports.fill(store, "a")
    export_parquet(store, tmp_path / "out")
    first = (tmp_path / "out" / "data" / "a.parquet").stat().st_mtime_ns
    exports.fill(store, "b", "c")
    assert export_parquet(store, tmp_path / "out").shards == 2
    assert export_parquet(store, tmp_path / "out").shards == 0
    assert (tmp_path / "out" / "data" / "a.parquet").stat().st_mtime_ns == first
    done = export_parquet(store, tmp_path / "out", excluded={"b/0", "b/1", "c/1"})
    assert (done.shards, done.episodes) == (2, 3)
    table = pyarrow.dataset.dataset(tmp_path / "out" / "data").to_table()
    assert set(table["id"].to_pylist()) == {"a/0", "a/1", "c/0"}
    assert not (tmp_path / "out" / "data" / "b.parquet").exists()
    assert export_parquet(store, tmp_path / "out").episodes == 6


def test_killed_at_any_point_it_is_readable_and_the_next_export_goes_on(tmp_path, store, exports):
    exports.fill(store, "a", "b")
    export_parquet(store, tmp_path / "before")
    exports.fill(store, "c")
    finished = []
    for folder in exports.killed(export_parquet, store, tmp_path, points=8, excluded={"a/0"}):
        found = set(pyarrow.dataset.dataset(folder / "data").to_table()["id"].to_pylist())
        assert found >= {"a/1", "b/0", "b/1"}
        assert export_parquet(store, folder, excluded={"a/0"}).episodes == 5
        finished.append({p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert all(content == finished[-1] for content in finished), "to the byte as if nobody had killed it"
    assert set(finished[-1]) == {".pacloop-export.json", "a.parquet", "b.parquet", "c.parquet"}


def test_other_folders_are_refused(tmp_path, store, exports):
    exports.fill(store, "a")
    export_parquet(store, tmp_path / "out")
    with pytest.raises(DatasetError, match="no export of pacloop's"):
        export_parquet(store, tmp_path)
    with pytest.raises(DatasetError, match="has files that are no export"):
        export_parquet(store, store.folder)
    export_rlds(store, tmp_path / "rlds")
    with pytest.raises(DatasetError, match="is an export to rlds, not to parquet"):
        export_parquet(store, tmp_path / "rlds" / "test_reach" / "1.0.0")
    ledger = tmp_path / "out" / ".pacloop-export.json"
    whole = ledger.read_text()
    for text, sentence in [
        (
            whole.replace('"bytes": ', '"bytes": "many", "size": ', 1),
            r"shards\.0\.bytes is 'many', but must be a valid int",
        ),
        (whole.replace('"batch":', '"unknown":', 1), r"export\.json: shards\.0\.unknown is unknown"),
        ("{}", "version is none, but this pacloop reads 1"),
        ("[", "not valid JSON"),
        ('{"version": 1}', "format is missing"),
    ]:
        ledger.write_text(text)
        with pytest.raises(DatasetError, match=sentence):
            export_parquet(store, tmp_path / "out")
