"""Parquet: one file a batch, one row a step, with what is known of its episode beside it.

    <folder>/data/<batch>.parquet

pandas, pyarrow and Hugging Face's `datasets` read the folder `data` as one table. Pictures are PNG files
in it, marked as images for `datasets`; other arrays are lists, nested as their shapes are.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import replacing
from ..records.schema import Field
from ..store.store import EpisodeStore
from .folder import held
from .jobs import Exported, Job, Tick, Told, jobs, nobody, ticker
from .ledger import begin, read_ledger, write_ledger
from .steps import facts, included, pngs, rlds_steps

if TYPE_CHECKING:
    import pyarrow as pa


def export_parquet(
    store: EpisodeStore, folder: Path, *, excluded: Collection[str] = (), told: Told = nobody
) -> Exported:
    """Bring the Parquet files in `folder` up to date with `store`.

    Writes the file of each batch that is new or whose exclusions changed, and touches no other. Raises
    DatasetError where the folder holds something else, or the disk refuses.

    Args:
      store: what to export.
      folder: made where there is none.
      excluded: ids of episodes to leave out.
      told: told of each episode.
    """
    with held(folder):
        ledger = read_ledger(folder, "parquet", store)
        wanted = jobs(folder, ledger, store, excluded)
        begin(folder, ledger)
        tick = ticker(told, wanted)
        for job in wanted:
            path = folder / "data" / f"{job.batch.id}.parquet"
            shard = job.done("", 0, 0)
            if job.episodes:
                with replacing(path, parents=True) as aside:
                    write_table(aside, _table(store, job, tick))
                shard = job.done(f"data/{path.name}", job.episodes, path.stat().st_size)
            else:
                path.unlink(missing_ok=True)
            ledger = ledger.added(shard)
            write_ledger(folder, ledger)
    read = ("import pandas", f"steps = pandas.read_parquet({str(folder / 'data')!r})")
    return Exported(folder, len(wanted), ledger.episodes, ledger.bytes, read)


def write_table(path: Path, table: "pa.Table") -> None:
    """Write a Parquet file, through a Python file so that a full disk is an OSError with its number."""
    import pyarrow.parquet as pq

    with path.open("xb") as file:
        pq.write_table(table, file)


def column(array: np.ndarray, field: Field) -> "pa.Array":
    """The values of a field, `[N, ...]`, as a column: PNG files, or lists nested as the shape is."""
    import pyarrow as pa

    if field.is_image:
        files = pa.array(pngs(array), pa.binary())
        return pa.StructArray.from_arrays([files, pa.nulls(len(files), pa.string())], ["bytes", "path"])
    values = pa.array(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(field.shape):
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values


def marked(table: "pa.Table", fields: Mapping[str, Field]) -> "pa.Table":
    """The table with a note for Hugging Face's `datasets` which columns are pictures."""
    pictures = {name: {"_type": "Image"} for name, field in fields.items() if field.is_image}
    note = json.dumps({"info": {"features": pictures}})
    return table.replace_schema_metadata({"huggingface": note}) if pictures else table


def fact_type(name: str) -> "pa.DataType":
    """The type of a fact's column, which a column of nothing but nulls would not tell."""
    import pyarrow as pa

    return {"round": pa.int64(), "seed": pa.int64(), "score": pa.float64()}.get(name, pa.string())


def _table(store: EpisodeStore, job: Job, tick: Tick) -> "pa.Table":
    import pyarrow as pa

    fields = {f"observation/{name}": field for name, field in store.schema.observation.items()}
    fields["action"] = store.schema.action
    known: dict[str, list[Any]] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for row, episode in included(store, job, tick):
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
