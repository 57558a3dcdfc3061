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
import struct
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO

from ...errors import DatasetError
from ...files import json_bytes, named_errors, replacing, write_bytes_atomically
from ...records.schema import Schema
from ...store.store import EpisodeStore
from ..steps import facts
from ..update import Callback, Exported, Job, Update, updating, write_if_changed

VERSION = "1.0.0"


def export_rlds(
    store: EpisodeStore, folder: Path, *, excluded: Collection[str] = (), callback: Callback | None = None
) -> Exported:
    """Bring the TFDS directory in `folder`, a `data_dir` of TFDS, up to date with `store`.

    Writes one file for each batch that is new or whose exclusions changed, and touches no other.
    Raises DatasetError where the folder holds something else, an observation's name cannot be nested,
    or the disk refuses; what was exported before stays readable.

    `updating` describes the arguments. `folder` may hold other TFDS datasets.
    """
    if (folder / "dataset_info.json").exists():
        raise DatasetError(f"{folder} is one version of a TFDS dataset; name the data_dir two folders above")
    name = tfds_name(store.schema.task)
    version = folder / name / VERSION
    # before anything is written, since it may refuse
    features = None if (version / "features.json").exists() else _features_json(store.schema)
    with updating(store, version, "rlds", excluded, callback) as update:
        write_if_changed(version / "metadata.json", json_bytes("metadata.json", store.schema))
        if features:
            write_bytes_atomically(version / "features.json", features)
        _write_info(update, name)  # and what a killed export had still to do
        for job in update.jobs:
            path = version / f"{name}-train.tfrecord-{len(update.ledger.shards):05d}"
            if job.episodes:
                _write_shard(update, job, path)
            update.count(job, path, job.episodes)
            _write_info(update, name)
        _remove_uncounted(update, name)
    return update.result(
        "import tensorflow_datasets as tfds",
        f"episodes = tfds.load({name!r}, data_dir={str(folder)!r}, split='train')",
    )


def tfds_name(task: str) -> str:
    """A task's name as TFDS wants names: `pacloop/stack` is `pacloop_stack`."""
    name = re.sub(r"[^a-z0-9]+", "_", task.lower()).strip("_")
    return name if name[:1].isalpha() else f"task_{name}".rstrip("_")


def _features_json(schema: Schema) -> bytes:
    from google.protobuf import json_format

    from .features import tfds_features

    data = json_format.MessageToDict(tfds_features(schema).to_proto())
    return json.dumps(data, indent=2, sort_keys=True).encode() + b"\n"


def _write_shard(update: Update, job: Job, path: Path) -> None:
    from .features import encoder

    encode = encoder(update.store.schema)
    with replacing(path, parents=True) as aside, aside.open("wb") as file:
        write_records(file, (encode(episode, facts(row, job)) for row, episode in update.episodes(job)))


def write_records(file: BinaryIO, records: Iterable[bytes]) -> None:
    """Append records as TFRecord has them: each is its length, the bytes, and a checksum of either."""
    for record in records:
        length = struct.pack("<Q", len(record))
        file.write(length + _checksum(length))
        file.write(record)
        file.write(_checksum(record))


def _checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and offset as TFRecord wants it, so that a checksum of a checksum is none."""
    import google_crc32c

    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _write_info(update: Update, name: str) -> None:
    """Make `dataset_info.json` say what the ledger says."""
    split = {
        "name": "train",
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}",
        "shardLengths": [str(shard.episodes) for shard in update.ledger.shards],
        "numBytes": str(update.ledger.bytes),
    }
    info = {
        "name": name,
        "version": VERSION,
        "description": f"Episodes of {update.store.schema.task}, exported by pacloop.",
        "fileFormat": "tfrecord",
        "disableShuffling": True,
        "splits": [split],
    }
    write_if_changed(update.folder / "dataset_info.json", json.dumps(info).encode() + b"\n")


def _remove_uncounted(update: Update, name: str) -> None:
    """Remove the files of shards that do not count: those replaced, and those a kill left uncounted."""
    counted = {shard.file for shard in update.ledger.shards}
    with named_errors(update.folder, "cleaned"):
        for path in update.folder.glob(f"{name}-train.tfrecord-*"):
            if path.name not in counted:
                path.unlink(missing_ok=True)
