"""A wall clock that jumps, in this process alone.

The clock is what Python tells: `time.time` and `datetime.now`. The monotonic one goes on as it is, and so do
the times that the system gives files, and those of a bucket's server.
"""

import importlib
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

from every_write import Deaths

import pacloop  # pyright: ignore[reportMissingImports]

HOUR, DAY = 3600.0, 24 * 3600.0
PAUSE_SEC = 0.3
"""Between two jumps of an unsteady clock."""


@dataclass
class Clock:
    """The wall clock of this process; `install` makes it what Python tells."""

    ahead_sec: float = 0.0

    def jump(self, seconds: float) -> None:
        self.ahead_sec += seconds

    def install(self) -> None:
        real, real_ns = time.time, time.time_ns

        class Jumping(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return super().now(tz) + timedelta(seconds=self.ahead_sec)

        time.time = lambda: real() + self.ahead_sec
        time.time_ns = lambda: real_ns() + int(self.ahead_sec * 1e9)
        for name in askers():
            importlib.import_module(name).datetime = Jumping  # pyright: ignore[reportAttributeAccessIssue]


def askers() -> list[str]:
    """The modules of the loop and of its datasets that ask what time it is; C's own would not be told."""
    root = Path(str(pacloop.__file__)).parent
    paths = [path for room in ("datasets", "loop") for path in sorted((root / room).rglob("*.py"))]
    own = [
        path for path in paths if re.search(r"^from datetime import .*\bdatetime\b", path.read_text(), re.M)
    ]
    return [".".join(("pacloop", *path.relative_to(root).with_suffix("").parts)) for path in own]


@dataclass
class Jumps(Deaths):
    """A clock that jumps before the writes of some numbers; `number` is that of the death, 0 for none."""

    clock: Clock = field(default_factory=Clock)
    at: dict[int, float] = field(default_factory=dict)

    def count(self, event: str, path: str) -> None:
        if not self.inside:
            self.clock.jump(self.at.pop(len(self.events) + 1, 0.0))
        super().count(event, path)


def unsteady(seed: int, work: Callable[[], None]) -> None:
    """Work while the clock jumps all the time."""
    clock, rng = Clock(), random.Random(seed)
    clock.install()

    def jump() -> None:
        while True:
            time.sleep(PAUSE_SEC)
            clock.jump(rng.choice((HOUR, -DAY)))

    Thread(target=jump, daemon=True).start()
    work()
