"""What every format says of an episode: its steps as RLDS means them, its facts, its pictures."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np

from ..records.episode import Episode, padded
from ..records.rows import EpisodeRow
from ..store.store import EpisodeStore
from .jobs import Job, Tick


def included(store: EpisodeStore, job: Job, tick: Tick) -> Iterator[tuple[EpisodeRow, Episode]]:
    """The episodes of a job's batch with their rows, in order, without those that are left out.

    Calls `tick` when the next one is asked for.
    """
    left_out = set(job.excluded)
    for row, episode in zip(store.iter_rows([job.batch]), store.episodes(job.batch), strict=True):
        if row.id not in left_out:
            yield row, episode
            tick()


def rlds_steps(episode: Episode) -> dict[str, np.ndarray]:
    """The T+1 steps by RLDS's names, each `[T+1, ...]`; observations as `observation/<name>`.

    In the last step only the observation and the flags mean anything: the rest is 0.
    """
    steps = episode.length
    here = np.arange(steps + 1)
    last = here == steps
    return {
        **{f"observation/{name}": array for name, array in episode.observation.items()},
        "action": padded([episode.action]),
        "reward": padded([episode.reward]),
        "discount": padded([episode.discount]),
        "is_first": here == 0,
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


def png(picture: np.ndarray) -> bytes:
    """A picture, `[H, W, 1]` or `[H, W, 3]` uint8, as a PNG file; nothing is lost."""
    from PIL import Image

    file = BytesIO()
    flat = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(flat).save(file, "png", compress_level=1)  # 6 takes three times as long to save 5 %
    return file.getvalue()


def pngs(pictures: np.ndarray) -> np.ndarray:
    """Pictures, `[N, H, W, C]`, as N PNG files, dtype object."""
    files = np.empty(len(pictures), object)
    files[:] = [png(picture) for picture in pictures]
    return files
