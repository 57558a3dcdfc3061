"""Fields and facts of episodes as columns of Arrow tables, and such a table as a Parquet file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..records.schema import Field
from .steps import pngs

if TYPE_CHECKING:
    import pyarrow as pa


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
