"""What a learner run draws from: the replay of a snapshot, in the mixture that the settings ask for."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...datasets import DatasetError, Snapshot
from ...datasets.replay.mixture import shares_of
from ...learner.config import LearnConfig
from ..errors import LoopError
from ..workspace.workspace import Workspace

if TYPE_CHECKING:
    from ...datasets import Replay

Mixtures = dict[str, dict[str, float]]


def open_replay(
    space: Workspace, snapshot: Snapshot, config: LearnConfig, *, history: int
) -> tuple["Replay", Mixtures]:
    """The replay of a snapshot with the workspace's mixtures, and what they come to."""
    from ...datasets import Replay

    mixed = mixtures(space, snapshot)
    replay = Replay(
        space.store,
        snapshot,
        n_step=config.n_step,
        discount=config.discount,
        time_limit_is_terminal=space.task.time_limit_is_terminal,
        history=history,
        mixture=mixed.get("mixture"),
        task_mixture=mixed.get("task_mixture"),
    )
    return replay, mixed


def mixtures(space: Workspace, snapshot: Snapshot) -> Mixtures:
    """What `[learn] mixture` and `task_mixture` come to for a snapshot, where they are set.

    The share of every source and of every task in it. Raises LoopError, naming the setting, where it leaves
    nothing to draw or names no task of the snapshot.
    """
    settings, shares = space.config.learn, {}
    if settings.mixture:
        steps: Counter[str] = Counter()
        for batch in space.store.counted(snapshot):
            steps[batch.source] += batch.steps
        shares["mixture"] = _shares("mixture", settings.mixture, steps)
    if settings.task_mixture:
        steps = Counter()
        for row in space.store.counted_rows(snapshot):
            steps[space.store.task_of(row.instruction)] += row.length
        if strangers := sorted(set(settings.task_mixture) - set(steps)):
            raise LoopError(
                f"[learn] task_mixture names {strangers[0]!r}, which is no task of the snapshot; "
                f"its tasks are {', '.join(map(repr, sorted(steps)))}"
            )
        shares["task_mixture"] = _shares("task_mixture", settings.task_mixture, steps)
    return shares


def _shares(setting: str, shares: Mapping[Any, float], steps: Mapping[str, int]) -> dict[str, float]:
    try:
        return shares_of(shares, steps)
    except DatasetError as error:
        raise LoopError(f"[learn] {setting} leaves nothing to learn from: {error}") from None
