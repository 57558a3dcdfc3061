"""How work in progress is reported, and how a stage measures the time of the process that ends it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[str, int, int, str], None]
"""Called with what is going on, how much is done, of how much, and a note."""


def silent(_what: str, _done: int, _total: int, _note: str) -> None:
    """Report to nobody."""


@dataclass
class Stopwatch:
    """Seconds of work since it was made, in this process."""

    begun: float = field(default_factory=time.monotonic)

    @property
    def sec(self) -> float:
        """Seconds so far, to the tenth."""
        return round(time.monotonic() - self.begun, 1)
