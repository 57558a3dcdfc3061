"""Guards: figures besides the score in which a candidate must be shown to be no worse than the champion.

Each is a mean over episodes, of numbers with stated bounds. A candidate *keeps* a guard where its mean is
shown to be better than the worst that `[gate.guards]` allows at the champion's mean, by the wealth of
`betting.py`: valid at every look, so the gate may stop when it likes. The level is the whole of the
round's: a promotion needs the test of success *and* every guard, so a candidate that may not be promoted
for whatever reason must first cheat the one test that is about that reason (intersection-union; Berger,
1982, Technometrics 24). Likewise a guard is *broken* where the mean is shown to be worse than allowed,
which ends the comparison.

| guard | of which episodes | better | margin |
|---|---|---|---|
| `time_to_success` | successes: seconds | lower | share of the champion's |
| `discounted_return` | all: sum of discount^t * reward, in [0, 1] | higher | share of the champion's |
| `action_saturation` | all: share of action components at a bound | lower | added |
| a measure, by name | all whose info has it: at most its limit | lower | share of the champion's |

A measure is a number that the environment gives (`measures()`), such as `contact_force`.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...actors.task import episode_measures
from ...datasets import Batch, EpisodeStore
from ...datasets.records.episode import is_success
from ..episodes.sample import played_batches, player
from ..errors import LoopError
from ..statistics.betting import least_wealth
from ..workspace.verdict import Guarded
from ..workspace.workspace import Workspace

AT_BOUND = 0.01
"""An action component counts as saturated within this share of its range from a bound."""

FINE = 1000
"""Values are rounded to so many parts, always so that less is shown."""


class Unbounded(LoopError):
    """An episode of `policy` has a number that no guard can look at."""

    def __init__(self, policy: str, why: str) -> None:
        """Keep whose it is beside the sentence."""
        super().__init__(why)
        self.policy = policy


@dataclass(frozen=True)
class Guard:
    """A figure of an episode, as a number in [0, 1] of which more is better.

    Attributes:
      name: as in `[gate.guards]`.
      margin: by how much a candidate may be worse.
      unit: of the figure as people know it.
      whole: the figure that 1 stands for, in that unit.
      values: the numbers of a batch's episodes, those that have one.
      more_is_better: of the figure; where not, the number is 1 - figure / whole.
      added: whether the margin is added to the champion's mean, not a share of it.
    """

    name: str
    margin: float
    unit: str
    whole: float
    values: Callable[[Batch], np.ndarray]
    more_is_better: bool = False
    added: bool = False

    def allowed(self, mean: np.ndarray) -> np.ndarray:
        """The worst mean a candidate may have where the champion's is `mean`."""
        if self.added:
            return mean - self.margin
        return (1 - self.margin) * mean if self.more_is_better else 1 - (1 + self.margin) * (1 - mean)

    def figure(self, number: float) -> float:
        """A number in [0, 1] as people know it."""
        return round(float(self.whole * (number if self.more_is_better else 1 - number)), 4)


def guards_of(space: Workspace) -> list[Guard]:
    """The guards that the settings ask for."""
    settings, schema, store = space.config.gate.guards, space.task.schema, space.store
    seconds, discount = schema.horizon / schema.control_hz, space.config.learn.discount
    guards = [
        Guard("time_to_success", settings.time_to_success, "s", seconds, partial(_time, store)),
        Guard(
            "discounted_return", settings.discounted_return, "", 1.0, partial(_return, store, discount), True
        ),
        Guard("action_saturation", settings.action_saturation, "", 1.0, partial(_free, store), added=True),
    ]
    for name, measure in settings.measures.items():
        values = partial(_measure, store, name, measure.limit)
        guards.append(Guard(name, measure.margin, "", measure.limit, values))
    return [guard for guard in guards if guard.margin]


