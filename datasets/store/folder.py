"""A dataset in a folder.

    <folder>/batches/<id>/            a committed batch: steps.arrow, episodes.arrow, batch.json
    <folder>/batches/.<id>.*.tmp/     a batch somebody is writing, or was writing when they were killed

The rename of the second to the first is the commit.
"""

import errno
from collections.abc import Sequence
from pathlib import Path

from ..errors import DatasetError
from ..files import create_file, is_temporary, named_errors, remove_dead, sync, writer_is_dead
from ..records.batch import Batch
from .backend import BATCHES, MANIFEST, ROOMS, no_batch


class Folder:
    """The files of a dataset, in a folder."""

    local = True

    def __init__(self, folder: Path | str) -> None:
        """Use `folder`; nothing is made or read yet."""
        self.folder, self.place = Path(folder), str(Path(folder))

    def names(self, room: str) -> list[str]:
        """The names in a room, sorted; none where there is no such room."""
        with named_errors(self.folder / room, "listed"):
            try:
                names = [path.name for path in (self.folder / room).iterdir() if path.name[0] != "."]
            except FileNotFoundError:
                return []
        return sorted(name for name in names if room == BATCHES or name.endswith(".json"))

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """The content of files; None for what is not there."""
        return [self._read(self.folder / key) for key in keys]

    def create(self, key: str, raw: bytes, *, synced: bool = True) -> bool:
        """Add a file; False where there is one already."""
        path = self.folder / key
        with named_errors(path.parent, "made"):
            path.parent.mkdir(exist_ok=True)
            if synced:
                sync(self.folder)
        return create_file(path, raw, synced=synced)

    def publish(self, aside: Path, batch: Batch) -> None:
        """Commit a batch by renaming the folder it was written in."""
        target = self.folder / BATCHES / batch.id
        try:
            aside.rename(target)
        except OSError as error:
            # A folder of that name is another writer's commit: theirs counts, and it is as whole as ours.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            if not (target / MANIFEST).exists():
                raise DatasetError(no_batch(self.place, batch.id)) from None

    def file(self, batch: Batch, name: str) -> Path:
        """A data file of a batch, where it lies."""
        return self.folder / BATCHES / batch.id / name

    def fetch(self, batches: Sequence[Batch], *, again: bool = False) -> None:
        """Nothing: all files are at hand."""

    def leftovers(self) -> list[str]:
        """A sentence for each thing that writers have left half done, unless they may be at work."""
        sentences = []
        for path in self._entries():
            if is_temporary(path.name):
                dead = writer_is_dead(path)
                if dead is None:
                    sentences.append(f"{path} was left by a writer on another host, which may be alive")
                elif dead:
                    sentences.append(
                        f"{path} was left by a writer that died: nothing of it counts, `clean` removes it"
                    )
        return sentences

    def clean(self) -> list[str]:
        """Remove what dead writers of this host left behind; the names of what was removed."""
        return remove_dead(self._entries())

    def _entries(self) -> Sequence[Path]:
        with named_errors(self.folder, "listed"):
            folders = [self.folder, *(self.folder / room for room in ROOMS if (self.folder / room).exists())]
            return [path for folder in folders for path in sorted(folder.iterdir())]

    def _read(self, path: Path) -> bytes | None:
        with named_errors(path, "read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
