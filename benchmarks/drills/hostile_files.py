"""Recordings that somebody made to harm whoever injects them; `CASES` by what they try.

Each function writes one into a folder and returns what to inject. `outside` has recordings of somebody else,
whose arrays hold `SECRET` throughout, and is where what leads out of the folder leads to. What runs leaves a
file there.
"""

import io
import json
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from foreign import SCHEMA, WRITERS, make_episode

SECRET = 0.625
EPISODES = [make_episode(5, 0)]
BOMB_BYTES = 2**29


class Exploit:
    """What a pickle of it does when it is opened: it leaves a file."""

    def __init__(self, outside: Path) -> None:
        self._outside = outside

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._outside / "ran"),)


def write_outside(outside: Path) -> None:
    """The recordings that nothing may lead to."""
    secret = make_episode(5, 99)
    arrays = {name: np.full_like(value, SECRET) for name, value in secret.observation.items()}
    secret = replace(secret, observation=arrays, action=np.full_like(secret.action, SECRET))
    for name in ("robomimic", "npz", "rlds"):
        WRITERS[name](outside / name, [secret], SCHEMA)


def npz_names(folder: Path, outside: Path) -> Path:
    """Members whose names lead out."""
    path = WRITERS["npz"](folder / "npz", EPISODES, SCHEMA) / "episode_0.npz"
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../escaped.npy", f"{outside}/escaped.npy", "observation/../../escaped.npy"):
            archive.writestr(name, npy(np.zeros(3)))
    return path


def npz_pickle(folder: Path, outside: Path) -> Path:
    """A pickle in the place of an array."""
    path = folder / "pickled.npz"
    np.savez(path, action=np.array([Exploit(outside)], dtype=object))
    return path


def npz_pickle_member(folder: Path, outside: Path) -> Path:
    """A bare pickle as a member of the archive."""
    import pickle

    path = WRITERS["npz"](folder / "npz", EPISODES, SCHEMA) / "episode_0.npz"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("seed_more.npy", pickle.dumps(Exploit(outside)))
        archive.writestr("score.npy", pickle.dumps(Exploit(outside)))
    return path


