"""Which format a path is in, told by its names and first bytes."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from ..errors import DatasetError
from ..files import named_errors
from .readers import FORMATS
from .readers.raw import RawEpisode, Unreadable, Wants

Reader = Callable[[Path, Wants], Iterator[RawEpisode | Unreadable]]


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
    return name, import_module(f".readers.{name}", __package__).episodes


def count(path: Path, name: str) -> int:
    """How many episodes there seem to be, for a progress bar; 0 where that takes reading them."""
    return import_module(f".readers.{name}", __package__).count(path)


def detect(path: Path) -> str:
    """The format of what is at `path`. Raises DatasetError where it looks like none of them."""
    found = _of_folder(path) if path.is_dir() else _of_file(path)
    if found is None and path.is_dir() and (files := _files(path)):
        raise DatasetError(f"{path} is a folder of recordings ({_some(files)}): inject them one by one")
    if found is None:
        raise DatasetError(
            f"{path} looks like none of {', '.join(FORMATS)}; if it is one, name it with --format"
        )
    return found


def passed_over(path: Path, name: str) -> str:
    """What else lies in a folder of `.npz` files and is not read, in a few words, or ""."""
    if name != "npz" or not path.is_dir():
        return ""
    return _some(sorted(p.name for p in path.iterdir() if p.suffix != ".npz" and p.name[0] != "."))


def _files(path: Path) -> list[str]:
    """The files in a folder that are of a format by themselves."""
    return sorted(file.name for file in path.iterdir() if file.is_file() and _of_file(file))


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
