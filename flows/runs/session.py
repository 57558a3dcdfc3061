"""What the flows of one process share while they hold a workspace: its lease, collectors and progress."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING

from ...loop.episodes.play import Session
from ...loop.progress import Progress, silent
from ...loop.stages.mirror import import_tfds
from ...loop.workspace.config import Config
from ...loop.workspace.copied import settle
from ...loop.workspace.lease import hold
from ...loop.workspace.workspace import Workspace
from .dead import marked
from .log import logged
from .progress import ProgressReporter

if TYPE_CHECKING:
    from ...actors.rollout.collector import CollectorPool


PAGES: list[Thread] = []
"""Those of rounds that have ended and are still being made; `improve` waits for them."""
SESSION: ContextVar[Session] = ContextVar("session")
"""That of this process, which its flows use."""


@contextmanager
def session(space: Workspace, progress: Progress = silent) -> Iterator[Session]:
    """Hold a workspace for the flows of this process: its lease, and collectors once they are needed.

    Raises InUse where another process holds it.
    """
    import_tfds(space)
    with hold(space, progress), ExitStack() as stack:
        stack.enter_context(logged(space))
        settle(space)
        stack.enter_context(marked(space))
        space.make_store(space.task.schema).clean()
        reporter = stack.enter_context(closing(ProgressReporter(progress)))
        pool = cache(lambda: stack.enter_context(closing(_collectors(space.config))))
        opened = Session(space, pool, reporter)
        before = SESSION.set(opened)
        try:
            yield opened
        finally:
            PAGES.clear()
            SESSION.reset(before)


def _collectors(config: Config) -> "CollectorPool":
    from ...actors.rollout.collector import CollectorPool

    settings = config.collect.model_dump(include={"actors", "environments", "deadline_sec"})
    return CollectorPool(config.task, **settings)
