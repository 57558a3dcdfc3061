"""Commands of pacloop in this process, on a copy of a workspace of the fast task with one of everything."""

import io
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import fast
from fuzz_inject import SECONDS, Hang, on_alarm

from pacloop.actors.registry import find_task  # pyright: ignore[reportMissingImports]
from pacloop.actors.rollout.rollout import outcomes  # pyright: ignore[reportMissingImports]
from pacloop.actors.rollout.slot import make_environment  # pyright: ignore[reportMissingImports]
from pacloop.datasets.store.quarantine import (  # pyright: ignore[reportMissingImports]
    Quarantined,
    write_quarantine,
)
from pacloop.flows.cli import main as cli  # pyright: ignore[reportMissingImports]
from pacloop.learner.checkpoint import build_policy  # pyright: ignore[reportMissingImports]
from pacloop.loop.episodes.play import Session  # pyright: ignore[reportMissingImports]
from pacloop.loop.progress import silent  # pyright: ignore[reportMissingImports]
from pacloop.loop.stages.evaluate import measure  # pyright: ignore[reportMissingImports]
from pacloop.loop.stages.improve import check_start, next_round  # pyright: ignore[reportMissingImports]
from pacloop.loop.views.film import Films  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.lease import hold  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

MEMORY = 24 * 2**30
"""Addresses, in bytes; libraries map some gigabytes."""
KEPT = ("whole", "package", "lines")
"""What stands beside the copy and is no command's work."""


class Collectors(fast.Collectors):
    """As a pool's actors do it: environments are made when they are needed, failures are outcomes."""

    def __init__(self, task: str, environments: int) -> None:
        self._task, self._environments = find_task(task), [None] * environments

    def start(self, seed: int) -> Any:
        return self._task.begin(make_environment(self._task), seed).observation

    def run(self, record: Any, weights: bytes, seeds: Any, task: str = "") -> Any:
        policy, history = build_policy(record, weights), record.network.history
        environments = list(self._environments)
        names = {"environments": environments, "policy_id": record.id, "history": history}
        yield from outcomes(self._task, policy, seeds, **names)


def make(folder: Path) -> None:
    """A workspace with one of everything."""
    space = fast.make(folder)
    fast.run(folder, 1)
    store = space.open_store()
    store.exclude("demonstrations-0/0", reason="it was dropped", by="ann")
    facts = {"path": "/recordings/a.npz", "format": "npz", "by": "ann", "when": "2026-11-21T13:43:07+00:00"}
    write_quarantine(store, [Quarantined("a.npz", ("reward is not finite",))], facts)
    collectors: Any = fast.Collectors(fast.TASK, 4)
    with hold(space):
        measure(Session(space, lambda: collectors, silent), policy=None, episodes=4)
    (folder / "rounds" / "002").mkdir()
    for source, name in (("001/begin", "begin"), ("001/collect", "collect"), ("001/gate", "judged")):
        shutil.copy(folder / "rounds" / f"{source}.json", folder / "rounds" / "002" / f"{name}.json")


def ended(words: Sequence[str]) -> tuple[str, str]:
    """How a command ended, and in which words."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "argv", ["pacloop", *words]):
            cli.main()
    except SystemExit as end:
        code = end.code
    except Hang:
        return "traceback", f"it hangs\n{traceback.format_exc()}"
    except BaseException:
        return "traceback", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    said = err.getvalue().strip()
    if "Traceback" in said + out.getvalue():
        return "traceback", said + out.getvalue()
    if not code:
        return "accepted", ""
    usage = code == 2 and ("─ Error ─" in said or "Usage: pacloop" in said)  # typer's own
    sentence = said.startswith("pacloop: ") and "\n" not in said and len(said) < 1500
    listed = code == 1 and not said and bool(out.getvalue())
    return ("sentence" if sentence or usage or listed else "no sentence"), said or out.getvalue()


def check() -> None:
    """What `improve` looks at before it starts anything."""
    space = Workspace.open(os.environ["PACLOOP_WORKSPACE"])
    check_start(space)
    next_round(space)


def go_on() -> None:
    """What `improve --rounds 1` does."""
    with mock.patch.object(fast, "Collectors", Collectors):
        fast.run(os.environ["PACLOOP_WORKSPACE"], 1)


@contextmanager
def beside(root: Path) -> Iterator[None]:
    """Commands act on the workspace `run` in `root`; nobody films, and `check` and `go-on` are commands."""
    signal.signal(signal.SIGPROF, on_alarm)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.environ["PACLOOP_WORKSPACE"] = str(root / "run")
    for command in (check, go_on):
        cli.app.command(command.__name__.replace("_", "-"))(command)

    @contextmanager
    def no_films(*_: Any, **__: Any) -> Iterator[Callable[[], Films]]:
        yield lambda: Films([], "none are made here")

    with mock.patch("pacloop.loop.views.film.filming", no_films):
        yield


def fresh(root: Path) -> Path:
    """A copy of the workspace, and nothing beside it; commands run in it."""
    os.chdir(root)
    for path in root.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.copytree(root / "whole", root / "run")
    os.chdir(root / "run")
    return root / "run"


def listed(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every path in a folder, with what changes when it is written."""
    paths = ((str(path), path.lstat()) for path in folder.rglob("*"))
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in paths}


def half_written(space: Path, rest: bool) -> list[str]:
    """What a command that writes left half done; `rest`: whether the dataset was sound before."""
    left = [path.name for path in space.rglob(".*.tmp")]
    if rest and (space / "dataset").is_dir():
        store = Workspace.open(space).open_store()
        left += store.verify() + store.leftovers()
    return left
