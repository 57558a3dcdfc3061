"""The columns that a replay draws from, and the row at which each batch starts in them.

Each column is one array, of the pack (pack.py), or one for each batch, as it was committed. The pack is used
where many batches do not fit the memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DatasetError
from ..records.batch import Batch
from ..store.store import EpisodeStore
from ..store.tables import Column, step_fields
from .index import batch_starts
from .pack import packed_fields, row_bytes
from .packing import batch_columns, open_pack

FEW = 8
"""So many batches are read as they lie: a copy of them on the disk would gain little."""


@dataclass(frozen=True)
class Columns:
    """Columns by their names in the file, in rows that count from 0; not each row needs to be of a batch.

    Attributes:
      parts: for each column one array of all rows, or one for each of the batches in the order of their rows.
      edges: the row at which each of these batches starts, rising, and the number of all, `[batches + 1]`.
      starts: the row at which each batch starts, in the snapshot's order, `[batches]`.
      remark: why they could not be packed; "" where they could, or need not.
    """

    parts: Mapping[str, Sequence[Column]]
    edges: np.ndarray
    starts: np.ndarray
    remark: str


def open_columns(store: EpisodeStore, batches: Sequence[Batch], ram_limit: int) -> Columns:
    """The columns of pinned batches; the pack is for those that exceed `ram_limit` bytes.

    Raises DatasetError where a batch cannot be read.
    """
    *starts, rows = batch_starts(batches).tolist()
    packed, remark = {}, ""
    if len(batches) > FEW and rows * row_bytes(packed_fields(store.schema).values()) > ram_limit:
        try:
            pack = open_pack(store, batches)
            packed, starts, rows = pack.columns, pack.starts, pack.rows
        except DatasetError as error:
            remark = f"{len(batches)} batches are read one by one, which takes longer: {error}"
    order = np.argsort(starts, kind="stable")
    names = [name for name, field in step_fields(store.schema).items() if not field.is_text]
    steps = [] if set(names) <= set(packed) else [batch_columns(store, batches[place]) for place in order]
    parts = {name: [packed[name]] if name in packed else [batch[name] for batch in steps] for name in names}
    starts = np.array(starts)
    return Columns(parts, np.append(starts[order], rows), starts, remark)
