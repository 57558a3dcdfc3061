"""Parquet: one file a batch, one row a step, with what is known of its episode beside it.

    <folder>/data/<batch>.parquet

pandas, pyarrow and Hugging Face's `datasets` read the folder `data` as one table. Pictures are PNG files
in it, marked as images for `datasets`; other arrays are lists, nested as their shapes are.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import replacing
from ..records.schema import Field
from ..store.store import EpisodeStore
from ..store.tables import step_fields
from .steps import FACTS, facts, pngs, rlds_steps
from .update import Callback, Exported, Job, Update, updating

if TYPE_CHECKING:
    import pyarrow as pa


def export_parquet(
    store: EpisodeStore, folder: Path, *, excluded: Collection[str] = (), callback: Callback | None = None
) -> Exported:
    """Bring the Parquet files in `folder` up to date with `store`.

    Writes the file of each batch that is new or whose exclusions changed, and touches no other. Raises
    DatasetError where the folder holds something else, or the disk refuses.

    `updating` describes the arguments.
    """
    with updating(store, folder, "parquet", excluded, callback) as update:
        for job in update.jobs:
            path = folder / "data" / f"{job.batch.id}.parquet"
            if job.episodes:
                write_table(path, _table(update, job))
            else:
                path.unlink(missing_ok=True)
            update.count(job, path, job.episodes)
    return update.result("import pandas", f"steps = pandas.read_parquet({str(folder / 'data')!r})")


def write_table(path: Path, table: "pa.Table") -> None:
    """Replace a Parquet file, as `replacing` does; its folder is made where there is none."""
    import pyarrow.parquet as pq

    # through a Python file, so that a full disk is an OSError with its number
    with replacing(path, parents=True) as aside, aside.open("wb") as file:
        pq.write_table(table, file)


def steps_table(
    steps: Sequence[Mapping[str, np.ndarray]],
    fields: Mapping[str, Field],
    facts: Mapping[str, "pa.Array"] | None = None,
) -> "pa.Table":
    """Columns of facts, if any, and one for each array of the steps of one or more episodes, `[T, ...]` each.

    Names the pictures among `fields` in a note for Hugging Face's `datasets`.
    """
    import pyarrow as pa

    columns = dict(facts or {})
    for name in steps[0]:
        values = np.concatenate([part[name] for part in steps])
        columns[name] = _column(values, fields.get(name, Field(())))
    pictures = {name: {"_type": "Image"} for name, field in fields.items() if field.is_image}
    note = {"huggingface": json.dumps({"info": {"features": pictures}})}
    return pa.table(columns, metadata=note if pictures else None)


def fact_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, "pa.Array"]:
    """A column for each name in the rows, of which there must be one; `FACTS` have their own types."""
    import pyarrow as pa

    return {
        name: pa.array([row[name] for row in rows], FACTS.get(name.removeprefix("pacloop/")))
        for name in rows[0]
    }


def _table(update: Update, job: Job) -> "pa.Table":
    known, steps = [], []
    for row, episode in update.episodes(job):
        number = np.arange(episode.length + 1)
        known += [facts(row, job)] * len(number)
        steps.append(rlds_steps(episode) | {"step": number})
    return steps_table(steps, step_fields(update.store.schema), fact_columns(known))


def _column(array: np.ndarray, field: Field) -> "pa.Array":
    """The values of a field, `[N, ...]`: PNG files, or lists nested as the shape is."""
    import pyarrow as pa

    if field.is_image:
        files = pa.array(pngs(array), pa.binary())
        return pa.StructArray.from_arrays([files, pa.nulls(len(files), pa.string())], ["bytes", "path"])
    values = pa.array(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(field.shape):
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values
