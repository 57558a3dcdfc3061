"""Rows of Parquet files, a few at a time, and those of one episode together."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from .decode import whole_file
from .raw import ReadOptions

ROWS = 1024
"""Rows of a file in memory at once, beside those of one episode."""


def row_batches(
    files: Sequence[Path], is_read: Callable[[str], bool], rows: int = ROWS
) -> Iterator[tuple[Path, Any]]:
    """Some of the columns of some files, so many rows at a time, with the file they are from."""
    import pyarrow.parquet as pq

    for file in files:
        with whole_file(file, "Parquet"), pq.ParquetFile(file) as parquet:
            names = [name for name in parquet.schema_arrow.names if is_read(name)]
            for batch in parquet.iter_batches(rows, columns=names):
                batch.validate(full=True)
                yield file, batch


def episode_tables(
    files: Sequence[Path], names: Collection[str], key: str, options: ReadOptions
) -> Iterator[tuple[Any, Any]]:
    """The rows with one value of the column `key` after the other, and that value; None for too many rows."""
    import pyarrow as pa

    for value, pieces in groupby(_pieces(files, names, key), itemgetter(0)):
        parts, size = [], 0
        for _, piece in pieces:
            size += piece.nbytes
            parts = [*parts, piece] if size <= options.limit_bytes else []
        yield value, pa.Table.from_batches(parts) if parts else None


def check_table(table: Any, options: ReadOptions) -> None:
    """Raise DatasetError where there is none, as an episode's rows were too many."""
    if table is None:
        limit = f"{options.limit_bytes / 2**20:.0f} MiB"
        raise DatasetError(f"frames claim more than the {limit} an episode may take")


def _pieces(files: Sequence[Path], names: Collection[str], key: str) -> Iterator[tuple[Any, Any]]:
    """Rows that lie together and have one value of `key`, and that value."""
    for file, batch in row_batches(files, {key, *names}.__contains__):
        if key not in batch.schema.names:
            raise DatasetError(f"{file} has no column {key}")
        column = batch.column(key).to_numpy(zero_copy_only=False)
        cuts = (np.flatnonzero(column[1:] != column[:-1]) + 1).tolist()
        for start, end in pairwise([0, *cuts, len(column)]):
            if end > start:
                yield column[start], batch.slice(start, end - start)
