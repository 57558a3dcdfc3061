"""A Prefect server to talk to: the configured one, one that runs already, or one of our own."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO

from ...loop.errors import LoopError

HOST, PORT = "127.0.0.1", 4200
START_SEC = 120.0
"""Deadline for a server to answer; a fresh database takes some 20 s on two cores."""
STOP_SEC = 10.0
"""After so long a server that was asked to stop is killed."""


@contextmanager
def prefect_server(port: int | None = None, *, start: bool = True) -> Iterator[tuple[str, bool]]:
    """The URL of a Prefect API that answers, and whether it was started here and stops with the block.

    A port wins over the configured API. Raises LoopError where a configured API does not answer, the port
    is taken by something else, or nothing answers and none may be started.
    """
    named = None if port is not None else configured()
    if named:
        if not answers(named):
            raise LoopError(
                f"PREFECT_API_URL is {named}, but no Prefect server answers there: "
                "start it, or choose a local one with --port"
            )
        yield named, False
        return
    port = PORT if port is None else port
    url = f"http://{HOST}:{port}/api"
    if _taken(port):
        if not answers(url):
            raise LoopError(
                f"port {port} is taken by something that is no Prefect server: choose another --port"
            )
        with _settings(url):
            yield url, False
        return
    if not start:
        raise LoopError(f"no Prefect server answers at {url}: start one with: prefect server start")
    with _started(port, url), _settings(url):
        yield url, True


def configured() -> str | None:
    """What the environment or Prefect's profile names."""
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value()


@contextmanager
def _settings(url: str) -> Iterator[None]:
    """Prefect's client in this process, and in those it starts, talks to this API."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    os.environ["PREFECT_API_URL"] = url
    with temporary_settings({PREFECT_API_URL: url}):
        yield


@contextmanager
def _started(port: int, url: str) -> Iterator[None]:
    """A server on loopback, in a session of its own, so that an interrupt reaches us first."""
    words = [sys.executable, "-m", "uvicorn", "--factory", f"{__package__}.middleware:create_app"]
    words += ["--host", HOST, "--port", str(port), "--log-level", "error"]
    told = os.environ | {"PREFECT_SERVER_UI_API_URL": url}  # without it, the UI asks port 4200
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=told, start_new_session=True
        )
        try:
            import_module("..runs.deployments", __package__)  # takes seconds, and so does the server
            _wait(process, url, log)
            yield
        finally:
            _stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SEC
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            raise LoopError(f"Prefect's server did not start: {said[-1] if said else 'it said nothing'}")
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


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def ui_address(url: str) -> str:
    """Where the UI's pages are: a Prefect server has a new UI, an old one, or both."""
    site = url.removesuffix("/api")
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{site}/ui-settings", timeout=5) as answer:
        found = json.load(answer)
        if "v2" in found.get("available_uis", ()):
            return site + found["v2_base_url"].rstrip("/")
    return site


def answers(url: str) -> bool:
    """Whether a Prefect API is well; it says 503 now and then, which the caller asks again."""
    for wait_sec in (0.0, 0.5, 1.0):
        time.sleep(wait_sec)
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                return answer.read().strip() == b"true"
        except urllib.error.HTTPError as error:
            if error.code != 503:
                return False
        except (OSError, ValueError):
            return False
    return False
