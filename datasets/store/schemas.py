"""What a dataset says of its steps: the layout, and the task's facts beside it.

    schemas/<fingerprint>.json      the layout, which never changes, and the facts it began with
    facts/<time>-<digest>.json      facts that were changed later, with the reason; the last one counts

Today all batches of a dataset share one layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DatasetError
from ..files import STRICT, json_bytes, parse_json, parse_model
from ..records.schema import Facts, Schema
from .backend import FACTS, SCHEMAS, Backend
from .journal import append_record, read_journal

VERSION = 1


@dataclass(frozen=True)
class SchemaFile:
    """What `schemas/<fingerprint>.json` holds."""

    __pydantic_config__ = STRICT

    layout: Mapping[str, Any]
    facts: Facts
    version: int = VERSION


@dataclass(frozen=True)
class FactsChange:
    """New facts beside a layout.

    Attributes:
      schema: the layout's fingerprint.
      facts: what holds from now on.
      reason: why, in somebody's words.
      since: ISO time, UTC.
    """

    __pydantic_config__ = STRICT

    schema: str
    facts: Facts
    reason: str
    since: str
    version: int = VERSION


def write_schema(backend: Backend, schema: Schema) -> None:
    """Make an empty dataset of a place that has none.

    Raises DatasetError where the place creates what exists already.
    """
    key = f"{SCHEMAS}/{schema.fingerprint()}.json"
    raw = json_bytes(key, SchemaFile(schema.layout, schema.facts))
    if backend.create(key, raw) and backend.create(key, raw):
        raise DatasetError(
            f"{backend.place} overwrites what it was told to create only (If-None-Match): use another store"
        )


def read_schema(backend: Backend) -> Schema:
    """The layout of a dataset with the facts as they are now. Raises DatasetError where there is none."""
    names = backend.names(SCHEMAS)
    if len(names) != 1:
        raise DatasetError(
            f"{backend.place} holds no dataset: {SCHEMAS} has {len(names)} files, but must have one"
        )
    path, (raw,) = f"{backend.place}/{SCHEMAS}/{names[0]}", backend.read([f"{SCHEMAS}/{names[0]}"])
    file = parse_model(SchemaFile, parse_json(path, raw or b""), path)
    schema = parse_model(Schema, {**file.layout, **vars(file.facts)}, path)
    if names[0] != f"{schema.fingerprint()}.json":
        raise DatasetError(f"{path} was changed by hand: its layout does not fit the fingerprint in its name")
    changes = read_journal(backend, FACTS, FactsChange).values()
    return replace(schema, **vars([file.facts, *(change.facts for change in changes)][-1]))


def reconcile(backend: Backend, found: Schema, wanted: Schema, reason: str) -> Schema:
    """The schema of a dataset that is used with `wanted`: of the same layout, with its facts from now on.

    Other facts are recorded with the reason. Raises DatasetError where the layout differs, or the task is
    another one and nobody says why.
    """
    if difference := found.difference(wanted):
        raise DatasetError(f"{backend.place} is of another schema: {difference}")
    if found.facts == wanted.facts:
        return found
    if found.task != wanted.task and not reason.strip():
        raise DatasetError(
            f"{backend.place} is of the task {found.task}, but must be of {wanted.task}: "
            "give a reason to change it"
        )
    reason = reason.strip() or "the task says so"
    append_record(
        backend,
        FACTS,
        FactsChange,
        lambda since: FactsChange(found.fingerprint(), wanted.facts, reason, since),
    )
    return replace(found, **vars(wanted.facts))
