"""A round whose server goes away is played again, or without Prefect; its own mistakes are not swallowed."""

from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from httpx import ConnectError

from pacloop.flows.environment import prepare
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

prepare()
fallback = pytest.importorskip("pacloop.flows.runs.fallback")


@pytest.fixture
def api():
    """The URL of something that says it is well, which is all that is asked here."""

    class Well(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Well) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


@pytest.fixture
def configured(monkeypatch):
    """Names the server that Prefect's client in this process talks to."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr(fallback, "BACK_SEC", 0.2)
    monkeypatch.setattr(fallback, "POLL_SEC", 0.05)
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(temporary_settings({PREFECT_API_URL: url}))


@pytest.fixture
def space(tmp_path):
    return Workspace.create(tmp_path / "arm", parse_config({}, "test"))


def failing(times, error):
    """A flow whose API is away so many times."""
    asked = []

    def flow(number):
        asked.append(number)
        if len(asked) <= times:
            raise error
        return {"shown": number}

    return flow, asked


def plain(number):
    return {"plain": number}


@pytest.mark.parametrize("error", [ConnectError("nobody"), RuntimeError("Failed to reach API at http://x/")])
def test_a_round_is_played_again_once_the_server_is_back(space, configured, api, error):
    configured(api)
    flow, asked = failing(2, error)
    assert fallback.with_fallback(space, flow, plain)(3) == {"shown": 3}
    assert asked == [3, 3, 3]


def test_a_server_that_stays_away_does_not_stop_the_loop(space, configured):
    configured("http://127.0.0.1:9/api")
    flow, asked = failing(9, ConnectError("nobody"))
    assert fallback.with_fallback(space, flow, plain)(3) == {"plain": 3}
    assert asked == [3]


def test_a_server_of_our_own_that_has_ended_is_not_waited_for(space, configured, monkeypatch):
    nobody = "http://127.0.0.1:9/api"
    configured(nobody)
    monkeypatch.setattr(fallback, "BACK_SEC", 1e6)
    monkeypatch.setattr(fallback, "PRIVATE", {nobody})
    flow, asked = failing(9, ConnectError("nobody"))
    assert fallback.with_fallback(space, flow, plain)(3) == {"plain": 3}
    assert asked == [3]


def test_what_a_round_raises_itself_is_raised(space, configured, api):
    configured(api)
    flow, asked = failing(1, RuntimeError("the table broke"))
    with pytest.raises(RuntimeError, match="the table broke"):
        fallback.with_fallback(space, flow, plain)(3)
    assert asked == [3]
