"""What every format says of an episode: its steps as RLDS means them, its facts, its pictures."""

from io import BytesIO
from typing import Any

import numpy as np

from ..records.episode import Episode, padded
from ..records.rows import EpisodeRow
from .update import Job


def rlds_steps(episode: Episode) -> dict[str, np.ndarray]:
    """The T+1 steps by RLDS's names, each `[T+1, ...]`; observations as `observation/<name>`.

    In the last step only the observation and the flags mean anything: the rest is 0.
    """
    steps = episode.length
    number = np.arange(steps + 1)
    last = number == steps
    return {
        **{f"observation/{name}": array for name, array in episode.observation.items()},
        "action": padded([episode.action]),
        "reward": padded([episode.reward]),
        "discount": padded([episode.discount]),
        "is_first": number == 0,
        "is_last": last,
        "is_terminal": last & episode.is_terminal,
    }


def facts(row: EpisodeRow, job: Job) -> dict[str, Any]:
    """What is known of an episode besides its steps; None where nobody knows."""
    return {
        "id": row.id,
        "batch": job.batch.id,
        "source": job.batch.source,
        "round": row.round,
        "policy": row.policy,
        "seed": row.seed,
        "score": row.score,
        "instruction": row.instruction,
        "info": row.info,
    }


def pngs(pictures: np.ndarray) -> np.ndarray:
    """Pictures, `[N, H, W, 1]` or `[N, H, W, 3]` uint8, as N PNG files, dtype object; nothing is lost."""
    from PIL import Image

    files = np.empty(len(pictures), object)
    for index, picture in enumerate(pictures):
        file = BytesIO()
        flat = picture[..., 0] if picture.shape[-1] == 1 else picture
        Image.fromarray(flat).save(file, "png", compress_level=1)  # 6 takes three times as long to save 5 %
        files[index] = file.getvalue()
    return files
