"""robomimic and robosuite: one HDF5 file, a group `data/demo_<n>` an episode.

    data                    attributes: total, env_args (JSON with the control rate)
    data/demo_0             attribute: num_samples
    data/demo_0/actions     [T, A]
    data/demo_0/obs/*       [T, ...]: nested groups become names joined by `/`
    data/demo_0/next_obs/*  [T, ...], optional
    data/demo_0/rewards     [T], dones [T], optional

`obs` holds T observations. The last of `next_obs` is the one after the last action; where the file has
no `next_obs`, the last of `obs` is repeated, and `info` says so. robomimic sets `dones` at the end of every
trajectory, at each step of a success, or both (its `done_mode`): set, it does not say that the environment
ended the episode.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from .decode import attempt, complete, last_flag, last_number, text, whole_file
from .hdf5 import array, child, leaves, opened, optional_array, optional_child
from .raw import RawEpisode, ReadOptions, Unreadable, natural


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
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
        steps = 0
        for name in names:
            raw = attempt(f"{path.name}, {name}", _episode, data, name, facts, options)
            if isinstance(raw, RawEpisode) and raw.action is not None:
                steps += len(raw.action)
            else:
                total = None  # what cannot be read cannot be counted
            yield raw
        if total is not None and np.size(total) == 1 and int(total) > steps:
            raise DatasetError(f"{path} counts {int(total)} steps, but holds {steps}: it was cut short")


def count(path: Path) -> int:
    """How many demonstrations there seem to be."""
    with opened(path) as file:
        return sum(name.startswith("demo") for name in optional_child(file, "data") or ())


def _facts(data: Any) -> dict[str, Any]:
    """Control rate and instruction, where the file's attributes tell them."""
    arguments = _mapping(_attribute(data, "env_args").get("env_kwargs"))
    rate, words = arguments.get("control_freq"), _attribute(data, "problem_info").get("language_instruction")
    words = words if isinstance(words, str | list) else ""
    return {
        "control_hz": float(rate) if isinstance(rate, int | float) else None,
        "instruction": "".join(words) if all(isinstance(word, str) for word in words) else "",
    }


def _attribute(data: Any, name: str) -> dict[str, Any]:
    try:
        return _mapping(json.loads(text(name, data.attrs.get(name, "{}"))))
    except ValueError:
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _episode(where: str, data: Any, name: str, facts: dict[str, Any], options: ReadOptions) -> RawEpisode:
    group = child(data, name)
    action = array(child(group, "actions"), options)
    counted = group.attrs.get("num_samples")
    if counted is not None and int(counted) != len(action):
        raise DatasetError(f"{name} counts {int(counted)} samples, but holds {len(action)} actions")
    obs, next_obs = optional_child(group, "obs"), optional_child(group, "next_obs")
    if obs is None:
        raise DatasetError(f"{name} has no obs: let robomimic's dataset_states_to_obs.py make them first")
    observation, unread = options.select(leaves(obs), lambda _, a: array(a, options))
    after = () if next_obs is None else leaves(next_obs)
    last, _ = options.select(after, lambda _, a: array(a, options, slice(-1, None)))
    observation, repeated = complete(observation, len(action), f"{name}/obs/", last)
    others = ((key, group) for key in group if key not in ("obs", "next_obs"))
    return RawEpisode(
        where=where,
        observation=observation,
        action=action,
        reward=optional_array(group, "rewards", options),
        terminal=_terminal(optional_array(group, "dones", options)),
        columns=options.select(others, lambda key, _: array(child(group, key), options))[0],
        unread=unread,
        info={"demo": name} | repeated,
        **facts,
    )


def _terminal(dones: np.ndarray | None) -> bool | None:
    """False where `dones` ends unset. Set, it only says that the file ends or a success is held.

    Raises DatasetError where it is set and later unset.
    """
    last = last_number("dones", dones, bool)
    if dones is not None:
        held = np.logical_and.accumulate(dones.reshape(-1)[::-1] != 0)[::-1]
        last_flag("dones", np.where(held, 0, dones.reshape(-1)))
    return None if last else last
