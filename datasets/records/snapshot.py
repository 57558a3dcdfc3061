"""A snapshot: exactly which episodes one learner run may read."""

from dataclasses import dataclass

from ..errors import DatasetError
from ..files import Strict, fingerprint
from .batch import batch_of


@dataclass(frozen=True)
class Snapshot(Strict):
    """Batch ids with their content digests, in the order in which a replay numbers their steps.

    Attributes:
      schema: fingerprint of the layout that the steps of all batches share.
      batches: pairs of batch id and content digest.
      excluded: ids of the episodes in these batches that are left out, sorted.
    """

    schema: str
    batches: tuple[tuple[str, str], ...]
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that no batch is named twice, and sort what is left out."""
        ids, known = self.batch_ids, set(self.batch_ids)
        if len(known) != len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise DatasetError(f"snapshot names the batch {twice} twice")
        object.__setattr__(self, "excluded", tuple(sorted(set(self.excluded))))
        for episode in self.excluded:
            if batch_of(episode) not in known:
                raise DatasetError(f"snapshot excludes {episode}, but does not hold its batch")

    @property
    def batch_ids(self) -> tuple[str, ...]:
        """The ids without the digests."""
        return tuple(name for name, _ in self.batches)

    @property
    def id(self) -> str:
        """Sixteen hex digits: equal for equal snapshots only."""
        return fingerprint(self)[:16]

    def shared(self, other: "Snapshot") -> "Snapshot":
        """What both snapshots hold: the batches in both, without the episodes that either leaves out."""
        others = set(other.batches)
        batches = tuple(pair for pair in self.batches if pair in others)
        ids = {name for name, _ in batches}
        excluded = (e for e in (*self.excluded, *other.excluded) if batch_of(e) in ids)
        return Snapshot(self.schema, batches, tuple(excluded))
