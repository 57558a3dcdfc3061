"""One loop per workspace: a lease that dies with its holder.

The lease is a lock on a file that the kernel lets go when the holder dies, however it dies; the
file's text only tells others whom they wait for. For a workspace in a bucket that keeps apart the processes
of one machine, and `claim.py` the machines.
"""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..errors import InUse
from ..progress import Progress, silent
from .claim import claim, claimed_by, in_use, in_words
from .workspace import Workspace


@contextmanager
def hold(space: Workspace, progress: Progress = silent) -> Iterator[None]:
    """Hold a workspace while inside, wherever it is. Raises InUse, naming the holder, where another does.

    The local copy of one in a bucket is brought up to date, and from then on nobody else writes rounds.
    """
    with lease(space.folder, space.place):
        if not space.copy:
            yield
            return
        with claim(space.copy, me(), progress):
            space.pull()
            yield


def at_work(space: Workspace) -> str | None:
    """Who holds a workspace now, in words; None where nobody does."""
    local = current_holder(space.folder)
    return claimed_by(space.copy) if space.copy and not local else local


@contextmanager
def lease(folder: Path, place: str = "") -> Iterator[None]:
    """Hold a folder while inside. Raises InUse, naming `place` and its holder, where somebody else does."""
    path = folder / "lease.json"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(in_use(place or str(folder), holder(path))) from None
        file.truncate(0)
        file.write(json.dumps(me(), indent=2) + "\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def current_holder(folder: Path) -> str | None:
    """Who holds the workspace now, in words; None where nobody does."""
    path = folder / "lease.json"
    if not path.exists():
        return None
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder(path)
    return None


def holder(path: Path) -> str:
    """Who wrote the lease, in words."""
    try:
        return in_words(json.loads(path.read_text()))
    except (OSError, ValueError):
        return "another process"


def me() -> dict[str, str | int]:
    """What a holder says of itself."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
