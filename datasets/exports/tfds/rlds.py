"""RLDS as a TFDS directory that grows: one version, one split `train`, one new TFRecord file a batch.

    <folder>/<name>/1.0.0/features.json                    what an episode looks like
    <folder>/<name>/1.0.0/metadata.json                    the schema: control rate, action bounds, ...
    <folder>/<name>/1.0.0/<name>-train.tfrecord-00007      the episodes of one batch, never written again
    <folder>/<name>/1.0.0/dataset_info.json                how many episodes each file has

Readers go by `dataset_info.json`, which is replaced last: they see a batch whole or not at all. Where
episodes of a batch are excluded later, the rest is written as a new file and the old one counts no
episodes from then on.
"""

import json
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ...errors import DatasetError
from ...files import named_errors, replacing, write_bytes_atomically, write_json_atomically
from ...records.schema import Schema
from ...store.store import EpisodeStore
from ..folder import held
from ..jobs import Exported, Job, Tick, Told, jobs, nobody, ticker
from ..ledger import Ledger, begin, read_ledger, write_ledger
from ..steps import facts, included
from .tfrecord import write_records

VERSION = "1.0.0"
TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}"


def export_rlds(
    store: EpisodeStore, folder: Path, *, excluded: Collection[str] = (), told: Told = nobody
) -> Exported:
    """Bring the TFDS directory in `folder`, a `data_dir` of TFDS, up to date with `store`.

    Writes one file for each batch that is new or whose exclusions changed, and touches no other.
    Raises DatasetError where the folder holds something else, an observation's name cannot be nested,
    or the disk refuses; what was exported before stays readable.

    Args:
      store: what to export.
      folder: made where there is none; it may hold other TFDS datasets.
      excluded: ids of episodes to leave out.
      told: told of each episode.
    """
    if (folder / "dataset_info.json").exists():
        raise DatasetError(f"{folder} is one version of a TFDS dataset; name the data_dir two folders above")
    name = tfds_name(store.schema.task)
    target = folder / name / VERSION
    with held(target):
        ledger = read_ledger(target, "rlds", store)
        wanted = jobs(target, ledger, store, excluded)
        _prepare(target, name, ledger)
        tick = ticker(told, wanted)
        for job in wanted:
            ledger = _export(store, target, name, ledger, job, tick)
    read = (
        "import tensorflow_datasets as tfds",
        f"episodes = tfds.load({name!r}, data_dir={str(folder)!r}, split='train')",
    )
    return Exported(target, len(wanted), ledger.episodes, ledger.bytes, read)


def tfds_name(task: str) -> str:
    """A task's name as TFDS wants names: `pacloop/stack` is `pacloop_stack`."""
    name = re.sub(r"[^a-z0-9]+", "_", task.lower()).strip("_")
    return name if name[:1].isalpha() else f"task_{name}".rstrip("_")


def _prepare(target: Path, name: str, ledger: Ledger) -> None:
    """What must be there before the first file; and what a killed export had still to do."""
    path = target / "features.json"
    features = None if path.exists() else _features_json(ledger.schema)  # first, since it may refuse
    begin(target, ledger)
    if features:
        write_json_atomically(target / "metadata.json", ledger.schema)
        write_bytes_atomically(path, features)
    _tell_readers(target, name, ledger)
    _forget_files(target, name, ledger)


def _export(store: EpisodeStore, target: Path, name: str, ledger: Ledger, job: Job, tick: Tick) -> Ledger:
    shard = job.done("", 0, 0)
    if job.episodes:
        path = target / f"{name}-train.tfrecord-{len(ledger.shards):05d}"
        shard = job.done(path.name, job.episodes, _write_shard(store, path, job, tick))
    replaced = ledger.of_batch(job.batch.id)
    ledger = ledger.added(shard)
    write_ledger(target, ledger)
    _tell_readers(target, name, ledger)
    if replaced:
        _forget_files(target, name, ledger)
    return ledger


def _write_shard(store: EpisodeStore, path: Path, job: Job, tick: Tick) -> int:
    from .features import encoder

    encode = encoder(store.schema)
    with replacing(path, parents=True) as aside, aside.open("xb") as file:
        records = (encode(episode, facts(row, job)) for row, episode in included(store, job, tick))
        return write_records(file, records)


def _tell_readers(target: Path, name: str, ledger: Ledger) -> None:
    """Replace `dataset_info.json` where it does not say what the ledger says."""
    data = _info_json(name, ledger)
    path = target / "dataset_info.json"
    with suppress(OSError):
        if path.read_bytes() == data:
            return
    write_bytes_atomically(path, data)


def _info_json(name: str, ledger: Ledger) -> bytes:
    split = {
        "name": "train",
        "filepathTemplate": TEMPLATE,
        "shardLengths": [str(shard.episodes) for shard in ledger.shards],
        "numBytes": str(ledger.bytes),
    }
    info = {
        "name": name,
        "version": VERSION,
        "description": f"Episodes of {ledger.schema.task}, exported by pacloop.",
        "fileFormat": "tfrecord",
        "disableShuffling": True,
        "splits": [split],
    }
    return json.dumps(info).encode() + b"\n"


def _features_json(schema: Schema) -> bytes:
    from google.protobuf import json_format

    from .features import tfds_features

    data = json_format.MessageToDict(tfds_features(schema).to_proto())
    return json.dumps(data, indent=2, sort_keys=True).encode() + b"\n"


def _forget_files(target: Path, name: str, ledger: Ledger) -> None:
    """Remove the files of shards that do not count: those replaced, and those a kill left uncounted."""
    counted = {shard.file for shard in ledger.shards}
    with named_errors(target, "cleaned"):
        for path in target.glob(f"{name}-train.tfrecord-*"):
            if path.name not in counted:
                path.unlink(missing_ok=True)
