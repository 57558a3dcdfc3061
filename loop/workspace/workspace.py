"""One folder or bucket prefix that holds a run: settings, dataset, policies, rounds, champion.

pacloop.toml        what was asked for
dataset/            every episode, unless `[dataset] url` names a bucket; then cache/ is what was read of it
others/<task>/      episodes of the further tasks of `[gate.others]`: evidence, from which nobody learns
policies/<id>/      every policy, the rejected ones too
rounds/<number>/    one small file for each stage that ended, and the learner's own state
champion.json       which policy is in force, and which were
identity.json       a random id, made once: the same path on another machine is another workspace
lease.json          who is at work in it

In a bucket all of these are objects; see `local_copy.py`.
"""

import secrets
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ...actors.registry import find_task
from ...actors.task import Task
from ...datasets.files import create_file, json_bytes, parse_model, read_json
from ...datasets.records.schema import Schema
from ...datasets.store.bucket import CachedBucket
from ...datasets.store.schemas import check_same
from ...datasets.store.store import EpisodeStore
from ...datasets.store.store import Place as DatasetPlace
from ..errors import LoopError
from .config import Config, config_toml, read_config
from .local_copy import CONFIG, IDENTITY, WEIGHTS, LocalCopy, write_file
from .place import Place, address_of, command, url_of
from .records import Identity, R, round_numbers
from .registry import Registry
from .turns import check_turn


