"""What every reader yields, and the few things that all of them do."""

import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import DatasetError

PREFIXES = ("observation", "observations", "obs")
"""What formats call the group of the observations; a flat name goes without it."""


@dataclass(frozen=True)
class RawEpisode:
    """An episode as its file tells it: T actions, T+1 observations, nothing converted or checked.

    Attributes:
      where: `<file>, <episode>`, for messages.
      observation: by flat name, each `[T+1, ...]`; only the fields that were wanted.
      action: `[T, ...]`; None where the file has no array of that name.
      reward: `[T]`, or None where the file has none.
      discount: `[T]`, or None where the file has none.
      terminal: whether the environment ended the episode; None where the file does not say.
      score: how well it went, where the file says so.
      seed: of its start state, where the file says so.
      instruction: what the robot was told, or "".
      control_hz: actions a second, where the file says so.
      columns: whatever else was wanted, by flat name, `[T, ...]`, `[T+1, ...]` or of one value.
      unread: flat names of observations that were there and not wanted.
      info: further facts worth keeping, JSON-able.
    """

    where: str
    observation: Mapping[str, np.ndarray]
    action: np.ndarray | None
    reward: np.ndarray | None = None
    discount: np.ndarray | None = None
    terminal: bool | None = None
    score: float | None = None
    seed: int | None = None
    instruction: str = ""
    control_hz: float | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreadable:
    """An episode that its file names but does not give: where, and why in a sentence."""

    where: str
    reason: str


@dataclass(frozen=True)
class Wants:
    """What a reader is asked for.

    Attributes:
      names: flat names of observations and columns to read; None for all observations.
      limit_bytes: the most memory one field of one episode may claim.
    """

    names: Collection[str] | None = None
    limit_bytes: int = 2**28

    def reads(self, name: str) -> bool:
        """Whether the observation of this flat name is wanted."""
        return self.names is None or name in self.names

    def reads_column(self, name: str) -> bool:
        """Whether something that is no observation is wanted: only by name."""
        return self.names is not None and name in self.names

    def check_size(self, what: str, shape: tuple[int, ...], dtype: Any) -> None:
        """Raise DatasetError where an array claims more memory than an episode's field may take."""
        claimed = int(np.prod([int(n) for n in shape], dtype=object)) * np.dtype(dtype).itemsize
        if claimed > self.limit_bytes:
            raise DatasetError(
                f"{what} of shape {tuple(shape)} claims {claimed / 2**20:.0f} MiB, "
                f"but a field of an episode of this task may take {self.limit_bytes / 2**20:.0f} MiB"
            )


def flat_name(name: str) -> str:
    """The name of a field, however a format spells it: joined by `/`, without the observations' group."""
    flat = name.replace(".", "/")
    if flat in PREFIXES:
        return "observation"
    first, _, rest = flat.partition("/")
    return rest if first in PREFIXES and rest else flat


def natural(name: str) -> list[tuple[int, str]]:
    """Sorting key by which `demo_10` follows `demo_9`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def attempt(where: str, read: Callable[[], RawEpisode]) -> RawEpisode | Unreadable:
    """The episode, or why it cannot be read. Whatever a library raises over damaged bytes ends here."""
    try:
        return read()
    except DatasetError as error:
        return Unreadable(where, said(error))
    except Exception as error:  # a decoder's errors over damaged bytes are of any type
        return Unreadable(where, f"cannot be decoded: {said(error)}")


@contextmanager
def whole_file(path: object, kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a damaged file into a DatasetError that names it."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(said(error)) from None
    except Exception as error:  # as above
        raise DatasetError(f"{path} cannot be read as {kind}: {said(error)}") from None


def said(error: Exception) -> str:
    """An error as one sentence of bearable length, whatever the file made it quote."""
    text = " ".join(str(error).split())
    return (text[:497] + "..." if len(text) > 500 else text) or type(error).__name__


def with_last(
    values: np.ndarray, steps: int, name: str, last: np.ndarray | None = None
) -> tuple[np.ndarray, bool]:
    """T+1 observations from what the file has, and whether the last one had to be made up.

    Where the file has T of them, `last` (`[1, ...]`) follows; where it has none either, the T-th is
    repeated: the last action and its reward, often the one that tells success, stay, and only a
    critic that looks beyond the episode's end sees one stale observation. Raises DatasetError for
    any other number.
    """
    if values.ndim == 0 or (last is not None and last.shape[1:] != values.shape[1:]):
        after = "" if last is None else f", and {last.shape} after the last action"
        raise DatasetError(f"{name} has shape {values.shape}{after}, but must have a row a step")
    if len(values) == steps + 1:
        return values, False
    if len(values) != steps:
        raise DatasetError(f"{name} has {len(values)} rows for {steps} actions, but must have T or T+1")
    if steps == 0 or (last is not None and len(last) == 1):
        return (values if last is None else np.concatenate([values, last])), False
    return np.concatenate([values, values[-1:]]), True


def check_flags(name: str, flags: np.ndarray) -> None:
    """Raise DatasetError where a flag that ends an episode is set before the last step."""
    early = np.flatnonzero(np.asarray(flags, bool).reshape(-1)[:-1])
    if len(early):
        raise DatasetError(f"{name} is set at step {early[0]}, before the last of {len(flags)}")


def decode_image(data: bytes, wants: Wants, name: str, count: int = 1) -> np.ndarray:
    """An encoded image as `[height, width, channels]` uint8; its size is checked before it is decoded."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        wants.check_size(name, (count, image.height, image.width, 4), np.uint8)
        array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def decode_images(frames: Sequence[bytes], wants: Wants, name: str) -> np.ndarray:
    """Encoded images, one a step, as `[T, height, width, channels]` uint8."""
    return np.stack([decode_image(bytes(data), wants, name, len(frames)) for data in frames])


def text(value: Any) -> str:
    """Text that a format keeps as bytes, a numpy scalar or an array of one."""
    flat = np.asarray(value).reshape(-1)
    first = flat[0] if len(flat) else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def printable(name: str) -> str:
    """A name out of a stranger's file as a terminal may show it: control characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
