"""When `improve` runs by itself: every so often, or by a cron line."""

import re
from datetime import timedelta
from typing import Any

from ...loop.errors import LoopError

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def timetable(every: str | None, cron: str | None) -> dict[str, Any]:
    """What `--every` and `--cron` say, as Prefect's deployments take it; empty where they say nothing.

    Raises LoopError where they say what cannot be done.
    """
    if every is not None and cron is not None:
        raise LoopError("--every and --cron exclude each other: give one of them")
    if every is not None:
        return {"interval": _interval(every)}
    return {} if cron is None else {"cron": _cron(cron)}


def _interval(text: str) -> timedelta:
    match = re.fullmatch(r"\s*(\d{1,4}(?:\.\d+)?)\s*([mhdw])\s*", text)
    interval = timedelta(**{UNITS[match[2]]: float(match[1])}) if match else timedelta()
    if interval < timedelta(minutes=1):
        raise LoopError(f"--every is {text!r}, but must be a time of at least a minute, like 30m, 6h or 1d")
    return interval


def _cron(text: str) -> str:
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=text)
    except ValueError:
        raise LoopError(
            f"--cron is {text!r}, but must be minute, hour, day, month and weekday, like '0 2 * * *'"
        ) from None
    return text
