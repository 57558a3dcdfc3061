"""What `--every` and `--cron` may say."""

from datetime import timedelta

import pytest

from pacloop.flows.runs.schedule import timetable
from pacloop.loop.errors import LoopError


@pytest.mark.parametrize(
    ("every", "found"),
    [
        ("30m", timedelta(minutes=30)),
        ("6h", timedelta(hours=6)),
        (" 1.5 d ", timedelta(hours=36)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_an_interval(every, found):
    when = timetable(every, None)
    assert when is not None
    assert when.for_prefect() == {"interval": found}


def test_a_cron_line():
    when = timetable(None, "0 2 * * *")
    assert when is not None
    assert when.for_prefect() == {"cron": "0 2 * * *"}
    assert str(when) == "at cron '0 2 * * *'"


def test_none():
    assert timetable(None, None) is None


@pytest.mark.parametrize("every", ["", "6", "h", "0h", "30s", "0.5m", "-1h", "6 years", "9999999d"])
def test_an_interval_that_is_none(every):
    with pytest.raises(LoopError, match="at least a minute, like 30m"):
        timetable(every, None)


@pytest.mark.parametrize("cron", ["", "daily", "99 2 * * *", "0 2 * *", "* * * * * * * *"])
def test_a_cron_line_that_is_none(cron):
    with pytest.raises(LoopError, match="minute, hour, day, month and weekday"):
        timetable(None, cron)


def test_one_of_the_two():
    with pytest.raises(LoopError, match="exclude each other"):
        timetable("6h", "0 2 * * *")
