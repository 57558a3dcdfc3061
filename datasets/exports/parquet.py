"""Parquet: one file a batch, one row a step, with what is known of its episode beside it.

    <folder>/data/<batch>.parquet

pandas, pyarrow and Hugging Face's `datasets` read the folder `data` as one table. Pictures are PNG files
in it, marked as images for `datasets`; other arrays are lists, nested as their shapes are.
"""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import replacing
from ..records.schema import Field
from ..store.store import EpisodeStore
from .columns import column, fact_type, marked, write_table
from .steps import facts, rlds_steps
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
        update.begin()
        for job in update.jobs:
            path = folder / "data" / f"{job.batch.id}.parquet"
            if job.episodes:
                with replacing(path, parents=True) as aside:
                    write_table(aside, _table(update, job))
            else:
                path.unlink(missing_ok=True)
            update.count(job, path, job.episodes)
    return update.result("import pandas", f"steps = pandas.read_parquet({str(folder / 'data')!r})")


def _table(update: Update, job: Job) -> "pa.Table":
    import pyarrow as pa

    schema = update.store.schema
    fields = {f"observation/{name}": field for name, field in schema.observation.items()}
    fields["action"] = schema.action
    known: dict[str, list[Any]] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for row, episode in update.episodes(job):
        steps = rlds_steps(episode)
        steps["step"] = np.arange(episode.length + 1)
        for name, values in steps.items():
            parts.setdefault(name, []).append(values)
        for name, value in facts(row, job).items():
            known.setdefault(name, []).extend([value] * (episode.length + 1))
    columns = {name: pa.array(values, fact_type(name)) for name, values in known.items()}
    for name, values in parts.items():
        columns[name] = column(np.concatenate(values), fields.get(name, Field(())))
    return marked(pa.table(columns), fields)
