"""Rounds while Prefect's API is away: the loop goes on, and the UI catches up once it is back."""

import time
from collections.abc import Callable
from typing import Any

from httpx import HTTPStatusError, TransportError

from ...loop.workspace.workspace import Workspace
from ..server.ask import answers, configured
from ..server.start import PRIVATE, some_api
from .dead import close_dead_runs

BACK_SEC = 120.0
"""After so long without an answer, a round is played that Prefect does not show."""
POLL_SEC = 2.0
UNREACHED = "Failed to reach API"
"""What Prefect's client says, as a RuntimeError, where its first request finds nobody."""


def with_fallback(
    space: Workspace, flow: Callable[..., Any], plain: Callable[..., Any]
) -> Callable[..., Any]:
    """Play `flow`, and play it again where Prefect's API was away meanwhile; `plain` where it stays away.

    To play again costs no work: each stage finds what it has finished. The run that the API lost is closed.
    """

    def play(*arguments: Any) -> Any:
        while True:
            try:
                with some_api():  # one that was started anew has another string
                    return flow(*arguments)
            except (TransportError, HTTPStatusError, RuntimeError) as error:
                if isinstance(error, RuntimeError) and UNREACHED not in str(error):
                    raise
                print(f"Prefect's API is away ({type(error).__name__}); the loop goes on", flush=True)
                if not _api_is_back():
                    return plain(*arguments)
                close_dead_runs(space)

    return play


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
