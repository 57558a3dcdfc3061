"""Minari: a folder with `metadata.json` and the episodes as one HDF5 file, or as Arrow or Parquet files.

    data/metadata.json         data_format, total_episodes, the spaces as JSON
    data/main_data.hdf5        hdf5: a group episode_<n> with observations, actions, rewards, ...
    data/<n>/part-0.arrow      arrow, parquet: a row a step, actions and rewards padded by one
    data/<n>/metadata.json     arrow, parquet: the seed

Minari keeps T+1 observations. Dict and Tuple spaces become names joined by `/`; an observation that is
one array is called `observation`. The spaces are read as JSON: no environment is made.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .decode import arrow_numbers, attempt, check_flags, decode_images, last_number, whole_file
from .hdf5 import array, child, leaves, opened
from .raw import RawEpisode, ReadOptions, Unreadable, flat_name

STEPS = ("rewards", "terminations", "truncations")


@dataclass(frozen=True)
class _Dataset:
    """What `metadata.json` says: how the episodes are kept, how many, and their spaces by flat name."""

    folder: Path
    format: str
    total: int
    jpeg: bool
    observations: Mapping[str, Mapping[str, Any]]
    actions: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _Stored:
    """An episode as its storage keeps it.

    Attributes:
      observations: `[T+1, ...]`, names joined by `/` and what `numbers` reads.
      actions: `[T, ...]`, likewise.
      infos: likewise.
      steps: `STEPS` by name, `[T]` each.
      facts: `seed` and `total_steps`, where it has them.
      numbers: an array in memory, given its space and name.
      images: the encoded images of an array.
    """

    observations: Iterable[tuple[str, Any]]
    actions: Iterable[tuple[str, Any]]
    infos: Iterable[tuple[str, Any]]
    steps: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    numbers: Callable[[Any, Mapping[str, Any], str], np.ndarray]
    images: Callable[[Any], list[bytes]]


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of their numbers. Raises DatasetError where one that counts is missing."""
    dataset = _open(path)
    folder, cut_short = dataset.folder, f"{dataset.folder} counts {dataset.total} episodes, but has no "
    if dataset.format == "hdf5":
        with opened(folder / "main_data.hdf5") as file:
            for number in range(dataset.total):
                name = f"episode_{number}"
                if name not in file:
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
        observations, actions = (_spaces(facts.get(f"{name}_space")) for name in ("observation", "action"))
    kind, jpeg = str(facts.get("data_format", "hdf5")), bool(facts.get("jpeg_encoding", True))
    return _Dataset(folder, kind, facts["total_episodes"], jpeg, observations, actions)


def _spaces(value: Any) -> dict[str, Mapping[str, Any]]:
    """The leaves of a space, by flat name."""
    space = json.loads(value) if isinstance(value, str) else value
    return {flat_name(name): leaf for name, leaf in _space_leaves(space, "")} if space else {}


