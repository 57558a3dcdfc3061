"""Adding batches to the pack (pack.py): behind what is there, whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ..errors import DatasetError
from ..files import digest_of, named_errors, write_json_atomically
from ..records.batch import Batch
from ..store.store import EpisodeStore
from ..store.tables import STEPS, Column, PiecewiseFile, read_steps
from .index import batch_starts
from .pack import INDEX, PACKED, Index, Pack, key, packed_files, read_index, read_pack, row_bytes, rows_digest


def open_pack(store: EpisodeStore, batches: Sequence[Batch]) -> Pack:
    """The pack, with these batches in it; those that are not are added first.

    Waits while another process adds some. Raises DatasetError where the disk refuses or has no room to spare,
    or a batch was changed since its commit.
    """
    if pack := read_pack(store, batches):
        return pack
    folder = store.folder / PACKED
    with _locked(folder):
        for index in (read_index(store), Index(store.schema.fingerprint(), {})):
            _add(store, batches, index)
            if pack := read_pack(store, batches):
                return pack
    raise DatasetError(f"{folder} does not read back as it was written")


def batch_columns(store: EpisodeStore, batch: Batch) -> dict[str, Column]:
    """A batch's own columns, mapped. Raises DatasetError where they have not as many rows as it counts."""
    path = store.file(batch, STEPS)
    columns = read_steps(path, store.schema, text=False)
    rows, counted = len(columns["reward"]), batch.steps + batch.episodes
    if rows != counted:
        raise DatasetError(f"{path} has {rows} rows, but its manifest counts {counted}")
    return columns


def _add(store: EpisodeStore, batches: Sequence[Batch], index: Index) -> None:
    """Write the batches that `index` lacks behind those it has; into new files where it has none."""
    folder, end, entries = store.folder / PACKED, index.rows, dict(index.batches)
    missing = {key(batch): batch for batch in batches if key(batch) not in entries}
    with named_errors(folder, "written"), ExitStack() as stack:
        if not entries:
            for path in folder.iterdir():
                path.unlink()
        layout = packed_files(store)
        rows = batch_starts(list(missing.values()))[-1]
        _check_room(folder, rows * row_bytes(field for _, field in layout.values()))
        files = {
            name: stack.enter_context(_growing(path, end * row_bytes([field])))
            for name, (path, field) in layout.items()
        }
        for name, batch in missing.items():
            columns = _committed(store, batch, list(files))
            for file, column in zip(files.values(), columns, strict=True):
                file.write(column)
            entries[name] = (end, len(columns[0]), rows_digest(columns))
            end += len(columns[0])
        for file in files.values():
            os.fsync(file.fileno())
        write_json_atomically(folder / INDEX, Index(index.schema, entries))


def _check_room(folder: Path, needed: int) -> None:
    """Raise DatasetError where the disk would have less room left than is taken: nobody must have a pack."""
    free = shutil.disk_usage(folder).free
    if 2 * needed > free:
        raise DatasetError(f"{folder} would take {needed / 1e9:.1f} of the {free / 1e9:.1f} GB that are free")


def _committed(store: EpisodeStore, batch: Batch, names: Sequence[str]) -> list[np.ndarray]:
    """Columns of a batch. Raises DatasetError where its file is not the one that was committed."""
    path = store.file(batch, STEPS)
    if digest_of(path) != key(batch):
        raise DatasetError(f"{path} was changed since it was committed")
    columns = batch_columns(store, batch)
    return [np.ascontiguousarray(columns[name]) for name in names]


@contextmanager
def _growing(path: Path, size: int) -> Iterator[PiecewiseFile]:
    """A file to write to behind its first `size` bytes; cut there where that fails. Raises OSError."""
    path.touch()
    with PiecewiseFile(path, "r+b") as file:
        file.seek(size)
        try:
            yield file
        except BaseException:
            file.truncate(size)
            raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """While no other process is inside; the folder is made where there is none. Raises DatasetError."""
    with named_errors(folder, "made"):
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        with named_errors(folder, "locked"):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
