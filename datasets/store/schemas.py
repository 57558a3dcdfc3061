"""What a dataset says of its steps: the layout, and the task's facts beside it.

The layout never changes, and all batches of a dataset share it. Of the facts the last change counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DatasetError
from ..files import Strict, json_bytes, parse_json, parse_model
from ..records.schema import Facts, Schema
from .backend import FACTS, SCHEMAS, Backend, append_record, read_room

VERSION = 1
OLDER = "schema.json"
"""What datasets had before there was a version."""
CLAIM = f"{SCHEMAS}/first"
"""The schema file whose writer came first; it is copied to its name, also where its writer was killed."""


@dataclass(frozen=True)
class SchemaFile(Strict):
    """What `schemas/<fingerprint>.json` holds."""

    layout: Mapping[str, Any]
    facts: Facts
    version: int = VERSION


@dataclass(frozen=True)
class FactsChange(Strict):
    """New facts beside the layout of a fingerprint, with the reason; `since` is ISO time, UTC."""

    schema: str
    facts: Facts
    reason: str
    since: str
    version: int = VERSION


def write_schema(backend: Backend, schema: Schema) -> None:
    """Make an empty dataset of a place that has none: of two writers the first says of what schema.

    Raises DatasetError where there is one of an earlier pacloop, or the place keeps no two writers apart.
    """
    if backend.read([OLDER]) != [None]:
        raise DatasetError(
            f"{backend.place} is a dataset of an earlier pacloop, which this one does not read"
        )
    raw = json_bytes(CLAIM, SchemaFile(schema.layout, schema.facts))
    if not backend.create(CLAIM, raw):
        (first,) = backend.read([CLAIM])
        raw = first or raw
    path = f"{backend.place}/{CLAIM}"
    schema = _schema_of(parse_model(SchemaFile, parse_json(path, raw), path), path)
    backend.create(f"{SCHEMAS}/{schema.fingerprint()}.json", raw)


def read_schema(backend: Backend) -> Schema:
    """The layout of a dataset with the facts as they are now. Raises DatasetError where there is none."""
    schema = find_schema(backend)
    if schema is None:
        raise DatasetError(f"{backend.place} holds no dataset: {SCHEMAS} has 0 files, but must have one")
    return schema


def find_schema(backend: Backend) -> Schema | None:
    """The same; None where there is none. One listing, and one of the changes, tell."""
    files = read_room(backend, SCHEMAS, SchemaFile)
    if not files:
        return None
    if len(files) > 1:
        raise DatasetError(
            f"{backend.place} holds no dataset: {SCHEMAS} has {len(files)} files, but must have one"
        )
    ((name, file),) = files.items()
    path = f"{backend.place}/{SCHEMAS}/{name}"
    schema = _schema_of(file, path)
    if name != f"{schema.fingerprint()}.json":
        raise DatasetError(f"{path} was changed by hand: its layout does not fit the fingerprint in its name")
    for change in read_room(backend, FACTS, FactsChange).values():
        schema = replace(schema, **vars(change.facts))
    return schema


def _schema_of(file: SchemaFile, path: str) -> Schema:
    return parse_model(Schema, {**file.layout, **vars(file.facts)}, path)


def reconcile(backend: Backend, current: Schema, schema: Schema) -> Schema:
    """The `current` schema of a dataset with the facts of `schema`, which are recorded where they are new.

    Raises DatasetError as `check_same` does.
    """
    check_same(backend.place, current, schema)
    if current.facts == schema.facts:
        return current
    change = FactsChange(current.fingerprint(), schema.facts, "the task says so", since="")
    append_record(backend, FACTS, change)
    return replace(current, **vars(schema.facts))


def check_same(place: str, current: Schema, schema: Schema) -> None:
    """Raise DatasetError where the layout differs, or the task is another one."""
    if difference := current.difference(schema):
        raise DatasetError(f"{place} is of another schema: {difference}")
    if current.task != schema.task:
        raise DatasetError(f"{place} is of the task {current.task}, but must be of {schema.task}")
