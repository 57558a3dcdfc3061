"""A task that another package offers, and a policy for it with opinions of its own."""

import importlib
from pathlib import Path

import numpy as np
import pytest

OFFERED = Path(__file__).with_name("offered")
DRILL = Path(__file__).parents[2] / "benchmarks" / "drills" / "offered"


@pytest.fixture(scope="session")
def offered():
    """A folder with an installed package that offers tasks, importable here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(OFFERED)
        yield OFFERED


@pytest.fixture(scope="session")
def reach(offered):
    """The offered task."""
    from pacloop.actors.registry import find_task

    return find_task("test/reach")


@pytest.fixture(scope="session")
def reacher(reach):
    """A policy's record and the bytes of its weights."""
    import torch
    from safetensors.torch import save

    from pacloop.learner.checkpoint import PolicyRecord
    from pacloop.learner.config import PacConfig
    from pacloop.learner.network.pac import Pac
    from pacloop.learner.policy import Acting

    config = PacConfig(width=8, latents=2, action_bins=5, value_bins=7, scales=(1.0, 3.0), history=2)
    torch.manual_seed(0)
    network = Pac(reach.schema, config)
    for decoder in (network.policy_decoder, network.critic_decoder):
        torch.nn.init.normal_(decoder.head.weight, std=0.5)
    return PolicyRecord("p1", reach.schema, config, Acting("q_guided", 3)), save(network.state_dict())


@pytest.fixture(scope="session")
def same_episode():
    """Whether two episodes are equal, number for number."""

    def same(one, other):
        arrays = [(one.observation[name], other.observation[name]) for name in one.observation]
        arrays += [(getattr(one, name), getattr(other, name)) for name in ("action", "reward", "discount")]
        facts = ("score", "seed", "policy")
        return all(np.array_equal(a, b) for a, b in arrays) and all(
            getattr(one, name) == getattr(other, name) for name in facts
        )

    return same


@pytest.fixture(scope="session")
def misbehaving():
    """The module of the task that misbehaves by seed; it is installed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DRILL)
        yield importlib.import_module("misbehaving")
