"""An array from outside as a field of our schema, where nothing is lost; `validate` has the rules."""

import numpy as np

from ..errors import DatasetError
from ..records.schema import Field
from .readers.decode import text


def fit(name: str, values: np.ndarray, field: Field, rows: int | None = None) -> np.ndarray:
    """The values of a field, `[rows, ...]`, in its shape and dtype.

    Raises DatasetError, beginning with `name`, where they do not fit, are not finite, or are not as many.
    """
    if values.ndim == 0:
        raise DatasetError(f"{name} is one value, but must have one for each step")
    values = _shaped(name, values, field)
    if rows is not None and len(values) != rows:
        raise DatasetError(f"{name} has {len(values)} rows, but must have {rows}, one more than actions")
    cast = _text(name, values) if field.is_text else _cast(name, values, field.numpy)
    if cast.dtype.kind == "f" and not np.isfinite(cast).all():
        first = np.argwhere(~np.isfinite(cast))[0]
        which = f", number {int(first[1])}" if cast.ndim == 2 else ""
        raise DatasetError(f"{name} is not finite at step {int(first[0])}{which}")
    return cast


def _shaped(name: str, values: np.ndarray, field: Field) -> np.ndarray:
    found = values.shape[1:]
    if [n for n in found if n != 1] == [n for n in field.shape if n != 1]:
        return values.reshape(len(values), *field.shape)
    hint = ""
    if len(found) == len(field.shape) == 3 and (*found[1:], found[0]) == field.shape:
        hint = "; it has its channels first: put them last"
    elif len(found) == 1 and len(field.shape) == 1 and found[0] > field.shape[0]:
        hint = f"; --map takes a piece: theirs[0:{field.shape[0]}]=ours"
    raise DatasetError(f"{name} has shape {found} a step, but must have {field.shape}{hint}")


def _cast(name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if values.dtype == dtype:
        return values
    refusal = f"{name} is {values.dtype}, but must be {dtype}"
    if values.dtype.kind not in "fiub" or dtype.kind not in "fiub":
        raise DatasetError(refusal)
    if values.dtype.kind == "f" and dtype.kind != "f":
        scaled = values.size and np.nanmin(values) >= 0 and np.nanmax(values) <= 1
        hint = "; an image scaled to [0, 1] must be multiplied by 255 and rounded"
        raise DatasetError(refusal + (hint if dtype == np.uint8 and scaled else ""))
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
    lost = np.isfinite(values) & ~np.isfinite(cast) if values.dtype.kind == "f" else differ(values, cast)
    if lost.any():
        raise DatasetError(f"{refusal}, which cannot hold its value {values[lost][0]}")
    return cast


def differ(values: np.ndarray, cast: np.ndarray) -> np.ndarray:
    """Where whole numbers and what they were cast to are not one number."""
    differ = cast != values
    if cast.dtype.kind == "f":  # numpy compares as float64, to which neighbours above 2^53 are one
        large = (values > 2**53) | (values < -(2**53))
        differ[large] = cast[large].astype(object) != values[large].astype(object)
    return differ


def _text(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "OSU":
        raise DatasetError(f"{name} is {values.dtype}, but must be text")
    flat = np.array([text(name, value) for value in values.reshape(-1)], object)
    return flat.reshape(values.shape)
