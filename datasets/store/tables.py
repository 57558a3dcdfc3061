"""Episodes as two Arrow tables: `steps.arrow`, one row a step, and `episodes.arrow`, one row an episode.

The tables are laid out as RLDS means them. An episode of T actions takes T+1 rows of `steps.arrow`;
in the last one only the observation means anything, and action, reward and discount are 0. N is the
number of rows. Each file is one record batch, so a column is one stretch of memory once mapped.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import DatasetError
from ..files import file_hash, named_errors
from ..records.episode import Episode, padded
from ..records.images import EncodedImages, encode, is_encoded
from ..records.rows import Column, EpisodeRow, check_layouts, check_numbers
from ..records.schema import Field, Schema

STEPS = "steps.arrow"
EPISODES = "episodes.arrow"

PIECE_BYTES = 2**17

_FLAGS = ("is_first", "is_last", "is_terminal")

_EPISODES_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("score", pa.float64()),
        ("seed", pa.int64()),
        ("policy", pa.string()),
        ("round", pa.int64()),
        ("instruction", pa.string()),
        ("terminal", pa.bool_()),
        ("info", pa.string()),
        ("digest", pa.string()),
    ]
)


def check_storable(schema: Schema) -> None:
    """Raise DatasetError, naming the field, where the tables cannot hold a field of `schema`."""
    for name, field in step_fields(schema).items():
        text = field.is_text and name.startswith("observation/")
        if not text and (field.numpy.kind not in "fiub" or field.numpy.itemsize > 8):
            raise DatasetError(f"{name} is {field.dtype}, but must be a number of at most 64 bits or a bool")
        if field.size < 1:
            raise DatasetError(f"{name} has shape {field.shape}, but must hold at least one value")


def step_fields(schema: Schema) -> dict[str, Field]:
    """The columns of `steps.arrow` that hold what the schema names, in the file's order."""
    fields = {f"observation/{name}": field for name, field in schema.observation.items()}
    scalar = Field((), "float32")
    return {**fields, "action": schema.action, "reward": scalar, "discount": scalar}


def step_columns(batch_id: str, episodes: Sequence[Episode], schema: Schema) -> dict[str, np.ndarray]:
    """The columns of `steps.arrow`, each `[N, ...]`.

    Raises DatasetError, naming episode and field, where an episode does not fit the schema.
    """
    check_layouts(batch_id, episodes, schema)
    columns = {}
    for name, field in step_fields(schema).items():
        if name.startswith("observation/"):
            parts = [episode.observation[name.removeprefix("observation/")] for episode in episodes]
            columns[name] = np.concatenate(parts, dtype=field.numpy, casting="unsafe")
        else:
            columns[name] = padded([getattr(episode, name) for episode in episodes])
    check_numbers(batch_id, episodes, columns, schema)
    return columns


def to_episode(row: EpisodeRow, columns: Mapping[str, Column]) -> Episode:
    """The episode of a row. Its arrays are views of `columns`; mapped ones are read-only."""
    start, end = row.offset, row.offset + row.length
    prefix = "observation/"
    return Episode(
        observation={
            name.removeprefix(prefix): column[start : end + 1]
            for name, column in columns.items()
            if name.startswith(prefix)
        },
        action=columns["action"][start:end],
        reward=columns["reward"][start:end],
        discount=columns["discount"][start:end],
        score=row.score,
        seed=row.seed,
        policy=row.policy,
        instruction=row.instruction,
        info=json.loads(row.info),
    )


def steps_table(episodes: Sequence[Episode], columns: Mapping[str, np.ndarray]) -> pa.RecordBatch:
    """What `steps.arrow` holds: the columns, images encoded, and RLDS's three flags."""
    arrays = {name: _to_arrow(column) for name, column in columns.items()}
    lengths = np.array([episode.length for episode in episodes])
    ends = np.cumsum(lengths + 1) - 1
    first, last, terminal = (np.zeros(len(columns["reward"]), bool) for _ in _FLAGS)
    first[ends - lengths], last[ends] = True, True
    terminal[ends] = [episode.is_terminal for episode in episodes]
    arrays.update(zip(_FLAGS, map(pa.array, (first, last, terminal))))
    return pa.RecordBatch.from_pydict(arrays)


def episodes_table(rows: Sequence[EpisodeRow]) -> pa.RecordBatch:
    """What `episodes.arrow` holds."""
    columns = {name: [getattr(row, name) for row in rows] for name in _EPISODES_SCHEMA.names}
    return pa.RecordBatch.from_pydict(columns, schema=_EPISODES_SCHEMA)


