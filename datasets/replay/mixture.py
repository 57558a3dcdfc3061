"""Transitions drawn by the source of their batch and by task: so many of this, so many of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..errors import DatasetError


@dataclass(frozen=True)
class Grouping:
    """Rows in groups, and the share of each group in what is drawn.

    Attributes:
      kind: what the groups are: `source` or `task`.
      group: of each row, `[rows]`: index into `names`.
      shares: of the groups by name, in any unit; a group it does not name is not drawn.
    """

    kind: str
    names: Sequence[str]
    group: np.ndarray
    shares: Mapping[str, float]

    def weights(self) -> np.ndarray:
        """The share of each group, `[len(names)]`. Raises DatasetError for one that cannot be drawn."""
        counts = np.bincount(self.group, minlength=len(self.names))
        for name, share in self.shares.items():
            if name not in self.names:
                known = ", ".join(self.names)
                raise DatasetError(f"{self.kind} is {name!r}, but must be one of {known}")
            if not (np.isfinite(share) and share >= 0):
                raise DatasetError(f"the share of {name} is {share}, but must be 0 or more")
            if share > 0 and counts[self.names.index(name)] == 0:
                raise DatasetError(f"the share of {name} is {share}, but the snapshot has no step of it")
        if not any(share > 0 for share in self.shares.values()):
            raise DatasetError(f"the shares of the {self.kind}s must not all be 0")
        return np.array([self.shares.get(name, 0) for name in self.names], np.float64)


class Mixture:
    """Rows of a replay, each group in its share and uniform within it.

    With several groupings a row is in one group of each, and rows of the same groups are drawn in the
    product of their shares.
    """

    def __init__(self, groupings: Sequence[Grouping]) -> None:
        """Sort the rows. Raises DatasetError as `Grouping.weights`, or where no row is left to draw."""
        weights = reduce(np.multiply.outer, [grouping.weights() for grouping in groupings]).reshape(-1)
        sizes = [len(grouping.names) for grouping in groupings]
        cell = np.ravel_multi_index([grouping.group for grouping in groupings], sizes)
        drawn = np.flatnonzero(weights * (np.bincount(cell, minlength=len(weights)) > 0))
        if not len(drawn):
            raise DatasetError("the mixture leaves no step: none is of a source and of a task that are drawn")
        self._edges = np.cumsum(weights[drawn] / weights[drawn].sum())[:-1]
        pools = [np.flatnonzero(cell == group) for group in drawn]
        self._rows = np.concatenate(pools)
        self._counts = np.array([len(pool) for pool in pools])
        self._starts = np.cumsum(self._counts) - self._counts

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """`[size]` rows, with replacement."""
        pool = np.searchsorted(self._edges, rng.random(size), side="right")
        return self._rows[self._starts[pool] + rng.integers(self._counts[pool])]


def shares_of(shares: Mapping[str, float], steps: Mapping[str, int]) -> dict[str, float]:
    """The share of every group that has steps, given the shares of some of all possible groups.

    Groups that `shares` does not name divide what it leaves of 1, each by its steps. Those that have no
    steps are left out, and the others keep their proportions. `shares` are at most 1 together. Raises
    DatasetError where nothing is left.
    """
    counts = {name: count for name, count in steps.items() if count}
    unnamed = sum(count for name, count in counts.items() if name not in shares)
    rest = max(0.0, 1.0 - sum(shares.values()))
    present = {name: shares.get(name, rest * count / max(unnamed, 1)) for name, count in counts.items()}
    total = sum(present.values())
    if total == 0:
        raise DatasetError(f"only {', '.join(counts) or 'nothing'} is there, and its share is 0")
    return {name: share / total for name, share in present.items()}