def check_measures(space: Workspace, given: Sequence[Batch] | None = None) -> None:
    """Raise LoopError for a measure in `[gate.guards]` that the task does not give.

    The episodes say what it gives: any that this workspace played, the champion's sample `given` first. Where
    none are played a simulation says it; a robot, which others may be moving, is not asked.
    """
    asked, known = set(space.config.gate.guards.measures), set[str]()
    if not asked:
        return
    played = [*(given or ()), *reversed(played_batches(space))]
    if not played:
        if given is not None or not space.task.replayable:
            return
        with closing(space.task.make_for_replay()) as environment:
            environment.reset()
            known = set(episode_measures(environment))
    for batch in played:
        if not asked <= known:
            known |= {key for row in space.store.iter_rows([batch]) for key in json.loads(row.info)}
    for name in sorted(asked - known):
        raise LoopError(
            f"[gate.guards.measures] {name} is set, but {space.config.task} has no such measure; "
            f"it has: {', '.join(sorted(known)) or 'none'}"
        )


def look(guard: Guard, champion: np.ndarray, candidate: np.ndarray, level: float) -> Guarded:
    """What all numbers of both policies show of a guard at this level."""
    boundary = float(-np.log(level))
    kept = least_wealth(_up(champion), _down(candidate), guard.allowed)
    # The same with all signs turned: that the candidate's mean is below what is allowed.
    broken = least_wealth(_up(1 - champion), _down(1 - candidate), lambda mean: 1 - guard.allowed(1 - mean))
    mean = champion.mean() if len(champion) else None
    return Guarded(
        name=guard.name,
        unit=guard.unit,
        champion=None if mean is None else guard.figure(mean),
        candidate=guard.figure(candidate.mean()) if len(candidate) else None,
        champion_n=len(champion),
        candidate_n=len(candidate),
        allowed=None if mean is None else guard.figure(float(guard.allowed(mean))),
        evidence=round(kept, 4),
        boundary=round(boundary, 4),
        state="kept" if kept > boundary else "broken" if broken > boundary else "open",
    )


def _up(numbers: np.ndarray) -> np.ndarray:
    return np.ceil(numbers * FINE - 1e-9) / FINE


def _down(numbers: np.ndarray) -> np.ndarray:
    return np.floor(numbers * FINE + 1e-9) / FINE


def _time(store: EpisodeStore, batch: Batch) -> np.ndarray:
    lengths = [row.length for row in store.iter_rows([batch]) if is_success(row.score)]
    return 1 - (np.array(lengths, float) / store.schema.horizon).clip(0, 1)


def _return(store: EpisodeStore, discount: float, batch: Batch) -> np.ndarray:
    rewards = _steps(store, batch)["reward"]
    rows = list(store.iter_rows([batch]))
    weight = discount ** np.arange(max(row.length for row in rows))
    returns = np.array([weight[: r.length] @ rewards[r.offset : r.offset + r.length] for r in rows])
    for row, value in zip(rows, returns):
        if not -1e-6 <= value <= 1 + 1e-6:
            raise Unbounded(
                player(batch),
                f"[gate.guards] discounted_return: episode {row.id} has {value:.4g}, but the discounted "
                "rewards of an episode must sum to something in [0, 1]",
            )
    return returns.clip(0, 1)


def _free(store: EpisodeStore, batch: Batch) -> np.ndarray:
    """`[episodes]`: share of the action components that are not at a bound."""
    low, high = np.array(store.schema.action_minimum), np.array(store.schema.action_maximum)
    action, slack = _steps(store, batch)["action"], AT_BOUND * (high - low)
    inside = ((action > low + slack) & (action < high - slack)).mean(1)
    rows = [row for row in store.iter_rows([batch]) if row.length]
    return np.array([inside[row.offset : row.offset + row.length].mean() for row in rows])


def _measure(store: EpisodeStore, name: str, limit: float, batch: Batch) -> np.ndarray:
    """Episodes that were played before the environment gave the measure have none."""
    values = [json.loads(row.info).get(name) for row in store.iter_rows([batch])]
    return 1 - np.clip([value for value in values if value is not None], 0, limit) / limit


def _steps(store: EpisodeStore, batch: Batch) -> dict[str, Any]:
    """The columns of a batch's steps, mapped and not read: images stay where they are."""
    from ...datasets.store.tables import STEPS, read_steps

    return read_steps(store.file(batch, STEPS), store.schema, text=False)
