"""Episodes for the outside world: RLDS as a TFDS directory, LeRobot v3, Parquet.

Every export is a copy that can be made again: it promises to say exactly what the store says, to be
whole after a kill at any moment, and to write only what is new. It never changes the store, and it
never loads TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lerobot.export import export_lerobot
    from .parquet import export_parquet
    from .tfds.rlds import export_rlds
    from .update import Exported

__all__ = ["Exported", "export_lerobot", "export_parquet", "export_rlds"]

_LAZY = {
    "Exported": "update",
    "export_lerobot": "lerobot.export",
    "export_parquet": "parquet",
    "export_rlds": "tfds.rlds",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
