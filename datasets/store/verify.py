"""What is wrong with a store, in sentences; and what crashes left in it."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatasetError
from ..files import digest_of, is_temporary, named_errors, remove_dead, writer_is_gone
from ..records.batch import MANIFEST, Batch, read_batch
from ..records.rows import EpisodeRow
from .exclusion import EXCLUDED, tombstone_faults
from .tables import EPISODES, STEPS, read_episodes

if TYPE_CHECKING:
    from .store import EpisodeStore


def verify(store: "EpisodeStore") -> list[str]:
    """Recompute every digest and count of `store`. A sentence for each thing that is wrong."""
    sentences: list[str] = []
    for path in _entries(store):
        if is_temporary(path.name):
            sentences += _leftover(path)
        elif path.parent == store.folder / EXCLUDED:
            sentences += tombstone_faults(store, path)
        elif path.parent != store.folder / "batches":
            continue
        elif not (path / MANIFEST).exists():
            sentences.append(f"{path} has no {MANIFEST}, so it is no batch")
        else:
            sentences += batch_faults(store, path)
    return sentences


def clean(store: "EpisodeStore") -> list[str]:
    """Remove what dead writers of this host left behind; the names of what was removed."""
    return remove_dead(_entries(store))


def _entries(store: "EpisodeStore") -> list[Path]:
    folders = [store.folder / name for name in ("", "quarantine", EXCLUDED, "batches")]
    with named_errors(store.folder, "listed"):
        return [path for folder in folders if folder.exists() for path in sorted(folder.iterdir())]


def _leftover(path: Path) -> list[str]:
    gone = writer_is_gone(path.name)
    if gone is None:
        return [f"{path} was left by a writer on another host, which may be alive"]
    return (
        [f"{path} was left by a writer that died: nothing of it counts, `clean` removes it"] if gone else []
    )


def batch_faults(store: "EpisodeStore", folder: Path) -> list[str]:
    """What is wrong with a batch whose files are in `folder`, in sentences."""
    try:
        batch = read_batch(folder)
        if batch.schema != store.schema.fingerprint():
            return [f"{folder / MANIFEST} is of another schema than the store"]
        faults = _file_faults(batch, folder)
        if not faults:
            faults = _count_faults(batch, folder, read_episodes(folder / EPISODES))
        if not faults and store.content_digest(batch) != batch.digest:
            faults = [f"{folder}: the content does not fit its digest in {MANIFEST}"]
        return faults
    except DatasetError as error:
        return [str(error)]


def _file_faults(batch: Batch, folder: Path) -> list[str]:
    faults = []
    for name in (STEPS, EPISODES):
        path = folder / name
        if not path.exists():
            faults.append(f"{path} is missing")
        elif (found := digest_of(path)) != (wanted := batch.digests.get(name, "")):
            faults.append(f"{path} was changed: its XXH3 is {found[:16]}, but was {wanted[:16]}")
    return faults


def _count_faults(batch: Batch, folder: Path, rows: tuple[EpisodeRow, ...]) -> list[str]:
    found = {
        "episodes": len(rows),
        "steps": sum(row.length for row in rows),
        "successes": sum(row.score == 1.0 for row in rows),
        "score_sum": sum(row.score for row in rows),
    }
    return [
        f"{folder / MANIFEST} counts {getattr(batch, key)} {key}, but the files hold {value}"
        for key, value in found.items()
        if getattr(batch, key) != value
    ]
