"""Episodes on disk: what they look like, how they are kept, how a learner reads them.

This room promises that a committed batch of episodes is whole, immutable and found again under
the same name for ever, and that a snapshot names exactly what one learner run may read. It never
learns, acts or decides, and it never imports from the rooms above it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import DatasetError as DatasetError
    from .records.batch import SOURCES as SOURCES
    from .records.batch import Batch as Batch
    from .records.episode import Episode as Episode
    from .records.schema import Field as Field
    from .records.schema import Schema as Schema
    from .records.snapshot import Snapshot as Snapshot
    from .replay.replay import Replay as Replay
    from .replay.replay import Transitions as Transitions
    from .store.store import EpisodeStore as EpisodeStore

WINGS = ("errors", "files", "objects", "records", "store", "replay", "imports", "exports")
"""Wings and modules of this room; each imports only those before it."""

# numpy and Arrow take half a second to import: only who uses them pays for it.
_ROOMS = {
    "records.batch": ("SOURCES", "Batch"),
    "records.episode": ("Episode",),
    "errors": ("DatasetError",),
    "replay.replay": ("Replay", "Transitions"),
    "records.schema": ("Field", "Schema"),
    "records.snapshot": ("Snapshot",),
    "store.store": ("EpisodeStore",),
}
_LAZY = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
