"""A learner run on disk: what it goes on from after a kill, and its figures.

state.safetensors   the networks and the optimizer after a step
state.json          which run they belong to
metrics.jsonl       the run's figures, a line every few dozen steps
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ...datasets import DatasetError, Replay
from ...datasets.files import fingerprint, read_json, write_bytes_atomically, write_json_atomically
from ..checkpoint import write_tensors
from ..config import IDENTITY, METRICS, LearnConfig, PacConfig
from .step import Networks

STATE = "state.safetensors"


def run_identity(
    replay: Replay, network: PacConfig, config: LearnConfig, *, seed: int, start: Mapping[str, Tensor]
) -> dict[str, Any]:
    """What a run is a function of; runs of one identity go on from one state."""
    return {
        "replay": replay.identity,
        "network": asdict(network),
        "learn": asdict(config),
        "seed": seed,
        "start": fingerprint(save(dict(start))),
    }


def save_state(folder: Path, networks: Networks) -> None:
    """Write the whole state in one atomic step, so that another process can go on from it."""
    tensors = {f"online.{name}": value for name, value in networks.online.state_dict().items()}
    tensors |= {f"target.{name}": value for name, value in networks.target.state_dict().items()}
    for index, moments in networks.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    tensors["step"] = torch.tensor(networks.step)
    if networks.lowered is not None:
        tensors["lowered"] = torch.tensor(networks.lowered)
    write_tensors(folder / STATE, tensors)


def restore_state(folder: Path, networks: Networks, identity: Mapping[str, Any]) -> dict[str, float]:
    """Put the state that was saved in `folder` into `networks`; returns the run's latest figures.

    The state and the figures of a run of another identity are thrown away. Raises DatasetError for a broken
    state.
    """
    if not (folder / IDENTITY).is_file() or read_json(folder / IDENTITY) != json.loads(json.dumps(identity)):
        forget_state(folder)
        write_json_atomically(folder / IDENTITY, identity)
    return go_back(folder, networks)


def has_state(folder: Path) -> bool:
    """Whether a state of the run was saved."""
    return (folder / STATE).is_file()


def go_back(folder: Path, networks: Networks) -> dict[str, float]:
    """The same for a state that is surely of this run; where none was saved, only figures are forgotten."""
    if has_state(folder):
        try:
            _restore(load_file(folder / STATE), networks)
        except (SafetensorError, RuntimeError, LookupError, ValueError) as error:
            raise DatasetError(f"{folder / STATE} is broken ({error}): remove it, to learn anew") from None
    return _figures_until(folder / METRICS, networks.step)


def _restore(tensors: dict[str, Tensor], networks: Networks) -> None:
    networks.step = int(tensors["step"])
    networks.lowered = int(tensors["lowered"]) if "lowered" in tensors else None
    networks.online.load_state_dict(_part(tensors, "online."))
    networks.target.load_state_dict(_part(tensors, "target."))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, "optimizer.").items():
        index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = tensor
    networks.optimizer.load_state_dict({**networks.optimizer.state_dict(), "state": moments})


def append_figures(folder: Path, step: int, figures: Mapping[str, float]) -> None:
    """Add a line to the run's figures."""
    with (folder / METRICS).open("a") as file:
        file.write(json.dumps({"step": step, **figures}) + "\n")


def forget_state(folder: Path) -> None:
    """Delete what a run would go on from; its figures stay."""
    (folder / STATE).unlink(missing_ok=True)


def _figures_until(path: Path, step: int) -> dict[str, float]:
    """The last figures up to a step. Later lines, whose steps will be taken again, and a torn one go."""
    lines, figures = [], {}
    for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else []:
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # whatever it is, no figures
            fields = json.loads(line)
            if fields.pop("step") <= step:
                lines.append(line)
                figures = fields
    write_bytes_atomically(path, b"".join(lines))
    return figures


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
