"""The places that keep a dataset, for tests that all of them pass."""

from itertools import count
from types import SimpleNamespace

import pytest

from pacloop.datasets import EpisodeStore
from pacloop.datasets.objects import Bucket
from pacloop.datasets.store.bucket import CachedBucket
from pacloop.datasets.store.folder import Folder


def folder(request, tmp_path):
    path = tmp_path / "dataset"

    def files():
        found = [path for path in path.rglob("*") if path.is_file()] if path.exists() else []
        return {str(file.relative_to(path)): file.read_bytes() for file in found}

    def write(key, raw):
        (path / key).write_bytes(raw)

    return SimpleNamespace(address=str(path), backend=lambda: Folder(path), files=files, write=write)


def bucket(request, tmp_path):
    objects, caches = Bucket(request.getfixturevalue("url")), count()

    def files():
        return {
            key: objects.read(key)
            for room in ("schemas", "facts", "batches", "excluded", "quarantine")
            for key in objects.list(room)
        }

    def write(key, raw):
        objects.delete([key])
        objects.create(key, raw)

    def backend():
        return CachedBucket(objects.url, tmp_path / f"machine{next(caches)}", 2**40)

    return SimpleNamespace(address=objects.url, backend=backend, files=files, write=write)


PLACES = {"folder": folder, "bucket": bucket}


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    """`address`, `backend()`, one for each machine, `files()` by key, and `write(key, raw)`, for damage."""
    return PLACES[request.param](request, tmp_path)


@pytest.fixture
def store(place, schema):
    return EpisodeStore.create(place.backend(), schema)


@pytest.fixture
def elsewhere(place):
    """The store as another machine sees it."""
    return lambda: EpisodeStore.open(place.backend())
