"""What `[learn] mixture` and `task_mixture` come to, for what a snapshot holds."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...datasets import DatasetError, Snapshot
from ...datasets.replay.mixture import shares_of
from ..errors import LoopError
from ..workspace.workspace import Workspace

Mixtures = dict[str, dict[str, float]]
"""The shares that `Replay` draws by: `mixture` by source and `task_mixture` by task, where they are set."""


def mixtures(space: Workspace, snapshot: Snapshot) -> Mixtures:
    """The share of every source and task of a snapshot, as far as the settings say any.

    Raises LoopError, naming the setting, where it leaves nothing to draw or names no task of the snapshot.
    """
    settings, found = space.config.learn, {}
    if settings.mixture:
        steps: Counter[str] = Counter()
        for batch in space.store.counted(snapshot):
            steps[batch.source] += batch.steps
        found["mixture"] = _shares("mixture", settings.mixture, steps)
    if settings.task_mixture:
        steps = Counter()
        for row in space.store.counted_rows(snapshot):
            steps[space.store.task_of(row)] += row.length
        if strangers := sorted(set(settings.task_mixture) - set(steps)):
            raise LoopError(
                f"[learn] task_mixture names {strangers[0]!r}, which is no task of the snapshot; "
                f"its tasks are {', '.join(map(repr, sorted(steps)))}"
            )
        found["task_mixture"] = _shares("task_mixture", settings.task_mixture, steps)
    return found


def _shares(setting: str, wanted: Mapping[Any, float], steps: Mapping[str, int]) -> dict[str, float]:
    try:
        return shares_of(wanted, steps)
    except DatasetError as error:
        raise LoopError(f"[learn] {setting} leaves nothing to learn from: {error}") from None
