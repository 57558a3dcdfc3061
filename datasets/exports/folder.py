"""A folder that one export at a time writes to, by whole files only."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import DatasetError
from ..files import named_errors, remove_dead


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other exports out of `folder`, made where there is none, and unmade where nothing came into it.

    The lock is the kernel's, on the folder itself: it ends with its holder and leaves nothing behind.
    Raises DatasetError where another export is at work, or `folder` is no folder.
    """
    with named_errors(folder, "made"):
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)
        with suppress(OSError):  # a folder that is not empty stays
            for path in made:
                path.rmdir()


def clean(folder: Path) -> None:
    """Remove what killed exports of this host left half-written in an export's folder."""
    with named_errors(folder, "listed"):
        remove_dead(folder.rglob(".*.tmp"))


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DatasetError(f"{folder} is being written by another export; wait until it is done") from None
