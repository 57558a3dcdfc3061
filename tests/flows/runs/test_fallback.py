"""A round whose server goes away is played again, or without Prefect; its own mistakes are not swallowed.

The last tests put a real server behind a door that can be shut, in the middle of a round.
"""

import time
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from threading import Thread, Timer

import httpx
import pytest
from httpx import ConnectError

from pacloop.flows.environment import prepare
from pacloop.loop.stages.improve import play_directly
from pacloop.loop.stages.question import answer, make_answer, question
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


class Door(BaseHTTPRequestHandler):
    """Passes requests on to a server; shut, it answers with a status, or with nothing at all for 0."""

    def do_GET(self):
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, data = self.server.shut, b""
        if status is None:
            headers = {"content-type": self.headers.get("content-type", "application/json")}
            url = self.server.behind + self.path.removeprefix("/api")
            answered = httpx.request(self.command, url, content=content, headers=headers, timeout=60)
            status, data = answered.status_code, answered.content
        elif status == 0:
            return
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def door(prefect_api, configured):
    """A real server, that all of this process talks to through its door."""
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.behind, server.shut = prefect_api, None
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        configured(f"http://127.0.0.1:{server.server_port}/api")
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            yield server
        server.shutdown()


def played(space, meanwhile):
    """Round 1, with what happens once its form is on its page; its verdict."""
    from pacloop.flows.runs.rounds import play
    from pacloop.flows.runs.session import session

    def wait_and_act():
        while question(space) is None or "Paused" not in runs_of(space):
            time.sleep(0.2)
        meanwhile()

    with session(space) as opened:
        actor = Thread(target=wait_and_act)
        actor.start()
        plain = partial(play_directly(opened), "round")
        verdict = fallback.with_fallback(space, partial(play, "round", space.address), plain)(1)
        actor.join()
    return verdict


def approve(space):
    answer(space, make_answer("approve", by="ben", reason="a steady hand"))


def runs_of(space):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs()
    ours = [run for run in found if run.parameters.get("workspace") == str(space.folder)]
    return sorted(run.state.name for run in ours)


def test_a_server_that_is_away_for_a_while_in_a_round_shows_it_afterwards(door, waiting, monkeypatch, capfd):
    monkeypatch.setattr(fallback, "BACK_SEC", 60.0)
    space = waiting()

    def meanwhile():
        door.shut = 0
        approve(space)
        Timer(6.0, setattr, (door, "shut", None)).start()

    assert played(space, meanwhile).decision == "promoted"
    printed = capfd.readouterr().out
    assert "Prefect's API is away (RemoteProtocolError)" in printed and "played without" not in printed
    assert runs_of(space) == ["Completed", "Crashed"]


@pytest.mark.parametrize(("status", "says"), [(401, "HTTP 401"), (500, "HTTP 500")])
def test_a_server_that_refuses_for_good_stops_nothing(door, waiting, capfd, status, says):
    """Also where it says it is well: 401 as from a changed password, 500 as from a broken database."""
    space = waiting()

    def meanwhile():
        door.shut = status
        time.sleep(4)  # the form is looked at meanwhile
        approve(space)

    assert played(space, meanwhile).decision == "promoted"
    door.shut = None
    printed = capfd.readouterr().out
    assert f"({says}): round 1: r001-pac waits for approval" in printed
    assert f"Prefect cannot show what goes on ({says}), so it is played without" in printed
    assert space.registry.champion() == "r001-pac"
    assert runs_of(space) == ["Paused"]


def test_a_lasting_refusal_from_the_start_is_tried_a_few_times(space, configured, api):
    """The server says that it is well."""
    configured(api)
    response = httpx.Response(401, request=httpx.Request("POST", api))
    flow, asked = failing(99, httpx.HTTPStatusError("no", request=response.request, response=response))
    assert fallback.with_fallback(space, flow, plain)(3) == {"plain": 3}
    assert asked == [3] * fallback.TRIES
