"""What a learner run leaves in a workspace: its policies and its outcome, also where it was interrupted."""

from dataclasses import replace

import pytest

from pacloop.learner.checkpoint import read_record
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages.learn import kept_steps, pac_run, run_learner
from pacloop.loop.stages.stages import append
from pacloop.loop.workspace.config import parse_config

STEPS = 60


@pytest.mark.parametrize(
    ("steps", "checkpoints", "kept"),
    [(5000, 1, []), (5000, 2, [2500]), (5000, 3, [2500, 3750]), (600, 4, [300, 400, 500]), (1, 3, [])],
)
def test_earlier_weights_are_spread_evenly_over_the_second_half(steps, checkpoints, kept):
    assert kept_steps(steps, checkpoints) == kept


@pytest.fixture
def run(space):
    """A learner run of the workspace, with three checkpoints unless told otherwise."""
    space = replace(space, config=parse_config({"learn": {"batch_size": 16}}, "test"))
    add_demonstrations(
        space.folder, task="pacloop/stack", episodes=1, seed=0, clean=True, bare=False, progress=silent
    )
    append(space, 0, lambda: None, silent)

    def run(name, progress=silent, checkpoints=3):
        return run_learner(space, 0, name, name, pac_run(space, STEPS), None, progress, checkpoints)

    return space, run


def weights(space, policy):
    return (space.policy_folder(policy) / "weights.safetensors").read_bytes()


def test_earlier_weights_become_policies_that_say_their_step(run):
    space, run = run
    outcome, last = run("learn"), read_record(space.policy_folder("learn"))
    assert outcome["checkpoints"] == [{"policy": f"learn-s{s}", "step": s} for s in (30, 45)]
    for step in (30, 45):
        found = read_record(space.policy_folder(f"learn-s{step}"))
        assert found.lineage == {**last.lineage, "step": step}
        assert (found.acting, found.network) == (last.acting, last.network)
        assert weights(space, found.id) != weights(space, "learn")
    assert "step" not in last.lineage
    assert not list(space.round_folder(0).glob("learn-run/*.safetensors")), "the run needs them no more"

    def interrupt(_what, done, _total, _note):
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("again", interrupt)
    assert space.outcome(0, "again") is None
    run("again")
    for name in ("", "-s30", "-s45"):
        assert weights(space, f"again{name}") == weights(space, f"learn{name}")
    alone = run("alone", checkpoints=1)
    assert "checkpoints" not in alone
    assert weights(space, "alone") == weights(space, "learn")
