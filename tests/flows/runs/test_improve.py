"""What a run says at its end leads on by commands that work as they are printed."""

import sys

import pytest
from recorded import record, tally
from typed import PACLOOP

from pacloop.flows.environment import prepare
from pacloop.loop.stages.improve import Improved

prepare()
improve = pytest.importorskip("pacloop.flows.runs.improve")


@pytest.fixture
def next_steps(monkeypatch):
    """What is advised where that API is configured; a command and its purpose a line."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr(sys, "argv", [PACLOOP, "improve"])
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("PACLOOP_WORKSPACE", raising=False)

    def next_steps(place, *, good, url=None):
        with temporary_settings({PREFECT_API_URL: url}):
            text = improve._next_steps(
                place, Improved("r001-pac", record("final", policy="r001-pac", **tally(5, 10)), "", good)
            )
        return dict(line.split(": ", 1) for line in text.splitlines())

    return lambda *args, **named: {k: v.strip() for k, v in next_steps(*args, **named).items()}


def test_without_a_server_the_command_that_starts_one(next_steps):
    assert next_steps("workspace", good=True) == {
        "the whole run as one page": f"{PACLOOP} report --open",
        "the rounds in Prefect's UI": f"{PACLOOP} serve",
    }
    assert next_steps("my arm", good=False)["go on"] == f"{PACLOOP} improve --workspace 'my arm'"


def test_where_a_server_is_configured_its_address(next_steps):
    steps = next_steps("workspace", good=True, url="http://team.example:4200/api")
    assert steps["the rounds in Prefect's UI"] == "http://team.example:4200"
