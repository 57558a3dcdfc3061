"""`[learn] mixture` in pacloop.toml: what it comes to for a snapshot, and where it shows."""

from dataclasses import replace

import pytest

from pacloop.loop.errors import LoopError
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages.replay import mixtures
from pacloop.loop.views.lineage import policy_facts
from pacloop.loop.workspace.config import parse_config


@pytest.fixture
def mixed(space):
    """A function that gives the mixtures of a workspace with four demonstrations and twelve collected."""
    add_demonstrations(
        space.folder, task="pacloop/stack", episodes=4, seed=0, clean=True, bare=False, progress=silent
    )
    episodes = list(space.store.episodes(space.store.batches()[0]))
    told = [replace(episode, instruction="stack") for episode in 3 * episodes]
    space.store.append(told, batch_id="r001-collect-00000", source="collection", round=1)

    def mixed(**learn):
        set_ = replace(space, config=parse_config({"learn": learn}, "pacloop.toml"))
        return mixtures(set_, space.store.snapshot())

    return mixed


def test_nothing_is_mixed_unless_asked(mixed):
    assert mixed() == {}


def test_the_share_of_every_source_and_task(mixed):
    found = mixed(mixture={"demonstration": 0.1}, task_mixture={"stack": 0.5})
    assert found["mixture"] == pytest.approx({"demonstration": 0.1, "collection": 0.9})
    assert found["task_mixture"] == pytest.approx({"pacloop/stack": 0.5, "stack": 0.5})


def test_what_leaves_nothing_names_the_setting(mixed):
    with pytest.raises(
        LoopError, match=r"\[learn\] mixture leaves nothing to learn from: only demonstration"
    ):
        mixed(mixture={"demonstration": 0.0, "collection": 0.0})
    with pytest.raises(LoopError, match=r"names 'stakc', which is no task .* are 'pacloop/stack', 'stack'"):
        mixed(task_mixture={"stakc": 0.5})


def test_a_policy_says_how_its_data_were_mixed(space, put_policy):
    shares = {"demonstration": 0.25, "collection": 0.75}
    put_policy("r001-pac", 1, mixture=shares)
    assert policy_facts(space, space.store, "r001-pac")["mixture"] == shares
