"""HDF5 with the care that files of strangers need: nothing outside the file, nothing beyond its size."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from .decode import whole_file
from .raw import ReadOptions


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, open for reading. Raises DatasetError where it is cut short or no HDF5."""
    import h5py

    if not path.is_file():
        raise DatasetError(f"{path} is no file, but must be HDF5")
    with whole_file(path, "HDF5"):
        file = h5py.File(path, "r")
    with file:
        yield file


def child(group: Any, name: str) -> Any:
    """A member of a group. Raises DatasetError where it is missing or a link, even one to nowhere."""
    member = optional_child(group, name)
    if member is None:
        raise DatasetError(f"{group.name} has no {name}")
    return member


def optional_child(group: Any, name: str) -> Any:
    """Likewise, but None where it is missing. h5py's own `in` and `get` follow links out of the file."""
    import h5py

    link = group.get(name, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise DatasetError(f"{group.name.rstrip('/')}/{name} is a link, which is not followed")
    return link and group[name]


def leaves(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dataset below a group, by its name joined with `/`."""
    import h5py

    for key in group:
        member = child(group, key)
        name = f"{prefix}{key.removeprefix('_index_')}"
        if isinstance(member, h5py.Group):
            yield from leaves(member, name + "/")
        else:
            yield name, member


def array(dataset: Any, options: ReadOptions, rows: slice = slice(None)) -> np.ndarray:
    """Rows of a dataset. Raises DatasetError where it claims too much, or is kept in another file."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise DatasetError(f"{getattr(dataset, 'name', 'member')} is no array")
    if dataset.external or dataset.is_virtual:
        raise DatasetError(f"{dataset.name} is kept in another file, which is not followed")
    if dataset.shape is None:
        raise DatasetError(f"{dataset.name} is empty")
    options.check_size(str(dataset.name), dataset.shape, dataset.dtype)
    return dataset[rows] if dataset.shape else np.asarray(dataset[()])


def optional_array(group: Any, name: str, options: ReadOptions) -> np.ndarray | None:
    """A member of a group as an array; None where there is none."""
    member = optional_child(group, name)
    return None if member is None else array(member, options)
