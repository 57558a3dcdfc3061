"""Another pacloop dataset, or the workspace around it: every batch, in the order of the commits.

Everything is taken over as it is, but for what is excluded there. What names things of the other workspace
(episode id, source, policy, round) goes into `info`: they mean nothing here.
"""

from collections.abc import Iterator
from pathlib import Path

from ...errors import DatasetError
from ...store.backend import SCHEMAS
from ...store.store import EpisodeStore
from .origin import exported_info
from .raw import RawEpisode, ReadOptions, Unreadable


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """Every episode that counts. Raises DatasetError where there is no dataset, or it is not sound."""
    folder = _folder(path)
    store = EpisodeStore.open(folder)
    if faults := store.verify():
        raise DatasetError(f"{folder} is not sound: {faults[0]}")
    excluded_ids = store.excluded()
    for batch in store.batches():
        for row, episode in zip(store.iter_rows([batch]), store.episodes(batch), strict=True):
            if row.id in excluded_ids:
                continue
            observation, unread = options.select(episode.observation.items(), lambda _, array: array)
            facts = vars(row) | {"source": batch.source}
            yield RawEpisode(
                where=f"{folder.parent.name}, {row.id}",
                observation=observation,
                action=episode.action,
                reward=episode.reward,
                discount=episode.discount,
                terminal=episode.is_terminal,
                score=episode.score,
                seed=episode.seed,
                instruction=episode.instruction,
                control_hz=store.schema.control_hz,
                unread=unread,
                info=exported_info(facts),
            )


def count(path: Path) -> int:
    """How many episodes the manifests count, without what is excluded."""
    return sum(batch.episodes for batch in EpisodeStore.open(_folder(path)).batches()) - excluded(path)


def excluded(path: Path) -> int:
    """How many episodes are excluded there."""
    return len(EpisodeStore.open(_folder(path)).excluded())


def _folder(path: Path) -> Path:
    for folder in (path, path / "dataset"):
        if (folder / SCHEMAS).is_dir():
            return folder
    raise DatasetError(f"{path} holds no dataset of pacloop: {SCHEMAS} is missing")
