"""Policies of a workspace on their way to where they are kept."""

from collections.abc import Mapping

from torch import Tensor

from ...datasets.files import temporary_beside
from ...learner import checkpoint
from ...learner.checkpoint import PolicyRecord
from .local_copy import WEIGHTS
from .workspace import Workspace


def write_policy(space: Workspace, record: PolicyRecord, weights: Mapping[str, Tensor]) -> None:
    """Write a policy; where it exists already, keep what is there."""
    if not space.copy:
        checkpoint.write_policy(space.folder / "policies" / record.id, record, weights)
        return
    if space.policy_json(record.id).is_file():
        return
    key = f"policies/{record.id}"
    space.copy.current(f"{key}/{WEIGHTS}")  # what a killed writer left is replaced
    with temporary_beside(space.folder / record.id, folder=True) as aside:  # what a kill leaves is swept
        checkpoint.write_policy(aside / record.id, record, weights)
        for name in (WEIGHTS, "policy.json"):  # the facts last: they say that it is whole
            space.copy.write(f"{key}/{name}", (aside / record.id / name).read_bytes())
