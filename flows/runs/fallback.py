"""Rounds while Prefect's API is away or refuses: the loop goes on, and the UI catches up if it can."""

import time
from collections.abc import Callable
from typing import Any

from httpx import HTTPStatusError, TransportError
from prefect.exceptions import ObjectNotFound

from ...loop.workspace.workspace import Workspace
from ..server.ask import answers, configured
from ..server.start import PRIVATE, some_api
from .dead import close_dead_runs

BACK_SEC = 120.0
"""After so long without an answer, a round is played that Prefect does not show."""
POLL_SEC = 2.0
TRIES = 3
"""So often a part of the loop is shown to Prefect anew."""
UNREACHED = "Failed to reach API"
"""What Prefect's client says, as a RuntimeError, where its first request finds nobody."""


def with_fallback(
    space: Workspace, flow: Callable[..., Any], plain: Callable[..., Any]
) -> Callable[..., Any]:
    """Play `flow`, and again where Prefect failed meanwhile; `plain` where it fails again or stays away.

    To play again costs no work: each stage finds what it has finished. The run that the API lost is closed.
    """

    def play(*arguments: Any) -> Any:
        why = ""
        for _ in range(TRIES):
            try:
                with some_api():  # one that was started anew has another string
                    return flow(*arguments)
            except Exception as error:
                if not (why := failure(error)):
                    raise
                if is_away(error):
                    print(f"Prefect's API is away ({why}); the loop goes on", flush=True)
                    if not _api_is_back():
                        break
                close_dead_runs(space)
        print(f"Prefect cannot show what goes on ({why}), so it is played without", flush=True)
        return plain(*arguments)

    return play


def failure(error: Exception) -> str:
    """What went wrong between Prefect's client and its API, in short; empty for any other error."""
    if isinstance(error, HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    ours = isinstance(error, TransportError | ObjectNotFound) or is_away(error)
    return type(error).__name__ if ours else ""


def is_away(error: Exception) -> bool:
    """Whether the API cannot be reached or is out of order, which may pass; a refusal does not."""
    if isinstance(error, HTTPStatusError):
        return error.response.is_server_error
    unreached = isinstance(error, RuntimeError) and UNREACHED in str(error)
    return isinstance(error, TransportError) or unreached


def _api_is_back() -> bool:
    """Whether the API answers before the deadline; a server of our own that has ended never comes back."""
    url, deadline = configured(), time.monotonic() + BACK_SEC
    while url:
        if answers(url):
            return True
        if url in PRIVATE or time.monotonic() > deadline:
            return False
        time.sleep(POLL_SEC)
    return False
