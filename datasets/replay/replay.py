"""Transitions for a learner, drawn from the batches of one snapshot.

Steps are drawn uniformly, or by source and by task in a mixture; their n-step targets are those of
`index.py`. An episode without actions has no transition. Text among the observations is left out: what the
robot was told is in its episode's instruction, and no network reads strings.

B is the batch of transitions, H the history, A the action's dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ..errors import DatasetError
from ..records.batch import SOURCES, Batch
from ..records.snapshot import Snapshot
from ..store.store import EpisodeStore
from .columns import Columns, open_columns
from .gather import Gather
from .index import Extents, read_extents, return_range, transition_table
from .mixture import Grouping, Mixture


@dataclass(frozen=True)
class Transitions:
    """A batch of transitions.

    Attributes:
      observation: by name, `[B, H, ...]`: the last H observations, the newest last.
      action: `[B, A]`.
      n_step_return, bootstrap_discount: `[B]`, float32, as in `index.py`.
      next_observation: by name, `[B, H, ...]`: the window n steps on, or at the episode's end.
    """

    observation: Mapping[str, np.ndarray]
    action: np.ndarray
    n_step_return: np.ndarray
    bootstrap_discount: np.ndarray
    next_observation: Mapping[str, np.ndarray]


class Replay:
    """Every transition that a snapshot holds, mapped from the disk, with its n-step return ready.

    Costs 32 bytes of memory a transition, and what of the columns fits `ram_limit`. Where they do not fit,
    and the batches are many, they are packed on the disk, beside the batches (pack.py). The same snapshot and
    the same state of the generator give the same sample, wherever it comes from.

    Args:
      store: where the batches are.
      snapshot: which batches, in which order.
      n_step: n, the most rewards in a return.
      discount: gamma.
      time_limit_is_terminal: whether the bootstrap is 0 at the end of an episode that a time limit cut off.
      history: H, observations in a window; before the first the episode's first is repeated.
      mixture: share of each source in what is drawn, in any unit; a source it does not name is not
        drawn. Without it every step is as likely as any other.
      task_mixture: the same for tasks: an episode's is its instruction, or the schema's task where it
        has none. With both, a source's and a task's shares are multiplied.
      ram_limit: bytes of columns that may be copied into memory.

    Attributes:
      episodes: how many there are.
      identity: what its samples are a function of, beside the generator; plain JSON.
      remark: a sentence on what makes it slower than it could be; "" where nothing does.
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
        """Open the batches of `snapshot`. Raises DatasetError where one is missing or was exchanged."""
        _check(snapshot, n_step, history, discount)
        batches = store.pinned(snapshot)
        columns = open_columns(store, batches, ram_limit)
        extents = _extents(store, snapshot, batches, columns)
        self.episodes, self.remark = len(extents.first), columns.remark
        reward, ends = (np.concatenate(columns.parts[name]) for name in ("reward", "discount"))
        self._table = transition_table(
            reward, ends, extents, n_step=n_step, gamma=discount, cut_is_terminal=time_limit_is_terminal
        )
        self._return_range = partial(return_range, reward, ends, extents, discount)
        self.identity = {
            "snapshot": snapshot.id,
            "horizon": store.schema.horizon,  # says what was interrupted, where an episode does not
            "n_step": n_step,
            "discount": discount,
            "time_limit_is_terminal": time_limit_is_terminal,
            "history": history,
            "mixture": mixture and dict(mixture),
            "task_mixture": task_mixture and dict(task_mixture),
        }
        groupings = [] if mixture is None else [_by_source(extents, mixture)]
        groupings += [] if task_mixture is None else [_by_task(extents, store, task_mixture)]
        self._mixture = Mixture(groupings) if groupings else None
        self._history = np.arange(history - 1, -1, -1)
        self._gather = Gather(columns, ram_limit)

    @property
    def rows(self) -> int:
        """Number of transitions."""
        return len(self._table)

    @cached_property
    def returns(self) -> tuple[float, float]:
        """The smallest and the largest discounted return from any step to its episode's end."""
        returns = self._return_range()
        del self._return_range  # with the columns that it needed
        return returns

    def sample(self, batch_size: int, rng: np.random.Generator) -> Transitions:
        """Draw `batch_size` transitions with replacement, a function of the generator's state alone.

        A stream that makes the generator of its step n from (seed, n) goes on anywhere, as it was.
        """
        if self._mixture is None:
            return self.at(rng.integers(self.rows, size=batch_size))
        return self.at(self._mixture.draw(batch_size, rng))

    def at(self, rows: np.ndarray) -> Transitions:
        """The transitions `rows`, `[B]`, each in [0, replay.rows), in the order of the snapshot's steps."""
        drawn = self._table.take(rows)  # all of a transition in one place: one wait for memory, not six
        ends = np.stack([drawn["row"], drawn["row"] + drawn["jump"]])
        windows = np.maximum(ends[:, :, None] - self._history, drawn["first"][:, None])
        both = self._gather.observations(windows)  # each [2, B, H, ...]
        return Transitions(
            observation={name: column[0] for name, column in both.items()},
            action=self._gather.actions(ends[0]),
            n_step_return=drawn["n_step_return"].copy(),
            bootstrap_discount=drawn["bootstrap_discount"].copy(),
            next_observation={name: column[1] for name, column in both.items()},
        )


def _check(snapshot: Snapshot, n_step: int, history: int, discount: float) -> None:
    if n_step < 1 or history < 1 or not 0.0 <= discount <= 1.0:
        raise DatasetError(
            f"replay has n_step {n_step}, history {history} and discount {discount}, "
            "but must have at least 1, at least 1, and one in [0, 1]"
        )
    if not snapshot.batches:
        raise DatasetError(f"snapshot {snapshot.id} has no batches to learn from")


def _extents(store: EpisodeStore, snapshot: Snapshot, batches: Sequence[Batch], columns: Columns) -> Extents:
    extents = read_extents(store, batches, snapshot.excluded, columns.starts)
    if not extents.length.sum():
        raise DatasetError(f"snapshot {snapshot.id} has no step to learn from")
    return extents


def _by_source(extents: Extents, shares: Mapping[str, float]) -> Grouping:
    return Grouping("source", SOURCES, np.repeat(extents.source, extents.length), shares)


def _by_task(extents: Extents, store: EpisodeStore, shares: Mapping[str, float]) -> Grouping:
    tasks = [store.task_of(instruction) for instruction in extents.instruction]
    names = sorted(set(tasks))
    place = {name: index for index, name in enumerate(names)}
    return Grouping("task", names, np.repeat([place[task] for task in tasks], extents.length), shares)
