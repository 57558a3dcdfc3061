"""What `--every` and `--cron` may say."""

from datetime import timedelta

import pytest

from pacloop.flows.runs.plan import make_plan, timetable
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.mark.parametrize(
    ("every", "interval"),
    [
        ("30m", timedelta(minutes=30)),
        ("6h", timedelta(hours=6)),
        (" 1.5 d ", timedelta(hours=36)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_an_interval(every, interval):
    assert timetable(every, None) == {"interval": interval}


def test_a_cron_line():
    assert timetable(None, "0 2 * * *") == {"cron": "0 2 * * *"}


@pytest.mark.parametrize(
    ("every", "cron", "when"),
    [
        ("6h", None, "every 6:00:00"),
        (None, "0 2 * * *", "at cron '0 2 * * *'"),
        (None, None, "when somebody starts it"),
    ],
)
def test_a_plan_says_when_in_words(tmp_path, every, cron, when):
    space = Workspace.create(tmp_path / "arm", parse_config({"improve": {"rounds": 3}}, "test"))
    plan = make_plan(space.folder, every=every, cron=cron)
    assert plan.sentence() == f"improve runs {when}, at most 3 rounds each time, until 93%"


def test_none():
    assert timetable(None, None) == {}


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
