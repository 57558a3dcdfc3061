"""Rows gathered from the columns of many batches: from memory where they fit, from the mapped files else.

Allocated memory comes in large pages, which mapped files do not: rows at random places cost a
third less, also where there is one batch only.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..store.tables import Column


class Gather:
    """Rows of the columns of several batches, as if the batches lay end to end."""

    def __init__(self, steps: Sequence[Mapping[str, Column]], starts: np.ndarray, ram_limit: int) -> None:
        """Copy what fits `ram_limit` bytes into one array each, the small columns first.

        Args:
          steps: for each batch, its columns by their names in the file.
          starts: for each batch, how many rows lie before it.
          ram_limit: bytes.
        """
        self._starts = starts
        self._names = [name for name in steps[0] if name.startswith("observation/")]
        self._parts: dict[str, Sequence[Column]] = {}
        for name in sorted([*self._names, "action"], key=lambda name: sum(c[name].nbytes for c in steps)):
            parts = [columns[name] for columns in steps]
            size = sum(part.nbytes for part in parts)
            if size <= ram_limit:
                parts = [_joined(parts)]
                ram_limit -= size
            self._parts[name] = parts

    def observations(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Observations by their names in the schema, each `[*rows.shape, ...]`."""
        groups = None
        observations = {}
        for name in self._names:
            if len(self._parts[name]) > 1 and groups is None:
                groups = self._groups(rows.reshape(-1))
            observations[name.removeprefix("observation/")] = self._take(name, rows, groups)
        return observations

    def actions(self, rows: np.ndarray) -> np.ndarray:
        """Actions, `[*rows.shape, A]`."""
        return self._take("action", rows, None)

    def _take(self, name: str, rows: np.ndarray, groups: "_Groups | None") -> np.ndarray:
        parts = self._parts[name]
        if len(parts) == 1:
            return parts[0].take(rows, axis=0)
        flat = np.empty((rows.size, *parts[0].shape[1:]), parts[0].dtype)
        for part, places, local in groups or self._groups(rows.reshape(-1)):
            flat[places] = parts[part].take(local, axis=0)
        return flat.reshape(*rows.shape, *flat.shape[1:])

    def _groups(self, rows: np.ndarray) -> "_Groups":
        part = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(part, kind="stable")
        cuts = np.flatnonzero(np.diff(part[order])) + 1
        return [
            (int(part[places[0]]), places, rows[places] - self._starts[part[places[0]]])
            for places in np.split(order, cuts)
        ]


_Groups = list[tuple[int, np.ndarray, np.ndarray]]
"""For each batch that has any of the rows: its position, the places of its rows, the rows within it."""


def _joined(parts: Sequence[Column]) -> np.ndarray:
    """All rows in one array; images are decoded batch by batch, so that memory holds them once."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    for part in parts:
        whole[start : start + len(part)] = np.asarray(part)
        start += len(part)
    return whole
