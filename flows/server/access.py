"""Who may speak to a Prefect server that was started here: whoever can read its string.

The string is made at each start, is Prefect's own authentication string (`user:password`), and stands in a
file that only the user can read. Prefect's client in this process and in those it starts shows it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from ...loop.errors import LoopError
from ..environment import kept_string, string_file
from .ask import TIMEOUT_SEC

LISTENS = "0A"
"""As the kernel's tables of sockets have it."""


def new_string() -> str:
    """A name and a password that nobody knows yet, as Prefect writes them."""
    return f"pacloop:{secrets.token_urlsafe(32)}"


def chosen_string() -> str | None:
    """The string that the user has set for the servers that they start; it is kept in no file."""
    from prefect.settings import PREFECT_SERVER_API_AUTH_STRING

    return PREFECT_SERVER_API_AUTH_STRING.value()


@contextmanager
def string_kept(url: str, string: str) -> Iterator[None]:
    """The string of the server of our own at `url` is in its file while inside.

    Call it once that server listens: before, another start may win the port, and the file is of whoever did.
    """
    file = string_file(url)
    assert file, "a server is started on loopback"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(string)
    try:
        yield
    finally:
        if kept_string(url) == string:
            file.unlink(missing_ok=True)


def string_of(url: str) -> str | None:
    """The string that the API at `url` takes: the configured one, or the one in its server's file."""
    from prefect.settings import PREFECT_API_AUTH_STRING

    configured, kept = PREFECT_API_AUTH_STRING.value(), kept_string(url)
    return configured if not kept or (configured and admits(url, configured)) else kept


def admits(url: str, string: str | None) -> bool:
    """Whether the API at `url` answers who shows this string, or none."""
    name, _, password = (string or "").partition(":")
    with suppress(httpx.HTTPError):
        answer = httpx.get(
            f"{url}/admin/version", auth=(name, password) if string else None, timeout=TIMEOUT_SEC
        )
        return answer.status_code != httpx.codes.UNAUTHORIZED
    return False


def check_listener(url: str) -> None:
    """Raise LoopError where another user of this machine listens there, as far as the kernel tells.

    Root is trusted. Whoever listens is told the string, and what it answers is run.
    """
    port, others = urlsplit(url).port, set[int]()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            address, state, owner = (line.split()[column] for column in (1, 3, 7))
            if state == LISTENS and int(address.rpartition(":")[2], 16) == port:
                others |= {int(owner)} - {os.getuid(), 0}
    if others:
        raise LoopError(
            f"what listens at {url} belongs to another user of this machine (uid {others.pop()}): "
            f"choose another --port, or, if you trust it, say so with: export PREFECT_API_URL={url}"
        )


@contextmanager
def client_of(url: str, string: str | None = None) -> Iterator[None]:
    """Prefect's client in this process, and in those it starts, talks to this API, and shows its string."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    values: dict[Any, str] = {PREFECT_API_URL: url}
    if string := string or string_of(url):
        values[PREFECT_API_AUTH_STRING] = string
    before = {setting.name: os.environ.get(setting.name) for setting in values}
    os.environ.update({setting.name: value for setting, value in values.items()})
    try:
        with temporary_settings(values):
            yield
    finally:
        for name in before:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if value is not None})
