"""Rows gathered from columns: from memory where they fit, from the mapped files else.

Allocated memory comes in large pages, which mapped files do not: rows at random places cost a
third less, also where there is one batch only.
"""

from collections.abc import Sequence

import numpy as np

from ..store.tables import Column
from .columns import Columns

_Groups = list[tuple[int, np.ndarray, np.ndarray]]
"""For each part that has any of the rows: its position, the places of its rows, the rows within it."""


class Gather:
    """Rows of columns, whether they are in one part or in many."""

    def __init__(self, columns: Columns, ram_limit: int) -> None:
        """Copy what fits `ram_limit` bytes into one array each, the small columns first."""
        self._starts, rows = columns.edges[:-1], int(columns.edges[-1])
        self._names = [name for name in columns.parts if name.startswith("observation/")]
        self._parts: dict[str, Sequence[Column]] = {}
        first = {name: columns.parts[name][0] for name in (*self._names, "action")}
        sizes = {name: rows * (part.nbytes // len(part)) for name, part in first.items()}
        for name in sorted(sizes, key=lambda name: sizes[name]):
            parts = columns.parts[name]
            if sizes[name] <= ram_limit:
                parts = [_joined(parts, columns.edges)]
                ram_limit -= sizes[name]
            self._parts[name] = parts

    def observations(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Observations by their names in the schema, each `[*rows.shape, ...]`."""
        columns = self._take(self._names, rows)
        return {name.removeprefix("observation/"): column for name, column in columns.items()}

    def actions(self, rows: np.ndarray) -> np.ndarray:
        """Actions, `[*rows.shape, A]`."""
        return self._take(["action"], rows)["action"]

    def _take(self, names: Sequence[str], rows: np.ndarray) -> dict[str, np.ndarray]:
        apart = any(len(self._parts[name]) > 1 for name in names)
        groups = self._groups(rows.reshape(-1)) if apart else []
        return {name: _taken(self._parts[name], rows, groups) for name in names}

    def _groups(self, rows: np.ndarray) -> _Groups:
        part = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(part, kind="stable")
        cuts = np.flatnonzero(np.diff(part[order])) + 1
        return [
            (int(part[places[0]]), places, rows[places] - self._starts[part[places[0]]])
            for places in np.split(order, cuts)
        ]


def _taken(parts: Sequence[Column], rows: np.ndarray, groups: _Groups) -> np.ndarray:
    if len(parts) == 1:
        return parts[0].take(rows, axis=0)
    flat = np.empty((rows.size, *parts[0].shape[1:]), parts[0].dtype)
    for part, places, local in groups:
        flat[places] = parts[part].take(local, axis=0)
    return flat.reshape(*rows.shape, *flat.shape[1:])


def _joined(parts: Sequence[Column], edges: np.ndarray) -> np.ndarray:
    """All rows in one array; images are decoded batch by batch, so that memory holds them once."""
    whole = np.empty((edges[-1], *parts[0].shape[1:]), parts[0].dtype)
    for part, start in zip(parts, edges if len(parts) > 1 else [0]):
        whole[start : start + len(part)] = np.asarray(part)
    return whole
