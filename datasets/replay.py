"""Transitions for a learner, drawn from the batches of one snapshot.

Steps are drawn uniformly, or by source and by task in a mixture. With n = `n_step`, T the episode's
length, d the environment's discounts and m = min(n, T - t), a transition from step t has

    n_step_return      = sum_{i < m} gamma^i (prod_{j < i} d_{t+j}) r_{t+i}
    bootstrap_discount = gamma^m prod_{i < m} d_{t+i}

so that its target is `n_step_return + bootstrap_discount * V(next_observation)`, the next observation
being that of step t+m: the final one where the episode is cut. The bootstrap is 0 where the episode
is terminal within m steps, or is cut by a time limit that counts as terminal.

An episode without actions has no transition. Text among the observations is left out: what a robot was
told is in its episode's instruction, and no network reads strings.

B is the batch of transitions, H the history, A the action's dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .batch import SOURCES, Batch
from .errors import DatasetError
from .gather import Gather
from .mixture import Grouping, Mixture
from .snapshot import Snapshot
from .store import EpisodeStore
from .tables import EPISODES, STEPS, Column, EpisodeRow, read_episodes, read_steps


@dataclass(frozen=True)
class Transitions:
    """A batch of transitions.

    Attributes:
      observation: by name, `[B, H, ...]`: the last H observations, the newest last.
      action: `[B, A]`.
      n_step_return: `[B]`, float32.
      bootstrap_discount: `[B]`, float32.
      next_observation: by name, `[B, H, ...]`: the window n steps on, or at the episode's end.
      source: `[B]`, int8: index into `SOURCES`.
      rows: `[B]`, int64: which transitions of the snapshot these are, in [0, replay.rows).
    """

    observation: Mapping[str, np.ndarray]
    action: np.ndarray
    n_step_return: np.ndarray
    bootstrap_discount: np.ndarray
    next_observation: Mapping[str, np.ndarray]
    source: np.ndarray
    rows: np.ndarray


class Replay:
    """Every transition that a snapshot holds, mapped from the disk, with its n-step return ready.

    Costs some 40 bytes of memory a transition, and what of the columns fits `ram_limit` where the
    snapshot has several batches: one array is gathered from many times faster than many. The same
    snapshot and the same state of the generator give the same sample.
    """

    def __init__(
        self,
        store: EpisodeStore,
        snapshot: Snapshot,
        *,
        n_step: int,
        discount: float,
        time_limit_is_terminal: bool,
        history: int = 1,
        mixture: Mapping[str, float] | None = None,
        task_mixture: Mapping[str, float] | None = None,
        ram_limit: int = 2**30,
    ) -> None:
        """Open the batches of `snapshot`. Raises DatasetError where one is missing or was exchanged.

        Args:
          store: where the batches are.
          snapshot: which batches, in which order.
          n_step: n, the most rewards in a return.
          discount: gamma.
          time_limit_is_terminal: whether the bootstrap is 0 at the end of an episode that was cut off.
          history: H, observations in a window; before the first the episode's first is repeated.
          mixture: share of each source in what is drawn, in any unit; a source it does not name is not
            drawn. Without it every step is as likely as any other.
          task_mixture: the same for tasks: an episode's is its instruction, or the schema's task where it
            has none. With both, a source's and a task's shares are multiplied.
          ram_limit: bytes of columns that may be copied into memory.
        """
        if n_step < 1 or history < 1 or not 0.0 <= discount <= 1.0:
            raise DatasetError(
                f"replay has n_step {n_step}, history {history} and discount {discount}, "
                "but must have at least 1, at least 1, and one in [0, 1]"
            )
        if not snapshot.batches:
            raise DatasetError(f"snapshot {snapshot.id} has no batches to learn from")
        batches = store.pinned(snapshot)
        steps = [_steps(store, batch) for batch in batches]
        gone = frozenset(snapshot.excluded)
        episodes = [
            [row for row in read_episodes(store.file(batch, EPISODES)) if row.id not in gone]
            for batch in batches
        ]
        starts = np.cumsum([0] + [batch.steps + batch.episodes for batch in batches])
        self._index = _index(batches, episodes, starts)
        if not self.rows:
            raise DatasetError(f"snapshot {snapshot.id} has no step to learn from")
        groupings = []
        if mixture is not None:
            groupings.append(Grouping("source", SOURCES, self._index.source, mixture))
        if task_mixture is not None:
            groupings.append(_by_task(store.schema.task, episodes, task_mixture))
        self._mixture = Mixture(groupings) if groupings else None
        self._history = np.arange(history - 1, -1, -1)
        self._gather = Gather(steps, starts, ram_limit)
        self._jump, self._returns, self._bootstrap = _targets(
            np.concatenate([columns["reward"] for columns in steps]),
            np.concatenate([columns["discount"] for columns in steps]),
            self._index,
            n_step=n_step,
            gamma=discount,
            cut_is_terminal=time_limit_is_terminal,
        )
        self.episodes = sum(map(len, episodes))

    @property
    def rows(self) -> int:
        """Number of transitions."""
        return len(self._index.row)

    def sample(self, batch_size: int, rng: np.random.Generator) -> Transitions:
        """Draw `batch_size` transitions with replacement, a function of the generator's state alone.

        A stream that makes the generator of its step n from (seed, n) goes on anywhere, as it was.
        """
        if self._mixture is None:
            return self.at(rng.integers(self.rows, size=batch_size))
        return self.at(self._mixture.draw(batch_size, rng))

    def at(self, rows: np.ndarray) -> Transitions:
        """The transitions `rows`, `[B]`, each in [0, replay.rows), in the order of the snapshot's steps."""
        rows = np.asarray(rows, np.int64)
        now, first, jump = self._index.row[rows], self._index.first[rows], self._jump[rows]
        windows = np.stack([now, now + jump])[:, :, None] - self._history  # [2, B, H]
        both = self._gather.observations(np.maximum(windows, first[:, None]))
        return Transitions(
            observation={name: column[0] for name, column in both.items()},
            action=self._gather.actions(now),
            n_step_return=self._returns[rows],
            bootstrap_discount=self._bootstrap[rows],
            next_observation={name: column[1] for name, column in both.items()},
            source=self._index.source[rows],
            rows=rows,
        )


