import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import SCHEMA, write_parquet

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.parquet import count
from pacloop.datasets.imports.readers.parquet import episodes as read
from pacloop.datasets.imports.readers.raw import ReadOptions, Unreadable


@pytest.fixture
def path(tmp_path, episodes):
    return write_parquet(tmp_path / "out", episodes, SCHEMA)


def test_what_was_exported_comes_back(path, episodes, options, agree):
    found = list(read(path, options))
    agree(found, episodes)
    assert [raw.where for raw in found] == [f"theirs.parquet, theirs/{n}" for n in range(3)]
    assert {raw.control_hz for raw in found} == {20.0}
    assert count(path) == 3
    lone = list(read(path / "data" / "theirs.parquet", options))
    agree(lone, episodes)
    assert {raw.control_hz for raw in lone} == {None}


def test_only_what_is_wanted_is_read(path):
    found = next(read(path, ReadOptions({"hand"})))
    assert list(found.observation) == ["hand"]
    assert set(found.unread) == {"arm/joints", "image"}


def test_a_step_that_is_missing_or_too_much(path, options):
    (file,) = (path / "data").iterdir()
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table[:2], table[3:]]), file)
    broken, *others = read(path, options)
    assert isinstance(broken, Unreadable)
    assert broken.reason == "step does not count from 0 by one: steps are missing or out of order"
    assert not any(isinstance(raw, Unreadable) for raw in others)
    kinds = [isinstance(raw, Unreadable) for raw in read(path, ReadOptions({"hand"}, 1000))]
    assert kinds == [True, True, False]


def test_any_other_parquet_file_is_refused(tmp_path, options):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match=r"x\.parquet is no export of pacloop's: it has no column step"):
        list(read(tmp_path / "x.parquet", options))
    (tmp_path / "y.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match=r"y\.parquet cannot be read as Parquet"):
        list(read(tmp_path / "y.parquet", options))
