"""Stored episodes as pictures for pages: a strip of a few frames each, and a short video where wanted.

A page must not fail because a machine cannot render, and Mesa's software renderer crashes a process that has
loaded TensorFlow. So a process of its own makes the pictures, within a deadline, and what it cannot make is
a sentence.
"""

import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...actors.rendering.video import mp4
from ...datasets import Batch, EpisodeStore
from ..progress import Progress, silent
from ..workspace.workspace import Workspace
from .video import Render, renderer

STRIP_FRAMES, STRIP_WIDTH, VIDEO_WIDTH = 6, 160, 320
GAP = ((0, 0), (0, 3), (0, 0))
"""White pixels on the right of each frame of a strip."""
VIDEO_HZ = 10.0
"""At most so many pictures a second: half of the stacking task's steps, and half the time to render."""
DEADLINE_SEC = 60.0
"""Of all strips together, and of each video."""


@dataclass(frozen=True)
class Film:
    """An episode in pictures.

    Attributes:
      steps: T, the number of its actions.
      seconds: how long it took on the robot's clock.
      remark: in what the pictures differ from the record, or "".
      strip: frames side by side, from the first to the last observation, as JPEG.
      video: VP9 in MP4; empty where none was wanted.
    """

    episode: str
    score: float
    steps: int
    seconds: float
    remark: str
    strip: bytes
    video: bytes = b""

    @property
    def caption(self) -> str:
        """What it shows, e.g. `success, 57 steps (2.9 s)`."""
        how = {1.0: "success", 0.0: "failure"}.get(self.score, f"score {self.score:.2f}")
        remark = f"; {self.remark}" if self.remark else ""
        return f"{how}, {self.steps} steps ({self.seconds:.1f} s){remark}"


@dataclass(frozen=True)
class Films:
    """The films that could be made, and why the others could not, as a sentence or ""."""

    made: Sequence[Film]
    missing: str = ""


def choose(store: EpisodeStore, batches: Iterable[Batch], good: int, bad: int) -> list[str]:
    """Ids of the first so many best episodes of some batches, and of the first so many worst.

    The first of each kind, so nobody picked them for their looks.
    """
    rows = list(store.iter_rows(batches))
    best = [row for row in sorted(rows, key=lambda row: -row.score)[:good] if row.score > 0.0]
    others = [row for row in rows if row not in best and row.score < 1.0]
    return [row.id for row in best + sorted(others, key=lambda row: row.score)[:bad]]


@contextmanager
def filming(
    space: Workspace, episodes: Sequence[str], *, videos: bool = False, progress: Progress = silent
) -> Iterator[Callable[[], Films]]:
    """Make the films beside what goes on inside; what it yields waits for them, at most to the deadline.

    Raises nothing for a machine that cannot: `missing` says why.
    """
    if not episodes:
        yield lambda: Films([], "there are no episodes to show yet")
        return
    receiver, sender = Pipe(duplex=False)
    with TemporaryDirectory(prefix="pacloop-film-") as folder:
        arguments = (sender, space.address, episodes, Path(folder) if videos else None)
        child = get_context("spawn").Process(target=_make_all, args=arguments, daemon=True)
        child.start()
        sender.close()
        end = time.monotonic() + DEADLINE_SEC * (len(episodes) if videos else 1)
        try:
            yield lambda: _collect(receiver, len(episodes), end, progress)
        finally:
            child.kill()
            child.join()


def _collect(receiver: Any, total: int, end: float, progress: Progress) -> Films:
    """The films as they come, until all are there, or a sentence comes instead of one, or time is up."""
    films: list[Film] = []
    why = "rendering crashed or was stopped at its deadline"
    with suppress(EOFError):
        while len(films) < total and receiver.poll(max(0.0, end - time.monotonic())):
            film = receiver.recv()
            if isinstance(film, str):
                why = film
                break
            films.append(film)
            progress("films", len(films), total, film.episode)
    return Films(films, "" if len(films) == total else f"Pictures are missing: {why}")


def _make_all(sender: Any, workspace: str, episodes: Sequence[str], folder: Path | None) -> None:
    """Send the film of each episode, with videos where there is a folder for them; or why there is none."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a renderer's library grumbles
    try:
        store = Workspace.open(workspace).open_store()
        with renderer(store) as render:
            for name in episodes:
                sender.send(_make(store, name, render, folder))
    except Exception as error:
        sender.send(str(error))


def _make(store: EpisodeStore, name: str, render: Render, folder: Path | None) -> Film:
    episode, hz = store.episode(name), store.schema.control_hz
    every = max(1, round(hz / VIDEO_HZ))
    marks = [round(k * episode.length / (STRIP_FRAMES - 1)) for k in range(STRIP_FRAMES)]
    moving = range(0, episode.length + 1, every) if folder else ()
    steps = sorted({*marks, *moving})
    images: list[np.ndarray] = []
    difference = render(episode, images.append, steps)
    frames = dict(zip(steps, images))
    video = b""
    if folder:
        with mp4(folder / "film.mp4", hz / every) as see:
            for k in moving:
                if k in frames:
                    see(_scaled(frames[k], VIDEO_WIDTH))
        video = (folder / "film.mp4").read_bytes()
    remark = f"acted out again, not as recorded: {difference}" if difference else ""
    strip = _strip([frames[k] for k in marks if k in frames])
    return Film(name, episode.score, episode.length, episode.length / hz, remark, strip, video)


def _strip(frames: list[np.ndarray]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    padded = [np.pad(_scaled(frame, STRIP_WIDTH), GAP, constant_values=255) for frame in frames]
    Image.fromarray(np.concatenate(padded, axis=1)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _scaled(frame: np.ndarray, width: int) -> np.ndarray:
    from PIL import Image

    height = round(frame.shape[0] * width / frame.shape[1] / 2) * 2
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX))
