import json

import numpy as np
import pytest
from foreign import SCHEMA, write_minari

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.minari import episodes as read
from pacloop.datasets.imports.readers.raw import Unreadable

FORMATS = ["hdf5", "arrow", "parquet"]


@pytest.mark.parametrize("data_format", FORMATS)
def test_what_minari_wrote_comes_back(tmp_path, episodes, options, agree, data_format):
    found = list(read(write_minari(tmp_path / "m", episodes, SCHEMA, data_format), options))
    agree(found, episodes)
    assert [raw.seed for raw in found] == [0, 1, 2]


@pytest.mark.parametrize("data_format", FORMATS)
def test_jpeg_is_decoded_as_minari_does(tmp_path, episodes, options, data_format):
    from minari.dataset.minari_storage import MinariStorage

    path = write_minari(tmp_path / "m", episodes, SCHEMA, data_format, jpeg=True)
    stock = MinariStorage.read(path / "data").get_episodes(range(3))
    for theirs, ours in zip(stock, read(path, options), strict=True):
        assert np.array_equal(theirs["observations"]["image"], ours.observation["image"])


@pytest.mark.parametrize("data_format", FORMATS)
def test_spaces_that_are_no_dictionary(tmp_path, options, data_format):
    from gymnasium import spaces
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    state = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    parts = (np.ones((3, 1), np.float32), np.zeros((3, 2), np.float32))
    storage = MinariStorage.new(
        tmp_path / "data",
        spaces.Box(-99, 99, (3, 2)),
        spaces.Tuple([spaces.Box(-1, 1, (1,)), spaces.Box(-1, 1, (2,))]),
        data_format=data_format,
    )
    storage.update_episodes(
        [EpisodeBuffer(None, 1, None, state, parts, [0, 0, 1.0], [False] * 3, [False] * 2 + [True])]
    )
    (found,) = read(tmp_path, options)
    assert np.array_equal(found.observation["observation"], state)
    assert found.action is None
    assert np.array_equal(found.columns["action/1"], parts[1])
    assert found.terminal is False


def test_a_missing_episode_is_a_cut_off_copy(tmp_path, episodes, options):
    import shutil

    path = write_minari(tmp_path / "m", episodes, SCHEMA, "arrow")
    shutil.rmtree(path / "data" / "1")
    with pytest.raises(DatasetError, match="counts 3 episodes, but has no folder 1: it was cut short"):
        list(read(path, options))


def test_a_damaged_episode_does_not_spoil_the_others(tmp_path, episodes, options):
    path = write_minari(tmp_path / "m", episodes, SCHEMA, "arrow")
    (part,) = (path / "data" / "1").glob("part*")
    part.write_bytes(part.read_bytes()[:-50])
    kinds = [isinstance(raw, Unreadable) for raw in read(path, options)]
    assert kinds == [False, True, False]


def test_metadata_that_says_nothing_is_refused(tmp_path, episodes, options):
    path = write_minari(tmp_path / "m", episodes, SCHEMA)
    facts = json.loads((path / "data" / "metadata.json").read_text())
    (path / "data" / "metadata.json").write_text(json.dumps(facts | {"data_format": "csv"}))
    with pytest.raises(DatasetError, match="is kept as 'csv'"):
        list(read(path, options))
