"""robomimic and robosuite: one HDF5 file, a group `data/demo_<n>` an episode.

    data                    attributes: total, env_args (JSON with the control rate)
    data/demo_0             attribute: num_samples
    data/demo_0/actions     [T, A]
    data/demo_0/obs/*       [T, ...]: nested groups become names joined by `/`
    data/demo_0/next_obs/*  [T, ...], optional
    data/demo_0/rewards     [T], dones [T], optional

`obs` holds T observations. The last of `next_obs` is the one after the last action; where the file has
no `next_obs`, the last of `obs` is repeated, and `info` says so.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from .hdf5 import array, child, leaves, opened
from .raw import RawEpisode, Unreadable, Wants, attempt, flat_name, natural, text, whole_file, with_last


def episodes(path: Path, wants: Wants) -> Iterator[RawEpisode | Unreadable]:
    """The demonstrations in the order of their numbers.

    Raises DatasetError where the file is cut short, has no demonstration, or holds fewer steps than it
    counts itself.
    """
    with opened(path) as file:
        with whole_file(path, "robomimic's HDF5"):
            data = child(file, "data")
            names = sorted((name for name in data if name.startswith("demo")), key=natural)
            facts, total = _facts(data), data.attrs.get("total")
        if not names:
            raise DatasetError(f"{path} has no demonstration: data holds no group demo_<number>")
        found = 0
        for name in names:
            raw = attempt(f"{path.name}, {name}", lambda name=name: _episode(path, data, name, facts, wants))
            if isinstance(raw, RawEpisode) and raw.action is not None:
                found += len(raw.action)
            else:
                total = None  # what cannot be read cannot be counted
            yield raw
        if total is not None and np.size(total) == 1 and int(total) > found:
            raise DatasetError(f"{path} counts {int(total)} steps, but holds {found}: it was cut short")


def _facts(data: Any) -> tuple[float | None, str]:
    """Control rate and instruction, where the file's attributes tell them."""
    hz, instruction = None, ""
    arguments = _json(data.attrs.get("env_args")).get("env_kwargs")
    if isinstance(arguments, dict) and isinstance(arguments.get("control_freq"), int | float):
        hz = float(arguments["control_freq"])
    told = _json(data.attrs.get("problem_info")).get("language_instruction", "")
    if isinstance(told, str | list):
        instruction = "".join(map(str, told)) if isinstance(told, list) else told
    return hz, instruction


def _json(value: Any) -> dict[str, Any]:
    try:
        found = json.loads(text(value)) if value is not None else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _episode(path: Path, data: Any, name: str, facts: tuple[float | None, str], wants: Wants) -> RawEpisode:
    group = child(data, name)
    action = array(child(group, "actions"), wants)
    steps = len(action)
    counted = group.attrs.get("num_samples")
    if counted is not None and int(counted) != steps:
        raise DatasetError(f"{name} counts {int(counted)} samples, but holds {steps} actions")
    if "obs" not in group:
        raise DatasetError(f"{name} has no obs: let robomimic's dataset_states_to_obs.py make them first")
    after = child(group, "next_obs") if "next_obs" in group else None
    observation, unread, repeated = {}, [], False
    for key, dataset in leaves(child(group, "obs")):
        if not wants.reads(flat := flat_name(key)):
            unread.append(flat)
            continue
        last = None if after is None or key not in after else array(after[key], wants, slice(-1, None))
        values = array(dataset, wants)
        observation[flat], made_up = with_last(values, steps, f"{name}/obs/{key}", last)
        repeated |= made_up
    flags = array(group["dones"], wants) if "dones" in group else None
    others = [key for key in group if key not in ("obs", "next_obs") and wants.reads_column(flat_name(key))]
    return RawEpisode(
        where=f"{path.name}, {name}",
        observation=observation,
        action=action,
        reward=array(group["rewards"], wants) if "rewards" in group else None,
        terminal=bool(flags[-1]) if flags is not None and len(flags) else None,
        control_hz=facts[0],
        instruction=facts[1],
        columns={flat_name(key): array(child(group, key), wants) for key in others},
        unread=tuple(unread),
        info={"demo": name} | ({"last_observation": "repeated"} if repeated else {}),
    )


def count(path: Path) -> int:
    """How many demonstrations there seem to be."""
    with opened(path) as file:
        return sum(name.startswith("demo") for name in file.get("data", ()))
