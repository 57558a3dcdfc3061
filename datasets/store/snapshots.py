"""Snapshots of a store: which batches one pins, and what they hold without the episodes it leaves out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..errors import DatasetError
from ..records.batch import Batch, batch_of, by_batch, check_source
from ..records.rows import EpisodeRow, counts
from ..records.snapshot import Snapshot


def take_snapshot(
    schema: str, batches: Iterable[Batch], excluded: Iterable[str], sources: Iterable[str] | None
) -> Snapshot:
    """Pin those of the batches that are of these sources, in their order, without the excluded episodes.

    A batch of which nothing is left is not listed. `schema` is the fingerprint of their layout.
    """
    sources = None if sources is None else list(sources)
    for source in sources or ():
        check_source(source)
    left_out = by_batch(excluded)
    chosen = [
        batch
        for batch in batches
        if (sources is None or batch.source in sources) and len(left_out.get(batch.id, ())) < batch.episodes
    ]
    pairs = tuple((batch.id, batch.digest) for batch in chosen)
    return Snapshot(schema, pairs, tuple(e for batch in chosen for e in left_out.get(batch.id, ())))


def check_pinned(snapshot: Snapshot, batches: Sequence[Batch]) -> None:
    """Raise DatasetError, naming the batch, where these, in a snapshot's order, are not what it pins."""
    for batch, (_, digest) in zip(batches, snapshot.batches, strict=True):
        if batch.digest != digest:
            raise DatasetError(
                f"batch {batch.id} has digest {batch.digest[:16]}, but snapshot {snapshot.id} "
                f"pins {digest[:16]}"
            )


def recounted(
    snapshot: Snapshot, batches: Iterable[Batch], rows_of: Callable[[Batch], Iterable[EpisodeRow]]
) -> list[Batch]:
    """The batches of a snapshot with their counts as they are without the episodes it leaves out."""
    excluded = frozenset(snapshot.excluded)
    touched = {batch_of(episode) for episode in excluded}
    return [
        replace(batch, **counts(row for row in rows_of(batch) if row.id not in excluded))
        if batch.id in touched
        else batch
        for batch in batches
    ]
