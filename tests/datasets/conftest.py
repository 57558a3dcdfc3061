"""Episodes small enough to write down, and a schema that has one of everything."""

import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pacloop.datasets import Episode, EpisodeStore, Field, Schema

sys.path.insert(0, str(Path(__file__).parent))  # recordings.py

_names = count()


def make_schema(**changes):
    facts = {
        "task": "test/reach",
        "observation": {
            "arm/position": Field((3,)),
            "camera": Field((4, 4, 1), "uint8"),
            "touch": Field((), "bool"),
        },
        "action": Field((2,)),
        "action_minimum": (-1.0, -1.0),
        "action_maximum": (1.0, 1.0),
        "control_hz": 20.0,
        "horizon": 40,
    }
    return Schema(**(facts | changes))


def make_episode(steps=5, seed=0, terminal=True, score=1.0, schema=None, **changes):
    schema = schema or make_schema()
    rng = np.random.default_rng(seed)
    discount = np.ones(steps, np.float32)
    discount[-1:] = 0.0 if terminal else 1.0
    facts = {
        "observation": {
            name: rng.integers(0, 2 if field.dtype == "bool" else 100, (steps + 1, *field.shape)).astype(
                field.dtype
            )
            for name, field in schema.observation.items()
        },
        "action": rng.uniform(-1, 1, (steps, *schema.action.shape)).astype(schema.action.dtype),
        "reward": rng.random(steps, np.float32),
        "discount": discount,
        "score": score,
        "seed": seed,
        "policy": "p1",
        "instruction": "reach",
        "info": {"host": "here", "n": 3},
    }
    return Episode(**(facts | changes))


def same(left, right):
    """Whether two episodes are equal, arrays and all."""
    arrays = [(left.observation[name], right.observation[name]) for name in left.observation]
    arrays += [(getattr(left, name), getattr(right, name)) for name in ("action", "reward", "discount")]
    facts = ("score", "seed", "policy", "instruction", "info")
    return (
        set(left.observation) == set(right.observation)
        and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)
        and all(getattr(left, name) == getattr(right, name) for name in facts)
    )


@pytest.fixture
def schema():
    return make_schema()


@pytest.fixture(scope="session")
def build():
    """The helpers of this file, for tests that need them by name."""
    return SimpleNamespace(schema=make_schema, episode=make_episode, same=same)


@pytest.fixture
def url(s3, monkeypatch):
    """A place in a bucket where nothing is yet; who asks a server that is away gives up soon."""
    from pacloop.datasets import objects as bucket

    monkeypatch.setattr(bucket, "RETRY", {"max_retries": 1})
    return f"s3://robots/runs/{next(_names)}"


@pytest.fixture
def bucket_store(url, tmp_path, schema):
    """An empty dataset in a bucket."""
    from pacloop.datasets.store.bucket import CachedBucket

    return EpisodeStore.create(CachedBucket(url, tmp_path / "cache", 2**40), schema)


@pytest.fixture
def bucket_elsewhere(url, tmp_path):
    """The dataset in the bucket as another machine sees it, with a cache of its own."""
    from pacloop.datasets.store.bucket import CachedBucket

    return lambda limit=2**40: EpisodeStore.open(CachedBucket(url, tmp_path / f"cache{next(_names)}", limit))