def _space_leaves(space: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    inner = space.get("subspaces")
    if inner is None:
        yield prefix.rstrip("/") or "observation", space
        return
    for key, member in inner.items() if isinstance(inner, Mapping) else enumerate(inner):
        yield from _space_leaves(member, f"{prefix}{key}/")


def _is_picture(space: Mapping[str, Any]) -> bool:
    """Whether Minari keeps this space as JPEG: its own rule, as of 0.5."""
    shape = space.get("shape") or ()
    if space.get("dtype") != "uint8" or len(shape) not in (2, 3) or min(shape[:2]) < 32:
        return False
    return bool(np.all(np.asarray(space["low"]) == 0) and np.all(np.asarray(space["high"]) == 255))


def _episode(where: str, dataset: _Dataset, number: int, file: Any, options: ReadOptions) -> RawEpisode:
    stored = _in_arrow(dataset, number, options) if file is None else _in_hdf5(file, number, options)
    reward, ended, cut = (stored.steps[name] for name in STEPS)
    counted, seed = stored.facts.get("total_steps"), stored.facts.get("seed")
    if counted is not None and int(counted) != len(reward):
        raise DatasetError(f"{where} counts {int(counted)} steps, but holds {len(reward)}")
    check_flags("terminations", ended)
    check_flags("truncations", cut)

    def observed(name: str, values: Any) -> np.ndarray:
        space = dataset.observations.get(flat_name(name), {})
        if dataset.jpeg and _is_picture(space):
            return decode_images(stored.images(values), options, name)
        return stored.numbers(values, space, name)

    observation, unread = options.observations(stored.observations, observed)
    actions = {
        name: stored.numbers(values, dataset.actions.get(flat_name(name.removeprefix("action/")), {}), name)
        for name, values in stored.actions
    }
    infos = options.columns(stored.infos, lambda values: stored.numbers(values, {}, "infos"))
    return RawEpisode(
        where=where,
        observation=observation,
        action=actions.pop("action", None),
        reward=reward,
        terminal=last_number("terminations", ended, bool),
        seed=None if seed is None else int(seed),
        columns={**actions, **infos},
        unread=unread,
        info={"episode": number},
    )


def _in_hdf5(file: Any, number: int, options: ReadOptions) -> _Stored:
    import h5py

    group = child(file, f"episode_{number}")
    observations, actions = child(group, "observations"), child(group, "actions")
    return _Stored(
        observations=leaves(observations)
        if isinstance(observations, h5py.Group)
        else [("observation", observations)],
        actions=leaves(actions, "action/") if isinstance(actions, h5py.Group) else [("action", actions)],
        infos=leaves(child(group, "infos"), "infos/") if "infos" in group else (),
        steps={name: array(child(group, name), options) for name in STEPS},
        facts=group.attrs,
        numbers=lambda values, _space, _name: array(values, options),
        images=lambda values: [np.asarray(image, np.uint8).tobytes() for image in array(values, options)],
    )


def _in_arrow(dataset: _Dataset, number: int, options: ReadOptions) -> _Stored:
    folder = dataset.folder / str(number)
    batch = _arrow_batch(folder, dataset.format)
    acted = batch.slice(0, max(batch.num_rows - 1, 0))
    facts = read_json(folder / "metadata.json")

    def numbers(column: Any, space: Mapping[str, Any], name: str) -> np.ndarray:
        width = getattr(column.type, "list_size", None)
        shape = () if width is None else tuple(space.get("shape") or (width,))
        return arrow_numbers(column, shape, options, name)

    return _Stored(
        observations=_arrow_leaves(batch.column("observations"), "", "observation"),
        actions=_arrow_leaves(acted.column("actions"), "action/", "action"),
        infos=(),
        steps={name: acted.column(name).to_numpy(zero_copy_only=False) for name in STEPS},
        facts=facts if isinstance(facts, dict) else {},
        numbers=numbers,
        images=lambda column: column.to_pylist(),
    )


def _arrow_batch(folder: Path, format: str) -> Any:
    """The one data file of an episode, a row a step."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [f for f in folder.iterdir() if f.name != "metadata.json" and f.name[0] not in "._"]
    if len(files) != 1:
        raise DatasetError(f"{folder} holds {len(files)} data files, but must hold one")
    if format == "parquet":
        table = pq.ParquetFile(files[0], memory_map=True).read()
    else:
        with pa.memory_map(str(files[0])) as file, pa.ipc.open_file(file) as reader:
            table = reader.read_all()
    table.validate(full=True)  # damaged offsets would be followed out of the file
    missing = {"observations", "actions", *STEPS} - set(table.column_names)
    if missing:
        raise DatasetError(f"{files[0].name} has no column {', '.join(sorted(missing))}")
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _arrow_leaves(column: Any, prefix: str, alone: str) -> Iterator[tuple[str, Any]]:
    """The arrays of a struct, by name joined with `/`; `alone` names a column that is no struct."""
    import pyarrow as pa

    if not pa.types.is_struct(column.type):
        yield prefix.rstrip("/") or alone, column
        return
    for index in range(column.type.num_fields):
        yield from _arrow_leaves(column.field(index), f"{prefix}{column.type.field(index).name}/", alone)
