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
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .hdf5 import array, child, leaves, opened
from .raw import RawEpisode, Unreadable, Wants, attempt, check_flags, decode_images, flat_name, whole_file


def episodes(path: Path, wants: Wants) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of their numbers. Raises DatasetError where one that counts is missing."""
    folder = data_folder(path)
    facts = read_json(folder / "metadata.json")
    if not isinstance(facts, dict) or not isinstance(facts.get("total_episodes"), int):
        raise DatasetError(f"{folder / 'metadata.json'} has no total_episodes")
    spaces = {flat_name(name): space for name, space in _spaces(facts.get("observation_space"), folder)}
    jpeg, total = bool(facts.get("jpeg_encoding", True)), facts["total_episodes"]
    if facts.get("data_format", "hdf5") == "hdf5":
        with opened(folder / "main_data.hdf5") as file:
            for number in range(total):
                if f"episode_{number}" not in file:
                    raise DatasetError(
                        f"{folder} counts {total} episodes, but has no episode_{number}: it was cut short"
                    )
                where = f"main_data.hdf5, episode_{number}"
                yield attempt(where, lambda n=number, w=where: _from_hdf5(file, n, w, spaces, jpeg, wants))
        return
    if facts["data_format"] not in ("arrow", "parquet"):
        raise DatasetError(
            f"{folder} is kept as {facts['data_format']!r}, but must be hdf5, arrow or parquet"
        )
    for number in range(total):
        if not (folder / str(number)).is_dir():
            raise DatasetError(
                f"{folder} counts {total} episodes, but has no folder {number}: it was cut short"
            )
        where = f"{folder.parent.name}, episode {number}"
        yield attempt(
            where, lambda n=number, w=where: _from_arrow(folder / str(n), w, facts, spaces, jpeg, wants)
        )


def data_folder(path: Path) -> Path:
    """The folder with `metadata.json`: `path` or its `data`; for the HDF5 file itself, the one around it."""
    for folder in (path, path / "data", path.parent):
        if (folder / "metadata.json").exists():
            return folder
    raise DatasetError(f"{path} is no dataset of Minari: metadata.json is missing")


def _spaces(text: Any, folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The leaves of a space, by name."""
    if text is None:
        return
    with whole_file(folder / "metadata.json", "Minari's metadata"):
        yield from _space_leaves(json.loads(text) if isinstance(text, str) else text, "")


