"""Episodes of a path from outside with the verdict on each: read, mapped, scored, validated."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets import Episode, Schema
from ...datasets.imports.detect import reader
from ...datasets.imports.mapping import Piece, names_to_read, parse_map
from ...datasets.imports.readers.decode import whole_file
from ...datasets.imports.readers.raw import RawEpisode, ReadOptions, Unreadable, flat_name
from ...datasets.imports.scoring import Scorer, column_score, constant_score, file_score
from ...datasets.imports.validate import validate
from ..errors import LoopError
from ..workspace.workspace import Workspace
from .replay_score import replay_score

LEAST_FIELD_BYTES = 2**24
"""What a field of an episode may claim, however small the schema: longer vectors are cut into pieces."""


@dataclass(frozen=True)
class Request:
    """What to inject and how.

    Attributes:
      path: the file or folder, here.
      format: one of `readers.FORMATS`, or `auto`.
      map: `--map`'s text, see `datasets/imports/mapping.py`.
      score: a number, `column:<name>`, `replay`, or "" for what the file says.
      source: `demonstration` or `intervention`.
      strict: whether one bad episode refuses all.
      url: where `path` was fetched from, and what is recorded instead of it.
    """

    path: Path
    format: str = "auto"
    map: str = ""
    score: str = ""
    source: str = "demonstration"
    note: str = ""
    by: str = ""
    strict: bool = False
    dry_run: bool = False
    url: str = ""


@dataclass(frozen=True)
class Reading:
    """All it takes to read and judge the episodes of a path, any number of times; `run` is the run's seed."""

    path: Path
    format: str
    reader: Any
    schema: Schema
    pieces: tuple[Piece, ...]
    scorer: Scorer
    options: ReadOptions
    run: int

    def count(self) -> int:
        """How many episodes there seem to be."""
        with whole_file(self.path, self.format):
            return self.reader.count(self.path)

    def episodes(self) -> Iterator[tuple[RawEpisode | Unreadable, Episode | list[str]]]:
        """What the path has, one by one, each with its episode in our schema or the reasons against it."""
        raws = self.reader.episodes(self.path, self.options)
        while True:
            with whole_file(self.path, self.format):
                raw = next(raws, None)
            if raw is None:
                return
            is_read = isinstance(raw, RawEpisode)
            yield raw, validate(raw, self.schema, self.pieces, self.scorer) if is_read else [raw.reason]


def open_reading(space: Workspace, request: Request) -> Reading:
    """How a path is read for a workspace. Raises DatasetError or LoopError where the request is no good."""
    name, module = reader(request.path, request.format)
    schema = space.open_store().schema if space.has_store() else space.task.schema
    pieces = parse_map(request.map, schema)
    scorer, columns = _scorer(space, request.score)
    fields = (*schema.observation.values(), schema.action)
    step_bytes = max(field.size * np.dtype(field.dtype).itemsize for field in fields)
    limit_bytes = max(LEAST_FIELD_BYTES, 2 * (schema.horizon + 1) * step_bytes)
    options = ReadOptions(names_to_read(schema, pieces) | columns, limit_bytes)
    return Reading(request.path, name, module, schema, pieces, scorer, options, space.config.seed)


def _scorer(space: Workspace, score: str) -> tuple[Scorer, set[str]]:
    """What scores the episodes, and the columns it needs."""
    if score == "replay":
        return replay_score(space.task), set()
    kind, _, column = score.partition(":")
    if kind == "column" and column:
        return column_score(column), {flat_name(column)}
    if score:
        try:
            value = float(score)
        except ValueError:
            raise LoopError(f"--score is {score!r}, but must be a number, column:NAME or replay") from None
        return constant_score(value), set()
    from ...actors.registry import TaskError

    try:
        return file_score(space.task.score), set()
    except TaskError:
        return file_score(None), set()
