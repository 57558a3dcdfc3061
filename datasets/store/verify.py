"""What is wrong with a dataset, in sentences."""

from dataclasses import replace

import numpy as np

from ..errors import DatasetError
from ..files import digest_of
from ..records.batch import Batch
from ..records.rows import content_digest, counts, episode_digest
from ..records.schema import Schema
from .backend import BATCHES, FILES, MANIFEST, Backend, manifest_key, no_batch, parse_manifest
from .exclusion import tombstone_faults
from .tables import EPISODES, STEPS, check_table, read_episodes, read_steps, to_episode


def verify(backend: Backend, schema: Schema) -> list[str]:
    """Recompute every digest and count. A sentence for each thing that is wrong."""
    sentences, sizes, ids = [], {}, {}
    for batch_id in backend.names(BATCHES):
        try:
            (raw,) = backend.read([manifest_key(batch_id)])
            if raw is None:
                sentences.append(no_batch(backend.place, batch_id))
                continue
            batch = parse_manifest(backend, batch_id, raw, schema.fingerprint())
            sizes[batch_id] = batch.episodes
            if (first := ids.setdefault(batch.content, batch_id)) != batch_id:
                sentences.append(f"{backend.place}: {first} and {batch_id} hold the same episodes")
            backend.fetch([batch], again=True)
            sentences += _file_faults(backend, batch) or _content_faults(backend, batch, schema)
        except DatasetError as error:
            sentences.append(str(error))
    return sentences + tombstone_faults(backend, sizes)


def _file_faults(backend: Backend, batch: Batch) -> list[str]:
    faults = []
    for name in FILES:
        path = backend.file(batch, name)
        if not path.exists():
            faults.append(f"{path} is missing")
        elif (current := digest_of(path)) != (digest := batch.digests.get(name, "")):
            faults.append(f"{path} was changed: its XXH3 is {current[:16]}, but was {digest[:16]}")
    return faults


def _content_faults(backend: Backend, batch: Batch, schema: Schema) -> list[str]:
    for name in FILES:
        check_table(backend.file(batch, name))
    rows = read_episodes(backend.file(batch, EPISODES))
    place = f"{backend.place}/{BATCHES}/{batch.id}"
    if faults := [
        f"{place}/{MANIFEST} counts {getattr(batch, name)} {name}, but the files hold {count}"
        for name, count in counts(rows).items()
        if getattr(batch, name) != count
    ]:
        return faults
    columns = read_steps(backend.file(batch, STEPS), schema)
    # One after the other: decoded images might not all fit the memory.
    rows = [replace(row, digest=episode_digest(to_episode(row, columns))) for row in rows]
    if content_digest(batch, rows, np.asarray(columns["discount"])) != batch.digest:
        return [f"{place}: the content does not fit its digest in {MANIFEST}"]
    return []
