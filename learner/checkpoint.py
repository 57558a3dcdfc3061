"""Policies on disk: weights as safetensors, everything else as JSON. Nothing in them can run.

policies/<id>/weights.safetensors
policies/<id>/policy.json          what it is, how it acts, what it learned from (`PolicyRecord`)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from ..datasets import DatasetError, Schema
from ..datasets.files import (
    named_errors,
    parse_model,
    read_json,
    remove_dead,
    replacing,
    sync,
    temporary_beside,
    write_json_atomically,
)
from .config import PacConfig
from .network.pac import Pac
from .policy import Acting, Policy

WEIGHTS, RECORD = "weights.safetensors", "policy.json"


@dataclass(frozen=True)
class PolicyRecord:
    """Everything about a policy but its weights.

    Attributes:
      schema: the steps it was trained on and acts in.
      lineage: what it came from: parent policy, snapshot, round, seed, learner configuration.
      figures: the learner's last ones.
    """

    id: str
    schema: Schema
    network: PacConfig
    acting: Acting
    lineage: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    version: int = 1


def write_policy(folder: Path, record: PolicyRecord, weights: Mapping[str, Tensor]) -> None:
    """Write a policy folder in one atomic step; where it exists already, keep what is there.

    Raises DatasetError where the disk is full or access is denied.
    """
    if folder.exists():
        return
    remove_dead(folder.parent.glob(f".{folder.name}.*.tmp"))
    with named_errors(folder, "written"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(folder, folder=True) as aside:
            write_tensors(aside / WEIGHTS, weights)
            write_json_atomically(aside / RECORD, record)
            aside.rename(folder)
            sync(folder.parent)


def read_record(folder: Path) -> PolicyRecord:
    """Read a policy's facts. Raises DatasetError where the folder holds no policy this version can read."""
    path = folder / RECORD
    if not path.is_file():
        raise DatasetError(f"{folder} holds no policy: {RECORD} is missing")
    return parse_model(PolicyRecord, read_json(path), path)


def read_policy(folder: Path) -> Policy:
    """Read a policy that can act. Raises DatasetError as `read_record` does, and for broken weights."""
    return build_policy(read_record(folder), weights_file(folder))


def build_policy(record: PolicyRecord, weights: bytes) -> Policy:
    """Make a policy of its record and the bytes of its weights file, as an actor receives them."""
    network = Pac(record.schema, record.network)
    try:
        network.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise DatasetError(f"the weights of policy {record.id} are broken: {error}") from None
    return Policy(network, record.schema, record.acting)


def weights_file(folder: Path) -> bytes:
    """The weights of a policy folder, as an actor receives them. Raises DatasetError where there are none."""
    with named_errors(f"the weights of policy {folder.name}", "read"):
        return (folder / WEIGHTS).read_bytes()


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a policy folder, by parameter name. Raises DatasetError for missing or broken ones."""
    try:
        return load(weights_file(folder))
    except SafetensorError as error:
        raise DatasetError(f"the weights of policy {folder.name} are broken: {error}") from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, synced, in one atomic step. Raises DatasetError where it cannot."""
    try:
        with replacing(path) as aside:
            save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, aside)
    except SafetensorError as error:
        raise DatasetError(f"{path} cannot be written: {error}") from error
