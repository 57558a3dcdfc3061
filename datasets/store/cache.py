"""Local copies of a bucket's data files, in a folder of bounded size, for memory-mapping.

    <folder>/<batch>/steps.arrow, episodes.arrow    fetched when first asked for

The least recently used make way, except those in use by this process. A file that somebody has mapped
stays readable when it is removed; one that another process was just told of is left for a while, so that
it can be mapped.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from ..files import replacing

JUST_USED_SEC = 10.0
"""A file that another process asked for so recently may not be mapped yet."""

SUFFIX = ".arrow"


class Cache:
    """Files of batches. May exceed its bound by the files in use and the one that was fetched last."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Use `folder`, made where there is none, for up to `limit` bytes."""
        self._folder, self._limit = folder, limit
        self._mine: dict[Path, int] = {}  # when this process used a file last: another's use looks different
        self._size: int | None = None
        self._lock = Lock()
        self.in_use: frozenset[str] = frozenset()

    def file(self, batch_id: str, name: str, fetch: Callable[[Path], None]) -> Path:
        """The local copy of a file; where there is none, `fetch` writes it first.

        Raises DatasetError, and leaves nothing, where `fetch` does or the disk refuses.
        """
        path = self._folder / batch_id / name
        if not self._touch(path):
            with replacing(path, parents=True, cached=True) as aside:
                fetch(aside)
            self.added(path)
        return path

    def added(self, path: Path) -> None:
        """Count a new file, and make others give way where they must."""
        self._touch(path)
        with self._lock:
            if self._size is not None:
                self._size += path.stat().st_size
            if self._size is None or self._size > self._limit:
                self._evict(path)

    def forget(self, batch_id: str, suffix: str = "") -> None:
        """Remove the files of a batch; with a `suffix` those only."""
        for path in (self._folder / batch_id).glob(f"[!.]*{suffix}"):
            path.unlink(missing_ok=True)

    def _touch(self, path: Path) -> bool:
        """Note that a file is used now; False where there is none."""
        now = time.time_ns()
        try:
            os.utime(path, ns=(now, now))
        except FileNotFoundError:
            return False
        self._mine[path] = now
        return True

    def _evict(self, newest: Path) -> None:
        files = []
        for path in self._folder.glob(f"[!.]*/[!.]*{SUFFIX}"):
            with suppress(FileNotFoundError):  # another process has removed it
                files.append((path, path.stat()))
        size = sum(stat.st_size for _, stat in files)
        for path, stat in sorted(files, key=lambda pair: pair[1].st_mtime_ns):
            if size <= self._limit:
                break
            theirs = self._mine.get(path) != stat.st_mtime_ns
            age_sec = abs(time.time() - stat.st_mtime)  # a clock may have been set back
            if path == newest or path.parent.name in self.in_use or (theirs and age_sec < JUST_USED_SEC):
                continue
            path.unlink(missing_ok=True)
            size -= stat.st_size
        self._size = size
