"""An episode as a video: from the images it holds, or by acting it out again and looking on.

The video is VP9 in an MP4 file: browsers play it, and its encoder (libvpx, BSD) is in every build of
FFmpeg, those without GPL parts too.
"""

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...datasets import DatasetError, Episode, Schema
from ...datasets.files import replacing
from ..task import SeededEnvironment, Task

CODEC = "libvpx-vp9"
OPTIONS = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
SMALLEST = 240
"""Pixels: images that are lower are enlarged by a whole factor, so that one can see them."""

See = Callable[[np.ndarray], None]
"""Takes a picture, `[H, W, 3]` uint8."""


def image_fields(schema: Schema) -> list[str]:
    """The observations that are pictures."""
    return sorted(name for name, field in schema.observation.items() if field.is_image)


def show_images(episode: Episode, names: list[str], see: See, *, steps: Container[int] | None = None) -> None:
    """Show an episode's own images, T+1 pictures, or those of `steps`; several cameras stand side by side."""
    for step in range(episode.length + 1):
        if steps is not None and step not in steps:
            continue
        images = [_enlarged(episode.observation[name][step]) for name in names]
        height = max(len(image) for image in images)
        padded = [np.pad(image, ((0, height - len(image)), (0, 0), (0, 0))) for image in images]
        see(np.concatenate(padded, axis=1))


def act_again(
    task: Task,
    episode: Episode,
    see: See,
    *,
    environment: SeededEnvironment,
    steps: Container[int] | None = None,
) -> str | None:
    """Act an episode out again, from its seed and its actions, and show what the task's camera sees.

    Of the T+1 observations those of `steps` are shown, all by default: a picture costs more than a step.
    The environment is one of the task's, and may be used on.

    Returns the first difference between what is observed now and what the episode holds, as a
    sentence; None where they are equal. Raises DatasetError where the task cannot be looked at, or the
    episode has no seed.
    """
    if episode.seed is None:
        raise DatasetError("the episode has no seed, so its start cannot be made again")
    render = getattr(environment, "render", None)
    if render is None:
        raise DatasetError(f"{task.name} cannot be looked at: its environment has no render()")
    step, difference = task.begin(environment, episode.seed), None
    for index in range(episode.length + 1):
        difference = difference or _difference(step.observation, episode, index)
        if steps is None or index in steps:
            see(render())
        if index == episode.length:
            break
        if step.last():
            return difference or f"it ends after {index} steps, but the episode has {episode.length}"
        step = environment.step(episode.action[index])
    return difference


@contextmanager
def mp4(path: Path, hz: float) -> Iterator[See]:
    """A video to be: what it yields adds a picture; the file appears whole when the block ends.

    All pictures must have the size of the first. Raises DatasetError where the file cannot be written.
    """
    import av

    faststart = {"movflags": "faststart"}
    with replacing(path) as aside, av.open(str(aside), "w", format="mp4", options=faststart) as container:
        rate = Fraction(hz).limit_denominator(1000)
        stream = container.add_stream(CODEC, rate=rate, options=OPTIONS)
        stream.pix_fmt = "yuv420p"

        def see(picture: np.ndarray) -> None:
            height, width = (size // 2 * 2 for size in picture.shape[:2])  # as yuv420p needs
            if not stream.codec_context.is_open:
                stream.height, stream.width = height, width
            even = np.ascontiguousarray(picture[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))

        yield see
        container.mux(stream.encode())


def _difference(observation: object, episode: Episode, step: int) -> str | None:
    for name, column in episode.observation.items():
        observed, recorded = np.asarray(observation[name]), column[step]  # type: ignore[index]
        if not np.array_equal(observed, recorded):
            if recorded.dtype == object:
                return f"from step {step} on {name} is another"
            by = float(np.max(np.abs(observed.astype(np.float64) - recorded.astype(np.float64))))
            return f"from step {step} on {name} is another, by {by:.2g}"
    return None


def _enlarged(image: np.ndarray) -> np.ndarray:
    """As `[H, W, 3]`, and large enough to see."""
    factor = -(-SMALLEST // image.shape[0])
    return image.repeat(factor, axis=0).repeat(factor, axis=1).repeat(3 // image.shape[2], axis=2)
