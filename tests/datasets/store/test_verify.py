import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets.files import digest_of


@pytest.fixture
def store(tmp_path, schema):
    return EpisodeStore.create(tmp_path / "dataset", schema)


@pytest.mark.parametrize("name", ["steps.arrow", "episodes.arrow"])
def test_a_flipped_byte_anywhere_is_found_and_named(store, build, name):
    for i in range(8):
        store.append([build.episode(seed=i)], batch_id=f"b{i}", source="collection")
        path = store.folder / "batches" / f"b{i}" / name
        data = bytearray(path.read_bytes())
        data[i * (len(data) - 1) // 7] ^= 4
        path.write_bytes(data)
        (sentence,) = [s for s in store.verify() if f"b{i}/" in s]
        assert f"b{i}/{name} was changed" in sentence
    assert len(store.verify()) == 8


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("steps.arrow", "steps.arrow is missing"),
        ("episodes.arrow", "episodes.arrow is missing"),
        ("batch.json", "b has no batch.json, so it is no batch"),
    ],
)
def test_a_missing_file_is_found_and_named(store, build, name, sentence):
    for seed, batch_id in enumerate("ab"):
        store.append([build.episode(seed=seed)], batch_id=batch_id, source="collection")
    (store.folder / "batches" / "b" / name).unlink()
    (found,) = store.verify()
    assert sentence in found


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"episodes": 3}, "counts 3 episodes, but the files hold 1"),
        ({"score_sum": 0.5}, "counts 0.5 score_sum, but the files hold 1.0"),
        ({"source": "evaluation"}, "the content does not fit its digest"),
        ({"schema": "0"}, "of another schema"),
        ({"id": "c"}, "says id 'c'"),
        ({"digests": 3}, "digests is 3, but must be a valid dictionary"),
    ],
)
def test_a_manifest_that_lies_is_found(store, build, changes, sentence):
    store.append([build.episode()], batch_id="a", source="collection")
    path = store.folder / "batches" / "a" / "batch.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    (found,) = store.verify()
    assert sentence in found


@pytest.mark.parametrize("size", [0, 7, 500])
def test_a_truncated_file_is_named_when_read(store, build, size):
    store.append([build.episode()], batch_id="a", source="collection")
    path = store.folder / "batches" / "a" / "steps.arrow"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DatasetError, match=r"a/steps.arrow"):
        list(store.episodes("a"))


def test_a_folder_that_is_no_batch_is_said_where_one_of_its_name_is_appended(store, build):
    """As where a restore was cut off."""
    folder = store.folder / "batches" / "a"
    folder.mkdir()
    (folder / "steps.arrow").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"/batches/a has no batch\.json, so it is no batch: remove it$"):
        store.append([build.episode()], batch_id="a", source="collection")
    shutil.rmtree(folder)
    assert store.append([build.episode()], batch_id="a", source="collection").episodes == 1
    assert store.verify() == store.leftovers() == []


def test_offsets_that_lead_out_of_a_table_are_found_before_a_row_is_read(store, build):
    """As somebody makes them to harm: the digest fits, and reading a row crashes the process."""
    words = replace(build.episode(), instruction="a" * 12345)
    store.append([words], batch_id="a", source="collection")
    path = store.folder / "batches" / "a" / "episodes.arrow"
    raw, offsets = path.read_bytes(), np.array([0, 12345], np.int32).tobytes()
    before, found, after = raw.rpartition(offsets)
    assert found
    path.write_bytes(before + np.array([2**30, 2**30 + 2**20], np.int32).tobytes() + after)
    manifest = path.with_name("batch.json")
    data = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(data | {"digests": data["digests"] | {path.name: digest_of(path)}}))
    (found,) = EpisodeStore.open(store.folder).verify()
    assert "episodes.arrow is not a whole Arrow file" in found
