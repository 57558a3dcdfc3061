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

import numpy as np

from ...errors import DatasetError
from .decode import attempt, complete, last_flag, last_number, text, whole_file
from .raw import PREFIXES, RawEpisode, ReadOptions, Unreadable, natural

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
"""Under which names an array may stand; the first that is there is read."""

NUMBERS = {"score": float, "seed": int, "control_hz": float}


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of the files' names. Raises DatasetError where a lone file is no `.npz`."""
    files = sorted(path.glob("*.npz"), key=lambda file: natural(file.name)) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"{path} has no .npz file")
    if not path.is_dir():
        with whole_file(path, ".npz"):
            zipfile.ZipFile(path).close()
    for file in files:
        yield attempt(file.name, _episode, file, options)


def count(path: Path) -> int:
    """How many files there are."""
    return len(list(path.glob("*.npz"))) if path.is_dir() else 1


def _episode(where: str, path: Path, options: ReadOptions) -> RawEpisode:
    with zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}

        def read(_name: str, member: str) -> np.ndarray:
            return _array(archive, member, options)

        known = {
            name: read(key, members[key])
            for name, keys in KNOWN.items()
            if (key := next((key for key in keys if key in members), None))
        }
        if "action" not in known:
            names = ", ".join(sorted(members)) or "nothing"
            raise DatasetError(f"{path.name} has no array action, only {names}")
        observed = {k: m for k, m in members.items() if k.replace(".", "/").split("/")[0] in PREFIXES}
        observation, unread = options.select(observed.items(), read)
        columns, _ = options.select(((k, m) for k, m in members.items() if k not in observed), read)
    observation, repeated = complete(observation, len(known["action"]), f"{path.name}, ")
    return RawEpisode(
        where=where,
        observation=observation,
        action=known["action"],
        reward=known.get("reward"),
        discount=known.get("discount"),
        terminal=last_flag("terminal", known.get("terminal")),
        instruction=text("instruction", known.get("instruction", "")),
        columns=columns,
        unread=unread,
        info={"file": path.name} | repeated,
        **{name: last_number(name, known.get(name), kind) for name, kind in NUMBERS.items()},
    )


def _array(archive: zipfile.ZipFile, member: str, options: ReadOptions) -> np.ndarray:
    """One array, its claimed size checked before a byte of it is unpacked."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        headers = np.lib.format
        read = headers.read_array_header_1_0 if version == (1, 0) else headers.read_array_header_2_0
        shape, _, dtype = read(file)
    if dtype.hasobject:
        raise DatasetError(f"{member} holds Python objects, which are not read")
    options.check_size(member, shape, dtype)
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
