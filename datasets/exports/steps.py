"""What every format says of an episode: its steps as RLDS means them, its facts, its pictures."""

from io import BytesIO
from typing import Any

import numpy as np

from ..records.episode import Episode, padded
from ..records.rows import EpisodeRow
from .update import Job

FACTS = {
    "id": "string",
    "batch": "string",
    "source": "string",
    "round": "int64",
    "policy": "string",
    "seed": "int64",
    "score": "float64",
    "instruction": "string",
    "info": "string",
}
"""What is known of an episode besides its steps: names and Arrow types."""


def rlds_steps(episode: Episode) -> dict[str, np.ndarray]:
    """The T+1 steps by RLDS's names, each `[T+1, ...]`; observations as `observation/<name>`.

    In the last step only the observation and the flags mean anything: the rest is 0.
    """
    number = np.arange(episode.length + 1)
    last = number == episode.length
    return {
        **{f"observation/{name}": array for name, array in episode.observation.items()},
        **{name: padded([getattr(episode, name)]) for name in ("action", "reward", "discount")},
        "is_first": number == 0,
        "is_last": last,
        "is_terminal": last & episode.is_terminal,
    }


def facts(row: EpisodeRow, job: Job) -> dict[str, Any]:
    """The `FACTS` of an episode; None where nobody knows."""
    known = vars(row) | {"batch": job.batch.id, "source": job.batch.source}
    return {name: known[name] for name in FACTS}


def pngs(pictures: np.ndarray) -> np.ndarray:
    """Pictures, `[N, H, W, 1]` or `[N, H, W, 3]` uint8, as N PNG files, dtype object; nothing is lost."""
    return np.array([_png(picture) for picture in pictures], object)


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    file = BytesIO()
    flat = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(flat).save(file, "png", compress_level=1)  # 6 takes three times as long to save 5 %
    return file.getvalue()
