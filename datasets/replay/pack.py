"""The columns of many batches in one file each, for the learner: a copy that can be made again.

    <dataset>/packed/<number>.bin    a column of the schema: the rows of the packed batches end to end
    <dataset>/packed/index.json      which batch lies where in all of them

A learner takes rows at random places. From many mapped batches that costs a map and a call for each; from one
array it costs what numpy takes. The batches stay the truth. The files only grow at their ends: a new batch
costs its own size, nothing is merged, and no byte changes that another process has mapped. Rows count once
they are on the disk and the index names them; what a killed writer left is written over. One process writes
at a time, readers take no lock. A batch is known by the digest of its `steps.arrow`, so every snapshot finds
its own, in any order. Each has a digest of its packed rows, compared whenever the pack is opened: where there
is damage, or a file is missing, all is made anew in new files. Of a dataset in a bucket the pack lies in the
cache, and does not count against its bound.

Text, and images that are kept encoded, are not packed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DatasetError
from ..files import Strict, file_hash, parse_model, read_json
from ..records.batch import Batch
from ..records.images import is_encoded
from ..records.schema import Field, Schema
from ..store.store import EpisodeStore
from ..store.tables import STEPS, step_fields

PACKED, INDEX, VERSION = "packed", "index.json", 1


@dataclass(frozen=True)
class Index(Strict):
    """What is packed. By the digest of a batch's `steps.arrow`: first row, rows, and the rows' own digest."""

    schema: str
    batches: Mapping[str, tuple[int, int, str]]
    version: int = VERSION

    @property
    def rows(self) -> int:
        """Of all batches."""
        return max((start + count for start, count, _ in self.batches.values()), default=0)


@dataclass(frozen=True)
class Pack:
    """Columns of all packed rows by their names in the file, mapped read-only, `[rows, ...]`.

    Attributes:
      starts: row at which each of the batches that were asked for starts, `[batches]`.
    """

    columns: Mapping[str, np.ndarray]
    starts: np.ndarray
    rows: int


def read_pack(store: EpisodeStore, batches: Sequence[Batch]) -> Pack | None:
    """The pack; None where one of the batches is not in it, or it is damaged."""
    index, columns = read_index(store), {}
    if not all(key(batch) in index.batches for batch in batches):
        return None
    for name, (path, field) in packed_files(store).items():
        try:
            mapped = np.memmap(path, field.numpy, "r", shape=(index.rows, *field.shape))
        except (OSError, ValueError):  # missing, or too short
            return None
        columns[name] = np.asarray(mapped)
    entries = [index.batches[key(batch)] for batch in batches]
    for start, count, digest in entries:
        if rows_digest(column[start : start + count] for column in columns.values()) != digest:
            return None
    return Pack(columns, np.array([start for start, _, _ in entries]), index.rows)


def read_index(store: EpisodeStore) -> Index:
    """What the index says; empty where there is none, or none of use."""
    path, schema = store.folder / PACKED / INDEX, store.schema.fingerprint()
    try:
        index = parse_model(Index, read_json(path), path)
    except DatasetError:
        return Index(schema, {})
    return index if index.schema == schema else Index(schema, {})


def packed_files(store: EpisodeStore) -> dict[str, tuple[Path, Field]]:
    """The file of each column that is packed, in the schema's order."""
    names = packed_fields(store.schema).items()
    return {name: (store.folder / PACKED / f"{n}.bin", field) for n, (name, field) in enumerate(names)}


def packed_fields(schema: Schema) -> dict[str, Field]:
    """The columns that are packed, in the schema's order."""
    fields = step_fields(schema).items()
    return {name: field for name, field in fields if not (field.is_text or is_encoded(field))}


def row_bytes(fields: Iterable[Field]) -> int:
    """Bytes of a row in these columns together."""
    return sum(field.size * field.numpy.itemsize for field in fields)


def rows_digest(columns: Iterable[np.ndarray]) -> str:
    """XXH3 of the rows of a batch, column by column."""
    digest = file_hash()
    for column in columns:
        digest.update(column.data.cast("B"))
    return digest.hexdigest()


def key(batch: Batch) -> str:
    """What names a batch in the index."""
    return batch.digests.get(STEPS, "")
