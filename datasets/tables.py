"""Episodes as two Arrow tables: `steps.arrow`, one row a step, and `episodes.arrow`, one row an episode.

The tables are laid out as RLDS means them. An episode of T actions takes T+1 rows of `steps.arrow`;
in the last one only the observation means anything, and action, reward and discount are 0. N is the
number of rows. Each file is one record batch, so a column is one stretch of memory once mapped.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .episode import Episode, check_episode
from .errors import DatasetError
from .files import named_errors, plain
from .images import EncodedImages, encode, is_encoded
from .schema import Field, Schema

Column = np.ndarray | EncodedImages
"""A column of `steps.arrow` as it is read."""

STEPS = "steps.arrow"
EPISODES = "episodes.arrow"

PIECE_BYTES = 2**16

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


@dataclass(frozen=True)
class EpisodeRow:
    """What is known of an episode without its steps.

    Attributes:
      id: `<batch id>/<index within the batch>`: never a position in the dataset.
      offset: row of its first step in the batch's `steps.arrow`.
      length: T, the number of actions; the episode takes `length + 1` rows.
      score: how well it went, in [0, 1].
      seed: what it was made from; None where nobody knows.
      policy: id of the policy that acted, or None.
      round: the round its batch was made in, or None.
      instruction: what the robot was told, or "".
      terminal: whether the environment ended it; False where a time limit cut it off.
      info: further facts, as canonical JSON.
      digest: of what happened in it, as `episode_digest` gives it: equal for equal episodes only.
    """

    id: str
    offset: int
    length: int
    score: float
    seed: int | None
    policy: str | None
    round: int | None
    instruction: str
    terminal: bool
    info: str
    digest: str


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


def episode_rows(
    batch_id: str, episodes: Sequence[Episode], schema: Schema, round: int | None
) -> tuple[EpisodeRow, ...]:
    """A row for each episode, in order. Raises DatasetError, naming episode and field, where one is bad."""
    rows: list[EpisodeRow] = []
    offset = 0
    for index, episode in enumerate(episodes):
        try:
            check_episode(episode, schema)
            rows.append(_episode_row(f"{batch_id}/{index}", offset, episode, round))
        except DatasetError as error:
            raise DatasetError(f"batch {batch_id}, episode {index}: {error}") from None
        offset += episode.length + 1
    return tuple(rows)


def step_columns(episodes: Sequence[Episode], schema: Schema) -> dict[str, np.ndarray]:
    """The columns of `steps.arrow`, each `[N, ...]`, of episodes that passed `episode_rows`."""
    total = sum(episode.length + 1 for episode in episodes)
    columns = {
        name: np.zeros((total, *field.shape), field.numpy) for name, field in step_fields(schema).items()
    }
    at = 0
    for episode in episodes:
        steps = episode.length
        for name in schema.observation:
            columns[f"observation/{name}"][at : at + steps + 1] = episode.observation[name]
        columns["action"][at : at + steps] = episode.action
        columns["reward"][at : at + steps] = episode.reward
        columns["discount"][at : at + steps] = episode.discount
        at += steps + 1
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


def content_digest(header: Mapping[str, Any], rows: Sequence[EpisodeRow], discount: np.ndarray) -> str:
    """SHA-256 of what a batch says, whatever the version of Arrow that wrote it.

    The rows' digests stand for what happened in the episodes: nothing large is read twice.
    """
    facts = [
        [row.length, row.score, row.seed, row.policy, row.instruction, row.info, row.digest] for row in rows
    ]
    digest = hashlib.sha256(json.dumps([dict(header), facts], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(discount).view(np.uint8).data)
    return digest.hexdigest()


def episode_digest(episode: Episode) -> str:
    """SHA-256 over observations, action and reward: what tells whether an episode is already present.

    Score, seed, policy and the like are what somebody says about it, and do not count.
    """
    digest = hashlib.sha256()
    arrays = {f"observation/{name}": value for name, value in episode.observation.items()}
    for name, value in sorted((arrays | {"action": episode.action, "reward": episode.reward}).items()):
        text = value.dtype.kind in "OSU"
        digest.update(f"{name} {'text' if text else value.dtype.str} {value.shape}".encode())
        if text:  # text: an object's bytes are its address
            digest.update(json.dumps(value.tolist(), default=repr).encode())
        else:
            digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def write_steps(path: Path, rows: Sequence[EpisodeRow], columns: Mapping[str, np.ndarray]) -> None:
    """Write `steps.arrow`: the columns, images encoded, and RLDS's three flags."""
    arrays = {name: _to_arrow(column) for name, column in columns.items()}
    total = len(columns["reward"])
    first, last, terminal = (np.zeros(total, bool) for _ in _FLAGS)
    offsets = np.array([row.offset for row in rows])
    ends = offsets + np.array([row.length for row in rows])
    first[offsets], last[ends] = True, True
    terminal[ends] = [row.terminal for row in rows]
    arrays.update(zip(_FLAGS, map(pa.array, (first, last, terminal))))
    _write(path, pa.RecordBatch.from_pydict(arrays))


