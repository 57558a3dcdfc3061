"""Episodes on disk: what they look like, how they are kept, how a learner reads them.

This room promises that a committed batch of episodes is whole, immutable and found again under
the same name for ever, and that a snapshot names exactly what one learner run may read. It never
learns, acts or decides, and it never imports from the rooms above it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .batch import SOURCES, Batch
    from .episode import Episode
    from .errors import DatasetError
    from .replay import Replay, Transitions
    from .schema import Field, Schema
    from .snapshot import Snapshot
    from .store import EpisodeStore

__all__ = [
    "SOURCES",
    "Batch",
    "DatasetError",
    "Episode",
    "EpisodeStore",
    "Field",
    "Replay",
    "Schema",
    "Snapshot",
    "Transitions",
]

# numpy and Arrow take half a second to import: only who uses them pays for it.
_ROOMS = {
    "batch": ("SOURCES", "Batch"),
    "episode": ("Episode",),
    "errors": ("DatasetError",),
    "replay": ("Replay", "Transitions"),
    "schema": ("Field", "Schema"),
    "snapshot": ("Snapshot",),
    "store": ("EpisodeStore",),
}
_LAZY = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