@dataclass(frozen=True)
class _Index:
    """Where each transition is, `[rows]`: rows of the batches' steps laid end to end.

    Attributes:
      row: its step.
      first: its episode's first step.
      last: its episode's last step, which has only an observation.
      source: index into `SOURCES`.
    """

    row: np.ndarray
    first: np.ndarray
    last: np.ndarray
    source: np.ndarray


def _steps(store: EpisodeStore, batch: Batch) -> dict[str, Column]:
    path = store.file(batch, STEPS)
    columns = read_steps(path, store.schema, text=False)
    found, wanted = len(columns["reward"]), batch.steps + batch.episodes
    if found != wanted:
        raise DatasetError(f"{path} has {found} rows, but its manifest counts {wanted}")
    return columns


def _index(batches: Sequence[Batch], episodes: Sequence[Sequence[EpisodeRow]], starts: np.ndarray) -> _Index:
    lengths = np.array([row.length for rows in episodes for row in rows])
    offsets = [row.offset + start for rows, start in zip(episodes, starts) for row in rows]
    sources = np.array([SOURCES.index(batch.source) for batch in batches], np.int8)
    first = np.repeat(np.array(offsets), lengths)
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return _Index(
        row=first + np.arange(len(first)) - before,
        first=first,
        last=first + np.repeat(lengths, lengths),
        source=np.repeat(sources, [sum(row.length for row in rows) for rows in episodes]),
    )


def _by_task(task: str, episodes: Sequence[Sequence[EpisodeRow]], shares: Mapping[str, float]) -> Grouping:
    rows = [row for batch in episodes for row in batch]
    names = sorted({row.instruction or task for row in rows})
    place = {name: index for index, name in enumerate(names)}
    group = np.repeat([place[row.instruction or task] for row in rows], [row.length for row in rows])
    return Grouping("task", names, group, shares)


def _targets(
    reward: np.ndarray,
    discount: np.ndarray,
    index: _Index,
    *,
    n_step: int,
    gamma: float,
    cut_is_terminal: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps to the bootstrap, n-step return and bootstrap discount of each transition, `[rows]` each."""
    left = index.last - index.row
    n_step = min(n_step, int(left.max()))
    returns, weight = np.zeros(len(left)), np.ones(len(left))
    alive = np.arange(len(left))  # transitions whose episode goes on for another step
    for i in range(n_step):
        alive = alive[left[alive] > i]
        rows = index.row[alive] + i
        returns[alive] += weight[alive] * reward[rows]
        weight[alive] *= gamma * discount[rows].astype(np.float64)
    jump = np.minimum(left, n_step)
    if cut_is_terminal:
        weight[jump == left] = 0.0
    return jump, returns.astype(np.float32), weight.astype(np.float32)
