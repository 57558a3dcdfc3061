"""One loop per workspace over machines: a claim on a bucket, renewed for as long as its holder lives.

The object `lease.json` says who holds the workspace. The holder writes it anew every `BEAT_SEC`; somebody
else takes it over where it has stayed the same for `EXPIRY_SEC` by the clock of whoever waits, so no two
clocks are ever compared. Each of these writes is granted only where the object is still what the writer saw:
of two who take over one gets it, and a holder that slept finds out before it writes anything else.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any

from ...datasets.errors import DatasetError
from ...datasets.objects import Object, Version
from ..errors import InUse, LoopError
from ..progress import Progress
from .local_copy import LocalCopy

KEY = "lease.json"
BEAT_SEC = 10.0
EXPIRY_SEC = 60.0
"""As long as a request is tried again at most, so that a short absence of the bucket costs nothing."""
LOOK_SEC = 1.0


@contextmanager
def claim(copy: LocalCopy, me: Mapping[str, Any], progress: Progress) -> Iterator[None]:
    """Hold the workspace while inside; before that up to `EXPIRY_SEC` go by to see whether its holder lives.

    Whatever is written through `copy` inside raises LoopError once somebody else has taken over. Raises
    InUse, naming the holder, where somebody else holds it. The caller holds the lease of this machine, so a
    claim that this copy made before is of a process that died, and is taken over at once.
    """
    held = _Claim(copy, {**me, "copy": copy.id, "run": secrets.token_hex(8)})
    held.take(progress)
    done, copy.before_write = Event(), held.renew
    thread = Thread(target=held.keep, args=(done,), name="claim", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        copy.before_write = lambda: None
        held.release()


def claimed_by(copy: LocalCopy) -> str | None:
    """Who holds the workspace, in words, by this machine's clock; None where nobody does."""
    found = copy.bucket.fetch(KEY)
    if found is None or not (data := _holder(found)):
        return None
    silence_sec = (datetime.now(UTC) - found.written).total_seconds()
    return in_words(data) if silence_sec < EXPIRY_SEC else None


def in_words(data: Mapping[str, Any]) -> str:
    """A holder, by what it says of itself."""
    try:
        return f"process {data['pid']} on {data['host']} ({data['command']}, since {data['since']})"
    except (KeyError, TypeError):
        return "another process"


def in_use(place: str, holder: str) -> str:
    """The sentence for whoever comes second."""
    return f"{place} is in use by {holder}; stop it, or wait until it is done"


class _Claim:
    def __init__(self, copy: LocalCopy, me: dict[str, Any]) -> None:
        self._copy, self._me, self._beat = copy, me, 0
        self._version: Version | None = None
        self._lock = Lock()

    def take(self, progress: Progress) -> None:
        """Claim what nobody holds, or a holder that is dead. Raises InUse."""
        bucket, begun = self._copy.bucket, time.monotonic()
        first = now = bucket.fetch(KEY)
        while now and (data := _holder(now)) and not self._is_mine(data):
            waited = time.monotonic() - begun
            if first is None or now.version != first.version:
                raise InUse(in_use(self._copy.url, in_words(data)))
            if waited >= EXPIRY_SEC:
                break
            progress("lease", int(waited), int(EXPIRY_SEC), f"sees whether {in_words(data)} is alive")
            time.sleep(LOOK_SEC)
            now = bucket.fetch(KEY)
        self._version = bucket.replace(KEY, self._content(), now.version if now else None)
        if self._version is None:
            raise InUse(in_use(self._copy.url, in_words(_holder(bucket.fetch(KEY)))))

    def _is_mine(self, data: Mapping[str, Any]) -> bool:
        return all(data.get(name) == self._me[name] for name in ("copy", "host"))

    def renew(self) -> None:
        """Say that the holder lives. Raises LoopError where somebody else has taken over."""
        with self._lock:
            bucket = self._copy.bucket
            made = bucket.replace(KEY, self._content(), self._version)
            if made is None:
                found = bucket.fetch(KEY)
                if not found or _holder(found).get("run") != self._me["run"]:
                    raise LoopError(
                        f"{self._copy.url} was taken over by {in_words(_holder(found))}, as this process was "
                        f"not heard of for {EXPIRY_SEC:.0f} s; it stops, and what was finished is kept"
                    )
                # A beat that seemed to have failed had arrived.
                made = bucket.replace(KEY, self._content(), found.version)
            self._version = made

    def keep(self, done: Event) -> None:
        """Renew until `done` or taken over; a bucket that does not answer, or a disk, is asked again."""
        while not done.wait(BEAT_SEC):
            with suppress(DatasetError, OSError):
                try:
                    self._copy.share_runs()
                    self.renew()
                except LoopError:
                    return

    def release(self) -> None:
        """Let go, so that nobody has to wait; where the bucket does not answer, the claim expires."""
        with suppress(DatasetError), self._lock:
            self._copy.bucket.replace(KEY, b"{}\n", self._version)

    def _content(self) -> bytes:
        """Another one each time: a version is known by its content."""
        self._beat += 1
        return json.dumps(self._me | {"beat": self._beat}, indent=2).encode() + b"\n"


def _holder(found: Object | None) -> dict[str, Any]:
    """What the holder says of itself; nothing where there is none."""
    with suppress(ValueError, AttributeError):
        data = json.loads(found.raw if found else b"{}")
        return data if isinstance(data, dict) else {}
    return {}
