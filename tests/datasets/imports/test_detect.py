import os
import shutil

import pytest
from foreign import SCHEMA, WRITERS

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.detect import detect, reader
from pacloop.datasets.imports.readers import FORMATS


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "rlds"])
def test_each_format_is_recognised_and_counted(tmp_path, episodes, writer):
    path = WRITERS[writer](tmp_path / "theirs", episodes, SCHEMA)
    name, read = reader(path)
    assert name == writer.split("-")[0]
    assert reader(path, name) == (name, read)
    assert read.count(path) == len(episodes)


def test_a_tfds_directory_is_recognised_at_any_of_its_levels(tmp_path):
    folder = tmp_path / "name" / "config" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "features.json").write_text("{}")
    assert {detect(path) for path in (folder, folder.parent, folder.parent.parent)} == {"rlds"}


def test_what_is_no_format_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.hdf5").touch()
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "empty.hdf5"):
        with pytest.raises(DatasetError, match="looks like none of rlds, robomimic"):
            detect(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="pipe is neither a file nor a folder"):
        reader(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="nothing does not exist"):
        reader(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="format is 'csv', but must be auto, rlds"):
        reader(tmp_path, "csv")


def test_a_folder_of_recordings_is_taken_one_by_one(tmp_path, episodes):
    first = WRITERS["robomimic"](tmp_path, episodes, SCHEMA)
    for name in ("b", "c", "d"):
        shutil.copy(first, first.with_name(f"{name}.hdf5"))
    with pytest.raises(DatasetError, match=r"\(b.hdf5, c.hdf5, d.hdf5 and 1 more\): inject them one"):
        detect(tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_naming_the_wrong_format_is_a_sentence(tmp_path, options, name):
    (tmp_path / "notes.txt").write_text("hello")
    path = tmp_path / "notes.txt" if name in ("robomimic", "npz", "parquet") else tmp_path
    with pytest.raises(DatasetError, match=r"notes.txt|no dataset|no TFDS|cannot be read|\.npz"):
        list(reader(path, name)[1].episodes(path, options))
