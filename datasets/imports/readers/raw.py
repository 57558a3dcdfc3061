"""What every reader yields, and what it is asked for."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import DatasetError

PREFIXES = ("observation", "observations", "obs")
"""What formats call the group of the observations; a flat name goes without it."""


@dataclass(frozen=True)
class RawEpisode:
    """An episode as its file tells it: T actions, T+1 observations, nothing converted or checked.

    What the file does not say is None; the fields' meaning is that of `Episode`.

    Attributes:
      where: `<file>, <episode>`, for messages.
      observation: by flat name, each `[T+1, ...]`; only the fields that were asked for.
      action: `[T, ...]`.
      reward: `[T]`.
      discount: `[T]`.
      terminal: whether the environment ended the episode.
      columns: whatever else was asked for, by flat name, `[T, ...]`, `[T+1, ...]` or of one value.
      unread: flat names of the file's observations that were not asked for.
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
class ReadOptions:
    """What a reader is asked for.

    Attributes:
      names: flat names of the arrays to read, observations and others.
      limit_bytes: the most memory that one field of one episode may claim.
    """

    names: Collection[str]
    limit_bytes: int = 2**28

    def select(
        self, arrays: Iterable[tuple[str, Any]], read: Callable[[str, Any], np.ndarray]
    ) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """Those of some arrays that are asked for, by flat name, and the flat names of the others.

        Args:
          arrays: names as the file spells them, and the arrays as it keeps them.
          read: the array in memory, given one such pair.
        """
        selected, unread = {}, []
        for name, array in arrays:
            flat = flat_name(name)
            if flat in self.names:
                selected[flat] = read(name, array)
            else:
                unread.append(flat)
        return selected, tuple(unread)

    def check_size(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        """Raise DatasetError where an array claims more memory than an episode's field may take."""
        claimed = int(np.prod([int(n) for n in shape], dtype=object)) * np.dtype(dtype).itemsize
        if claimed > self.limit_bytes:
            raise DatasetError(
                f"{name} of shape {tuple(shape)} claims {claimed / 2**20:.0f} MiB, "
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


def printable(name: str) -> str:
    """A name out of a stranger's file as a terminal may show it: control characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
