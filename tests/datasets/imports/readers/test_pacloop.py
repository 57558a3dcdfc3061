from dataclasses import replace

import pyarrow as pa
import pytest
from foreign import SCHEMA, write_pacloop

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets.imports.readers.pacloop import count, excluded
from pacloop.datasets.imports.readers.pacloop import episodes as read
from pacloop.datasets.records.images import EncodedImages
from pacloop.datasets.store import tables
from pacloop.datasets.store.backend import FILES
from pacloop.datasets.store.tables import EPISODES


def test_another_dataset_comes_back(tmp_path, episodes, options, agree):
    found = list(read(write_pacloop(tmp_path / "p", episodes, SCHEMA), options))
    agree(found, episodes)
    assert [raw.score for raw in found] == [episode.score for episode in episodes]
    origin = {"id": "theirs/1", "source": "collection", "policy": None, "round": 3}
    assert found[1].info == {"injected_from": origin}


def test_an_unsound_dataset_is_refused(tmp_path, episodes, options):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    steps = path / "batches" / "theirs" / "steps.arrow"
    steps.write_bytes(steps.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"is not sound: .*steps\.arrow was changed"):
        list(read(path, options))
    with pytest.raises(DatasetError, match="holds no dataset of pacloop"):
        list(read(tmp_path, options))


def test_what_is_excluded_there_is_left_out(tmp_path, episodes, options, agree):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    EpisodeStore.open(path).exclude("theirs/1", reason="the operator hit the table", by="ann")
    found = list(read(path, options))
    agree(found, [episodes[0], *episodes[2:]])
    assert count(path) == len(found) == len(episodes) - 1


def test_what_a_killed_writer_left_does_not_matter(tmp_path, episodes, options, agree):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    (path / "batches" / ".other.elsewhere.1-00000000.tmp").mkdir()
    agree(list(read(path, options)), episodes)


@pytest.mark.parametrize("name", FILES)
def test_compressed_files_are_refused_before_they_are_opened(tmp_path, episodes, options, name, monkeypatch):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    file = path / "batches" / "theirs" / name
    with pa.ipc.open_file(file.read_bytes()) as reader:
        table = reader.get_batch(0)
    file.unlink()
    with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(table)
    monkeypatch.setattr(tables, "_mapped", None)
    with pytest.raises(DatasetError, match=f"{name} is compressed or has dictionaries"):
        list(read(path, options))


def test_an_episode_larger_than_any_may_be_is_refused_before_its_pictures_are_decoded(
    tmp_path, episodes, options, monkeypatch
):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    monkeypatch.setattr(EncodedImages, "_image", None)
    says = r"theirs, observation/image of shape \(10, 32, 32, 3\) claims"
    with pytest.raises(DatasetError, match=says):
        list(read(path, replace(options, limit_bytes=9 * 32 * 32 * 3)))


def test_a_count_that_its_files_cannot_hold_is_refused(tmp_path, episodes, options):
    """Before what is excluded is named one by one."""
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    EpisodeStore.open(path).exclude("theirs", reason="all of them", by="ann")
    file = path / "batches" / "theirs" / "batch.json"
    file.write_text(file.read_text().replace('"episodes": 3', f'"episodes": {10**13}'))
    for look in (count, excluded, lambda path: list(read(path, options))):
        with pytest.raises(DatasetError, match="theirs counts more episodes than its files hold"):
            look(path)


def test_columns_of_other_types_are_refused(tmp_path, episodes, options):
    """One without values is as long as it likes."""
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    folder = path / "batches" / "theirs"
    with pa.ipc.open_file((folder / EPISODES).read_bytes()) as reader:
        names = reader.schema.names
    (folder / EPISODES).unlink()
    tables.write_table(folder / EPISODES, pa.RecordBatch.from_arrays([pa.nulls(10**9)] * len(names), names))
    with pytest.raises(DatasetError, match=r"has the columns id \(null\), .*, not those of episodes"):
        list(read(path, options))
