"""Finished episodes of the block that is being played: what a kill of the loop leaves of it.

They lie in the workspace's folder under `playing`, on this machine only, as a dataset of their own that is
named by what the block is about. The block's commit takes its place. Rounds have one block in play at a time
and so have evaluations by hand: each of the two has a folder of its own, as one may come while the other is
interrupted.
"""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...datasets import DatasetError, Episode, EpisodeStore, Schema
from ...datasets.files import fingerprint

EVERY_SEC = 1.0
"""Episodes are written together, at most so often: to sync each for itself takes longer than to play it."""


class Journal:
    """The finished episodes of one block; `found` are those that a process that was killed has left."""

    def __init__(self, folder: Path, schema: Schema, about: Any) -> None:
        """Open the journal of the block that is about `about`, and remove every other one in `folder`."""
        self._folder, own = folder, folder / fingerprint(about)[:16]
        for other in folder.glob("*"):
            if other != own:
                shutil.rmtree(other) if other.is_dir() else other.unlink()
        self._unwritten: list[Episode] = []
        self._written_sec = time.monotonic()
        self._own, self._schema = own, schema
        self._store: EpisodeStore | None = None
        self._batches = 0
        try:
            self.found = self._read() if own.exists() else []
        except DatasetError:  # a power cut may have left anything
            shutil.rmtree(own)
            self.found = []

    def add(self, episode: Episode) -> None:
        """Keep an episode that has ended."""
        self._unwritten.append(episode)
        if time.monotonic() - self._written_sec > EVERY_SEC:
            self.write()

    def write(self) -> None:
        """Write what was added since the last time."""
        if self._unwritten:
            self._store = store = self._store or EpisodeStore.create(self._own, self._schema)
            # Interrupted once it is committed, the same call writes nothing.
            store.append(self._unwritten, batch_id=f"p{self._batches:05d}", source="collection")
            self._unwritten, self._batches = [], self._batches + 1
        self._written_sec = time.monotonic()

    def remove(self) -> None:
        """Forget it all: the block is committed."""
        with suppress(OSError):
            shutil.rmtree(self._folder)

    def _read(self) -> list[Episode]:
        store = EpisodeStore.open(self._own)
        batches = store.batches()
        episodes = [episode for batch in batches for episode in store.episodes(batch)]
        self._batches = len(batches)  # only of a journal that is whole: another begins anew
        return episodes
