"""Progress of a stage in Prefect's UI while it runs: one progress artifact a stage and run, kept up to date.

A thread of its own tells Prefect, every few seconds and only the latest: neither a slow server nor one that
does not answer holds up the work.
"""

import re
from contextlib import suppress
from contextvars import Context, copy_context
from threading import Event, Thread
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.context import SyncClientContext
from prefect.runtime import flow_run

from ...loop.errors import Withdrawn
from ...loop.progress import Progress

EVERY_SEC = 3.0
LAST_SEC = 5.0
"""How long the end of a stage waits for Prefect to hear of it."""


class ProgressReporter:
    """Passes progress on, and reports it to Prefect, for as long as it is open."""

    def __init__(self, progress: Progress) -> None:
        """Begin to report."""
        self._progress = progress
        self._latest: dict[str, tuple[Context, float, str]] = {}
        self._artifacts: dict[tuple[str, str | None], UUID] = {}
        self._last: str | None = None
        """The run that made progress last, which is looked at while an episode takes long, too."""
        self._cancelled: set[str] = set()
        self._due, self._open = Event(), True
        self._thread = Thread(target=self._run, name="progress-to-prefect", daemon=True)
        self._thread.start()

    def __call__(self, what: str, done: int, total: int, note: str) -> None:
        """Pass on; Prefect hears of it soon, if this is part of a run.

        Raises Withdrawn where somebody has cancelled the run, which stops nothing else.
        """
        self._progress(what, done, total, note)
        run = self._last = flow_run.get_id()
        if run in self._cancelled:
            raise Withdrawn(f"{stage_of(what)} was cancelled; what was finished is kept")
        if run is None or total <= 0:
            return
        text = f"{what}: {done} of {total}" + (f", {note}" if note else "")
        self._latest[f"progress-{stage_of(what)}"] = copy_context(), 100.0 * done / total, text
        if done >= total:
            self._due.set()

    def close(self) -> None:
        """Report the last, and end."""
        self._open = False
        self._due.set()
        self._thread.join(LAST_SEC)

    def _run(self) -> None:
        while self._open or self._latest:
            self._due.wait(EVERY_SEC)
            self._due.clear()
            for key in list(self._latest):
                context, percent, text = self._latest.pop(key)
                with suppress(Exception):
                    context.run(self._publish, key, percent, text)
            with suppress(Exception):
                self._look(self._last)

    def _publish(self, key: str, percent: float, text: str) -> None:
        """Runs in the context of the work, from which Prefect takes the flow run and the task run."""
        run = flow_run.get_id()
        artifact = self._artifacts.get((key, run))
        # Clients of its own: the run's is another thread's, and closed when the run ends.
        with SyncClientContext(httpx_settings={}):
            if artifact:
                update_progress_artifact(artifact, percent, text)
            else:
                self._artifacts[key, run] = create_progress_artifact(percent, key, text)  # pyright: ignore[reportArgumentType]

    def _look(self, run: str | None) -> None:
        """Whether somebody has cancelled a run."""
        if run is None:
            return
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(run)).state
        if state and (state.is_cancelling() or state.is_cancelled()):
            self._cancelled.add(run)


def stage_of(what: str) -> str:
    """The stage that something is part of: `race` for `race-n8`, `final` for `final-r002-pac`."""
    return "evaluate" if what.startswith("manual") else re.split(r"[^a-z]", what, maxsplit=1)[0]
