"""Another pacloop dataset, or the workspace around it: every batch, in the order of the commits.

Everything is taken over as it is, but for what is excluded there. What names things of the other workspace
(episode id, source, policy, round) goes into `info`: they mean nothing here.

Somebody may have made it so that it takes more memory than its files are large: by compressed buffers, a
manifest's count, or pictures without number. Each is looked for before anything of the kind is read.
"""

from collections.abc import Iterator
from pathlib import Path

from ...errors import DatasetError
from ...store.backend import FILES, SCHEMAS
from ...store.store import EpisodeStore
from ...store.tables import EPISODES, read_episodes, step_fields
from .origin import exported_info
from .packed import check_unpacked
from .raw import RawEpisode, ReadOptions, Unreadable


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """Every episode that counts. Raises DatasetError where there is no dataset, or it is not sound."""
    store = _open(path)
    folder = store.folder
    _check_sizes(store, options)
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
    store = _open(path)
    return sum(batch.episodes for batch in store.batches()) - len(store.excluded())


def excluded(path: Path) -> int:
    """How many episodes are excluded there."""
    return len(_open(path).excluded())


def _open(path: Path) -> EpisodeStore:
    """The dataset. Raises DatasetError where what its files unpack to, or its counts, exceed the files."""
    store = EpisodeStore.open(_folder(path))
    for batch in store.batches():
        for name in FILES:
            check_unpacked(store.file(batch, name))
        if batch.episodes > store.file(batch, EPISODES).stat().st_size:
            raise DatasetError(f"{store.place}, batch {batch.id} counts more episodes than its files hold")
    return store


def _check_sizes(store: EpisodeStore, options: ReadOptions) -> None:
    """Raise DatasetError where a field of an episode is larger than one may be."""
    for batch in store.batches():
        longest = max((row.length for row in read_episodes(store.file(batch, EPISODES))), default=0)
        for name, field in step_fields(store.schema).items():
            options.check_size(f"{batch.id}, {name}", (longest + 1, *field.shape), field.numpy)


def _folder(path: Path) -> Path:
    for folder in (path, path / "dataset"):
        if (folder / SCHEMAS).is_dir():
            return folder
    raise DatasetError(f"{path} holds no dataset of pacloop: {SCHEMAS} is missing")
