import pyarrow as pa
import pytest
from foreign import SCHEMA, write_pacloop

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.packed import check_unpacked

TABLE = pa.RecordBatch.from_pydict({"x": list(range(1000)), "text": ["a"] * 1000})
ONE_WORD = pa.RecordBatch.from_pydict({"text": pa.array(["a"] * 9).dictionary_encode()})


def write(path, table, **options):
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(table)
    return path


def test_what_pacloop_and_arrow_write_as_it_is_passes(tmp_path, episodes):
    for file in (write_pacloop(tmp_path / "p", episodes, SCHEMA) / "batches" / "theirs").glob("*.arrow"):
        check_unpacked(file)
    check_unpacked(write(tmp_path / "plain.arrow", TABLE))


@pytest.mark.parametrize(
    ("table", "options"),
    [
        (TABLE, {"compression": "zstd"}),
        (TABLE, {"compression": "lz4"}),
        (TABLE, {"compression": "zstd", "use_legacy_format": True}),
        (ONE_WORD, {}),
    ],
)
def test_what_arrow_would_unpack_is_refused(tmp_path, table, options):
    path = write(tmp_path / "packed.arrow", table, **options)
    with pytest.raises(DatasetError, match=r"packed\.arrow is compressed or has dictionaries"):
        check_unpacked(path)


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"\xff" * 40 + b"ARROW1"])
def test_what_is_no_whole_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "x.arrow"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.arrow is not a whole Arrow file"):
        check_unpacked(path)
    with pytest.raises(DatasetError, match="cannot be read: no such file"):
        check_unpacked(tmp_path / "missing.arrow")
