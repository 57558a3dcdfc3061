"""What a workspace may refuse."""

from ..datasets.errors import PacloopError


class LoopError(PacloopError):
    """A workspace that cannot do what was asked, in one sentence."""


class Withdrawn(LoopError):
    """Somebody cancelled what was asked, instead of answering; it is asked again."""


class InUse(LoopError):
    """Another process holds the workspace; the same request may be fine later."""
