"""A workspace in a bucket: the bucket is the truth, each machine works in a local copy of the small files.

    <PACLOOP_CACHE>/<name>-<hash of the url>/
        pacloop.toml, champion.json, identity.json, rounds/, evaluations/, policies/    as in the bucket
        versions.json    which content of each object that is
        cache/           of the dataset; and rlds/, curve.png, a learner's saved state: on this machine only

What is written goes to the bucket first, and only where the bucket still has what this process saw last:
nobody overwrites what he does not know. So no file here is ahead of the bucket; one that the bucket does not
have is removed. A policy's weights are fetched when they are asked for.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel

from ...datasets.errors import DatasetError
from ...datasets.files import (
    json_bytes,
    named_errors,
    parse_model,
    read_json,
    replacing,
    write_bytes_atomically,
)
from ...datasets.objects import Bucket, Object
from ..errors import LoopError
from .records import round_numbers

CONFIG, CHAMPION, IDENTITY, WEIGHTS = "pacloop.toml", "champion.json", "identity.json", "weights.safetensors"
ROOMS = ("rounds", "evaluations", "policies")
"""In the order in which they are listed: a policy is there before any record names it."""

THREADS = 8

Versions = dict[str, dict[str, str]]


class _Known(BaseModel):
    """What `versions.json` says: the copy's id, and which content each object has here."""

    id: str
    versions: Versions


def copies() -> Path:
    """Where this machine keeps its copies."""
    return Path(os.environ.get("PACLOOP_CACHE") or "~/.cache/pacloop").expanduser()