def _space_leaves(space: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    inner = space.get("subspaces")
    if inner is None:
        yield prefix.rstrip("/") or "observation", space
        return
    for key, member in inner.items() if isinstance(inner, Mapping) else enumerate(inner):
        yield from _space_leaves(member, f"{prefix}{key}/")


def _is_picture(space: Mapping[str, Any] | None) -> bool:
    """Whether Minari keeps this space as JPEG: its own rule, as of 0.5."""
    shape = (space or {}).get("shape") or ()
    if space is None or space.get("dtype") != "uint8" or len(shape) not in (2, 3) or min(shape[:2]) < 32:
        return False
    return bool(np.all(np.asarray(space["low"]) == 0) and np.all(np.asarray(space["high"]) == 255))


def _from_hdf5(
    file: Any, number: int, where: str, spaces: Mapping[str, Any], jpeg: bool, wants: Wants
) -> RawEpisode:
    import h5py

    group = child(file, f"episode_{number}")
    top = child(group, "observations")
    found = leaves(top) if isinstance(top, h5py.Group) else [("observation", top)]
    observation, unread = {}, []
    for key, dataset in found:
        if not wants.reads(name := flat_name(key)):
            unread.append(name)
        elif jpeg and _is_picture(spaces.get(name)):
            frames = [np.asarray(frame, np.uint8).tobytes() for frame in array(dataset, wants)]
            observation[name] = decode_images(frames, wants, name)
        else:
            observation[name] = array(dataset, wants)
    action = child(group, "actions")
    infos = dict(leaves(child(group, "infos"), "infos/")) if "infos" in group else {}
    return _episode(
        where,
        number,
        observation,
        tuple(unread),
        action=array(action, wants) if isinstance(action, h5py.Dataset) else None,
        parts={}
        if isinstance(action, h5py.Dataset)
        else {k: array(v, wants) for k, v in leaves(action, "action/")},
        steps={key: array(child(group, key), wants) for key in ("rewards", "terminations", "truncations")},
        infos={
            name: array(value, wants) for name, value in infos.items() if wants.reads_column(flat_name(name))
        },
        seed=group.attrs.get("seed"),
        counted=group.attrs.get("total_steps"),
    )


def _from_arrow(
    folder: Path, where: str, facts: Mapping[str, Any], spaces: Mapping[str, Any], jpeg: bool, wants: Wants
) -> RawEpisode:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(
        file for file in folder.iterdir() if file.name != "metadata.json" and file.name[0] not in "._"
    )
    if len(files) != 1:
        raise DatasetError(f"{folder} holds {len(files)} data files, but must hold one")
    if facts["data_format"] == "parquet":
        table = pq.ParquetFile(files[0], memory_map=True).read()
    else:
        with pa.memory_map(str(files[0])) as file, pa.ipc.open_file(file) as reader:
            table = reader.read_all()
    table.validate(full=True)  # damaged offsets would be followed out of the file
    batch = (
        table.combine_chunks().to_batches()[0]
        if table.num_rows
        else pa.RecordBatch.from_pylist([], table.schema)
    )
    missing = {"observations", "actions", "rewards", "terminations", "truncations"} - set(table.column_names)
    if missing:
        raise DatasetError(f"{files[0].name} has no column {', '.join(sorted(missing))}")
    observation, unread = {}, []
    for name, column in _arrow_leaves(batch.column("observations"), "", "observation"):
        if not wants.reads(name := flat_name(name)):
            unread.append(name)
        elif jpeg and _is_picture(spaces.get(name)):
            observation[name] = decode_images(column.to_pylist(), wants, name)
        else:
            observation[name] = _numbers(column, spaces.get(name), wants, name)
    action_space = dict(_spaces(facts.get("action_space"), folder))
    actions = {
        name: _numbers(column, action_space.get(name.removeprefix("action/")), wants, name)[:-1]
        for name, column in _arrow_leaves(batch.column("actions"), "action/", "action")
    }
    own = read_json(folder / "metadata.json")
    steps = ("rewards", "terminations", "truncations")
    return _episode(
        where,
        int(folder.name),
        observation,
        tuple(unread),
        action=actions.pop("action", None),
        parts=actions,
        steps={key: batch.column(key).to_numpy(zero_copy_only=False)[:-1] for key in steps},
        infos={},
        seed=own.get("seed") if isinstance(own, dict) else None,
        counted=own.get("total_steps") if isinstance(own, dict) else None,
    )


def _arrow_leaves(column: Any, prefix: str, alone: str) -> Iterator[tuple[str, Any]]:
    """The arrays of a struct, by name joined with `/`; `alone` names a column that is no struct."""
    import pyarrow as pa

    if not pa.types.is_struct(column.type):
        yield prefix.rstrip("/") or alone, column
        return
    for index in range(column.type.num_fields):
        yield from _arrow_leaves(column.field(index), f"{prefix}{column.type.field(index).name}/", alone)


def _numbers(column: Any, space: Mapping[str, Any] | None, wants: Wants, name: str) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_fixed_size_list(column.type):
        flat, rows = column.flatten().to_numpy(zero_copy_only=False), len(column)
        shape = (space or {}).get("shape") or (column.type.list_size,)
        wants.check_size(name, (rows, *shape), flat.dtype)
        return flat.reshape(rows, *shape)
    return column.to_numpy(zero_copy_only=False)


def _episode(
    where: str,
    number: int,
    observation: Mapping[str, np.ndarray],
    unread: tuple[str, ...],
    *,
    action: np.ndarray | None,
    parts: Mapping[str, np.ndarray],
    steps: Mapping[str, np.ndarray],
    infos: Mapping[str, np.ndarray],
    seed: Any,
    counted: Any,
) -> RawEpisode:
    reward, ended, cut = steps["rewards"], steps["terminations"], steps["truncations"]
    if counted is not None and int(counted) != len(reward):
        raise DatasetError(f"{where} counts {int(counted)} steps, but holds {len(reward)}")
    check_flags("terminations", ended)
    check_flags("truncations", cut)
    return RawEpisode(
        where=where,
        observation=observation,
        action=action,
        reward=reward,
        terminal=bool(ended[-1]) if len(ended) else None,
        seed=None if seed is None else int(seed),
        columns={**parts, **{flat_name(name): value for name, value in infos.items()}},
        unread=unread,
        info={"episode": number},
    )


def count(path: Path) -> int:
    """How many episodes the metadata counts."""
    facts = read_json(data_folder(path) / "metadata.json")
    total = facts.get("total_episodes") if isinstance(facts, dict) else 0
    return total if isinstance(total, int) else 0
