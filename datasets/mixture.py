"""Transitions drawn by the source of their batch: so many of this, so many of that."""

from collections.abc import Mapping

import numpy as np

from .batch import SOURCES, check_source
from .errors import DatasetError


class Mixture:
    """Rows of a replay, each source in its share and uniform within it."""

    def __init__(self, shares: Mapping[str, float], source: np.ndarray) -> None:
        """Sort the rows by source.

        Args:
          shares: of each source, in any unit.
          source: of each row, `[rows]`: index into `SOURCES`.

        Raises DatasetError for an unknown source, a share that is no share, or one of a source that has
        no rows.
        """
        counts = np.bincount(source, minlength=len(SOURCES))
        for name, share in shares.items():
            check_source(name)
            if not (np.isfinite(share) and share >= 0):
                raise DatasetError(f"the share of {name} is {share}, but must be 0 or more")
            if share > 0 and counts[SOURCES.index(name)] == 0:
                raise DatasetError(f"the share of {name} is {share}, but the snapshot has no step of it")
        drawn = [name for name in SOURCES if shares.get(name, 0) > 0]
        if not drawn:
            raise DatasetError("the shares of the sources must not all be 0")
        weights = np.array([shares[name] for name in drawn], np.float64)
        self._edges = np.cumsum(weights / weights.sum())[:-1]
        pools = [np.flatnonzero(source == SOURCES.index(name)) for name in drawn]
        self._rows = np.concatenate(pools)
        self._counts = np.array([len(pool) for pool in pools])
        self._starts = np.cumsum(self._counts) - self._counts

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """`[size]` rows, with replacement."""
        pool = np.searchsorted(self._edges, rng.random(size), side="right")
        return self._rows[self._starts[pool] + rng.integers(self._counts[pool])]
