"""What a workspace may refuse."""

from ..datasets.errors import PacloopError


class LoopError(PacloopError):
    """A workspace that cannot do what was asked, in one sentence."""
