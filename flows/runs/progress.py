"""Progress of a stage in Prefect's UI while it runs: one progress artifact a stage and run, kept up to date.

A thread of its own tells Prefect, every few seconds and only the latest: neither a slow server nor one that
does not answer holds up the work.
"""

import re
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from threading import Condition, Thread
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.runtime import flow_run, task_run

from ...loop.progress import Progress

EVERY_SEC = 3.0
LAST_SEC = 5.0
"""How long the end of a stage waits for Prefect to hear of it."""


@dataclass(frozen=True)
class News:
    """How far a stage of a run is.

    Attributes:
      stage: its name.
      percent: done, 0 to 100.
      text: in words.
      flow_run: id of the run that does it.
      task_run: id of its task; None outside of any.
    """

    stage: str
    percent: float
    text: str
    flow_run: str
    task_run: str | None

    @property
    def key(self) -> str:
        """The artifact's key: the same in every run."""
        return f"progress-{self.stage}"


class Live:
    """Tells a progress on, and Prefect of it, for as long as it is open."""

    def __init__(self, progress: Progress) -> None:
        """Begin to tell."""
        self._progress = progress
        self._waiting: dict[str, News] = {}
        self._known: dict[tuple[str, str], UUID] = {}
        self._changed, self._open = Condition(), True
        context = copy_context()  # where Prefect keeps its settings
        self._thread = Thread(target=context.run, args=(self._tell,), name="progress-to-prefect", daemon=True)
        self._thread.start()

    def __call__(self, what: str, done: int, total: int, note: str) -> None:
        """Tell on; Prefect hears of it soon, if this is part of a run."""
        self._progress(what, done, total, note)
        run = flow_run.get_id()
        if run is None or total <= 0:
            return
        text = f"{what}: {done} of {total}" + (f", {note}" if note else "")
        news = News(stage_of(what), 100.0 * done / total, text, str(run), task_run.get_id())
        with self._changed:
            self._waiting[news.key] = news
            if done >= total:
                self._changed.notify()

    def close(self) -> None:
        """Tell the last, and end."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join(LAST_SEC)

    def _tell(self) -> None:
        still = True
        while still:
            with self._changed:
                if self._open:
                    self._changed.wait(EVERY_SEC)
                still, waiting = self._open, list(self._waiting.values())
                self._waiting = {}
            for news in waiting:
                with suppress(Exception), get_client(sync_client=True) as client:
                    self._put(client, news)

    def _put(self, client: SyncPrefectClient, news: News) -> None:
        known = self._known.get((news.key, news.flow_run))
        if known:
            client.update_artifact(known, ArtifactUpdate(data=news.percent, description=news.text))
            return
        made = client.create_artifact(
            ArtifactCreate(
                key=news.key,
                type="progress",
                data=news.percent,
                description=news.text,
                flow_run_id=UUID(news.flow_run),
                task_run_id=UUID(news.task_run) if news.task_run else None,
            )
        )
        self._known[(news.key, news.flow_run)] = made.id


def stage_of(what: str) -> str:
    """The stage that something is part of: `race` for `race-n8`, `final` for `final-r002-pac`."""
    return "evaluate" if what.startswith("manual") else re.split(r"[^a-z]", what, maxsplit=1)[0]
