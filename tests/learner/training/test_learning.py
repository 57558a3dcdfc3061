"""What it is all for: from random actions PAC learns to act well, where cloning only repeats them."""

import numpy as np
import pytest

from pacloop.learner.config import LearnConfig, PacConfig
from pacloop.learner.network.pac import Pac
from pacloop.learner.policy import Acting, Policy
from pacloop.learner.training.run import learn

NETWORK = PacConfig(width=32, latents=2, action_bins=21, value_bins=21, scales=(1.0, 5.0))


@pytest.fixture(scope="module")
def replay(tmp_path_factory, build):
    return build.guesses(tmp_path_factory.mktemp("guesses"), 2000)


@pytest.fixture
def expected_reward(replay, tmp_path, build):
    """Mean reward of what a run learned, acting as it is told, over hints that spread evenly."""

    def expected_reward(alpha, acting, steps):
        config = LearnConfig(
            steps=steps,
            batch_size=64,
            learning_rate=3e-3,
            warmup_steps=10,
            alpha=alpha,
            eta=0.05,
            improvement_actions=8,
            n_step=1,
            target_rate=0.05,
        )
        folder = tmp_path / f"alpha {alpha}"
        weights, _ = learn(replay, schema=build.guess, network=NETWORK, config=config, seed=1, folder=folder)
        network = Pac(build.guess, NETWORK)
        network.load_state_dict(weights)
        policy = Policy(network, build.guess, acting)
        hints = np.linspace(-1, 1, 2000, dtype=np.float32)[:, None]
        noise = np.random.default_rng(0).random((2000, *policy.noise_shape), np.float32)
        return build.reward_of(hints, policy.act({"hint": hints[:, None]}, noise)).mean()

    return expected_reward


def test_pac_beats_cloning(expected_reward):
    random = 0.35 / 2  # mean reward of the data: the width of the reward's peak over the range of actions
    cloned = expected_reward(1.0, Acting("sample"), 250)
    improved = expected_reward(0.1, Acting("sample"), 250)
    assert cloned == pytest.approx(random, abs=0.05)
    assert improved > cloned + 0.25


def test_the_critic_of_a_cloned_policy_guides_it(expected_reward):
    assert expected_reward(1.0, Acting("q_guided", 16), 250) > 0.5