@dataclass(frozen=True)
class Workspace:
    """An open workspace. Making one reads the settings and nothing else.

    Attributes:
      folder: where its files are; of one in a bucket, the local copy.
      config: its settings.
      copy: the local copy of one in a bucket; None where the folder is all there is.
    """

    folder: Path
    config: Config
    copy: LocalCopy | None = field(default=None, compare=False)

    @classmethod
    def open(cls, place: Place) -> "Workspace":
        """Open a workspace, and bring the local copy of one in a bucket up to date.

        Raises LoopError where `place` is none, or its settings cannot be obeyed, and DatasetError where
        the bucket cannot be used.
        """
        found = cls.find(place)
        if found is None:
            where = url_of(place) or place
            raise LoopError(
                f"{where} is no workspace: {CONFIG} is missing; "
                f"make one with: pacloop init --task NAME --workspace {where}"
            )
        return found

    @classmethod
    def find(cls, place: Place) -> "Workspace | None":
        """The same; None where there is no workspace."""
        copy, folder = _at(place)
        if copy:
            copy.pull()
        if not (folder / CONFIG).is_file():
            return None
        return cls(folder, read_config(folder / CONFIG, copy.bucket.place(CONFIG) if copy else ""), copy)

    @classmethod
    def create(cls, place: Place, config: Config) -> "Workspace":
        """Make a workspace with these settings, or open the one that is there if it is of the same task.

        Raises LoopError where it is of another task, TaskError where there is no such task, and DatasetError
        where the store does not keep what two write at once apart.
        """
        if found := cls.find(place):
            if found.config.task != config.task:
                raise LoopError(f"{found.place} is a workspace of {found.config.task}, not of {config.task}")
            return found
        find_task(config.task)
        made = cls.unmade(place, config)
        made.write_config()
        return made

    @classmethod
    def unmade(cls, place: Place, config: Config) -> "Workspace":
        """One with these settings, which are not written yet: nobody else takes it for a workspace.

        Raises DatasetError where the store does not keep what two write at once apart.
        """
        copy, folder = _at(place)
        if copy:
            copy.bucket.check_conditions()
        return cls(folder, config, copy)

    def write_config(self) -> None:
        """Write the settings: from then on it is a workspace."""
        self.write(CONFIG, config_toml(self.config).encode())

    @property
    def place(self) -> str:
        """What people call it: its URL, or the folder as they named it."""
        return self.copy.url if self.copy else str(self.folder)

    @property
    def address(self) -> str:
        """What names it from wherever one looks: its URL, or the whole path of the folder."""
        return address_of(self.place)

    @property
    def name(self) -> str:
        """The last word of its address."""
        return self.address.rpartition("/")[2]

    @cached_property
    def id(self) -> str:
        """What tells it from every other workspace, wherever it is moved; made when it is first asked for."""
        return self.identity().id

    def identity(self) -> Identity:
        """Its id, and where it was held last."""
        path = self.current(IDENTITY)
        if not path.exists():
            self.create_json(IDENTITY, Identity(id=secrets.token_hex(8), address=self.address).model_dump())
        return parse_model(Identity, read_json(path), path)

    def pull(self) -> None:
        """Bring the local copy up to date, where the workspace is in a bucket."""
        if self.copy:
            self.copy.pull()

    def with_config(self, config: Config) -> "Workspace":
        """The same workspace with other settings."""
        other = replace(self, config=config)
        vars(other).update({name: value for name, value in vars(self).items() if name not in vars(other)})
        return other

    @cached_property
    def task(self) -> Task:
        """The task. Raises TaskError where this machine does not know it."""
        return find_task(self.config.task)

    @cached_property
    def store(self) -> EpisodeStore:
        """The dataset, made where there is none. Raises DatasetError where it is of another schema.

        What the task says otherwise since, its horizon, is recorded by `make_store` only, under the lease.
        """
        store = EpisodeStore.find(self._dataset_place())
        if store is None:
            return self.make_store(self.task.schema)
        check_same(store.place, store.schema, self.task.schema)
        return store

    def make_store(self, schema: Schema) -> EpisodeStore:
        """The dataset, made with this schema where there is none, wherever it lives.

        What the task says otherwise since is recorded; `store` is opened anew, so that it knows.
        """
        vars(self).pop("store", None)
        return EpisodeStore.create(self._dataset_place(), schema)

    def store_of(self, task: str) -> EpisodeStore:
        """The dataset of a further task, made where there is none; the run's own for "".

        Raises LoopError where a step of that task looks otherwise than one of the run's: no policy of
        this workspace could act in it.
        """
        if not task:
            return self.store
        other, own = find_task(task).schema, self.task.schema
        if difference := own.difference(other):
            raise LoopError(f"[gate.others] {task} does not fit {own.task}: its {difference}")
        return EpisodeStore.create(self._dataset_place(f"others/{task}"), other)

    def open_store(self) -> EpisodeStore:
        """The dataset. Raises DatasetError where there is none, or it is broken or out of reach."""
        return EpisodeStore.open(self._dataset_place())

    @property
    def dataset(self) -> str:
        """Where the dataset lives, in words; nothing is opened."""
        return self.config.dataset.url or f"{self.place}/dataset"

    def has_store(self) -> bool:
        """Whether a dataset was made already."""
        return EpisodeStore.exists(self._dataset_place())

    def _dataset_place(self, name: str = "dataset") -> DatasetPlace:
        """Where a dataset lives: in a bucket, or under this name in the folder."""
        url = self.config.dataset.url if name == "dataset" else ""
        if not url and not self.copy:
            return self.folder / name
        limit = int(self.config.dataset.cache_gib * 2**30)
        fence = partial(self._check_holder, url)
        return CachedBucket(url or f"{self.place}/{name}", self.folder / "cache", limit, fence)

    def _check_holder(self, url: str) -> None:
        """Raise LoopError where another process, or a copy of the workspace that shares `url`, goes on."""
        if self.copy:
            self.copy.fence()
        if url:
            check_turn(self.place, url, self.identity)

    @cached_property
    def registry(self) -> Registry:
        """The champion and those before it."""
        return Registry(self.folder, self.copy)

    def policy_folder(self, policy: str) -> Path:
        """Where a policy lives, with its weights; they are fetched where they are only in the bucket."""
        facts = self.policy_json(policy)
        if self.copy and facts.is_file() and not facts.with_name(WEIGHTS).is_file():
            self.copy.current(f"policies/{policy}/{WEIGHTS}")
        return facts.parent

    def policy_json(self, policy: str) -> Path:
        """Where a policy's facts are."""
        return self.folder / "policies" / policy / "policy.json"

    def round_folder(self, number: int) -> Path:
        """Where a round's records live."""
        return self.folder / "rounds" / f"{number:03d}"

    def rounds(self) -> list[int]:
        """Numbers of the rounds that began, in order."""
        return round_numbers(self.folder)

    def has_record(self, number: int, stage: str) -> bool:
        """Whether a stage of a round has ended."""
        return self._record_path(number, stage).exists()

    def record(self, kind: type[R], number: int, stage: str = "") -> R | None:
        """What a stage of a round ended with; None where it has not ended.

        Raises DatasetError, naming file and field, where the record is broken or of a newer version.
        """
        return self.read_record(kind, f"rounds/{number:03d}/{stage or kind.STAGE}.json")

    def read_record(self, kind: type[R], name: str) -> R | None:
        """The record in a file of the workspace; None where there is none. Raises as `record` does."""
        path = self.folder / name
        return parse_model(kind, read_json(path), path) if path.exists() else None

    def require(self, kind: type[R], number: int, stage: str = "") -> R:
        """What a stage of a round ended with. Raises LoopError where it has not ended."""
        record = self.record(kind, number, stage)
        if record is None:
            advice = command("improve", self.place)
            raise LoopError(f"round {number} has no {stage or kind.STAGE} yet; run: {advice}")
        return record

    def write_record(self, number: int, record: R, stage: str = "") -> R:
        """Record how a stage ended. The file's appearance is what ends the stage."""
        self.write_json(f"rounds/{number:03d}/{stage or record.STAGE}.json", record.model_dump())
        return record

    def _record_path(self, number: int, stage: str) -> Path:
        return self.round_folder(number) / f"{stage}.json"

    def write_json(self, name: str, data: Any) -> None:
        """Replace a small file of the workspace, atomically."""
        self.write(name, json_bytes(f"{self.place}/{name}", data))

    def write(self, name: str, raw: bytes) -> None:
        """Replace a small file of the workspace, atomically; one in a bucket only as it was seen last."""
        if self.copy:
            self.copy.write(name, raw)
        else:
            write_file(self.folder / name, raw)

    def share_runs(self) -> None:
        """Let others see the figures of the learner runs, where the workspace is in a bucket."""
        if self.copy:
            self.copy.share_runs()

    def create_json(self, name: str, data: Any) -> bool:
        """Write a small file whole, or not at all; False where there is one already."""
        raw = json_bytes(f"{self.place}/{name}", data)
        return self.copy.create(name, raw) if self.copy else create_file(self.folder / name, raw)

    def current(self, name: str) -> Path:
        """The local path of a small file that others may have written; there is none where there is none."""
        return self.copy.current(name) if self.copy else self.folder / name


def _at(place: Place) -> tuple[LocalCopy | None, Path]:
    url = url_of(place)
    copy = LocalCopy(url) if url else None
    return copy, copy.folder if copy else Path(place)
