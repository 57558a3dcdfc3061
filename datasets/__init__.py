"""Episodes on disk: what they look like, how they are kept, how a learner reads them.

This room promises that a committed batch of episodes is whole, immutable and found again under
the same name for ever, and that a snapshot names exactly what one learner run may read. It never
learns, acts or decides, and it never imports from the rooms above it.
"""

from .episode import Episode
from .errors import DatasetError
from .schema import Field, Schema

__all__ = ["DatasetError", "Episode", "Field", "Schema"]