def npz_bomb(folder: Path, outside: Path) -> Path:
    """Half a gigabyte of zeros in half a megabyte, behind a header that says so."""
    return with_action(folder, npy_header((BOMB_BYTES // 8, 1)))


def npz_quiet_bomb(folder: Path, outside: Path) -> Path:
    """The same behind a header that claims five rows."""
    return with_action(folder, npy_header((5, 2)))


def npz_link(folder: Path, outside: Path) -> Path:
    """A member that is a symbolic link, as `zip -y` writes one."""
    path = with_action(folder, None)
    entry = zipfile.ZipInfo("action.npy")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, str(outside / "npz" / "episode_0.npz"))
    return path


def tar_names(folder: Path, outside: Path) -> Path:
    """A tar whose members lead out, in the place of a recording."""
    path = folder / "recording.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("../escaped", f"{outside}/escaped"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
    return path


def hdf5(change: Callable[[Any, Path], None]) -> Callable[[Path, Path], Path]:
    """A robomimic file that was changed."""

    def write(folder: Path, outside: Path) -> Path:
        import h5py

        path = WRITERS["robomimic"](folder, EPISODES, SCHEMA)
        with h5py.File(path, "a") as file:
            change(file["data/demo_0"], outside)
        return path

    write.__doc__ = change.__doc__
    return write


def link(member: str) -> Callable[[Any, Path], None]:
    """A link into somebody else's file, in the place of a member."""

    def change(demo: Any, outside: Path) -> None:
        import h5py

        del demo[member]
        demo[member] = h5py.ExternalLink(str(outside / "robomimic" / "demo.hdf5"), f"data/demo_0/{member}")

    return change


def external(demo: Any, outside: Path) -> None:
    """Actions whose numbers are in another file."""
    (outside / "raw").write_bytes(np.full((5, 2), SECRET).tobytes())
    del demo["actions"]
    demo.create_dataset("actions", (5, 2), "f8", external=[(str(outside / "raw"), 0, 80)])


def virtual(demo: Any, outside: Path) -> None:
    """Actions that are a view of another file's."""
    import h5py

    del demo["actions"]
    layout = h5py.VirtualLayout((5, 2), "f8")
    layout[:] = h5py.VirtualSource(
        str(outside / "robomimic" / "demo.hdf5"), "data/demo_0/actions", shape=(5, 2)
    )
    demo.create_virtual_dataset("actions", layout)


def hdf5_bomb(demo: Any, outside: Path) -> None:
    """Actions that are terabytes of zeros, of which none was written."""
    del demo["actions"]
    demo.create_dataset("actions", (2**38, 2), "f8", chunks=(2**16, 2), compression="gzip")


def hdf5_length(demo: Any, outside: Path) -> None:
    """A rewards' array of terabytes."""
    del demo["rewards"]
    demo.create_dataset("rewards", (2**40,), "f8", chunks=(2**16,), compression="gzip")


def lerobot_camera(folder: Path, outside: Path) -> Path:
    """A camera whose name leads out, and a template of paths that does."""
    path = WRITERS["lerobot-video"](folder / "lerobot", EPISODES, SCHEMA)
    text = (path / "meta" / "info.json").read_text()
    text = text.replace("observation.image", "observation.../../image").replace("data/chunk", "../../chunk")
    (path / "meta" / "info.json").write_text(text)
    return path


def lerobot_eps(folder: Path, outside: Path) -> Path:
    """PostScript in the place of pictures, where whatever would run it leaves a file."""
    program = outside / "gs"
    program.write_text(f"#!/bin/sh\ntouch '{outside}/ran-gs'\n")
    program.chmod(0o755)
    os.environ["PATH"] = f"{outside}{os.pathsep}{os.environ['PATH']}"
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n%%EOF\n"
    with mock.patch("foreign.png", lambda _: eps):
        return WRITERS["lerobot-images"](folder / "lerobot", EPISODES, SCHEMA)


def rlds(described: str, change: Callable[[Any, Path], None]) -> Callable[[Path, Path], Path]:
    """A TFDS folder with a description that was changed."""

    def write(folder: Path, outside: Path) -> Path:
        path = WRITERS["rlds"](folder / "rlds", EPISODES, SCHEMA)
        file = next(path.rglob(described))
        value = json.loads(file.read_text())
        change(value, outside)
        file.write_text(json.dumps(value))
        return path

    write.__doc__ = change.__doc__
    return write


def rlds_class(form: str) -> Callable[[Any, Path], None]:
    """A feature whose class is of a program that leaves a file, in one of the forms that TFDS reads."""

    def change(features: Any, outside: Path) -> None:
        (outside / f"of_{form}.py").write_text(f"open({str(outside / form)!r}, 'w')")
        sys.path.append(str(outside))
        theirs = f"of_{form}.X"
        old, known = {"type": theirs, "content": {}}, features["pythonClassName"]
        hidden = {"pythonClassName": known, "json_feature": {"json": json.dumps({"a": old})}}
        forms = {"type": old, "json_feature": hidden}
        features.clear()
        features.update(forms.get(form) or {form: theirs, "featuresDict": {}})

    return change


def rlds_template(key: str) -> Callable[[Any, Path], None]:
    """Shards that are said to lie elsewhere."""

    def change(info: Any, outside: Path) -> None:
        shard = next((outside / "rlds").rglob("*.tfrecord*"))
        (split,) = info["splits"]
        split[key] = f"{shard.parent}/{split.pop('filepathTemplate')}"
        split["numBytes"] = str(shard.stat().st_size)

    return change


def pacloop_batch(folder: Path, outside: Path) -> Path:
    """A dataset of ours whose batch says that it is called otherwise, and lies elsewhere."""
    path = WRITERS["pacloop"](folder / "pacloop", EPISODES, SCHEMA)
    file = path / "batches" / "theirs" / "batch.json"
    file.write_text(file.read_text().replace('"theirs"', '"../../../escaped"').replace("steps.arrow", "../x"))
    return path


def npy(array: np.ndarray) -> bytes:
    """An array as numpy's file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_header(shape: tuple[int, ...]) -> bytes:
    """The head of such a file, of 64-bit numbers of this shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def with_action(folder: Path, header: bytes | None) -> Path:
    """A recording whose action has this header and half a gigabyte of zeros; None for no action at all."""
    whole = WRITERS["npz"](folder / "npz", EPISODES, SCHEMA) / "episode_0.npz"
    path = folder / "changed.npz"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != "action.npy":
                new.writestr(name, old.read(name))
        if header:
            with new.open("action.npy", "w", force_zip64=True) as member:
                member.write(header)
                for _ in range(BOMB_BYTES // 2**20):
                    member.write(bytes(2**20))
    shutil.rmtree(folder / "npz")
    return path


CASES: dict[str, Callable[[Path, Path], Path]] = {
    "npz, names that lead out": npz_names,
    "npz, a pickled array": npz_pickle,
    "npz, a pickle for a member": npz_pickle_member,
    "npz, a bomb": npz_bomb,
    "npz, a quiet bomb": npz_quiet_bomb,
    "npz, a symbolic link": npz_link,
    "tar, names that lead out": tar_names,
    **{
        f"HDF5, a link at {member}": hdf5(link(member))
        for member in ("actions", "rewards", "dones", "obs/hand", "next_obs/hand", "obs", "next_obs")
    },
    "HDF5, numbers in another file": hdf5(external),
    "HDF5, a view of another file": hdf5(virtual),
    "HDF5, a bomb": hdf5(hdf5_bomb),
    "HDF5, a bomb of rewards": hdf5(hdf5_length),
    "LeRobot, paths that lead out": lerobot_camera,
    "LeRobot, PostScript": lerobot_eps,
    **{
        f"RLDS, a program's class by {form}": rlds("features.json", rlds_class(form))
        for form in ("pythonClassName", "python_class_name", "json_feature", "type")
    },
    **{
        f"RLDS, shards elsewhere by {key}": rlds("dataset_info.json", rlds_template(key))
        for key in ("filepathTemplate", "filepath_template")
    },
    "pacloop, a batch elsewhere": pacloop_batch,
}
