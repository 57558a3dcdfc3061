"""The files of a LeRobot dataset: what `info.json` says, the episodes' rows, the frames of each.

`lerobot.py` says where they lie.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from ...files import read_json
from .decode import whole_file
from .parquet_rows import episode_tables, row_batches
from .raw import ReadOptions, flat_name, natural

EPISODE_ROWS = 16
"""Episodes of which the metadata is in memory at once, with the last pictures where pacloop wrote it."""

NEXT = ("next.reward", "next.discount", "next.done", "next.truncated", "next.success")
KNOWN = ("action", "episode_index", "frame_index", *NEXT)

LAST = "pacloop/last/"
"""Before a feature's name in `meta/episodes`: its value after the last action."""


@dataclass(frozen=True)
class LeRobotFiles:
    """What `info.json` says, and what is asked for.

    Attributes:
      features: by their names there.
      flat: the flat name of each; a camera's without `images/` where only so it is asked for.
      fps: frames a second.
      total: how many episodes there are.
    """

    folder: Path
    features: Mapping[str, Mapping[str, Any]]
    flat: Mapping[str, str]
    fps: float
    total: int
    options: ReadOptions


def open_files(path: Path, options: ReadOptions) -> LeRobotFiles:
    """What `path` holds. Raises DatasetError where it is of another version."""
    info = read_json(path / "meta" / "info.json")
    with whole_file(path / "meta" / "info.json", "LeRobot's description"):
        version, fps, total = str(info["codebase_version"]), float(info["fps"]), int(info["total_episodes"])
        features = {str(name): dict(feature) for name, feature in info["features"].items()}
    if not version.startswith("v3"):
        raise DatasetError(
            f"{path} is LeRobot {version}, but only v3 is read: convert it with LeRobot's own script"
        )
    flat = {name: _flat(name, features, options) for name in features}
    return LeRobotFiles(path, features, flat, fps, total, options)


def episode_rows(files: LeRobotFiles) -> Iterator[tuple[dict[str, Any], Any]]:
    """What `meta/episodes` says of each episode, without statistics, and a table of its last observation."""
    import pyarrow as pa

    last = {f"{LAST}{name}" for name, flat in files.flat.items() if flat in files.options.names}

    def is_read(name: str) -> bool:
        return name in last or not name.startswith(("stats/", LAST))

    for file, batch in row_batches(_parquet(files.folder / "meta" / "episodes"), is_read, EPISODE_ROWS):
        names = batch.schema.names
        if not {"episode_index", "length"} <= set(names):
            raise DatasetError(f"{file} must have the columns episode_index and length")
        observed = pa.Table.from_batches([batch.select([name for name in names if name in last])])
        observed = observed.rename_columns([name.removeprefix(LAST) for name in observed.column_names])
        rows = batch.select([name for name in names if name not in last]).to_pylist()
        yield from ((row, observed.slice(number, 1)) for number, row in enumerate(rows))


def frame_tables(files: LeRobotFiles) -> Iterator[tuple[int, Any]]:
    """The frames of one episode after the other, as a table; None in its place where it is too large."""
    names = {
        name
        for name, flat in files.flat.items()
        if files.features[name].get("dtype") != "video" and (name in KNOWN or flat in files.options.names)
    }
    return episode_tables(_parquet(files.folder / "data"), names, "episode_index", files.options)


def _parquet(folder: Path) -> list[Path]:
    files = sorted(folder.glob("chunk-*/file-*.parquet"), key=lambda file: natural(str(file)))
    if not files:
        raise DatasetError(f"{folder} has no chunk-*/file-*.parquet")
    return files


def _flat(name: str, features: Collection[str], options: ReadOptions) -> str:
    bare = name.replace("observation.images.", "observation.", 1)
    is_asked = flat_name(name) not in options.names and flat_name(bare) in options.names
    return flat_name(bare if is_asked and bare not in features else name)
