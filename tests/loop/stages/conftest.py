"""A workspace whose round awaits the gate."""

import pytest
from recorded import put

from pacloop.loop.episodes.play import Session
from pacloop.loop.progress import silent
from pacloop.loop.stages.collect import collect
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

GATE = {"cap": 120, "block": 20, "level": 0.3}


@pytest.fixture
def make(tmp_path, put_policies):
    """A workspace whose champion `old` has collected and whose candidate `new` awaits the gate."""

    def make(collectors, name="space", **gate):
        gate = {**GATE, **gate}
        settings = {
            "gate": gate,
            "collect": {"episodes": 300, "environments": 150, "failures": 0.5},
            "dataset": {"rlds": "off"},
        }
        space = Workspace.create(tmp_path / name, parse_config(settings, "test"))
        put_policies(space, "old", "new")
        space.registry.install("old", reason="first", by="round 0", round=0, action="first")
        collect(Session(space, lambda: collectors, silent), 1)
        put(space, 1, "race", policy="new")
        return space

    return make


@pytest.fixture
def put_policies():
    import torch

    from pacloop.learner.checkpoint import PolicyRecord, write_policy
    from pacloop.learner.config import PacConfig
    from pacloop.learner.policy import Acting

    def put_policies(space, *names, lineage=None):
        for name in names:
            made = lineage or {"round": 0}
            record = PolicyRecord(name, space.task.schema, PacConfig(), Acting("sample"), made, {})
            write_policy(space.policy_folder(name), record, {"w": torch.zeros(1)})

    return put_policies
