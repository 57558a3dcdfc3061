"""Episodes for the outside world: RLDS as a TFDS directory, LeRobot v3, Parquet.

Every export is a copy that can be made again: it promises to say exactly what the store says, to be
whole after a kill at any moment, and to write only what is new. It never changes the store, and it
never loads TensorFlow.
"""

from .jobs import Exported
from .lerobot.export import export_lerobot
from .parquet import export_parquet
from .tfds.rlds import export_rlds

__all__ = ["Exported", "export_lerobot", "export_parquet", "export_rlds"]
