"""Minari: a folder with `metadata.json` and the episodes as one HDF5 file, or as Arrow or Parquet files.

    data/metadata.json         data_format, total_episodes, the spaces as JSON
    data/main_data.hdf5        hdf5: a group episode_<n> with observations, actions, rewards, ...
    data/<n>/part-0.arrow      arrow, parquet: a row a step, actions and rewards padded by one
    data/<n>/metadata.json     arrow, parquet: the seed

Minari keeps T+1 observations. Dict and Tuple spaces become names joined by `/`; an observation that is
one array is called `observation`. The spaces are read as JSON: no environment is made.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .decode import arrow_numbers, attempt, decode_images, last_flag, last_number, whole_file
from .hdf5 import array, child, leaves, opened, optional_child
from .raw import RawEpisode, ReadOptions, Unreadable, flat_name

FLAGS = ("terminations", "truncations")
MEMBERS = ("observations", "actions", "rewards", *FLAGS)


@dataclass(frozen=True)
class _Dataset:
    """What `metadata.json` says: how the episodes are kept, how many, and their spaces by flat name."""

    folder: Path
    format: str
    total: int
    jpeg: bool
    spaces: Mapping[str, Mapping[str, Any]]


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of their numbers. Raises DatasetError where one that counts is missing."""
    dataset = _open(path)
    folder, cut_short = dataset.folder, f"{dataset.folder} counts {dataset.total} episodes, but has no "
    if dataset.format == "hdf5":
        with opened(folder / "main_data.hdf5") as file:
            for number in range(dataset.total):
                name = f"episode_{number}"
                if optional_child(file, name) is None:
                    raise DatasetError(f"{cut_short}{name}: it was cut short")
                yield attempt(f"main_data.hdf5, {name}", _episode, dataset, number, file, options)
        return
    if dataset.format not in ("arrow", "parquet"):
        raise DatasetError(f"{folder} is kept as {dataset.format!r}, but must be hdf5, arrow or parquet")
    for number in range(dataset.total):
        if not (folder / str(number)).is_dir():
            raise DatasetError(f"{cut_short}folder {number}: it was cut short")
        yield attempt(f"{folder.parent.name}, episode {number}", _episode, dataset, number, None, options)


def count(path: Path) -> int:
    """How many episodes the metadata counts."""
    return _open(path).total


def _open(path: Path) -> _Dataset:
    """The dataset at `path`: its folder, the one above, or the HDF5 file itself."""
    folder = next((f for f in (path, path / "data", path.parent) if (f / "metadata.json").exists()), None)
    if folder is None:
        raise DatasetError(f"{path} is no dataset of Minari: metadata.json is missing")
    facts = read_json(folder / "metadata.json")
    if not isinstance(facts, dict) or not isinstance(facts.get("total_episodes"), int):
        raise DatasetError(f"{folder / 'metadata.json'} has no total_episodes")
    with whole_file(folder / "metadata.json", "Minari's metadata"):
        spaces = dict(_spaces(facts.get("observation_space"), "observation", ""))
        spaces |= _spaces(facts.get("action_space"), "action", "action/")
    kind, jpeg = str(facts.get("data_format", "hdf5")), bool(facts.get("jpeg_encoding", True))
    return _Dataset(folder, kind, facts["total_episodes"], jpeg, spaces)


