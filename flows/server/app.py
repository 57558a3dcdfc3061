"""Prefect's server as it is started here, for uvicorn's `--factory`."""

import os
import signal
import time
from threading import Thread

from .guard import with_entrance, with_guard
from .middleware import App, with_content_policy, with_retries

STOP_SEC = 10.0
"""So long a server may take to stop by itself, once nobody needs it."""


def create_app() -> App:
    """Prefect's server, guarded; it ends with the process that holds the other end of its input."""
    from prefect.server.api.server import create_app

    Thread(target=_end_with_input, daemon=True).start()
    return with_guard(with_content_policy(with_entrance(with_retries(create_app(final=True)))))


def _end_with_input() -> None:
    """A pipe closes with the process that held it, however that ended."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SEC)
    os.kill(os.getpid(), signal.SIGKILL)
