"""One loop per workspace: a lease that dies with its holder.

The lease is a lock on a file that the kernel lets go when the holder dies, however it dies; the
file's text only tells others whom they wait for. For a workspace in a bucket that keeps apart the processes
of one machine, and `bucket_lease.py` the machines.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...datasets.files import named_errors, remove_dead
from ..errors import InUse
from ..progress import Progress, silent
from .bucket_lease import claim, claimed_by
from .lease_holder import Holder, in_use, parse_holder, this_process
from .local_copy import ROOMS
from .workspace import Workspace

LEASE = "lease.json"
LEFT = (".*.tmp", *(f"{room}/**/.*.tmp" for room in ROOMS))
"""Where a killed holder leaves small files half-written."""


@contextmanager
def hold(space: Workspace, progress: Progress = silent) -> Iterator[None]:
    """Hold a workspace while inside, wherever it is. Raises InUse, naming the holder, where another does.

    The local copy of one in a bucket is brought up to date, and from then on nobody else writes rounds.
    """
    with lease(space.folder, space.place):
        if not space.copy:
            yield
            return
        with claim(space.copy, progress):
            space.pull()
            yield


def at_work(space: Workspace) -> str | None:
    """Who holds a workspace now, in words; None where nobody does."""
    local = current_holder(space.folder)
    return claimed_by(space.copy) if space.copy and not local else local


@contextmanager
def lease(folder: Path, place: str = "") -> Iterator[None]:
    """Hold a folder while inside. Raises InUse, naming `place` and its holder, where somebody else does.

    What dead holders were writing outside its datasets, which clean up themselves, is removed.
    """
    with (folder / LEASE).open("ab+") as file:
        while not _lock(file, fcntl.LOCK_EX):
            if not _lock(file, fcntl.LOCK_SH):
                raise InUse(in_use(place or str(folder), _read(file)))
            fcntl.flock(file, fcntl.LOCK_UN)  # nobody holds it: others only look whether somebody does
            time.sleep(0.01)
        file.truncate(0)
        file.write(this_process().to_json())
        file.flush()
        remove_dead(path for pattern in LEFT for path in folder.glob(pattern))
        try:
            yield
        finally:
            file.truncate(0)


def current_holder(folder: Path) -> str | None:
    """Who holds the workspace now, in words; None where nobody does."""
    if not (folder / LEASE).exists():
        return None
    with (folder / LEASE).open("rb") as file:
        return None if _lock(file, fcntl.LOCK_SH) else _read(file).in_words()


def _lock(file: IO[bytes], kind: int) -> bool:
    """Whether the lock was free. Raises DatasetError, naming the file, where the file system has no locks."""
    with named_errors(file.name, "locked"):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _read(file: IO[bytes]) -> Holder:
    file.seek(0)
    return parse_holder(file.read()) or Holder()
