"""When `improve` runs by itself: every so often, or by a cron line."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ...loop.errors import LoopError

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Timetable:
    """An interval or a cron line, one of the two."""

    every: timedelta | None = None
    cron: str | None = None

    def for_prefect(self) -> dict[str, Any]:
        """As Prefect's deployments take it."""
        return {"interval": self.every} if self.every else {"cron": self.cron}

    def __str__(self) -> str:
        """In words."""
        return f"every {self.every}" if self.every else f"at cron {self.cron!r}"


def timetable(every: str | None, cron: str | None) -> Timetable | None:
    """What `--every` and `--cron` say. Raises LoopError where they say nothing that can be done."""
    if every is not None and cron is not None:
        raise LoopError("--every and --cron exclude each other: give one of them")
    if every is not None:
        return Timetable(every=_interval(every))
    return None if cron is None else Timetable(cron=_cron(cron))


def _interval(text: str) -> timedelta:
    match = re.fullmatch(r"\s*(\d{1,4}(?:\.\d+)?)\s*([mhdw])\s*", text)
    found = timedelta(**{UNITS[match[2]]: float(match[1])}) if match else timedelta()
    if found < timedelta(minutes=1):
        raise LoopError(f"--every is {text!r}, but must be a time of at least a minute, like 30m, 6h or 1d")
    return found


def _cron(text: str) -> str:
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=text)
    except ValueError:
        raise LoopError(
            f"--cron is {text!r}, but must be minute, hour, day, month and weekday, like '0 2 * * *'"
        ) from None
    return text
