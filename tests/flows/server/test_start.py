"""A real server as it is started here: who is let in, and that it does not outlive whoever started it."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import urlsplit

import httpx
import pytest
from typed import free_port

from pacloop.flows.environment import kept_string, prepare, string_file

prepare()
prefect = pytest.importorskip("prefect")

from pacloop.flows.server.access import client_of  # noqa: E402
from pacloop.flows.server.ask import answers  # noqa: E402
from pacloop.flows.server.start import _is_ours, prefect_server, some_api  # noqa: E402
from pacloop.loop.errors import LoopError  # noqa: E402

DEADLINE_SEC = 60
NOBODY = 65534
EVERYTHING = "/flow_runs/filter"
STARTS = {"serve": "prefect_server({port})", "improve": "some_api()"}


@contextmanager
def at_home(folder):
    """Prefect's database and the string's file are in a folder of the test's own; no API is configured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("PREFECT_HOME", str(folder / "prefect"))
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.delenv("PREFECT_API_AUTH_STRING", raising=False)
        yield patch


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with at_home(tmp_path_factory.mktemp("home")), prefect_server(free_port()) as (url, own):
        assert own
        yield url


@pytest.fixture(scope="module")
def auth(url):
    return tuple(kept_string(url).split(":"))


def test_only_who_shows_the_string_is_let_in(url, auth):
    assert httpx.post(url + EVERYTHING, json={}).status_code == 401
    assert httpx.post(url + EVERYTHING, json={}, auth=(auth[0], "guessed")).status_code == 401
    assert httpx.post(url + EVERYTHING, json={}, auth=auth).status_code == 200
    assert answers(url), "that it is well is no secret"


def test_the_string_does_not_help_who_came_by_another_name_or_page(url, auth):
    site = url.removesuffix("/api")
    for headers in ({"host": f"evil.example:{urlsplit(url).port}"}, {"origin": "http://evil.example"}):
        for path in (f"{url}/health", url + EVERYTHING, f"{site}/v2/", f"{site}/open"):
            answer = httpx.post(path, json={}, auth=auth, headers=headers)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
    own = httpx.post(url + EVERYTHING, json={}, auth=auth, headers={"origin": site})
    assert own.status_code == 200 and "access-control-allow-origin" not in own.headers


@pytest.mark.parametrize("path", ["/events/in", "/events/out", "/logs/out"])
def test_a_socket_asks_for_the_string_too(url, auth, path):
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    async def opened(token, **options):
        address = url.replace("http", "ws", 1) + path
        async with connect(address, subprotocols=["prefect"], **options) as sock:
            await sock.send(f'{{"type": "auth", "token": "{token}"}}')
            return await sock.recv()

    assert "auth_success" in asyncio.run(opened(":".join(auth)))
    with pytest.raises(ConnectionClosed):
        asyncio.run(opened("guessed"))
    with pytest.raises(InvalidStatus, match="403"):
        asyncio.run(opened(":".join(auth), origin="http://evil.example"))


def test_the_string_is_in_a_file_that_only_the_user_can_read(url):
    file = string_file(url)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_another_command_of_this_user_is_let_in_by_itself(url):
    code = (
        "from pacloop.flows.server.start import prefect_server\n"
        "from prefect.client.orchestration import get_client\n"
        "with prefect_server() as (url, own), get_client(sync_client=True) as client:\n"
        "    print(own, client.read_flow_runs())"
    )
    told = {name: text for name, text in os.environ.items() if name != "PREFECT_API_AUTH_STRING"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=told | {"PREFECT_API_URL": url}, capture_output=True, text=True)
    assert done.stdout == "False []\n", done.stderr


def test_one_without_the_string_hears_so_in_a_sentence(url, monkeypatch, tmp_path):
    from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        temporary_settings({PREFECT_API_AUTH_STRING: "anna:guessed"}),
        pytest.raises(LoopError, match="wants a password: set PREFECT_API_AUTH_STRING"),
        prefect_server(urlsplit(url).port),
    ):
        pass