def write_table(path: Path, table: pa.RecordBatch) -> str:
    """Write a new file; the digest of what was written. Raises OSError where the disk refuses."""
    with PiecewiseFile(path, "xb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_batch(table)
    return file.digest.hexdigest()


def check_table(path: Path) -> None:
    """Raise DatasetError where a table's offsets lead out of it, which crashes whoever reads a row."""
    with _mapped(path) as batch:
        batch.validate(full=True)


def read_steps(path: Path, schema: Schema, *, text: bool = True) -> dict[str, Column]:
    """Map `steps.arrow`: the columns, each `[N, ...]`, read-only; numbers are views of the file.

    Encoded images are decoded when they are sliced or taken. Text is copied out of the file, unless without
    `text`. Raises DatasetError, naming the column, where the file is missing, broken or of another schema.
    """
    with _mapped(path) as batch:
        columns = {}
        for name, field in step_fields(schema).items():
            if field.is_text and not text:
                continue
            if name not in batch.schema.names:
                raise DatasetError(f"{path} has no column {name}")
            columns[name] = _to_numpy(batch.column(name), field, f"{path}, column {name}")
        return columns


def read_episodes(path: Path) -> tuple[EpisodeRow, ...]:
    """Read `episodes.arrow`. Raises DatasetError where it is missing or broken."""
    with _mapped(path, _EPISODES_SCHEMA.names) as batch:
        return tuple(EpisodeRow(*values) for values in zip(*(column.to_pylist() for column in batch.columns)))


def read_extents(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Offset, length, instruction and what its info says of why it ended, or "", of each episode.

    `[episodes]` each: all a replay needs. Raises DatasetError where `episodes.arrow` is missing or broken.
    """
    with _mapped(path, _EPISODES_SCHEMA.names) as batch:
        infos = batch.column("info").to_pylist()
        ended = [str(json.loads(info).get("ended", "")) if '"ended"' in info else "" for info in infos]
        numbers = (batch.column(name).to_numpy() for name in ("offset", "length"))
        words = batch.column("instruction").dictionary_encode()  # few, so that each is kept once
        instructions = np.array(words.dictionary.to_pylist(), object)[words.indices.to_numpy()]
        return *numbers, instructions, np.array(ended, object)


def _to_arrow(column: np.ndarray) -> pa.Array:
    if is_encoded(Field(column.shape[1:], column.dtype.name)):
        return encode(column)
    # Arrow packs bools into bits, which numpy cannot map: they are kept as bytes.
    flat = column.reshape(-1)
    if flat.dtype == object:
        values = pa.array(flat, pa.large_string())
    else:
        values = pa.array(flat.view(np.uint8) if flat.dtype == np.bool_ else flat)
    if column.ndim == 1:
        return values
    lists = pa.FixedSizeListArray.from_arrays(values, int(np.prod(column.shape[1:])))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(values.type, column.shape[1:]), lists)


def _arrow_type(field: Field) -> pa.DataType:
    stored = np.dtype(np.uint8) if field.numpy == np.bool_ else field.numpy
    scalar = pa.large_string() if field.is_text else pa.from_numpy_dtype(stored)
    return pa.fixed_shape_tensor(scalar, field.shape) if field.shape else scalar


def _to_numpy(array: pa.Array, field: Field, name: str) -> Column:
    if field.is_image and array.type == pa.large_binary() and not array.null_count:
        return EncodedImages(array, field, name)
    if array.type != _arrow_type(field):
        raise DatasetError(f"{name} is {array.type}, but must be {field.dtype} of shape {field.shape}")
    values = array.storage.flatten() if isinstance(array, pa.ExtensionArray) else array
    if values.null_count:
        raise DatasetError(f"{name} has {values.null_count} gaps, but must have a value in every step")
    column = values.to_numpy(zero_copy_only=not field.is_text).view(field.numpy)
    column.flags.writeable = False
    return column.reshape(len(array), *field.shape)


class PiecewiseFile(io.FileIO):
    """Written in small pieces, and the digest of what was written.

    For larger writes Linux looks for larger pages, which took up to ten times as long as the write itself.
    A Python file, so that a full disk is an OSError with its number.
    """

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self.digest = file_hash()

    def write(self, data: Any, /) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self.digest.update(view)
        done = 0
        while done < len(view):
            done += super().write(view[done : done + PIECE_BYTES])
        return done


@contextmanager
def _mapped(path: Path, names: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    # Closing the file keeps the pages mapped for as long as an array looks at them, but frees the
    # handle: a dataset may have more batches than a process may have open files.
    try:
        with named_errors(path, "read"), pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            if reader.num_record_batches != 1:
                raise DatasetError(f"{path} has {reader.num_record_batches} record batches, but must have 1")
            if names and reader.schema.names != names:
                raise DatasetError(f"{path} has the columns {reader.schema.names}, not those of episodes")
            yield reader.get_batch(0)
    except pa.ArrowException as error:
        raise DatasetError(f"{path} is not a whole Arrow file: {error}") from None
