"""A folder that one export at a time writes to, by whole files only."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import DatasetError
from ..files import is_temporary, named_errors, sync, temporary_beside, writer_is_gone


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
    with named_errors(folder, "cleaned"):
        for path in folder.rglob(".*.tmp"):
            if is_temporary(path.name) and writer_is_gone(path.name):
                path.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to; what is written takes the place of `path`, synced, when all went well.

    Raises DatasetError, and leaves `path` as it was, where the disk refuses.
    """
    with temporary_beside(path) as aside, named_errors(path, "written"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            sync(aside)
            aside.replace(path)
            sync(path.parent)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DatasetError(f"{folder} is being written by another export; wait until it is done") from None
