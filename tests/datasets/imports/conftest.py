"""Episodes as the formats' own libraries write them; the writers are shared with the fuzzer."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import SCHEMA, make_episode

from pacloop.datasets.imports.readers.raw import RawEpisode, ReadOptions


@pytest.fixture(scope="session")
def episodes():
    return [make_episode(steps, seed, float(seed % 2)) for seed, steps in enumerate((5, 9, 1))]


@pytest.fixture(scope="session")
def options():
    return ReadOptions({*SCHEMA.observation, "observation"})


@pytest.fixture(scope="session")
def agree():
    """Asserts that raw episodes are those written; but for the last observation where `repeated`.

    Without `ends` the file cannot say that the environment ended an episode, only that it did not.
    """

    def agree(found, written, repeated=False, pictures=0, ends=True):
        assert len(found) == len(written)
        for raw, episode in zip(found, written):
            assert isinstance(raw, RawEpisode), raw
            assert raw.observation.keys() == episode.observation.keys()
            end = episode.length if repeated else episode.length + 1
            for name, value in episode.observation.items():
                read = raw.observation[name]
                assert read.shape == value.shape and read.dtype == value.dtype
                off = np.abs(read[:end].astype(np.float64) - value[:end])
                assert off.max() <= (pictures if value.ndim == 4 else 0), name
                assert not repeated or np.array_equal(read[-1], read[-2])
            assert np.array_equal(raw.action, episode.action)
            assert np.array_equal(raw.reward, episode.reward)
            assert raw.terminal == episode.is_terminal or (not ends and raw.terminal is None)

    return agree