class LocalCopy:
    """The local copy of the workspace at a URL. Every method raises DatasetError where the bucket does."""

    def __init__(self, url: str) -> None:
        """Name the copy; no request is made, and nothing is written yet."""
        self.bucket = Bucket(url)
        self.url = self.bucket.url
        name = f"{self.url.rpartition('/')[2]}-{hashlib.sha256(self.url.encode()).hexdigest()[:8]}"
        self.folder = copies() / name
        self.before_write: Callable[[], None] = lambda: None
        """Raises where this process may not write any more."""
        self._seen: Versions = {}  # what this process has read or written last
        self._shared: dict[str, int] = {}  # when the figures that were shared last had been written

    @property
    def id(self) -> str:
        """What tells this copy from every other, also from one of a cloned disk or container.

        Equal for two processes only where a kernel's lock in the folder keeps them apart.
        """
        with self._locked() as data:
            folder = self.folder.stat()
            return f"{data['id']}-{_boot_id()}-{folder.st_dev}-{folder.st_ino}"

    def pull(self) -> None:
        """Bring the copy up to date; nothing is made where the bucket has no workspace."""
        if not self.folder.exists() and self.bucket.fetch(CONFIG) is None:
            return
        while not self._pull():
            pass  # another process of this machine wrote meanwhile

    def _pull(self) -> bool:
        """Make the copy what the bucket has, but for what changed here meanwhile; whether nothing did."""
        before = self._known()
        with ThreadPoolExecutor(THREADS) as threads:
            pointers = [(key, self.bucket.fetch(key)) for key in (CONFIG, CHAMPION, IDENTITY)]
            tags = {key: meta["e_tag"] for room in ROOMS for key, meta in self.bucket.list(room).items()}
            tags = {key: tag for key, tag in tags.items() if ".." not in key.split("/")}
            have = {key: seen.get("e_tag") for key, seen in before.items() if (self.folder / key).exists()}
            stale = [key for key, tag in reversed(tags.items()) if have.get(key) != tag]
            small = [key for key in stale if not key.endswith(WEIGHTS)]
            contents = [*zip(small, threads.map(self.bucket.fetch, small)), *pointers]
        contents = [*((key, None) for key in stale if key.endswith(WEIGHTS)), *contents]
        with self._locked() as data:
            versions: Versions = data["versions"]
            newer = {key for key in {*before, *versions} if before.get(key) != versions.get(key)}
            self._forget({*tags, *newer})
            for key in set(versions) - {*tags, *dict(pointers), *newer}:
                del versions[key]
            for key, content in contents:
                if key not in newer:
                    self._store(key, content, versions)
            self._seen = dict(versions)
        return not newer

    def current(self, key: str) -> Path:
        """The local path of an object, as it is now; there is no such file where there is no such object."""
        while True:
            before = self._known().get(key)
            content = self.bucket.fetch(key)
            with self._locked() as data:
                versions: Versions = data["versions"]
                if versions.get(key) == before:  # what another process of this machine keeps may be newer
                    self._store(key, content, versions)
                    self._seen[key] = versions.get(key, {})
                    return self.folder / key

    def write(self, key: str, raw: bytes) -> None:
        """Write an object, and then its copy. Raises LoopError where somebody else has written it."""
        if not self._replace(key, raw):
            raise LoopError(
                f"{self.bucket.place(key)} was written by somebody else meanwhile, and is left as it is: "
                "see what it says now, and try again"
            )

    def create(self, key: str, raw: bytes) -> bool:
        """Write an object that there is none of yet; False where there is."""
        if self.current(key).exists():
            return False
        created = self._replace(key, raw)
        if not created:
            self.current(key)
        return created

    def share_runs(self) -> None:
        """Let others see the figures of the last round's learner runs, as far as they have come."""
        last = max(round_numbers(self.folder), default=0)
        for path in sorted(self.folder.glob(f"rounds/{last:03d}/*-run/[!.]*.json*")):
            key = path.relative_to(self.folder).as_posix()
            with suppress(FileNotFoundError):  # a run that begins anew removes its figures
                if self._shared.get(key) != (when := path.stat().st_mtime_ns):
                    self._share(key, path.read_bytes())
                    self._shared[key] = when

    def _share(self, key: str, raw: bytes) -> None:
        """Write an object of which this machine has a newer copy, which no pull may replace meanwhile."""
        self.fence()
        with self._locked() as data:
            if version := self.bucket.replace(key, raw, self._seen.get(key)):
                self._seen[key] = data["versions"][key] = dict(version)

    def fence(self) -> None:
        """Raise LoopError where this process held the workspace, and somebody else has taken over."""
        self.before_write()

    def _replace(self, key: str, raw: bytes) -> bool:
        self.fence()
        before = self._known().get(key)
        version = self.bucket.replace(key, raw, self._seen.get(key))
        if version is None:
            return False
        with self._locked() as data:
            versions: Versions = data["versions"]
            if is_newest := versions.get(key) == before:
                write_file(self.folder / key, raw)
                versions[key] = dict(version)
        if not is_newest:  # another process of this machine keeps something else, which may be older
            self.current(key)
        self._seen[key] = dict(version)
        return True

    def _known(self) -> Versions:
        """Which content each object has here."""
        with self._locked() as data:
            return data["versions"]

    def _store(self, key: str, content: Object | None, versions: Versions) -> None:
        """Make the copy of an object what the bucket has: `content`, or nothing."""
        path = self.folder / key
        if content is None:
            path.unlink(missing_ok=True)
            versions.pop(key, None)
        elif versions.get(key) != content.version or not path.exists():
            write_file(path, content.raw)
            versions[key] = dict(content.version)

    def _forget(self, keys: set[str]) -> None:
        """Remove what the bucket does not have; a learner's folder stays as long as its round is there."""
        known = keys | {str(parent) for key in keys for parent in PurePosixPath(key).parents}
        for pattern in ("*", "*/*"):
            for path in [path for room in ROOMS for path in self.folder.glob(f"{room}/{pattern}")]:
                if path.relative_to(self.folder).as_posix() in known:
                    continue
                if not path.is_dir():
                    path.unlink()
                elif pattern == "*":
                    shutil.rmtree(path)

    @contextmanager
    def _locked(self) -> Iterator[dict[str, Any]]:
        """What is known of the copy, to be changed, while no other process of this machine does.

        No request is made inside but by the holder of the workspace: who only looks may be suspended.
        """
        with named_errors(self.folder, "made"):
            self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "versions.json"
        with (self.folder / "lock").open("a") as file:
            with named_errors(file.name, "locked"):
                fcntl.flock(file, fcntl.LOCK_EX)
            data: dict[str, Any] = {"id": secrets.token_hex(8), "versions": {}}
            before = b""
            with suppress(DatasetError):  # a broken one is made anew, as one that was deleted
                data = parse_model(_Known, read_json(path), path).model_dump()
                before = json_bytes(path, data)
            try:
                yield data
            finally:
                if (after := json_bytes(path, data)) != before:
                    write_bytes_atomically(path, after)


def _boot_id() -> str:
    """What tells this start of the machine's kernel from every other; "" where the system does not say."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.is_file() else ""


def write_file(path: Path, raw: bytes) -> None:
    """Write a file atomically, in a folder that is made where there is none."""
    with replacing(path, parents=True) as aside:
        aside.write_bytes(raw)
