"""How work in progress is reported, and how a stage measures the time of the process that ends it."""

import time
from collections.abc import Callable

Progress = Callable[[str, int, int, str], None]
"""Called with what is going on, how much is done, of how much, and a note."""


def silent(_what: str, _done: int, _total: int, _note: str) -> None:
    """Report to nobody."""


def stopwatch() -> Callable[[], float]:
    """Gives the seconds since it was started, to the tenth."""
    begun = time.monotonic()
    return lambda: round(time.monotonic() - begun, 1)
