"""Frames of a video file."""

from pathlib import Path

import numpy as np

from ...errors import DatasetError
from .decode import whole_file
from .raw import ReadOptions

SLACK = 0.1
"""Share of a frame's time by which it may be shown earlier or later."""


def frames(path: Path, *, start_sec: float, count: int, fps: float, options: ReadOptions) -> np.ndarray:
    """`count` frames from `start_sec` on, `[count, height, width, 3]` uint8.

    Raises DatasetError where the file is missing, broken, ends too early, or has no frame where one is due.
    """
    import av

    if not path.is_file():
        raise DatasetError(f"{path} is missing")
    with whole_file(path, "a video"), av.open(str(path)) as container:
        if not container.streams.video:
            raise DatasetError(f"{path} has no video")
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        height, width = (getattr(stream, side, 0) for side in ("height", "width"))
        if not height or not width:
            raise DatasetError(f"{path} does not say how large its frames are")
        options.check_size(str(path), (count, height, width, 3), np.uint8)
        base = stream.time_base
        if base is None:
            raise DatasetError(f"{path} does not say when its frames are shown")
        container.seek(int(start_sec / base), stream=stream)  # to the key frame at or before it
        images = []
        for frame in container.decode(stream):
            due_sec = start_sec + len(images) / fps
            if frame.pts is None or float(frame.pts * base) < due_sec - SLACK / fps:
                continue
            if float(frame.pts * base) > due_sec + SLACK / fps:
                raise DatasetError(
                    f"{path} has no frame at {due_sec:g} s, where one of {fps:g} a second is due"
                )
            if (frame.height, frame.width) != (height, width):
                raise DatasetError(f"{path} changes its size to {frame.width} x {frame.height}")
            images.append(frame.to_ndarray(format="rgb24"))
            if len(images) == count:
                return np.stack(images)
    raise DatasetError(f"{path} ends after {len(images)} of {count} frames from {start_sec:g} s on")
