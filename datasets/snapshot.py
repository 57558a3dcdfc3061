"""A snapshot: exactly which episodes one learner run may read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import DatasetError


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
            if episode.rpartition("/")[0] not in ids:
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
        gone = (e for e in (*self.excluded, *other.excluded) if e.rpartition("/")[0] in ids)
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
