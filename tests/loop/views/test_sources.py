"""The dataset by source."""

from dataclasses import replace

import pytest

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.views.sources import by_source


@pytest.fixture
def batch(space):
    return add_demonstrations(
        space.folder, task="pacloop/stack", episodes=2, seed=0, clean=True, bare=False, progress=silent
    )


def test_each_source_adds_up_its_batches(batch):
    collected = replace(batch, id="c", source="collection", score_sum=1.0)
    found = by_source([collected, batch, replace(collected, id="d")])
    assert [(source, s.batches, s.episodes, s.rate) for source, s in found.items()] == [
        ("demonstration", 1, 2, 1.0),
        ("collection", 2, 4, 0.5),
    ]
    assert found["collection"].steps == 2 * batch.steps


def test_nothing_has_no_sources():
    assert by_source([]) == {}
