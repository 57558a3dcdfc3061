"""pacloop's own Parquet export: one row a step, T+1 of them an episode, with the episode's facts in each.

    data/<batch>.parquet    id, step, observation/<name>, action, reward, discount, is_terminal, score, ...
    .pacloop-export.json    the control rate, among others; without it nobody knows

In the last step of an episode only the observation and the flags mean anything. Any other Parquet file is
refused: nothing says what its columns are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .decode import arrow_numbers, attempt, decode_images, last_flag, last_number, text, whole_file
from .origin import ORIGIN, exported_info
from .parquet_rows import check_table, episode_tables
from .raw import RawEpisode, ReadOptions, Unreadable, flat_name, natural

LEDGER = ".pacloop-export.json"

STEPS = ("step", "action", "reward", "discount", "is_terminal")
FACTS = (*ORIGIN, "score", "seed", "instruction", "info")


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """The episodes of the files in the order of their names. Raises DatasetError where one is no export."""
    import pyarrow.parquet as pq

    control_hz = _control_hz(path)
    for file in _files(path):
        with whole_file(file, "Parquet"):
            schema = pq.read_schema(file)
        if missing := [name for name in (*STEPS, *FACTS) if name not in schema.names]:
            raise DatasetError(f"{file} is no export of pacloop's: it has no column {', '.join(missing)}")
        observed = [name for name in schema.names if name.startswith("observation/")]
        wanted = [name for name in observed if flat_name(name) in options.names]
        unread = tuple(flat_name(name) for name in observed if name not in wanted)
        for number, table in episode_tables([file], [*wanted, *STEPS, *FACTS], "id", options):
            yield attempt(f"{file.name}, {number}", _episode, table, wanted, options, unread, control_hz)


def count(path: Path) -> int:
    """How many episodes the last steps of the files end."""
    import pyarrow.parquet as pq

    with whole_file(path, "Parquet"):
        return sum(np.sum(pq.read_table(file, columns=["is_last"])["is_last"]) for file in _files(path))


def _files(path: Path) -> list[Path]:
    files = sorted((path / "data").glob("*.parquet"), key=lambda file: natural(file.name))
    if path.is_dir() and not files:
        raise DatasetError(f"{path} cannot be read as Parquet: data/*.parquet is missing")
    return files or [path]


def _control_hz(path: Path) -> float | None:
    ledger = path / LEDGER
    with whole_file(ledger, "an export's ledger"):
        return float(read_json(ledger)["schema"]["control_hz"]) if ledger.exists() else None


def _episode(
    where: str,
    table: Any,
    wanted: list[str],
    options: ReadOptions,
    unread: tuple[str, ...],
    control_hz: float | None,
) -> RawEpisode:
    check_table(table, options)
    columns = {name: _column(table, name, options) for name in (*wanted, *STEPS)}
    if not np.array_equal(columns["step"], np.arange(table.num_rows)):
        raise DatasetError("step does not count from 0 by one: steps are missing or out of order")
    facts = table.select(FACTS).slice(0, 1).to_pylist()[0]
    action, reward, discount = (columns[name][:-1] for name in ("action", "reward", "discount"))
    seed = facts["seed"]
    return RawEpisode(
        where=where,
        observation={flat_name(name): columns[name] for name in wanted},
        action=action,
        reward=reward,
        discount=discount,
        terminal=last_flag("is_terminal", columns["is_terminal"]),
        score=last_number("score", np.asarray(facts["score"]), float),
        seed=None if seed is None else last_number("seed", np.asarray(seed), int),
        instruction=text("instruction", facts["instruction"]),
        control_hz=control_hz,
        unread=unread,
        info=exported_info(facts),
    )


def _column(table: Any, name: str, options: ReadOptions) -> np.ndarray:
    """A column as `[T+1, ...]`: pictures decoded, lists of the shape that their type has."""
    import pyarrow as pa

    column = table.column(name).combine_chunks()
    if pa.types.is_struct(column.type):
        return decode_images([picture["bytes"] for picture in column.to_pylist()], options, name)
    shape, inner = [], column.type
    while pa.types.is_fixed_size_list(inner):
        shape, inner = [*shape, inner.list_size], inner.value_type
    return arrow_numbers(column, tuple(shape), options, name)
