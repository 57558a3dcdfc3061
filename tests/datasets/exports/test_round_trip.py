"""What goes out comes in again: every step, discount, score and fact, and so the same digest."""

from dataclasses import replace

import numpy as np
import pytest

from pacloop.datasets import EpisodeStore, Field
from pacloop.datasets.exports.lerobot.export import export_lerobot
from pacloop.datasets.exports.parquet import export_parquet
from pacloop.datasets.exports.tfds.rlds import export_rlds
from pacloop.datasets.imports.detect import reader
from pacloop.datasets.imports.mapping import names_to_read
from pacloop.datasets.imports.readers.raw import RawEpisode, ReadOptions
from pacloop.datasets.imports.scoring import file_score
from pacloop.datasets.imports.validate import validate
from pacloop.datasets.records.rows import episode_digest

EXPORTS = {
    "rlds": export_rlds,
    "lerobot": export_lerobot,
    "parquet": export_parquet,
    "pacloop": lambda store, _: store,
}


@pytest.fixture
def schema(everything):
    """Every kind of field, and text."""
    return replace(everything, observation={**everything.observation, "said": Field((), "str")})


@pytest.fixture
def store(tmp_path, build, schema, exports):
    """Episodes that ended in every way, with and without what need not be known."""
    store = EpisodeStore.create(tmp_path / "dataset", schema)
    exports.fill(store, "demos", "r1", episodes=3)
    cut = replace(build.episode(schema.horizon, 1, False, 0.0, schema), info={"ended": "horizon"})
    short = replace(build.episode(7, 2, False, 1 / 3, schema), info={"ended": "horizon", "limit": 7})
    stopped = replace(build.episode(5, 3, False, 0.25, schema), seed=None, info={"ended": "interrupted"})
    failed = replace(
        build.episode(6, 4, True, 0.0, schema), instruction="", policy=None, info={"a": [1, None]}
    )
    slow = replace(failed, discount=np.array([1, 0.5, 1 / 3, 0.25, 1, 0], np.float32), seed=2**62)
    soft = replace(stopped, discount=np.array([1, 0.5, 0.25, 1, 1 / 3], np.float32))
    store.append([cut, short, stopped, failed, slow, soft], batch_id="ends", source="intervention")
    return store


def read_back(path, schema):
    """The episodes of a path as an injection takes them."""
    found = []
    for raw in reader(path)[1].episodes(path, ReadOptions(names_to_read(schema, ()))):
        assert isinstance(raw, RawEpisode), raw
        assert raw.control_hz == schema.control_hz
        episode = validate(raw, schema, (), file_score(None))
        assert not isinstance(episode, list), episode
        found.append(episode)
    return found


@pytest.mark.parametrize("format", EXPORTS)
def test_every_episode_comes_back_as_it_was(tmp_path, store, schema, build, format):
    path = getattr(EXPORTS[format](store, tmp_path / "out"), "path", store.folder)
    rows = sorted(store.iter_rows(), key=lambda row: row.id)
    found = sorted(read_back(path, schema), key=lambda episode: episode.info["injected_from"]["id"])
    assert len(found) == len(rows)
    for row, episode in zip(rows, found):
        wanted = store.episode(row.id)
        origin = episode.info["injected_from"]
        assert (origin["id"], origin["policy"], origin["round"]) == (row.id, row.policy, row.round)
        assert episode.ended(schema.horizon) == wanted.ended(schema.horizon)
        info = {name: value for name, value in episode.info.items() if name in wanted.info}
        assert build.same(replace(episode, policy=wanted.policy, info=info), wanted)
        assert episode_digest(episode) == row.digest