def write_episodes(path: Path, rows: Sequence[EpisodeRow]) -> None:
    """Write `episodes.arrow`."""
    columns = {name: [getattr(row, name) for row in rows] for name in _EPISODES_SCHEMA.names}
    _write(path, pa.RecordBatch.from_pydict(columns, schema=_EPISODES_SCHEMA))


def read_steps(path: Path, schema: Schema, *, text: bool = True) -> dict[str, Column]:
    """Map `steps.arrow`: the columns, each `[N, ...]`, read-only; numbers are views of the file.

    Encoded images are decoded when they are sliced or taken.

    Args:
      path: the file.
      schema: what it must hold.
      text: whether text is wanted, which is copied out of the file.

    Raises DatasetError, naming the column, where the file is missing, broken or of another schema.
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
    with _mapped(path) as batch:
        _check_columns(path, batch)
        return tuple(EpisodeRow(*values) for values in zip(*(column.to_pylist() for column in batch.columns)))


def read_extents(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Offset and length of each episode, `[episodes]` int64 each: all that a replay needs to know.

    Raises DatasetError where `episodes.arrow` is missing or broken.
    """
    with _mapped(path) as batch:
        _check_columns(path, batch)
        return batch.column("offset").to_numpy(), batch.column("length").to_numpy()


def _check_columns(path: Path, batch: pa.RecordBatch) -> None:
    if batch.schema.names != _EPISODES_SCHEMA.names:
        raise DatasetError(f"{path} has the columns {batch.schema.names}, not those of episodes")


def _episode_row(name: str, offset: int, episode: Episode, round: int | None) -> EpisodeRow:
    seed = None if episode.seed is None else int(episode.seed)
    if seed is not None and not -(2**63) <= seed < 2**63:
        raise DatasetError(f"seed is {seed}, but must fit 64 bits")
    try:
        info = json.dumps(dict(episode.info), sort_keys=True, allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"info is not JSON ({error})") from None
    return EpisodeRow(
        id=name,
        offset=offset,
        length=episode.length,
        score=float(episode.score),
        seed=seed,
        policy=None if episode.policy is None else str(episode.policy),
        round=round,
        instruction=str(episode.instruction),
        terminal=episode.is_terminal,
        info=info,
        digest=episode_digest(episode),
    )


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
    return pa.FixedSizeListArray.from_arrays(values, int(np.prod(column.shape[1:])))


def _to_numpy(array: pa.Array, field: Field, name: str) -> Column:
    if field.is_image and array.type == pa.large_binary() and not array.null_count:
        return EncodedImages(array, field, name)
    values = array.flatten() if isinstance(array, pa.FixedSizeListArray) else array
    size = array.type.list_size if isinstance(array, pa.FixedSizeListArray) else 1
    stored = np.dtype(np.uint8) if field.numpy == np.bool_ else field.numpy
    if size != field.size or values.type != (
        pa.large_string() if field.is_text else pa.from_numpy_dtype(stored)
    ):
        raise DatasetError(f"{name} is {array.type}, but must be {field.dtype} of shape {field.shape}")
    if values.null_count:
        raise DatasetError(f"{name} has {values.null_count} gaps, but must have a value in every step")
    column = values.to_numpy(zero_copy_only=not field.is_text).view(field.numpy)
    column.flags.writeable = False
    return column.reshape(len(array), *field.shape)


def _write(path: Path, batch: pa.RecordBatch) -> None:
    with _File(path, "xb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


class _File(io.FileIO):
    """Written in small pieces. A Python file, so that a full disk is an OSError with its number.

    For a write of 128 KiB Linux makes large pages first, which took ten times as long as the write itself.
    """

    def write(self, data: Any, /) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += super().write(view[done : done + PIECE_BYTES])
        return done


@contextmanager
def _mapped(path: Path) -> Iterator[pa.RecordBatch]:
    # Closing the file keeps the pages mapped for as long as an array looks at them, but frees the
    # handle: a dataset may have more batches than a process may have open files.
    try:
        with named_errors(path, "read"), pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            if reader.num_record_batches != 1:
                raise DatasetError(f"{path} has {reader.num_record_batches} record batches, but must have 1")
            yield reader.get_batch(0)
    except pa.ArrowException as error:
        raise DatasetError(f"{path} is not a whole Arrow file: {error}") from None
