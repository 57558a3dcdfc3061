"""Stored episodes as pictures for pages: a strip of a few frames each, and a short video where wanted.

A page must not fail because a machine cannot render, and Mesa's software renderer crashes a process that has
loaded TensorFlow. So a process of its own makes the pictures, within a deadline, and what it cannot make is
a sentence: this module, run by itself, is that process.
"""

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LoopError
from ..progress import Progress, silent
from ..workspace.workspace import Workspace

if TYPE_CHECKING:
    from ...actors.rendering.video import See
    from ...datasets import Batch, Episode, EpisodeStore

    Render = Callable[[Episode, See, Sequence[int]], str | None]

STRIP_FRAMES, STRIP_WIDTH, VIDEO_WIDTH = 6, 160, 320
GAP = ((0, 0), (0, 3), (0, 0))
"""White pixels on the right of each frame of a strip."""
VIDEO_HZ = 10.0
"""At most so many pictures a second: half of the stacking task's steps, and half the time to render."""
DEADLINE_SEC = 60.0


@dataclass(frozen=True)
class Film:
    """An episode in pictures.

    Attributes:
      episode: its id.
      score: how well it went.
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


def choose(store: "EpisodeStore", batches: "Iterable[Batch]", good: int, bad: int) -> list[str]:
    """Ids of the first so many best episodes of some batches, and of the first so many worst.

    The first of each kind, so nobody picked them for their looks.
    """
    rows = list(store.iter_rows(batches))
    best = [row for row in sorted(rows, key=lambda row: -row.score)[:good] if row.score > 0.0]
    others = [row for row in rows if row not in best and row.score < 1.0]
    return [row.id for row in best + sorted(others, key=lambda row: row.score)[:bad]]


def film(
    space: Workspace,
    episodes: Sequence[str],
    *,
    videos: bool = False,
    deadline_sec: float = DEADLINE_SEC,
    progress: Progress = silent,
) -> Films:
    """Make the films of some episodes. Raises nothing for a machine that cannot: `missing` says why."""
    with filming(space, episodes, videos=videos, deadline_sec=deadline_sec, progress=progress) as films:
        return films()


@contextmanager
def filming(
    space: Workspace,
    episodes: Sequence[str],
    *,
    videos: bool = False,
    deadline_sec: float = DEADLINE_SEC,
    progress: Progress = silent,
) -> Iterator[Callable[[], Films]]:
    """Make the films beside what goes on inside; what it yields waits for them, at most to the deadline."""
    if not episodes:
        yield lambda: Films([], "there are no episodes to show yet")
        return
    request = {"workspace": space.address, "episodes": list(episodes), "videos": videos}
    with tempfile.TemporaryDirectory(prefix="pacloop-film-") as folder:
        command = [sys.executable, "-P", "-m", "pacloop.loop.views.film", json.dumps(request), folder]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as child:
            timer = Timer(deadline_sec, child.kill)
            timer.start()
            try:
                yield lambda: _collect(child, Path(folder), len(episodes), deadline_sec, progress)
            finally:
                timer.cancel()
                child.kill()


def _collect(
    child: "subprocess.Popen[str]", folder: Path, total: int, deadline_sec: float, progress: Progress
) -> Films:
    """The films that the child makes, as they come, and the last line of its errors."""
    assert child.stdout and child.stderr
    films: list[Film] = []
    for line in child.stdout:
        data = json.loads(line)
        strip, video = folder / data.pop("strip"), folder / data.pop("video")
        film = Film(**data, strip=strip.read_bytes(), video=video.read_bytes() if video.exists() else b"")
        films.append(film)
        progress("films", len(films), total, film.episode)
    errors, code = child.stderr.read().strip().splitlines(), child.wait()
    if len(films) == total:
        return Films(films)
    why = f"rendering crashed or was stopped after {deadline_sec:.0f} s (exit {code})"
    return Films(films, f"Pictures are missing: {errors[-1].removeprefix('pacloop: ') if errors else why}")


def main(request: dict[str, Any], folder: Path) -> None:
    """Make the films of a request, with a line of JSON as each is done."""
    space = Workspace.open(request["workspace"])
    store = space.open_store()
    with _renderer(store) as render:
        for name in request["episodes"]:
            print(json.dumps(_make(store, name, render, folder, request["videos"])), flush=True)


def _make(store: "EpisodeStore", name: str, render: "Render", folder: Path, videos: bool) -> dict[str, Any]:
    """Render one episode into `folder`; its facts, with the names of its files."""
    from ...actors.rendering.video import mp4

    episode, hz = store.episode(name), store.schema.control_hz
    every = max(1, round(hz / VIDEO_HZ))
    marks = [round(k * episode.length / (STRIP_FRAMES - 1)) for k in range(STRIP_FRAMES)]
    steps = sorted({*marks, *range(0, episode.length + 1, every)} if videos else set(marks))
    images: list[np.ndarray] = []
    difference = render(episode, images.append, steps)
    frames = dict(zip(steps, images))
    stem = name.replace("/", "-")
    (folder / f"{stem}.jpg").write_bytes(_strip([frames[k] for k in marks if k in frames]))
    if videos:
        with mp4(folder / f"{stem}.mp4", hz / every) as see:
            for k in range(0, steps[-1] + 1, every):
                if k in frames:
                    see(_scaled(frames[k], VIDEO_WIDTH))
    remark = f"acted out again, not as recorded: {difference}" if difference else ""
    film = Film(name, episode.score, episode.length, episode.length / hz, remark, b"")
    return asdict(film) | {"strip": f"{stem}.jpg", "video": f"{stem}.mp4"}


@contextmanager
def _renderer(store: "EpisodeStore") -> Iterator["Render"]:
    """Renders episodes from their own images, or by acting them out again in one environment."""
    from ...actors.registry import find_task
    from ...actors.rendering.video import act_again, image_fields, show_images

    if names := image_fields(store.schema):
        yield lambda episode, see, steps: show_images(episode, names, see, steps=steps)
        return
    task = find_task(store.schema.task)
    if difference := store.schema.difference(task.schema):
        raise LoopError(f"{task.name} is another task by now: {difference}")
    environment = task.make()
    try:
        yield lambda episode, see, steps: act_again(task, episode, see, environment=environment, steps=steps)
    finally:
        environment.close()


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


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:
        raise SystemExit(f"pacloop: {error}") from None
