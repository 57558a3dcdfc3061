"""What the flows of one process share while they hold a workspace: its lease, collectors and progress."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING

from ...loop.episodes.play import Session
from ...loop.progress import Progress, silent
from ...loop.stages.mirror import import_tfds
from ...loop.workspace.config import Config
from ...loop.workspace.lease import hold
from ...loop.workspace.place import address_of
from ...loop.workspace.workspace import Workspace
from .progress import ProgressReporter

if TYPE_CHECKING:
    from ...actors.rollout.collector import CollectorPool


PAGES: list[Thread] = []
"""Those of rounds that have ended and are still being made; the session waits for them."""

_session: Session | None = None


@contextmanager
def session(space: Workspace, progress: Progress = silent) -> Iterator[Session]:
    """Hold a workspace for the flows of this process: its lease, and collectors once they are needed.

    Raises InUse where another process holds it.
    """
    global _session
    import_tfds(space)
    with hold(space, progress), ExitStack() as stack:
        space.make_store(space.task.schema).clean()
        reporter = stack.enter_context(closing(ProgressReporter(progress)))
        pool = cache(lambda: stack.enter_context(closing(_collectors(space.config))))
        _session = Session(space, pool, reporter)
        try:
            yield _session
            for page in PAGES:
                page.join()
        finally:
            PAGES.clear()
            _session = None


@contextmanager
def session_of(workspace: str) -> Iterator[Session]:
    """The session of this process, if it is of that workspace, or a new one."""
    if _session is not None and _session.space.address == address_of(workspace):
        yield _session
    else:
        with session(Workspace.open(workspace)) as opened:
            yield opened


def _collectors(config: Config) -> "CollectorPool":
    from ...actors.rollout.collector import CollectorPool

    settings = config.collect
    return CollectorPool(
        config.task,
        actors=settings.actors,
        environments=settings.environments,
        deadline_sec=settings.deadline_sec,
    )
