"""One folder that holds a run: settings, dataset, policies, rounds, champion.

pacloop.toml        what was asked for
dataset/            every episode, unless `[dataset] url` names a bucket; then cache/ is what was read of it
others/<task>/      episodes of the further tasks of `[gate.others]`: evidence, from which nobody learns
policies/<id>/      every policy, the rejected ones too
rounds/<number>/    one small file for each stage that ended, and the learner's own state
champion.json       which policy is in force, and which were
lease.json          who is at work in it
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.files import named_errors, read_json, write_bytes_atomically, write_json_atomically
from .config import Config, config_toml, read_config
from .errors import LoopError
from .registry import Registry

if TYPE_CHECKING:
    from ..actors.task import Task
    from ..datasets import EpisodeStore, Schema

CONFIG = "pacloop.toml"

Outcome = dict[str, Any]
"""What a stage ended with, as plain JSON."""


@dataclass(frozen=True)
class Workspace:
    """An open workspace. Making one reads the settings and nothing else."""

    folder: Path
    config: Config

    @classmethod
    def open(cls, folder: Path) -> "Workspace":
        """Open a workspace. Raises LoopError where `folder` is none, or its settings cannot be obeyed."""
        if not (folder / CONFIG).is_file():
            raise LoopError(
                f"{folder} is no workspace: {CONFIG} is missing; "
                f"make one with: pacloop demonstrate --workspace {folder}"
            )
        return cls(folder, read_config(folder / CONFIG))

    @classmethod
    def create(cls, folder: Path, config: Config) -> "Workspace":
        """Make a workspace with these settings, or open the one that is there if it is of the same task.

        Raises LoopError where it is of another task, and TaskError where there is no such task.
        """
        if (folder / CONFIG).is_file():
            found = cls.open(folder)
            if found.config.task != config.task:
                raise LoopError(f"{folder} is a workspace of {found.config.task}, not of {config.task}")
            return found
        from ..actors.tasks import find_task

        find_task(config.task)
        with named_errors(folder, "made"):
            folder.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(folder / CONFIG, config_toml(config).encode())
        return cls(folder, config)

    @cached_property
    def task(self) -> "Task":
        """The task. Raises TaskError where this machine does not know it."""
        from ..actors.tasks import find_task

        return find_task(self.config.task)

    @cached_property
    def store(self) -> "EpisodeStore":
        """The dataset, made where there is none. Raises DatasetError where it is of another schema."""
        return self.make_store(self.task.schema)

    def make_store(self, schema: "Schema") -> "EpisodeStore":
        """The dataset, made with this schema where there is none, wherever the settings say it lives."""
        from ..datasets import EpisodeStore

        if url := self.config.dataset.url:
            from ..datasets.remote import create_remote

            return create_remote(url, schema, self._cache, self._cache_bytes)
        return EpisodeStore.create(self.folder / "dataset", schema)

    def store_of(self, task: str) -> "EpisodeStore":
        """The dataset of a further task, made where there is none; the run's own for "".

        Raises LoopError where a step of that task looks otherwise than one of the run's: no policy of
        this workspace could act in it.
        """
        from ..actors.tasks import find_task
        from ..datasets import EpisodeStore

        if not task:
            return self.store
        other, own = find_task(task).schema, self.task.schema
        if difference := own.difference(replace(other, task=own.task)):
            raise LoopError(f"[gate.others] {task} does not fit {own.task}: its {difference}")
        return EpisodeStore.create(self.folder / "others" / task, other)

    def open_store(self) -> "EpisodeStore":
        """The dataset. Raises DatasetError where there is none, or it is broken or out of reach."""
        from ..datasets import EpisodeStore

        if url := self.config.dataset.url:
            from ..datasets.remote import open_remote

            return open_remote(url, self._cache, self._cache_bytes)
        return EpisodeStore.open(self.folder / "dataset")

    @property
    def dataset(self) -> str:
        """Where the dataset lives, in words; nothing is opened."""
        return self.config.dataset.url or str(self.folder / "dataset")

    def has_store(self) -> bool:
        """Whether a dataset was made already."""
        if url := self.config.dataset.url:
            from ..datasets.remote import has_remote

            return has_remote(url)
        return (self.folder / "dataset" / "schema.json").exists()

    @property
    def _cache(self) -> Path:
        return self.folder / "cache"

    @property
    def _cache_bytes(self) -> int:
        return int(self.config.dataset.cache_gib * 2**30)

    @cached_property
    def registry(self) -> Registry:
        """The champion and those before it."""
        return Registry(self.folder)

    def policy_folder(self, policy: str) -> Path:
        """Where a policy lives."""
        return self.folder / "policies" / policy

    def round_folder(self, number: int) -> Path:
        """Where a round's records live."""
        return self.folder / "rounds" / f"{number:03d}"

    def rounds(self) -> list[int]:
        """Numbers of the rounds that began, in order."""
        return sorted(int(path.name) for path in self.folder.glob("rounds/[0-9]*"))

    def outcome(self, number: int, stage: str) -> Outcome | None:
        """What a stage of a round ended with; None where it has not ended."""
        path = self.round_folder(number) / f"{stage}.json"
        return read_json(path) if path.exists() else None

    def require(self, number: int, stage: str) -> Outcome:
        """What a stage of a round ended with. Raises LoopError where it has not ended."""
        outcome = self.outcome(number, stage)
        if outcome is None:
            raise LoopError(f"round {number} has no {stage} yet; run: pacloop {stage}")
        return outcome

    def write_outcome(self, number: int, stage: str, outcome: Outcome) -> Outcome:
        """Record how a stage ended. Its file's appearance is what ends the stage."""
        folder = self.round_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        write_json_atomically(folder / f"{stage}.json", outcome)
        return outcome
