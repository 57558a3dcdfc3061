"""Which format a path is in, by its names and first bytes."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..files import named_errors
from .readers import FORMATS


def reader(path: Path, format: str = "auto") -> tuple[str, Any]:
    """The name of a format and its module. Raises DatasetError where there is no such path or format."""
    if format not in ("auto", *FORMATS):
        raise DatasetError(f"format is {format!r}, but must be auto, {', '.join(FORMATS)}")
    with named_errors(path, "read"):
        if not path.exists():
            raise DatasetError(f"{path} does not exist")
        if not (path.is_file() or path.is_dir()):
            raise DatasetError(f"{path} is neither a file nor a folder")
        name = detect(path) if format == "auto" else format
    return name, import_module(f".readers.{name}", __package__)


def detect(path: Path) -> str:
    """The format of what is at `path`. Raises DatasetError where it looks like none of them."""
    is_folder = path.is_dir()
    if format := _of_folder(path) if is_folder else _of_file(path):
        return format
    if is_folder and (files := sorted(f.name for f in path.iterdir() if f.is_file() and _of_file(f))):
        raise DatasetError(f"{path} is a folder of recordings ({_some(files)}): inject them one by one")
    raise DatasetError(f"{path} looks like none of {', '.join(FORMATS)}; if it is one, name it with --format")


def not_read(path: Path, format: str) -> str:
    """What there is besides what a reader yields, in a sentence, or ""."""
    if format == "pacloop" and (count := reader(path, format)[1].excluded(path)):
        return f"not read, as they are excluded there: {count} episodes"
    if format == "npz" and path.is_dir():
        others = sorted(p.name for p in path.iterdir() if p.suffix != ".npz" and p.name[0] != ".")
        return f"not read, as they are no .npz files: {_some(others)}" if others else ""
    return ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _of_folder(path: Path) -> str | None:
    if (path / "meta" / "info.json").exists():
        return "lerobot"
    if (path / "pacloop.toml").exists() or (path / "schemas").is_dir():
        return "pacloop"
    if any(next(path.glob(f"{below}features.json"), None) for below in ("", "*/", "*/*/")):
        return "rlds"  # before Minari, since TFDS may keep a metadata.json too
    if (path / "metadata.json").exists() or (path / "data" / "metadata.json").exists():
        return "minari"
    if next(path.glob("data/*.parquet"), None):
        return "parquet"
    return "npz" if next(path.glob("*.npz"), None) else None


def _of_file(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return "npz"
    if start.startswith(b"PAR1"):
        return "parquet"
    if start != b"\x89HDF\r\n\x1a\n":
        return None
    return "minari" if (path.parent / "metadata.json").exists() else "robomimic"
