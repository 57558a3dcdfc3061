"""A Prefect server to talk to: the configured one, one that runs already, or one of our own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import IO

import httpx

from ...loop.errors import LoopError
from ..environment import program
from .access import admits, check_listener, chosen_string, client_of, new_string, string_kept
from .ask import answers, configured, unanswered

HOST, PORT = "127.0.0.1", 4200
START_SEC = 120.0
"""Deadline for a server to answer; a fresh database takes some 20 s on two cores."""
STOP_SEC = 10.0
"""After so long a server that was asked to stop is killed."""
WITHOUT_PAGES = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
"""What makes a server only record runs: it starts none, and shows none."""

PRIVATE: set[str] = set()
"""URLs of servers that only this process uses."""


@contextmanager
def prefect_server(
    port: int | None = None, *, start: bool = True, meanwhile: Callable[[], object] = lambda: None
) -> Iterator[tuple[str, bool]]:
    """The URL of a Prefect API that answers, and whether it was started here and stops with the block.

    A port wins over the configured API. Where nothing answers and `start` is true, a server is started, and
    `meanwhile` is called while it starts, which takes seconds. Raises LoopError where a configured API does
    not answer, the port is taken by something else or by another user, or nothing answers and none may be
    started.
    """
    if port is None and (url := configured()):
        if not answers(url):
            raise LoopError(unanswered(url))
        with _admitted(url, ""):
            yield url, False
        return
    port = PORT if port is None else port
    url = f"http://{HOST}:{port}/api"
    is_taken = _is_taken(port)
    if is_taken:
        check_listener(url)
    if is_taken and not answers(url):
        raise LoopError(f"port {port} is taken by something that is no Prefect server: choose another --port")
    if not is_taken and not start:
        advice = f"{program('prefect')} server start"
        raise LoopError(f"no Prefect server answers at {url}: start one with: {advice}")
    if is_taken:
        with _admitted(url, ", or choose another --port"):
            yield url, False
        return
    chosen = chosen_string()
    string = chosen or new_string()
    with _started(port, string, {}, meanwhile), nullcontext() if chosen else string_kept(url, string):
        yield url, True


@contextmanager
def some_api() -> Iterator[None]:
    """Prefect's client here talks to the configured API, or to a server that stops with the block."""
    if url := configured():
        with client_of(url):
            yield
        return
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    PRIVATE.add(f"http://{HOST}:{port}/api")
    with _started(port, new_string(), WITHOUT_PAGES):
        yield


@contextmanager
def _admitted(url: str, otherwise: str) -> Iterator[None]:
    from prefect.client.orchestration import get_client

    with client_of(url):
        try:
            with get_client(sync_client=True) as client:
                client.hello()
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.UNAUTHORIZED:
                raise
            raise LoopError(
                f"the Prefect server at {url} wants a password: set PREFECT_API_AUTH_STRING{otherwise}"
            ) from None
        yield


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def _started(
    port: int, string: str, settings: dict[str, str], meanwhile: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """A server on loopback that ends with this process, to which Prefect's client here talks.

    It is in a session of its own, so that an interrupt reaches us first, and reads a pipe of which we hold
    the other end, so that it knows when we were killed.
    """
    words = [sys.executable, "-m", "uvicorn", "--factory", f"{__package__}.app:create_app"]
    words += ["--host", HOST, "--port", str(port), "--log-level", "error"]
    url = f"http://{HOST}:{port}/api"
    environment = os.environ | settings | {"PREFECT_SERVER_API_AUTH_STRING": string}
    environment |= {"PREFECT_SERVER_UI_API_URL": "/api", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ""}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            meanwhile()
            _wait(process, url, string, log)
            with client_of(url, string):
                yield
        finally:
            _stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, string: str, log: IO[bytes]) -> None:
    """Until the server that answers is our own: another start may win the port meanwhile."""
    deadline = time.monotonic() + START_SEC
    while (has_ended := process.poll() is not None) or not _is_ours(url, string):
        if has_ended and answers(url):
            raise LoopError(f"another start has won {url} meanwhile: the same command now uses its server")
        if has_ended or time.monotonic() > deadline:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise LoopError(f"Prefect's server did not start: {lines[-1] if lines else 'it said nothing'}")
        time.sleep(0.2)


def _is_ours(url: str, string: str) -> bool:
    """Whether the server that answers takes the string, which another user's is not even shown."""
    if not answers(url):
        return False
    check_listener(url)
    return admits(url, string)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SEC)
            break
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
