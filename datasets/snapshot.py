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
    """

    schema: str
    batches: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        """Check that no batch is named twice."""
        ids = self.batch_ids
        if len(set(ids)) != len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise DatasetError(f"snapshot names the batch {twice} twice")

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
        return {"schema": self.schema, "batches": [list(pair) for pair in self.batches]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Snapshot":
        """Read what `to_json` wrote. Raises DatasetError where it does not fit."""
        try:
            pairs = tuple((str(name), str(digest)) for name, digest in data["batches"])
            return cls(str(data["schema"]), pairs)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(
                f"snapshot must have a schema and pairs of id and digest ({error!r})"
            ) from None
