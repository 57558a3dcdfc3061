"""Plain numpy: one `.npz` file an episode, or a folder of them.

    observation/<name>  [T+1, ...] or [T, ...]; also observation.<name>, obs/<name>
    action              [T, A]; also actions
    reward, discount    [T], optional; also rewards
    terminal            one bool, optional; score, seed, control_hz: one number; instruction: one string

Where there are only T observations, the last one is repeated, and `info` says so. Arrays of Python
objects are refused: reading them would execute code from the file.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from .raw import (
    PREFIXES,
    RawEpisode,
    Unreadable,
    Wants,
    attempt,
    flat_name,
    natural,
    text,
    whole_file,
    with_last,
)

KNOWN = {
    "action": ("action", "actions"),
    "reward": ("reward", "rewards"),
    "discount": ("discount", "discounts"),
    "terminal": ("terminal", "is_terminal"),
    "score": ("score", "success"),
    "seed": ("seed",),
    "control_hz": ("control_hz",),
    "instruction": ("instruction", "language_instruction"),
}
"""What is read under which names, the first found."""


def episodes(path: Path, wants: Wants) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of the files' names. Raises DatasetError where a lone file is no `.npz`."""
    files = sorted(path.glob("*.npz"), key=lambda file: natural(file.name)) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"{path} has no .npz file")
    for file in files:
        if path.is_dir():
            yield attempt(file.name, lambda file=file: _episode(file, wants))
        else:
            with whole_file(file, ".npz"), zipfile.ZipFile(file) as archive:
                archive.infolist()
            yield attempt(file.name, lambda file=file: _episode(file, wants))


def _episode(path: Path, wants: Wants) -> RawEpisode:
    with zipfile.ZipFile(path) as archive:
        keys = {name.removesuffix(".npy"): name for name in archive.namelist()}
        found = {
            what: _array(archive, keys[key], wants)
            for what, names in KNOWN.items()
            if (key := next((name for name in names if name in keys), None))
        }
        if "action" not in found:
            raise DatasetError(
                f"{path.name} has no array action, only {', '.join(sorted(keys)) or 'nothing'}"
            )
        observed = [key for key in keys if key.replace(".", "/").split("/")[0] in PREFIXES]
        read = {flat_name(key): key for key in observed if wants.reads(flat_name(key))}
        values = {name: _array(archive, keys[key], wants) for name, key in read.items()}
        others = [key for key in keys if key not in observed and wants.reads_column(flat_name(key))]
        columns = {flat_name(key): _array(archive, keys[key], wants) for key in others}
    steps = len(found["action"])
    made = {name: with_last(value, steps, f"{path.name}, {name}") for name, value in values.items()}
    repeated = any(made_up for _, made_up in made.values())
    return RawEpisode(
        where=path.name,
        observation={name: value for name, (value, _) in made.items()},
        action=found["action"],
        reward=found.get("reward"),
        discount=found.get("discount"),
        terminal=_last(found, "terminal", bool),
        score=_last(found, "score", float),
        seed=_last(found, "seed", int),
        control_hz=_last(found, "control_hz", float),
        instruction=text(found["instruction"]) if "instruction" in found else "",
        columns=columns,
        unread=tuple(sorted({flat_name(key) for key in observed} - set(read))),
        info={"file": path.name} | ({"last_observation": "repeated"} if repeated else {}),
    )


def _array(archive: zipfile.ZipFile, member: str, wants: Wants) -> np.ndarray:
    """One array, its claimed size checked before a byte of it is unpacked."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise DatasetError(f"{member} holds Python objects, which are not read")
    wants.check_size(member, shape, dtype)
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _last(found: dict[str, np.ndarray], what: str, kind: Any) -> Any:
    """The last value of an array as a number, None where there is no such array."""
    if what not in found or not found[what].size:
        return None
    value = found[what].reshape(-1)[-1]
    if value.dtype.kind not in "fiub":
        raise DatasetError(f"{what} is {value.dtype}, but must be a number")
    return kind(value)


def count(path: Path) -> int:
    """How many files there are."""
    return len(list(path.glob("*.npz"))) if path.is_dir() else 1
