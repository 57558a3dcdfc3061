"""Policies on disk: weights as safetensors, everything else as JSON. Nothing in them can run.

policies/<id>/weights.safetensors
policies/<id>/policy.json          what it is, how it acts, what it learned from
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor

from ..datasets import DatasetError, Schema
from ..datasets.files import named_errors, parse_model, read_json, sync, write_json_atomically
from .config import PacConfig, pac_config, to_json
from .network.pac import Pac
from .policy import Acting, Policy

VERSION = 1


@dataclass(frozen=True)
class PolicyRecord:
    """Everything about a policy but its weights.

    Attributes:
      id: its name in the workspace.
      schema: the steps it was trained on and acts in.
      network: the size of its network.
      acting: how it picks actions.
      lineage: what it came from: parent policy, snapshot, round, seed, learner configuration.
      figures: the learner's last figures.
    """

    id: str
    schema: Schema
    network: PacConfig
    acting: Acting
    lineage: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `policy_record` reads it back."""
        return {
            "version": VERSION,
            "id": self.id,
            "schema": asdict(self.schema),
            "network": to_json(self.network),
            "acting": asdict(self.acting),
            "lineage": dict(self.lineage),
            "figures": dict(self.figures),
        }


def policy_record(data: Mapping[str, Any]) -> PolicyRecord:
    """Read what `PolicyRecord.to_json` wrote."""
    return PolicyRecord(
        id=data["id"],
        schema=parse_model(Schema, data["schema"], "policy.json"),
        network=pac_config(data["network"]),
        acting=Acting(**data["acting"]),
        lineage=data["lineage"],
        figures=data["figures"],
    )


def write_policy(folder: Path, record: PolicyRecord, weights: Mapping[str, Tensor]) -> None:
    """Write a policy folder in one atomic step; where it exists already, keep what is there."""
    if folder.exists():
        return
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    write_tensors(aside / "weights.safetensors", weights)
    write_json_atomically(aside / "policy.json", record.to_json())
    aside.rename(folder)
    sync(folder.parent)


def read_record(folder: Path) -> PolicyRecord:
    """Read a policy's facts. Raises DatasetError where the folder holds no policy this version can read."""
    if not (folder / "policy.json").is_file():
        raise DatasetError(f"{folder} holds no policy: policy.json is missing")
    data = read_json(folder / "policy.json")
    if data.get("version", 0) > VERSION:
        raise DatasetError(f"{folder / 'policy.json'} has version {data['version']}, newer than {VERSION}")
    return policy_record(data)


def read_policy(folder: Path) -> Policy:
    """Read a policy that can act."""
    record = read_record(folder)
    with named_errors(folder / "weights.safetensors", "read"):
        return build_policy(record, (folder / "weights.safetensors").read_bytes())


def build_policy(record: PolicyRecord, weights: bytes) -> Policy:
    """Make a policy of its record and the bytes of its weights file, as an actor receives them."""
    network = Pac(record.schema, record.network)
    try:
        network.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise DatasetError(f"the weights of policy {record.id} are broken: {error}") from None
    return Policy(network, record.schema, record.acting)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a policy folder, by parameter name."""
    return load_file(folder / "weights.safetensors")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, synced, in one atomic step."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with named_errors(path, "written"):
            save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, aside)
            sync(aside)
            aside.replace(path)
            sync(path.parent)
    except SafetensorError as error:
        raise DatasetError(f"{path} cannot be written: {error}") from error
    finally:
        aside.unlink(missing_ok=True)
