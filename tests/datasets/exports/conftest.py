"""A store with one of every kind of field, and what stock TFDS makes of its export."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pacloop.datasets import EpisodeStore, Field

KINDS = (
    "float16",
    "float32",
    "float64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int32",
    "int64",
    "bool",
)


@pytest.fixture(scope="session")
def everything(build):
    """A schema with every dtype, scalars to matrices, two sizes of pictures, names nested three deep."""
    fields = {f"kinds/{kind}/vector": Field((3,), kind) for kind in KINDS}
    fields |= {f"kinds/{kind}/scalar": Field((), kind) for kind in ("float64", "uint64", "bool")}
    fields |= {
        "matrix": Field((2, 3)),
        "one": Field((1,)),
        "camera/wrist": Field((6, 8, 3), "uint8"),
        "camera/grey": Field((5, 4, 1), "uint8"),
        "depth": Field((4, 4, 1), "uint16"),
    }
    return build.schema(observation=fields, action=Field((2,), "float64"))


@pytest.fixture
def store(tmp_path, build):
    return EpisodeStore.create(tmp_path / "dataset", build.schema())


def fill(store, build, *names, episodes=2):
    """Append a batch of each name; the episodes differ in length, end, facts."""
    for name in names:
        made = []
        for i in range(episodes):
            seed = 100 * sum(map(ord, name)) + i
            odd = {"policy": None, "seed": None, "score": 1 / 3, "instruction": "stäck"} if i % 2 else {}
            episode = build.episode(1 + seed % 7, seed, i % 2 == 0, schema=store.schema)
            made.append(replace(episode, observation=_random(episode.observation, seed), **odd))
        store.append(made, batch_id=name, source="collection", round=None if name == "demos" else 1)


def _random(observation, seed):
    """Observations of all values that their dtypes have."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, array in observation.items():
        if array.dtype.kind in "OU":
            made[name] = np.array([f"stäck {rng.integers(9)}" for _ in array.flat], object).reshape(
                array.shape
            )
        elif array.dtype.kind == "b":
            made[name] = rng.random(array.shape) < 0.5
        elif array.dtype.kind == "f":
            made[name] = rng.standard_normal(array.shape).astype(array.dtype)
        else:
            made[name] = np.frombuffer(rng.bytes(array.nbytes), array.dtype).reshape(array.shape)
    return made


DIES = """
import os, sys
from importlib import import_module
from pathlib import Path
from pacloop.datasets import EpisodeStore
store, module, name, root, points, *excluded = EpisodeStore.open(sys.argv[1]), *sys.argv[2:]
export_ = getattr(import_module(module), name)
export_(store, Path(root) / "warm-up")  # imports are not worth a death each
fsync = os.fsync
for point in range(int(points) + 1):
    child = os.fork()
    if not child:
        left = [0] * point
        def dies(handle):
            if not left:
                os._exit(9)
            left.pop()
            fsync(handle)
        os.fsync = dies
        export_(store, Path(root) / "killed" / str(point), excluded=excluded)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def killed(export, store, root, *, points, excluded=()):
    """Copies of `root / "before"`, each after an export that died at its next sync; the last one did not."""
    targets = [root / "killed" / str(point) for point in range(points + 1)]
    for target in targets:
        shutil.copytree(root / "before", target)
    which = [export.__module__, export.__name__]
    command = [sys.executable, "-c", DIES, store.folder, *which, root, str(points), *excluded]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    codes = done.stdout.split()
    assert codes == ["9"] * points + ["0"], f"there are {codes.count('9')} points to die at"
    return targets


@pytest.fixture(scope="session")
def exports(build):
    """The helpers of this file, for tests that need them by name."""
    return SimpleNamespace(
        fill=lambda store, *names, **more: fill(store, build, *names, **more), killed=killed
    )
