"""Episodes from outside, into a workspace: read, judged one by one, committed.

The next round learns from them. Everything is read and judged before anything is written. A file that
fits into memory becomes one batch; a larger one is read again and committed in parts, so that memory
stays bounded. Ids are functions of the content, and an episode that is present already is known by its
digest: the same injection again adds nothing, and one that was killed between two parts goes on from
there.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...datasets import DatasetError
from ...datasets.imports import detect
from ...datasets.imports.mapping import Piece, parse_map, wanted_names
from ...datasets.imports.readers.raw import Unreadable, Wants, flat_name, printable, whole_file
from ...datasets.imports.scoring import Scores, always, as_the_file_says, of_column
from ...datasets.imports.validate import validate
from ...datasets.store.quarantine import Quarantined, write_quarantine
from ..errors import LoopError
from ..progress import Progress
from ..workspace.workspace import Workspace
from .known import Mark, Present, mark_of, present
from .outcome import Injected, Remarks
from .replayed import replayed

if TYPE_CHECKING:
    from ...datasets import Episode, Schema
    from ...datasets.imports.readers.raw import RawEpisode

PART_BYTES = 2**26
"""Episodes of a part, in memory at once: a batch is committed where they exceed it."""

SOURCES = ("demonstration", "intervention")
"""What may come from outside; collections and evaluations are the loop's own."""

LEAST_FIELD_BYTES = 2**24
"""What a field of an episode may claim, however small the schema: longer vectors are cut into pieces."""


