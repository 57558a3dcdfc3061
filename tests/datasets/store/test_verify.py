import json

import pytest

from pacloop.datasets import DatasetError, EpisodeStore


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
