"""Episodes of a path from outside with the verdict on each: read, mapped, scored, validated."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...datasets import DatasetError
from ...datasets.imports.detect import Reader, reader
from ...datasets.imports.mapping import Piece, names_to_read, parse_map
from ...datasets.imports.readers.decode import whole_file
from ...datasets.imports.readers.raw import RawEpisode, ReadOptions, Unreadable, flat_name
from ...datasets.imports.scoring import Scorer, column_score, constant_score, file_score
from ...datasets.imports.validate import validate
from ..errors import LoopError
from ..workspace.workspace import Workspace
from .replay_score import replay_score

if TYPE_CHECKING:
    from ...datasets import Episode, Schema

LEAST_FIELD_BYTES = 2**24
"""What a field of an episode may claim, however small the schema: longer vectors are cut into pieces."""


@dataclass(frozen=True)
class Reading:
    """All it takes to read and judge the episodes of a path, any number of times."""

    path: Path
    format: str
    reader: Reader
    schema: "Schema"
    pieces: tuple[Piece, ...]
    scorer: Scorer
    options: ReadOptions

    def count(self) -> int:
        """How many episodes there seem to be; 0 where that takes reading them."""
        with whole_file(self.path, self.format):
            return self.reader.count(self.path)

    def episodes(self) -> "Iterator[tuple[RawEpisode | Unreadable, Episode | list[str]]]":
        """What the path has, one by one, each with its episode in our schema or the reasons against it."""
        raws = self.reader.episodes(self.path, self.options)
        while True:
            with whole_file(self.path, self.format):
                raw = next(raws, None)
            if raw is None:
                return
            if isinstance(raw, Unreadable):
                yield raw, [raw.reason]
            else:
                yield raw, validate(raw, self.schema, self.pieces, self.scorer)


def open_reading(space: Workspace, path: Path, *, format: str, map: str, score: str) -> Reading:
    """Find out how `path` is read for a workspace. The texts are those of `Request`.

    Raises DatasetError or LoopError where the path or one of the texts is no good.
    """
    name, module = reader(path, format)
    schema = space.open_store().schema if space.has_store() else space.task.schema
    pieces = parse_map(map, schema)
    scorer, columns = _scorer(space, score)
    fields = (*schema.observation.values(), schema.action)
    step_bytes = max(field.size * np.dtype(field.dtype).itemsize for field in fields)
    limit_bytes = max(LEAST_FIELD_BYTES, 2 * (schema.horizon + 1) * step_bytes)
    options = ReadOptions(names_to_read(schema, pieces) | columns, limit_bytes)
    return Reading(path, name, module, schema, pieces, scorer, options)


def _scorer(space: Workspace, score: str) -> tuple[Scorer, set[str]]:
    """What scores the episodes, and the columns it needs."""
    if score == "replay":
        return replay_score(space.task), set()
    kind, _, column = score.partition(":")
    if kind == "column" and column:
        return column_score(column), {flat_name(column)}
    if score:
        try:
            return constant_score(float(score)), set()
        except DatasetError:
            raise
        except ValueError:
            raise LoopError(f"--score is {score!r}, but must be a number, column:NAME or replay") from None
    from ...actors.registry import TaskError

    try:
        return file_score(space.task.score), set()
    except TaskError:
        return file_score(None), set()
