"""What a learner run leaves in a workspace: its policies and its outcome, also where it was interrupted."""

from dataclasses import replace

import pytest

from pacloop.learner.checkpoint import read_record
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.stages.learn import pac_run, run_learner
from pacloop.loop.workspace.config import parse_config

STEPS = 60


@pytest.fixture
def run(space):
    """A learner run of the workspace."""
    space = replace(space, config=parse_config({"learn": {"batch_size": 16}}, "test"))
    add_demonstrations(
        space.folder, task="pacloop/stack", episodes=1, seed=0, clean=True, bare=False, progress=silent
    )
    append(space, 0, silent)

    def run(name, progress=silent):
        return run_learner(space, 0, name, name, pac_run(space, STEPS), None, progress)

    return space, run


def weights(space, policy):
    return (space.policy_folder(policy) / "weights.safetensors").read_bytes()


def test_an_interrupted_run_ends_in_the_same_policy(run):
    space, run = run
    outcome, record = run("learn"), read_record(space.policy_folder("learn"))
    assert (outcome.policy, outcome.steps, outcome.rows) == ("learn", STEPS, record.lineage["rows"])
    assert not list(space.round_folder(0).glob("learn-run/*.safetensors")), "the run needs them no more"

    def interrupt(_what, done, _total, _note):
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("again", interrupt)
    assert not space.has_record(0, "again")
    run("again")
    assert weights(space, "again") == weights(space, "learn")
