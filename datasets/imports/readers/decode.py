"""What all readers do to what a file gives them.

Damaged bytes become a sentence, T observations become T+1, encoded images become arrays.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...errors import DatasetError
from .raw import RawEpisode, ReadOptions, Unreadable

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")


def attempt(where: str, read: Callable[..., RawEpisode], *arguments: Any) -> RawEpisode | Unreadable:
    """`read(where, *arguments)`, or why it fails. Whatever a library raises over damaged bytes ends here."""
    try:
        return read(where, *arguments)
    except DatasetError as error:
        return Unreadable(where, one_sentence(error))
    except Exception as error:  # a decoder's errors over damaged bytes are of any type
        return Unreadable(where, f"cannot be decoded: {one_sentence(error)}")


@contextmanager
def whole_file(path: object, kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a damaged file into a DatasetError that names it."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(one_sentence(error)) from None
    except Exception as error:  # as above
        raise DatasetError(f"{path} cannot be read as {kind}: {one_sentence(error)}") from None


def one_sentence(error: Exception) -> str:
    """An error as one sentence of bearable length, whatever the file made it quote."""
    words = " ".join(str(error).split())
    return (words[:497] + "..." if len(words) > 500 else words) or type(error).__name__


def complete(
    observation: Mapping[str, np.ndarray],
    steps: int,
    place: str,
    after: Mapping[str, np.ndarray] | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Every observation with its T+1 rows, and what `info` says where a last one is repeated.

    Where the file has T of them, that of `after` follows; where it has none either, the T-th is
    repeated: the last action and its reward, often the one that tells success, stay, and only a
    critic that looks beyond the episode's end sees one stale observation. Raises DatasetError for
    any other number.

    Args:
      observation: by flat name, each `[T, ...]` or `[T+1, ...]`.
      steps: T.
      place: what comes before the name in a message.
      after: by flat name, the observation after the last action, `[1, ...]`, where the file has one apart.
    """
    rows, info = dict(observation), {}
    for name, values in observation.items():
        last = (after or {}).get(name)
        if values.ndim == 0 or (last is not None and last.shape[1:] != values.shape[1:]):
            more = "" if last is None else f", and {last.shape} after the last action"
            raise DatasetError(f"{place}{name} has shape {values.shape}{more}, but must have a row a step")
        if len(values) not in (steps, steps + 1):
            counts = f"{len(values)} rows for {steps} actions"
            raise DatasetError(f"{place}{name} has {counts}, but must have T or T+1")
        if len(values) == steps:
            if last is None or len(last) != 1:
                last, info = values[-1:], {"last_observation": "repeated"}
            rows[name] = np.concatenate([values, last])
    return rows, info


def last_flag(name: str, flags: np.ndarray | None) -> bool | None:
    """Whether a flag that ends an episode is set at the last step; None where there is none.

    Raises DatasetError where it is set before.
    """
    if flags is None:
        return None
    early = np.flatnonzero(flags.reshape(-1)[:-1])
    if len(early):
        raise DatasetError(f"{name} is set at step {early[0]}, before the last of {flags.size}")
    return last_number(name, flags, bool)


def last_number(name: str, values: np.ndarray | None, kind: Callable[[Any], Any]) -> Any:
    """The last of some values as a bool, int or float (`kind`); None where there is none.

    Raises DatasetError where it is no number, or not one of that kind.
    """
    if values is None or not values.size:
        return None
    if values.dtype.kind not in "fiub":
        raise DatasetError(f"{name} is {values.dtype}, but must be a number")
    last = values.reshape(-1)[-1].item()
    if kind is not float and (last % 1 != 0 or (kind is bool and last not in (0, 1))):
        raise DatasetError(f"{name} is {last}, but must be {'0 or 1' if kind is bool else 'a whole number'}")
    return kind(last)


@contextmanager
def open_image(data: bytes, options: ReadOptions, name: str, count: int) -> Iterator[Any]:
    """One of `count` encoded images, not decoded yet.

    Raises DatasetError where they claim too much, or are of another format: some of Pillow's run programs.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        opened = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        raise DatasetError(f"{name} holds an image that is none of {', '.join(IMAGE_FORMATS)}") from None
    with opened as image:
        options.check_size(name, (count, image.height, image.width, 4), np.uint8)
        yield image


def decode_images(images: Sequence[bytes], options: ReadOptions, name: str) -> np.ndarray:
    """Encoded images, one a step, as `[T, height, width, channels]` uint8; each is measured before.

    Of one with a palette the colours, not their numbers.
    """
    arrays = []
    for data in images:
        with open_image(bytes(data), options, name, len(images)) as image:
            array = np.asarray(image.convert("RGB") if image.mode == "P" else image)
        arrays.append(array[:, :, None] if array.ndim == 2 else array)
    return np.stack(arrays)


def text(name: str, value: Any) -> str:
    """Text that a format keeps as bytes, a numpy scalar or the first of an array; "" for an empty one.

    Raises DatasetError where it is something else, or no valid Unicode.
    """
    first = next(iter(np.asarray(value).reshape(-1).tolist()), "")
    if not isinstance(first, bytes | str):
        raise DatasetError(f"{name} holds {first!r:.50}, but must hold text")
    try:
        return first.decode() if isinstance(first, bytes) else first.encode().decode()
    except UnicodeError:
        raise DatasetError(f"{name} holds {first!r:.50}, which is no valid Unicode") from None


def arrow_numbers(column: Any, shape: tuple[int, ...], options: ReadOptions, name: str) -> np.ndarray:
    """An Arrow column of numbers or text, or of lists of them, as `[rows, *shape]`.

    Raises DatasetError where a row has no value, or another shape.
    """
    import pyarrow as pa

    rows, sizes = len(column), []
    while pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        is_list = pa.types.is_list(column.type)
        lengths = np.unique(np.diff(column.drop_null().offsets) if is_list else column.type.list_size)
        if len(lengths) > 1:
            raise DatasetError(f"{name} has rows of {lengths[0]} and of {lengths[-1]} values")
        sizes += lengths.tolist()
        if column.null_count:
            break
        column = column.flatten()
    if column.null_count:
        raise DatasetError(f"{name} has frames without a value")
    if len(sizes) > 1 and tuple(sizes) != shape:
        raise DatasetError(f"{name} has rows of shape {tuple(sizes)}, but must have {shape}")
    values = column.to_numpy(zero_copy_only=False)
    options.check_size(name, (rows, *shape), values.dtype)
    return values.reshape(rows, *shape)
