"""One loop per workspace over machines: a claim on a bucket, renewed for as long as its holder lives.

The object `lease.json` says who holds the workspace. The holder writes it anew every `BEAT_SEC`; somebody
else takes it over where it has stayed the same for `EXPIRY_SEC` by the clock of whoever waits, so no two
clocks are ever compared. Each of these writes is granted only where the object is still what the writer saw:
of two who take over one gets it, and a holder that slept finds out before it writes anything else: its work
is interrupted where it stands, as by Ctrl-C.
"""

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, Lock, Thread, current_thread, main_thread

from ...datasets.errors import DatasetError
from ...datasets.objects import Object, Version
from ..errors import InUse, LoopError
from ..progress import Progress
from .lease_holder import Holder, in_use, parse_holder, this_process
from .local_copy import LocalCopy

KEY = "lease.json"
BEAT_SEC = 10.0
EXPIRY_SEC = 60.0
"""As long as a request is tried again at most, so that a short absence of the bucket costs nothing."""
LOOK_SEC = 1.0
LOST = signal.SIGUSR1
"""Tells the main thread that its claim is lost: whoever starts a command in the background ignores SIGINT."""


@contextmanager
def claim(copy: LocalCopy, progress: Progress) -> Iterator[None]:
    """Hold the workspace while inside; before that up to `EXPIRY_SEC` go by to see whether its holder lives.

    Once somebody else has taken over, whatever is written through `copy` inside raises LoopError, and so does
    the work inside, within a beat, where it is the main thread's. Raises InUse, naming the holder, where
    somebody else holds it. The caller holds the lease of this machine, so a claim that this copy made since
    the machine was started is of a process that died, and is taken over at once.
    """
    own = _Claim(copy, this_process())
    own.take(progress)
    done, copy.before_write = Event(), own.renew
    for work, lost in ((own.renew, _interrupter(done)), (copy.share_runs, lambda: None)):
        Thread(target=_each_beat, args=(done, work, lost), name="claim", daemon=True).start()
    try:
        yield
    finally:
        done.set()
        copy.before_write = lambda: None
        own.release()
        own.check()


def _interrupter(done: Event) -> Callable[[], None]:
    """What interrupts the main thread until `done`; nothing where another thread is the caller."""

    def interrupt(*_: object) -> None:
        if not done.is_set():
            raise KeyboardInterrupt

    if current_thread() is not main_thread():
        return lambda: None
    signal.signal(LOST, interrupt)
    return lambda: signal.pthread_kill(main_thread().ident or 0, LOST)


def _each_beat(done: Event, work: Callable[[], None], lost: Callable[[], None]) -> None:
    """Do some work each beat until `done`; where the bucket or a disk does not answer, at the next one again.

    Where somebody else has taken over, `lost` is called.
    """
    while not done.wait(BEAT_SEC):
        with suppress(DatasetError, OSError):
            try:
                work()
            except LoopError:
                lost()
                return


def claimed_by(copy: LocalCopy) -> str | None:
    """Who holds the workspace, in words, by this machine's clock; None where nobody does."""
    lease = copy.bucket.fetch(KEY)
    holder = _holder(lease)
    if lease is None or holder is None:
        return None
    silence_sec = (datetime.now(UTC) - lease.written).total_seconds()
    return holder.in_words() if silence_sec < EXPIRY_SEC else None


class _Claim:
    def __init__(self, copy: LocalCopy, process: Holder) -> None:
        own = {"copy_id": copy.id, "run": secrets.token_hex(8), "beat": 0}
        self._copy, self._holder = copy, process.model_copy(update=own)
        self._version: Version | None = None
        self._lost = ""
        self._lock = Lock()

    def take(self, progress: Progress) -> None:
        """Claim what nobody holds, or a holder that is dead. Raises InUse."""
        bucket, begun = self._copy.bucket, time.monotonic()
        first = lease = bucket.fetch(KEY)
        own = (self._holder.copy_id, self._holder.host)
        while lease and (other := _holder(lease)) and (other.copy_id, other.host) != own:
            waited_sec = time.monotonic() - begun
            if first is None or lease.version != first.version:
                raise InUse(in_use(self._copy.url, other))
            if waited_sec >= EXPIRY_SEC:
                break
            progress("lease", int(waited_sec), int(EXPIRY_SEC), f"sees whether {other.in_words()} is alive")
            time.sleep(LOOK_SEC)
            lease = bucket.fetch(KEY)
        self._version = bucket.replace(KEY, self._content(), lease.version if lease else None)
        if self._version is None:
            raise InUse(in_use(self._copy.url, _holder(bucket.fetch(KEY)) or Holder()))

    def renew(self) -> None:
        """Say that the holder lives. Raises LoopError where somebody else has taken over."""
        with self._lock:
            self.check()
            bucket = self._copy.bucket
            version = bucket.replace(KEY, self._content(), self._version)
            if version is None:
                lease = bucket.fetch(KEY)
                other = _holder(lease) or Holder()
                if lease is None or other.run != self._holder.run:
                    self._lost = (
                        f"{self._copy.url} was taken over by {other.in_words()}, as this process was "
                        f"not heard of for {EXPIRY_SEC:.0f} s; it stops, and what was finished is kept"
                    )
                    raise LoopError(self._lost)
                # A beat that seemed to have failed had arrived.
                version = bucket.replace(KEY, self._content(), lease.version)
            self._version = version

    def check(self) -> None:
        """Raise LoopError where somebody else is known to have taken over."""
        if self._lost:
            raise LoopError(self._lost)

    def release(self) -> None:
        """Let go, so that nobody has to wait; where the bucket does not answer, the claim expires."""
        with suppress(DatasetError), self._lock:
            self._copy.bucket.replace(KEY, b"{}\n", self._version)

    def _content(self) -> bytes:
        """Another one each time: a version is known by its content."""
        self._holder = self._holder.model_copy(update={"beat": (self._holder.beat or 0) + 1})
        return self._holder.to_json()


def _holder(lease: Object | None) -> Holder | None:
    return parse_holder(lease.raw) if lease else None
