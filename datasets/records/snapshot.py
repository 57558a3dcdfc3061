"""A snapshot: exactly which episodes one learner run may read."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError
from .batch import Batch, batch_of, by_batch, check_source

if TYPE_CHECKING:
    from ..store.store import EpisodeStore
    from .rows import EpisodeRow


@dataclass(frozen=True)
class Snapshot:
    """Batch ids with their content digests, in the order in which a replay numbers their steps.

    Attributes:
      schema: fingerprint of the schema all batches share.
      batches: pairs of batch id and content digest.
      excluded: ids of the episodes in these batches that are left out, sorted.
    """

    schema: str
    batches: tuple[tuple[str, str], ...]
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that no batch is named twice, and sort what is left out."""
        ids = self.batch_ids
        if len(set(ids)) != len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise DatasetError(f"snapshot names the batch {twice} twice")
        object.__setattr__(self, "excluded", tuple(sorted(set(self.excluded))))
        for episode in self.excluded:
            if batch_of(episode) not in ids:
                raise DatasetError(f"snapshot excludes {episode}, but does not hold its batch")

    @property
    def batch_ids(self) -> tuple[str, ...]:
        """The ids without the digests."""
        return tuple(name for name, _ in self.batches)

    @property
    def id(self) -> str:
        """Sixteen hex digits of the SHA-256 over the canonical JSON: equal for equal snapshots only."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives an equal snapshot back."""
        data: dict[str, Any] = {"schema": self.schema, "batches": [list(pair) for pair in self.batches]}
        # Named only where there is something to name: the ids of snapshots without stay what they were.
        return data | {"excluded": list(self.excluded)} if self.excluded else data

    def shared(self, other: "Snapshot") -> "Snapshot":
        """What both snapshots hold: the batches in both, without the episodes that either leaves out."""
        batches = tuple(pair for pair in self.batches if pair in other.batches)
        ids = {name for name, _ in batches}
        gone = (e for e in (*self.excluded, *other.excluded) if batch_of(e) in ids)
        return Snapshot(self.schema, batches, tuple(gone))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Snapshot":
        """Read what `to_json` wrote. Raises DatasetError where it does not fit."""
        try:
            pairs = tuple((str(name), str(digest)) for name, digest in data["batches"])
            return cls(str(data["schema"]), pairs, tuple(map(str, data.get("excluded", ()))))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(
                f"snapshot must have a schema and pairs of id and digest ({error!r})"
            ) from None


def take_snapshot(
    store: "EpisodeStore", sources: Iterable[str] | None, batches: Iterable[Batch | str] | None
) -> Snapshot:
    """See `EpisodeStore.snapshot`."""
    sources = None if sources is None else list(sources)
    for source in sources or ():
        check_source(source)
    names = [batch.id if isinstance(batch, Batch) else batch for batch in batches or ()]
    wanted = None if batches is None else {store.batch(name).id for name in names}
    gone = by_batch(store.excluded())
    chosen = [
        batch
        for batch in store.batches()
        if (sources is None or batch.source in sources)
        and (wanted is None or batch.id in wanted)
        and len(gone.get(batch.id, ())) < batch.episodes
    ]
    pairs = tuple((batch.id, batch.digest) for batch in chosen)
    return Snapshot(store.schema.fingerprint(), pairs, tuple(e for b in chosen for e in gone.get(b.id, ())))


def pinned_batches(store: "EpisodeStore", snapshot: Snapshot) -> list[Batch]:
    """See `EpisodeStore.pinned`."""
    if snapshot.schema != store.schema.fingerprint():
        raise DatasetError(f"snapshot {snapshot.id} is of another schema than {store.place}")
    batches = [store.batch(batch_id) for batch_id in snapshot.batch_ids]
    for batch, (_, digest) in zip(batches, snapshot.batches, strict=True):
        if batch.digest != digest:
            raise DatasetError(
                f"batch {batch.id} has digest {batch.digest[:16]}, but snapshot {snapshot.id} "
                f"pins {digest[:16]}"
            )
    return batches


def counted_batches(store: "EpisodeStore", snapshot: Snapshot) -> list[Batch]:
    """See `EpisodeStore.counted`."""
    gone = frozenset(snapshot.excluded)
    touched = {batch_of(episode) for episode in gone}
    return [
        _recounted(batch, [row for row in store.iter_rows([batch]) if row.id not in gone])
        if batch.id in touched
        else batch
        for batch in pinned_batches(store, snapshot)
    ]


def _recounted(batch: Batch, rows: "Sequence[EpisodeRow]") -> Batch:
    return replace(
        batch,
        episodes=len(rows),
        steps=sum(row.length for row in rows),
        successes=sum(row.score == 1.0 for row in rows),
        score_sum=sum(row.score for row in rows),
    )
