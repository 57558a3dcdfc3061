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
from datetime import UTC, datetime
from typing import Any

from ...datasets import DatasetError, Episode
from ...datasets.imports.detect import not_read
from ...datasets.imports.readers.raw import Unreadable, printable
from ...datasets.records.rows import episode_digest
from ...datasets.store.quarantine import Quarantined, write_quarantine
from ..episodes.seeds import RUNS_OF_SEEDS, run_of, runs_of
from ..errors import LoopError
from ..progress import Progress
from ..workspace.workspace import Workspace
from .outcome import InjectionOutcome, Remarks
from .reading import Reading, Request, open_reading

PART_BYTES = 2**26
"""Episodes of a part, in memory at once: a batch is committed where they exceed it."""

SOURCES = ("demonstration", "intervention")
"""What may come from outside; collections and evaluations are the loop's own."""


Key = tuple[str, float]
"""An episode's digest and score."""

Known = tuple[set[str], dict[str, set[tuple[str, float]]]]
"""Digests of the episodes that count; those of excluded ones, with the sources and scores they have.

The source is "" for what the loop played: it is not a mistake that comes from outside.
"""

Accepted = dict[Key, Episode | None]
"""The episodes that are added, in order; None for those beyond `PART_BYTES`, of which only keys are kept."""


def inject(space: Workspace, request: Request, progress: Progress) -> InjectionOutcome:
    """Read, judge and commit. Raises DatasetError or LoopError where the path or the request is no good.

    Nothing is written then, nor where one episode is bad and `request.strict` is set.
    """
    if request.source not in SOURCES:
        raise LoopError(f"source is {request.source!r}, but must be {' or '.join(SOURCES)}")
    reading = open_reading(space, request)
    outcome = InjectionOutcome(request.url or str(request.path), reading.format)
    accepted = _judge(reading, _known(space), request.source, outcome, progress)
    refused = request.strict and bool(outcome.quarantined)
    if request.dry_run or refused or not (outcome.accepted or outcome.quarantined):
        return outcome
    store = space.make_store(reading.schema)
    store.clean()
    origin = _origin(request, outcome)
    content = json.dumps([reading.schema.fingerprint(), request.source, list(accepted)])
    stem = hashlib.sha256(content.encode()).hexdigest()[:16]
    for part in _parts(reading, accepted):
        name = f"inject-{stem}-{len(outcome.batches):05d}"
        runs = {RUNS_OF_SEEDS: runs_of(episode.seed for episode in part)}
        batch = store.append(part, batch_id=name, source=request.source, origin=origin | runs)
        outcome.batches.append(batch.id)
        progress("commit", sum(store.batch(b).episodes for b in outcome.batches), outcome.accepted, batch.id)
    if outcome.quarantined:
        write_quarantine(store, outcome.quarantined, origin)
    outcome.written = True
    return outcome


def _known(space: Workspace) -> Known:
    """What is present. An excluded recording with another score or source, as one mends a mistake, is new."""
    digests, excluded = set(), {}
    if space.has_store():
        store = space.open_store()
        excluded_ids = store.excluded()
        for batch in store.batches():
            source = batch.source if batch.source in SOURCES else ""
            for row in store.iter_rows([batch]):
                if row.id not in excluded_ids:
                    digests.add(row.digest)
                else:
                    excluded.setdefault(row.digest, set()).add((source, row.score))
    return digests, excluded


def _is_alike(episode: Episode, source: str, excluded: set[tuple[str, float]]) -> bool:
    """Whether an excluded recording has this score, and the source that the file or the request names.

    What the request named before is what an injected recording has here, whatever its file says.
    """
    named = str(episode.info.get("injected_from", {}).get("source") or source)
    return not excluded.isdisjoint((name, episode.score) for name in ("", source, named))


def _judge(
    reading: Reading, known: Known, source: str, outcome: InjectionOutcome, progress: Progress
) -> Accepted:
    """The episodes to add. Counts all others in `outcome`, with what a person should know."""
    total, (digests, scores) = reading.count(), known
    accepted: Accepted = {}
    remarks, excluded, size_bytes = Remarks(), 0, 0
    for raw, verdict in reading.episodes():
        outcome.found += 1
        if isinstance(raw, Unreadable) or isinstance(verdict, list):
            reasons = verdict if isinstance(verdict, list) else ()
            outcome.quarantined.append(Quarantined(printable(raw.where), tuple(map(printable, reasons))))
        elif (key := _key(verdict))[0] in digests or _is_alike(verdict, source, scores.get(key[0], set())):
            outcome.duplicates += 1
            excluded += key[0] not in digests
        elif key[0] not in scores and run_of(verdict.seed) == reading.run:
            outcome.quarantined.append(Quarantined(printable(raw.where), (_own_seed(verdict),)))
        else:
            digests.add(key[0])
            size_bytes += _size_bytes(verdict)
            accepted[key] = verdict if size_bytes <= PART_BYTES else None
            remarks.add(raw, verdict)
            outcome.accepted += 1
            outcome.successes += verdict.is_success
        note = f"{outcome.accepted} good, {len(outcome.quarantined)} bad, {outcome.duplicates} known"
        progress("inject", outcome.found, max(total, outcome.found), note)
    if not outcome.found:
        raise DatasetError(f"{reading.path} has no episode")
    outcome.remarks = remarks.sentences(reading.schema)
    if excluded:
        outcome.remarks.append(
            f"{excluded} that are present already are excluded: pacloop dataset include brings them back"
        )
    if others := not_read(reading.path, reading.format):
        outcome.remarks.append(printable(others))
    return accepted


def _own_seed(episode: Episode) -> str:
    """Why an episode that is not this dataset's, but of a seed of its run, is not learned from."""
    return (
        f"has seed {episode.seed}, from which this run, of seed {run_of(episode.seed)}, plays itself: "
        "begin a workspace with another --seed"
    )


def _parts(reading: Reading, accepted: Accepted) -> Iterator[list[Episode]]:
    """The accepted episodes in parts that fit into memory; read again where they were not kept."""
    kept = [episode for episode in accepted.values() if episode is not None]
    if len(kept) == len(accepted):
        yield from filter(None, [kept])
        return
    missing, part, size_bytes = set(accepted), [], 0
    for _, verdict in reading.episodes():
        if isinstance(verdict, list) or (key := _key(verdict)) not in missing:
            continue
        missing.remove(key)
        part.append(verdict)
        size_bytes += _size_bytes(verdict)
        if size_bytes > PART_BYTES or not missing:
            yield part
            part, size_bytes = [], 0
    if missing:
        raise DatasetError(f"{reading.path} changed while it was read: inject it again")


def _origin(request: Request, outcome: InjectionOutcome) -> dict[str, Any]:
    """What the batches, and the quarantine, keep of the injection."""
    return {
        "command": "inject",
        "path": request.url or str(request.path.resolve()),
        "format": outcome.format,
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


def _key(episode: Episode) -> Key:
    return episode_digest(episode), episode.score


def _size_bytes(episode: Episode) -> int:
    return sum(array.nbytes for array in (*episode.observation.values(), episode.action))
