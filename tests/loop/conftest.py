"""A small workspace, and outcomes of stages as the stages write them."""

import pytest

from pacloop.loop.config import parse_config
from pacloop.loop.statistics import wilson
from pacloop.loop.workspace import Workspace


@pytest.fixture
def space(tmp_path):
    return Workspace.create(tmp_path / "space", parse_config({}, "test"))


@pytest.fixture
def tally():
    """The outcome of a stage that played `n` episodes."""

    def tally(successes, n, **more):
        return {
            "episodes": n,
            "successes": successes,
            "rate": successes / n,
            "interval": wilson(successes, n),
            "binary": True,
            "seconds": 2.0,
            **more,
        }

    return tally


@pytest.fixture
def verdict():
    """A gate's outcome."""

    def verdict(decision, candidate, successes, n):
        return {
            "decision": decision,
            "reason": "because",
            "candidate": candidate,
            "candidate_successes": successes,
            "candidate_n": n,
            "candidate_interval": wilson(successes, n),
            "level": 0.02,
            "seconds": 3.0,
        }

    return verdict


@pytest.fixture
def put_policy(space):
    """Write a policy that learned in a round; what it weighs is nobody's business here."""
    import torch

    from pacloop.learner.checkpoint import PolicyRecord, write_policy
    from pacloop.learner.config import PacConfig
    from pacloop.learner.policy import Acting

    def put_policy(name, round, parent=None, **lineage):
        pinned = space.outcome(round, "append") or {"snapshot_id": "none"}
        lineage = {"round": round, "parent": parent, "snapshot": pinned["snapshot_id"], **lineage}
        acting, figures = Acting("q_guided", 4, 0.05), {"loss": 0.25}
        record = PolicyRecord(name, space.task.schema, PacConfig(), acting, lineage, figures)
        write_policy(space.policy_folder(name), record, {"w": torch.zeros(1)})

    return put_policy
