"""A network small enough to check by hand, and a store of one-step episodes that a learner can solve."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pacloop.datasets import Episode, EpisodeStore, Field, Replay, Schema
from pacloop.learner.config import PacConfig
from pacloop.learner.network.pac import Pac

TINY = PacConfig(
    width=8,
    latents=2,
    action_bins=5,
    value_bins=7,
    return_minimum=-1.0,
    return_maximum=2.0,
    scales=(1.0, 10.0),
    history=2,
)


def make_schema():
    return Schema(
        task="test/point",
        observation={"arm": Field((3,)), "goal": Field(())},
        action=Field((2,)),
        action_minimum=(-1.0, 0.0),
        action_maximum=(1.0, 4.0),
        control_hz=20.0,
        horizon=10,
    )


def make_pac(seed=0, config=TINY):
    """A fresh network is near uniform; this one has opinions."""
    torch.manual_seed(seed)
    pac = Pac(make_schema(), config)
    for decoder in (pac.policy_decoder, pac.critic_decoder):
        torch.nn.init.normal_(decoder.head.weight, std=0.7)
    return pac


def observe(size, seed=0, history=TINY.history):
    generator = torch.Generator().manual_seed(seed)
    return {
        "arm": torch.randn(size, history, 3, generator=generator),
        "goal": torch.randn(size, history, generator=generator),
    }


POINT = Schema(
    task="test/guess",
    observation={"hint": Field((1,))},
    action=Field((1,)),
    action_minimum=(-1.0,),
    action_maximum=(1.0,),
    control_hz=1.0,
    horizon=1,
)


def reward_of(hint, action):
    """1 where the action is half the hint, with its sign turned; falls to nothing 0.4 beside it."""
    return np.exp(-(((action + 0.5 * hint) / 0.2) ** 2))


def make_guesses(folder, episodes, seed=0):
    """A replay of `episodes` one-step episodes: random hints, random actions."""
    rng = np.random.default_rng(seed)
    hints, actions = rng.uniform(-1, 1, (2, episodes, 1)).astype(np.float32)
    rewards = reward_of(hints, actions).astype(np.float32)
    store = EpisodeStore.create(folder, POINT)
    store.append(
        [
            Episode({"hint": np.stack([hint, hint])}, action[None], reward, np.zeros(1, np.float32), 0.0)
            for hint, action, reward in zip(hints, actions, rewards)
        ],
        batch_id="random",
        source="demonstration",
    )
    return Replay(store, store.snapshot(), n_step=1, discount=0.99, time_limit_is_terminal=True)


@pytest.fixture
def schema():
    return make_schema()


@pytest.fixture(scope="session")
def build():
    """The helpers of this file, for tests that need them by name."""
    return SimpleNamespace(
        tiny=TINY,
        pac=make_pac,
        observe=observe,
        guess=POINT,
        guesses=make_guesses,
        reward_of=reward_of,
    )
