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

from ...loop.errors import LoopError
from ..environment import program
from .ask import answers, configured

HOST, PORT = "127.0.0.1", 4200
START_SEC = 120.0
"""Deadline for a server to answer; a fresh database takes some 20 s on two cores."""
STOP_SEC = 10.0
"""After so long a server that was asked to stop is killed."""


@contextmanager
def prefect_server(
    port: int | None = None, *, start: bool = True, meanwhile: Callable[[], object] = lambda: None
) -> Iterator[tuple[str, bool]]:
    """The URL of a Prefect API that answers, and whether it was started here and stops with the block.

    A port wins over the configured API. Where nothing answers and `start` is true, a server is started, and
    `meanwhile` is called while it starts, which takes seconds. Raises LoopError where a configured API does
    not answer, the port is taken by something else, or nothing answers and none may be started.
    """
    if port is None and (url := configured()):
        if not answers(url):
            raise LoopError(
                f"PREFECT_API_URL is {url}, but no Prefect server answers there: "
                "start it, or choose a local one with --port"
            )
        yield url, False
        return
    port = PORT if port is None else port
    url = f"http://{HOST}:{port}/api"
    is_taken = _is_taken(port)
    if is_taken and not answers(url):
        raise LoopError(f"port {port} is taken by something that is no Prefect server: choose another --port")
    if not is_taken and not start:
        advice = f"{program('prefect')} server start"
        raise LoopError(f"no Prefect server answers at {url}: start one with: {advice}")
    with nullcontext() if is_taken else _started(port, url, meanwhile), _settings(url):
        yield url, not is_taken


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def _settings(url: str) -> Iterator[None]:
    """Prefect's client in this process, and in those it starts, talks to this API."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    os.environ["PREFECT_API_URL"] = url
    with temporary_settings({PREFECT_API_URL: url}):
        yield


@contextmanager
def _started(port: int, url: str, meanwhile: Callable[[], object]) -> Iterator[None]:
    """A server on loopback, in a session of its own, so that an interrupt reaches us first."""
    words = [sys.executable, "-m", "uvicorn", "--factory", f"{__package__}.middleware:create_app"]
    words += ["--host", HOST, "--port", str(port), "--log-level", "error"]
    environment = os.environ | {"PREFECT_SERVER_UI_API_URL": url}  # without it, the UI asks port 4200
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            meanwhile()
            _wait(process, url, log)
            yield
        finally:
            _stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SEC
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise LoopError(f"Prefect's server did not start: {lines[-1] if lines else 'it said nothing'}")
        time.sleep(0.2)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SEC)
            break
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
