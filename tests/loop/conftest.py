"""A small workspace, and outcomes of stages as the stages write them."""

from dataclasses import replace

import numpy as np
import pytest

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Appended
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def space(tmp_path):
    return Workspace.create(tmp_path / "space", parse_config({}, "test"))


@pytest.fixture
def put_policy(space):
    """Write a policy that learned in a round; what it weighs is nobody's business here."""
    import torch

    from pacloop.learner.checkpoint import PolicyRecord, write_policy
    from pacloop.learner.config import PacConfig
    from pacloop.learner.policy import Acting

    def put_policy(name, round, parent=None, **lineage):
        pinned = space.record(Appended, round)
        snapshot = pinned.snapshot_id if pinned else "none"
        lineage = {"round": round, "parent": parent, "snapshot": snapshot, **lineage}
        acting, figures = Acting("q_guided", 4, 0.05), {"loss": 0.25}
        record = PolicyRecord(name, space.task.schema, PacConfig(), acting, lineage, figures)
        write_policy(space.policy_folder(name), record, {"w": torch.zeros(1)})

    return put_policy


@pytest.fixture
def cut(space):
    """A clean demonstration, cut after 7 steps; and the same, with an observation nobody made in step 1."""
    batch = add_demonstrations(
        space.folder, task="pacloop/stack", episodes=1, seed=0, clean=True, bare=False, progress=silent
    )
    whole = space.store.episode(f"{batch.id}/0")
    short = replace(
        whole,
        observation={name: column[:8] for name, column in whole.observation.items()},
        **{name: getattr(whole, name)[:7] for name in ("action", "reward", "discount")},
    )
    hand = short.observation["hand"].copy()
    hand[1] += np.float32(0.25)
    return short, replace(short, observation={**short.observation, "hand": hand})
