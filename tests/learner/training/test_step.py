"""One gradient step: its learning rate, and what follows it."""

from dataclasses import replace

import pytest
import torch

from pacloop.learner.config import LearnConfig
from pacloop.learner.training.step import acting_weights, learning_rate, make_networks, move_target


def test_the_learning_rate_rises_then_falls():
    config = LearnConfig(steps=110, warmup_steps=10, learning_rate=1.0, final_rate=0.2)
    rates = [learning_rate(config, step) for step in range(111)]
    assert rates[:11] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0])
    assert rates[60] == pytest.approx(0.6) and rates[110] == pytest.approx(0.2)
    assert learning_rate(replace(config, warmup_steps=0), 0) == 1.0


def test_the_target_follows_by_its_rate(build):
    """Two moves of a half leave a quarter of the distance."""
    online, target = build.pac(seed=1), build.pac(seed=2).requires_grad_(False)
    before = {name: value.clone() for name, value in target.named_parameters()}
    for _ in range(2):
        move_target(target, online, 0.5)
    for name, value in online.named_parameters():
        torch.testing.assert_close(target.get_parameter(name), 0.25 * before[name] + 0.75 * value)


def test_what_acts_is_the_target_after_it_followed(schema, build):
    config = LearnConfig(target_rate=0.5)
    networks = make_networks(schema, build.tiny, config, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(networks.online.parameters(), networks.target.parameters()))
    with torch.no_grad():
        networks.online.policy_query += 1.0
    before = networks.target.policy_query.clone()
    torch.testing.assert_close(acting_weights(networks, config)["policy_query"], before + 0.5)
    assert torch.equal(networks.target.policy_query, before), "the run may go on"
