"""Which format a path is in, by its names and first bytes."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ..errors import DatasetError
from ..files import named_errors
from .readers import FORMATS
from .readers.raw import RawEpisode, ReadOptions, Unreadable


class Reader(Protocol):
    """What the module of a format offers; both raise DatasetError where the path is not of that format."""

    def episodes(self, path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
        """The episodes, one at a time, in the file's order."""
        ...

    def count(self, path: Path) -> int:
        """How many episodes there seem to be; 0 where that takes reading them."""
        ...


def reader(path: Path, format: str = "auto") -> tuple[str, Reader]:
    """The name of a format and its reader. Raises DatasetError where there is no such path or format."""
    if format not in ("auto", *FORMATS):
        raise DatasetError(f"format is {format!r}, but must be auto, {', '.join(FORMATS)}")
    with named_errors(path, "read"):
        if not path.exists():
            raise DatasetError(f"{path} does not exist")
        if not (path.is_file() or path.is_dir()):
            raise DatasetError(f"{path} is neither a file nor a folder")
        name = detect(path) if format == "auto" else format
    module: Any = import_module(f".readers.{name}", __package__)
    return name, module


def detect(path: Path) -> str:
    """The format of what is at `path`. Raises DatasetError where it looks like none of them."""
    if format := _of_folder(path) if path.is_dir() else _of_file(path):
        return format
    files = (
        sorted(file.name for file in path.iterdir() if file.is_file() and _of_file(file))
        if path.is_dir()
        else []
    )
    if files:
        raise DatasetError(f"{path} is a folder of recordings ({_some(files)}): inject them one by one")
    raise DatasetError(f"{path} looks like none of {', '.join(FORMATS)}; if it is one, name it with --format")


def other_files(path: Path, format: str) -> str:
    """What else lies in a folder of `.npz` files and is not read, in a few words, or ""."""
    if format != "npz" or not path.is_dir():
        return ""
    return _some(sorted(p.name for p in path.iterdir() if p.suffix != ".npz" and p.name[0] != "."))


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _of_folder(path: Path) -> str | None:
    if (path / "meta" / "info.json").exists():
        return "lerobot"
    if (path / "pacloop.toml").exists() or (path / "schemas").is_dir():
        return "pacloop"
    if (path / "metadata.json").exists() or (path / "data" / "metadata.json").exists():
        return "minari"
    if any(next(path.glob(f"{below}features.json"), None) for below in ("", "*/", "*/*/")):
        return "rlds"
    return "npz" if next(path.glob("*.npz"), None) else None


def _of_file(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return "npz"
    if start != b"\x89HDF\r\n\x1a\n":
        return None
    return "minari" if (path.parent / "metadata.json").exists() else "robomimic"
