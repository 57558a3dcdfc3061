"""pacloop: a self-improvement loop for robot policies.

The public Python API; each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actors.registry import find_task
    from .actors.rollout.rollout import rollout
    from .actors.task import Task
    from .datasets import Episode, EpisodeStore, Field, Replay, Schema
    from .learner.checkpoint import read_policy
    from .loop.workspace.workspace import Workspace

__all__ = [
    "Episode",
    "EpisodeStore",
    "Field",
    "Replay",
    "Schema",
    "Task",
    "Workspace",
    "find_task",
    "read_policy",
    "rollout",
]

_ROOMS = {
    ".datasets": ("Episode", "EpisodeStore", "Field", "Replay", "Schema"),
    ".learner.checkpoint": ("read_policy",),
    ".actors.rollout.rollout": ("rollout",),
    ".actors.task": ("Task",),
    ".actors.registry": ("find_task",),
    ".loop.workspace.workspace": ("Workspace",),
}
_LAZY = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)
