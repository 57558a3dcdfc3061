"""Where each transition of some batches is, and its n-step target.

With n = `n_step`, T the episode's length, d the environment's discounts and m = min(n, T - t), a transition
from step t has

    n_step_return      = sum_{i < m} gamma^i (prod_{j < i} d_{t+j}) r_{t+i}
    bootstrap_discount = gamma^m prod_{i < m} d_{t+i}

so that its target is `n_step_return + bootstrap_discount * V(next_observation)`, the next observation
being that of step t+m: the final one where the episode is cut. The bootstrap is 0 where the episode
is terminal within m steps, or is cut by a time limit that counts as terminal. One that was interrupted keeps
its bootstrap: nobody knows what would have come.

Rows are those of the columns that are drawn from (columns.py): a batch's lie together.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..records.batch import SOURCES, Batch, by_batch
from ..records.episode import HORIZON, INTERRUPTED
from ..store import tables
from ..store.store import EpisodeStore

TABLE = np.dtype(
    [
        ("row", np.int64),
        ("first", np.int64),
        ("n_step_return", np.float32),
        ("bootstrap_discount", np.float32),
        ("jump", np.int32),
    ],
    align=True,
)
"""A transition: the rows of its step and of its episode's first, its target, and how many steps on it
bootstraps."""


@dataclass(frozen=True)
class Extents:
    """Where the episodes are that count, `[episodes]` each.

    Attributes:
      first: row of the first step.
      length: T.
      interrupted: whether it was cut off by something else than a time limit, as `Episode.ended` tells.
      source: of its batch, as an index into `SOURCES`.
      instruction: what the robot was told, or "".
    """

    first: np.ndarray
    length: np.ndarray
    interrupted: np.ndarray
    source: np.ndarray
    instruction: np.ndarray


def batch_starts(batches: Sequence[Batch]) -> np.ndarray:
    """The row at which each batch starts, and the number of all, `[batches + 1]`."""
    return np.cumsum([0] + [batch.steps + batch.episodes for batch in batches])


def read_extents(
    store: EpisodeStore, batches: Sequence[Batch], excluded: Collection[str], starts: np.ndarray
) -> Extents:
    """Where the episodes are, in order, without those of the ids `excluded`.

    `starts` is the row at which each of `batches` starts.
    """
    excluded_ids = by_batch(excluded)
    parts = []
    for batch, start in zip(batches, starts, strict=True):
        extents = tables.read_extents(store.file(batch, tables.EPISODES))
        numbers = [int(episode.rpartition("/")[2]) for episode in excluded_ids.get(batch.id, ())]
        offsets, lengths, instructions, ended = (np.delete(column, numbers) for column in extents)
        interrupted = (ended == INTERRUPTED) | ((ended != HORIZON) & (lengths < store.schema.horizon))
        source = np.full(len(lengths), SOURCES.index(batch.source), np.int8)
        parts.append((offsets + start, lengths, interrupted, source, instructions))
    return Extents(*map(np.concatenate, zip(*parts)))


def step_numbers(length: np.ndarray) -> np.ndarray:
    """t of each transition of episodes of these lengths, one after the other, `[transitions]`."""
    return np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)


def return_range(
    reward: np.ndarray, discount: np.ndarray, extents: Extents, gamma: float
) -> tuple[float, float]:
    """The smallest and the largest discounted return from any step to its episode's end.

    `reward`, `discount`, `extents` and `gamma` are those of `transition_table`. There must be a step.
    """
    last, low, high = extents.first + extents.length - 1, np.inf, -np.inf
    value = np.zeros(len(last))
    for back in range(int(extents.length.max())):
        alive = np.flatnonzero(extents.length > back)
        rows = last[alive] - back
        value[alive] = reward[rows] + gamma * discount[rows].astype(np.float64) * value[alive]
        low, high = np.minimum(low, value[alive].min()), np.maximum(high, value[alive].max())
    return float(low), float(high)


def transition_table(
    reward: np.ndarray,
    discount: np.ndarray,
    extents: Extents,
    *,
    n_step: int,
    gamma: float,
    cut_is_terminal: bool,
) -> np.ndarray:
    """The transitions of the episodes at `extents`, in order: `[transitions]` of `TABLE`.

    `reward` and `discount` are those of each row, `[rows]`, `gamma` is the learner's own discount. With
    `cut_is_terminal` the bootstrap is 0 also at the end of an episode that a time limit cut off.
    """
    length = extents.length
    step = step_numbers(length)
    left = np.repeat(length, length) - step
    first = np.repeat(extents.first, length)
    row = first + step
    returns, weight = np.zeros(len(row)), np.ones(len(row))
    alive = np.arange(len(row))  # transitions whose episode goes on for another step
    for i in range(min(n_step, int(left.max()))):
        alive = alive[left[alive] > i]
        rows = row[alive] + i
        returns[alive] += weight[alive] * reward[rows]
        weight[alive] *= gamma * discount[rows].astype(np.float64)
    if cut_is_terminal:
        weight[(left <= n_step) & ~np.repeat(extents.interrupted, length)] = 0.0
    table = np.zeros(len(row), TABLE)
    table["row"], table["first"] = row, first
    table["n_step_return"], table["bootstrap_discount"] = returns, weight
    table["jump"] = np.minimum(left, n_step)
    return table
