"""One loop per workspace: a lease that dies with its holder.

The lease is a lock on a file that the kernel lets go when the holder dies, however it dies; the
file's text only tells others whom they wait for.
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

from .errors import InUse


@contextmanager
def lease(folder: Path) -> Iterator[None]:
    """Hold the workspace while inside. Raises InUse, naming the holder, where somebody else does."""
    path = folder / "lease.json"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"{folder} is in use by {holder(path)}; stop it, or wait until it is done") from None
        file.truncate(0)
        file.write(json.dumps(_me(), indent=2) + "\n")
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
        data = json.loads(path.read_text())
        return f"process {data['pid']} on {data['host']} ({data['command']}, since {data['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def _me() -> dict[str, str | int]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
