"""What goes wrong while a workspace is held: a sentence on the screen, everything else in a file."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ...datasets.errors import PacloopError
from ...loop.workspace.workspace import Workspace

OFF = logging.CRITICAL + 1


@contextmanager
def logged(space: Workspace) -> Iterator[None]:
    """Errors that libraries log while inside, and the traceback of what is raised, go to a file of `logs/`.

    There is none where nothing went wrong. What is raised has a note that names the file; a sentence for
    the user that no library remarked on has neither.
    """
    path = space.folder / "logs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    file = _File(path, delay=True)
    file.setLevel(logging.ERROR)
    file.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in (None, "prefect._internal")]
    screens = [handler for logger in loggers for handler in logger.handlers if _prefects(handler)]
    levels = [handler.level for handler in screens]
    for logger in loggers:
        logger.addHandler(file)
    for screen in screens:
        screen.setLevel(OFF)
    try:
        yield
    except Exception as error:
        if path.exists() or not isinstance(error, PacloopError):
            trace = (type(error), error, error.__traceback__)
            file.handle(logging.LogRecord("pacloop", logging.ERROR, "", 0, "%s", (error,), trace))
        if path.exists():
            error.add_note(f"all of it is in {path}")
        raise
    finally:
        for screen, level in zip(screens, levels):
            screen.setLevel(level)
        for logger in loggers:
            logger.removeHandler(file)
        file.close()


class _File(logging.FileHandler):
    """A log that makes its folder with its first line, and is none where the disk takes nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        with suppress(OSError):
            Path(self.baseFilename).parent.mkdir(exist_ok=True)
            super().emit(record)


def _prefects(handler: logging.Handler) -> bool:
    """Whether Prefect writes to the screen by it."""
    return isinstance(handler, logging.StreamHandler) and type(handler).__module__.startswith("prefect.")