def test_a_new_string_is_found_where_the_configured_one_is_of_an_earlier_start(url, auth):
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

    with (
        temporary_settings({PREFECT_API_AUTH_STRING: "pacloop:earlier"}),
        client_of(url),
        get_client(sync_client=True) as client,
    ):
        assert client.read_flow_runs() == []


def test_of_two_that_start_at_once_one_has_the_port_and_its_string_stays(tmp_path):
    code = (
        "from pacloop.flows.environment import kept_string\n"
        "from pacloop.flows.server.access import admits\n"
        "from pacloop.flows.server.start import prefect_server\n"
        f"with prefect_server({(port := free_port())}) as (url, own):\n"
        "    print('began', own, admits(url, kept_string(url)), flush=True)\n"
        "    input()\n"
        "    print(admits(url, kept_string(url)))"
    )
    with at_home(tmp_path) as patch:
        both = []
        for name in ("one", "other"):
            patch.setenv("PREFECT_HOME", str(tmp_path / name))  # who migrates a database is not the question
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            both.append(subprocess.Popen([sys.executable, "-c", code], **pipes, text=True))
        deadline = time.monotonic() + 4 * DEADLINE_SEC
        while all(process.poll() is None for process in both):
            assert time.monotonic() < deadline, "both believe that the server is theirs"
            time.sleep(0.2)
        loser, winner = sorted(both, key=lambda process: process.poll() is None)
        assert "another start has won" in loser.communicate()[1]
        assert winner.communicate("\n")[0] == "began True True\nTrue\n"
        assert kept_string(f"http://127.0.0.1:{port}/api") is None


@pytest.fixture
def of_another_user(monkeypatch):
    """A socket that listens, as another user's would."""
    am_root = os.getuid() == 0
    if am_root:
        os.seteuid(NOBODY)
    try:
        listener = socket.create_server(("127.0.0.1", 0))
    finally:
        if am_root:
            os.seteuid(0)
    if not am_root:
        monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    with listener:
        yield listener


def test_what_another_user_listens_with_is_not_joined_unless_it_is_named(of_another_user, tmp_path):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    asked = []

    class Api(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_):
            pass

    with HTTPServer(of_another_user.getsockname(), Api, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = of_another_user
        url = f"http://127.0.0.1:{of_another_user.getsockname()[1]}/api"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            refusal = pytest.raises(LoopError, match=f"{url} belongs to another user of this")
            with at_home(tmp_path), refusal, prefect_server(urlsplit(url).port):
                pass
            assert asked == []
            with pytest.raises(LoopError, match="belongs to another user"):
                _is_ours(url, "pacloop:secret")
            assert [string for _, string in asked] == [None], "it is told no string while a start waits"
            with temporary_settings({PREFECT_API_URL: url}), prefect_server() as (joined, own):
                assert (joined, own) == (url, False)
        finally:
            server.shutdown()


@pytest.mark.parametrize("way", STARTS)
def test_a_server_dies_with_whoever_was_killed_and_lets_nobody_else_in(way, tmp_path):
    code = (
        "import time\n"
        "from pacloop.flows.server.start import prefect_server, some_api\n"
        "from prefect.settings import PREFECT_API_URL\n"
        f"with {STARTS[way].format(port=free_port())}:\n"
        "    print(PREFECT_API_URL.value(), flush=True)\n"
        "    time.sleep(600)"
    )
    with at_home(tmp_path):
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    url = parent.stdout.readline().strip()
    assert answers(url)
    assert httpx.post(url + EVERYTHING, json={}).status_code == 401
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + DEADLINE_SEC
    while is_open(urlsplit(url).port):
        assert time.monotonic() < deadline, "the server outlives its parent"
        time.sleep(0.2)


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_of_its_own_is_used_where_none_is_configured_and_ends_with_the_block(tmp_path):
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    unset = {PREFECT_API_URL, PREFECT_API_AUTH_STRING}
    with at_home(tmp_path), temporary_settings(restore_defaults=unset):
        with some_api():
            url = PREFECT_API_URL.value()
            with get_client(sync_client=True) as client:
                assert client.read_flow_runs() == []
            assert kept_string(url) is None, "nobody else needs it"
        assert PREFECT_API_URL.value() is None
        assert not is_open(urlsplit(url).port)