def _spaces(space: Any, name: str, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The leaves of a space by flat name; `name` is that of a space that is one array."""
    space = json.loads(space) if isinstance(space, str) else space or {}
    inner = space.get("subspaces")
    if inner is None:
        yield flat_name(name), space
        return
    for key, member in inner.items() if isinstance(inner, Mapping) else enumerate(inner):
        yield from _spaces(member, f"{prefix}{key}", f"{prefix}{key}/")


def _is_picture(space: Mapping[str, Any]) -> bool:
    """Whether Minari keeps this space as JPEG: its own rule, as of 0.5."""
    shape = space.get("shape") or ()
    if space.get("dtype") != "uint8" or len(shape) not in (2, 3) or min(shape[:2]) < 32:
        return False
    return bool(np.all(np.asarray(space["low"]) == 0) and np.all(np.asarray(space["high"]) == 255))


def _episode(where: str, dataset: _Dataset, number: int, file: Any, options: ReadOptions) -> RawEpisode:
    """An episode of `file`, or of a folder of its own where that is None."""
    members, facts = _in_arrow(dataset, number) if file is None else _in_hdf5(file, number)

    def read(name: str, values: Any) -> np.ndarray:
        return _array(values, dataset.spaces.get(flat_name(name), {}), name, dataset.jpeg, options)

    reward, ended, cut = (read(name, members[name]) for name in ("rewards", *FLAGS))
    counted, seed = facts.get("total_steps"), facts.get("seed")
    if counted is not None and int(counted) != len(reward):
        raise DatasetError(f"{where} counts {int(counted)} steps, but holds {len(reward)}")
    last_flag("truncations", cut)
    observation, unread = options.select(_leaves(members["observations"], "observation", ""), read)
    actions = {name: read(name, values) for name, values in _leaves(members["actions"], "action", "action/")}
    infos = () if members.get("infos") is None else _leaves(members["infos"], "infos", "infos/")
    return RawEpisode(
        where=where,
        observation=observation,
        action=actions.pop("action", None),
        reward=reward,
        terminal=last_flag("terminations", ended),
        seed=None if seed is None else last_number("seed", np.asarray(seed), int),
        columns=actions | options.select(infos, read)[0],
        unread=unread,
        info={"episode": number},
    )


def _in_hdf5(file: Any, number: int) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The members of an episode, not read yet, and what it says about itself."""
    group = child(file, f"episode_{number}")
    members = {name: child(group, name) for name in MEMBERS}
    return members | {"infos": optional_child(group, "infos")}, group.attrs


def _in_arrow(dataset: _Dataset, number: int) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Likewise, from the one data file in the episode's folder. Only observations have a last row."""
    import pyarrow.dataset as arrow

    folder = dataset.folder / str(number)
    files = [f for f in folder.iterdir() if f.name != "metadata.json" and f.name[0] not in "._"]
    if len(files) != 1:
        raise DatasetError(f"{folder} holds {len(files)} data files, but must hold one")
    table = arrow.dataset(files[0], format=dataset.format).to_table()
    table.validate(full=True)  # damaged offsets would be followed out of the file
    if missing := set(MEMBERS) - set(table.column_names):
        raise DatasetError(f"{files[0].name} has no column {', '.join(sorted(missing))}")
    members = {name: table.column(name).combine_chunks() for name in MEMBERS}
    acted = {name: column[:-1] for name, column in members.items() if name != "observations"}
    facts = read_json(folder / "metadata.json")
    return members | acted, facts if isinstance(facts, dict) else {}


def _leaves(member: Any, name: str, prefix: str) -> Iterator[tuple[str, Any]]:
    """The arrays of an HDF5 group or an Arrow struct by name; `name` is that of one array alone."""
    import h5py
    import pyarrow as pa

    if isinstance(member, h5py.Group):
        yield from leaves(member, prefix)
    elif isinstance(member, pa.StructArray):
        for index, key in enumerate(member.type.names):
            yield from _leaves(member.field(index), f"{prefix}{key}", f"{prefix}{key}/")
    else:
        yield name, member


def _array(values: Any, space: Mapping[str, Any], name: str, jpeg: bool, options: ReadOptions) -> np.ndarray:
    import h5py

    is_hdf5 = isinstance(values, h5py.Dataset)
    if jpeg and _is_picture(space):
        images: Any = array(values, options) if is_hdf5 else values.to_pylist()
        return decode_images(images, options, name)
    if is_hdf5:
        return array(values, options)
    width = getattr(values.type, "list_size", None)
    shape = () if width is None else tuple(space.get("shape") or (width,))
    return arrow_numbers(values, shape, options, name)
