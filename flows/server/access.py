"""Who may speak to a Prefect server that was started here: whoever can read its string.

The string is made at each start, is Prefect's own authentication string (`user:password`), and stands in a
file that only the user can read. Prefect's client in this process and in those it starts shows it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from ..environment import kept_string, string_file
from .ask import TIMEOUT_SEC


def new_string() -> str:
    """A name and a password that nobody knows yet, as Prefect writes them."""
    return f"pacloop:{secrets.token_urlsafe(32)}"


@contextmanager
def string_kept(url: str) -> Iterator[str]:
    """The string of a server that is to be at `url`, which is in its file while inside.

    Where the user has set one for the servers that they start it is that one, and in no file.
    """
    from prefect.settings import PREFECT_SERVER_API_AUTH_STRING

    if chosen := PREFECT_SERVER_API_AUTH_STRING.value():
        yield chosen
        return
    file, string = string_file(url), new_string()
    assert file, "a server is started on loopback"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(string)
    try:
        yield string
    finally:
        file.unlink(missing_ok=True)


def _string_of(url: str) -> str | None:
    """The string that the API at `url` takes: the configured one, or the one in its server's file."""
    from prefect.settings import PREFECT_API_AUTH_STRING

    configured, kept = PREFECT_API_AUTH_STRING.value(), kept_string(url)
    return configured if not kept or (configured and _admits(url, configured)) else kept


def _admits(url: str, string: str) -> bool:
    name, _, password = string.partition(":")
    with suppress(httpx.HTTPError):
        answer = httpx.get(f"{url}/admin/version", auth=(name, password), timeout=TIMEOUT_SEC)
        return answer.status_code != httpx.codes.UNAUTHORIZED
    return False


@contextmanager
def client_of(url: str, string: str | None = None) -> Iterator[None]:
    """Prefect's client in this process, and in those it starts, talks to this API, and shows its string."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    values: dict[Any, str] = {PREFECT_API_URL: url}
    if string := string or _string_of(url):
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