@dataclass(frozen=True)
class Request:
    """What to inject and how.

    Attributes:
      path: the file or folder, here.
      format: one of `detect.FORMATS`, or `auto`.
      map: `--map`'s text, see `datasets.mapping`.
      score: a number, `column:<name>`, `replay`, or "" for what the file says.
      source: `demonstration` or `intervention`.
      note: why; kept with the batch.
      by: who.
      strict: whether one bad episode refuses all.
      dry_run: whether to write nothing.
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

    @property
    def where(self) -> str:
        """What people call it."""
        return self.url or str(self.path)


@dataclass(frozen=True)
class _Door:
    """All that is needed to read and judge the episodes of one request, any number of times."""

    request: Request
    format: str
    reader: detect.Reader
    schema: "Schema"
    pieces: tuple[Piece, ...]
    scores: Scores
    wants: Wants

    def episodes(self) -> "Iterator[tuple[RawEpisode | Unreadable, Episode | list[str]]]":
        """What the file has, one by one, and the verdict on it."""
        raws = self.reader(self.request.path, self.wants)
        while True:
            with whole_file(self.request.path, self.format):
                raw = next(raws, None)
            if raw is None:
                return
            if isinstance(raw, Unreadable):
                yield raw, [raw.reason]
            else:
                yield raw, validate(raw, self.schema, self.pieces, self.scores)


def inject(space: Workspace, request: Request, progress: Progress) -> Injected:
    """Read, judge and commit. Raises DatasetError or LoopError where the path or the request is no good.

    Nothing is written then, nor where one episode is bad and `request.strict` is set.
    """
    if request.source not in SOURCES:
        raise LoopError(f"source is {request.source!r}, but must be {' or '.join(SOURCES)}")
    door = _door(space, request)
    outcome, kept, marks = _judge(door, present(space, request.source), progress)
    refused = request.strict and bool(outcome.quarantined)
    if request.dry_run or refused or not (outcome.accepted or outcome.quarantined):
        return outcome
    store = space.make_store(door.schema)
    store.clean()
    facts, stem = _facts(door, outcome), _name(door, marks)
    for part in _parts(door, kept, marks):
        name = f"inject-{stem}-{len(outcome.batches):05d}"
        store.append(part, batch_id=name, source=request.source, origin=facts)
        outcome.batches.append(name)
        progress("commit", sum(store.batch(b).episodes for b in outcome.batches), outcome.accepted, name)
    if outcome.quarantined:
        write_quarantine(store, outcome.quarantined, facts)
    outcome.written = True
    return outcome


def _door(space: Workspace, request: Request) -> _Door:
    format, reader = detect.reader(request.path, request.format)
    schema = _schema(space)
    pieces = parse_map(request.map, schema)
    scores, columns = _scores(space, request.score)
    step_bytes = max(
        [f.size * np.dtype(f.dtype).itemsize for f in (*schema.observation.values(), schema.action)]
    )
    limit = max(LEAST_FIELD_BYTES, 2 * (schema.horizon + 1) * step_bytes)
    wants = Wants(wanted_names(schema, pieces) | columns, limit)
    return _Door(request, format, reader, schema, pieces, scores, wants)


def _schema(space: Workspace) -> "Schema":
    """The dataset's schema; where there is no dataset yet, the task's."""
    return space.open_store().schema if space.has_store() else space.task.schema


def _scores(space: Workspace, how: str) -> tuple[Scores, set[str]]:
    """What scores the episodes, and the columns it needs."""
    if how == "replay":
        return replayed(space.task), set()
    if how.startswith("column:") and len(how) > len("column:"):
        name = how.removeprefix("column:")
        return of_column(name), {flat_name(name)}
    if how:
        try:
            return always(float(how)), set()
        except DatasetError:
            raise
        except ValueError:
            raise LoopError(f"--score is {how!r}, but must be a number, column:NAME or replay") from None
    from ...actors.registry import TaskError

    try:
        return as_the_file_says(space.task.score), set()
    except TaskError:
        return as_the_file_says(None), set()


def _judge(
    door: _Door, there: Present, progress: Progress
) -> "tuple[Injected, list[Episode] | None, list[Mark]]":
    """The outcome, the accepted episodes unless they are too many to keep, and their marks in order."""
    outcome = Injected(door.request.where, door.format)
    with whole_file(door.request.path, door.format):
        total = detect.count(door.request.path, door.format)
    kept: list[Episode] | None = []
    marks: list[Mark] = []
    size, facts, excluded = 0, Remarks(), 0
    for raw, verdict in door.episodes():
        outcome.found += 1
        if isinstance(raw, Unreadable) or isinstance(verdict, list):
            reasons = verdict if isinstance(verdict, list) else ()
            outcome.quarantined.append(Quarantined(printable(raw.where), tuple(map(printable, reasons))))
        elif (mark := mark_of(verdict)) in there.excluded or mark[0] in there.known:
            outcome.duplicates += 1
            excluded += mark[0] not in there.known
        else:
            there.known.add(mark[0])
            marks.append(mark)
            outcome.accepted += 1
            outcome.successes += verdict.score == 1.0
            facts.see(raw, verdict)
            size += _bytes(verdict)
            kept = _with(kept, verdict) if size <= PART_BYTES else None
        progress("inject", outcome.found, max(total, outcome.found), outcome.note())
    if not outcome.found:
        raise DatasetError(f"{door.request.path} has no episode")
    outcome.remarks = facts.sentences(door.schema)
    if excluded:
        outcome.remarks.append(
            f"{excluded} that are present already are excluded: pacloop dataset include brings them back"
        )
    if others := detect.passed_over(door.request.path, door.format):
        outcome.remarks.append(f"not read, as they are no .npz files: {printable(others)}")
    return outcome, kept, marks


def _with(kept: "list[Episode] | None", episode: "Episode") -> "list[Episode] | None":
    if kept is not None:
        kept.append(episode)
    return kept


def _parts(door: _Door, kept: "list[Episode] | None", marks: list[Mark]) -> "Iterator[list[Episode]]":
    """The accepted episodes in parts that fit into memory; read again where they were not kept."""
    if kept is not None:
        if kept:
            yield kept
        return
    waiting, part, size, taken = set(marks), [], 0, 0
    for _, verdict in door.episodes():
        if isinstance(verdict, list) or (mark := mark_of(verdict)) not in waiting:
            continue
        waiting.remove(mark)
        part.append(verdict)
        size, taken = size + _bytes(verdict), taken + 1
        if size > PART_BYTES or taken == len(marks):
            yield part
            part, size = [], 0
    if waiting:
        raise DatasetError(f"{door.request.path} changed while it was read: inject it again")


def _name(door: _Door, marks: list[Mark]) -> str:
    """Sixteen hex digits of what makes the batches: which episodes, as which source."""
    content = json.dumps([door.schema.fingerprint(), door.request.source, marks])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _facts(door: _Door, outcome: Injected) -> dict[str, Any]:
    """What the batches' origin, and the quarantine, keep of the injection."""
    request = door.request
    return {
        "command": "inject",
        "path": request.url or str(request.path.resolve()),
        "format": door.format,
        "note": request.note,
        "by": request.by,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "map": request.map,
        "score": request.score or "as the file says",
        "found": outcome.found,
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "quarantined": len(outcome.quarantined),
    }


def _bytes(episode: "Episode") -> int:
    return sum(array.nbytes for array in (*episode.observation.values(), episode.action))
