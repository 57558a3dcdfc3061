"""The objective, term by term, against loops and numbers written down by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pacloop.learner.config import LearnConfig
from pacloop.learner.training.objective import Batch, loss, make_targets, project

CONFIG = LearnConfig(alpha=0.6, beta=2.0, eta=0.2, improvement_actions=4)
SIZE = 3


@pytest.fixture
def batch(build):
    return Batch(
        observation=build.observe(SIZE, seed=1),
        action=torch.tensor([[-1.0, 0.45], [0.1, 0.0], [0.9, -0.6]]),
        n_step_return=torch.tensor([0.2, 1.0, -0.1]),
        bootstrap_discount=torch.tensor([0.5, 0.0, 0.9]),
        next_observation=build.observe(SIZE, seed=2),
    )


@pytest.fixture
def online(build):
    return build.pac(seed=3)


@pytest.fixture
def target(build):
    return build.pac(seed=4)


def targets_of(target, batch, config=CONFIG, seed=7):
    return make_targets(target, batch, config=config, generator=torch.Generator().manual_seed(seed))


def projected(returns, discounts, probabilities, values):
    tensors = (torch.tensor(numbers) for numbers in (returns, discounts, probabilities, values))
    return project(*tensors).numpy()


@pytest.mark.parametrize(
    ("returns", "discount", "wanted"),
    [
        (0.0, 1.0, [0.2, 0.3, 0.5]),  # nothing moves
        (0.5, 0.5, [0.1, 0.65, 0.25]),  # 0.2 at 0.5, 0.3 at 1, 0.5 at 1.5
        (1.25, 0.0, [0.0, 0.75, 0.25]),  # terminal: all of it at 1.25
        (2.0, 0.0, [0.0, 0.0, 1.0]),
        (5.0, 1.0, [0.0, 0.0, 1.0]),  # above the range
        (-5.0, 1.0, [1.0, 0.0, 0.0]),  # below it
        (1.5, 1.0, [0.0, 0.1, 0.9]),  # 0.2 at 1.5, the rest beyond the end
    ],
)
def test_projection_by_hand(returns, discount, wanted):
    found = projected([returns], [discount], [[0.2, 0.3, 0.5]], [0.0, 1.0, 2.0])
    np.testing.assert_allclose(found, [wanted], atol=1e-6)


shares = st.lists(st.floats(0.0, 1.0), min_size=9, max_size=9).filter(lambda x: sum(x) > 0.01)


@given(shares, st.floats(-3, 3), st.floats(0, 1))
def test_projection_keeps_all_mass_and_inside_the_range_the_mean(share, returns, discount):
    values = np.linspace(-1, 1, 9, dtype=np.float32)
    share = np.array([share], np.float32) / sum(share)
    found = projected([returns], [discount], share.tolist(), values.tolist())
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(), 1, atol=1e-5)
    if abs(returns) + discount <= 1:
        np.testing.assert_allclose(found @ values, returns + discount * (share @ values), atol=1e-5)


def test_gamma_is_one_step_of_the_bellman_equation(target, batch):
    """Its mean is G + gamma Q(s', a') for an a' drawn from the target policy with the generator's noise."""
    returns = targets_of(target, batch).returns
    latents = target.latents(batch.next_observation)
    share = target.policy_logits(latents).softmax(-1)
    noise = torch.rand(SIZE, 1, 2, generator=torch.Generator().manual_seed(7))
    bins = (share.cumsum(-1) <= noise.transpose(1, 2)).sum(-1)
    q = target.q_values(latents, target.action_values[bins][:, None])[:, 0]
    small = batch.n_step_return + batch.bootstrap_discount * q
    torch.testing.assert_close(returns @ target.return_values, small, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(returns.sum(-1), torch.ones(SIZE))
    assert returns[1].tolist() == [0, 0, 0, 0, 1, 0, 0], "terminal: the return is 1 and certain"


def test_improvement_weights_are_a_softmax_of_q(target, batch):
    targets = targets_of(target, batch, replace(CONFIG, eta=0.01))
    assert targets.action_bins.shape == (SIZE, 4, 2)
    for row in range(SIZE):
        alone = {name: value[row : row + 1] for name, value in batch.observation.items()}
        actions = target.action_values[targets.action_bins[row : row + 1]]
        q = target.q_values(target.latents(alone), actions)[0].tolist()
        raised = np.exp(np.array(q) / 0.01)
        np.testing.assert_allclose(targets.weights[row], raised / raised.sum(), rtol=1e-3)
    assert targets.weights.min() < 0.1, "some action is disliked"


def test_improvement_actions_come_from_the_target_policy(target, batch):
    many = targets_of(target, batch, replace(CONFIG, improvement_actions=20_000)).action_bins
    share = target.policy_logits(target.latents(batch.observation)).softmax(-1)
    for row in range(SIZE):
        for dimension in range(2):
            counts = torch.bincount(many[row, :, dimension], minlength=5) / 20_000
            torch.testing.assert_close(counts, share[row, dimension].detach(), atol=0.015, rtol=0)


def test_the_loss_is_three_cross_entropies(online, target, batch):
    targets = targets_of(target, batch)
    total, figures = loss(online, batch, targets, config=CONFIG)
    latents = online.latents(batch.observation)
    policy = online.policy_logits(latents).log_softmax(-1).tolist()
    returns = online.return_logits(latents, batch.action[:, None])[:, 0].log_softmax(-1).tolist()
    data = [[0, 3], [2, 2], [4, 1]]  # the bins nearest to the batch's actions
    cloning = improvement = critic = 0.0
    for row in range(SIZE):
        cloning -= sum(policy[row][d][data[row][d]] for d in range(2)) / SIZE
        critic -= sum(g * p for g, p in zip(targets.returns[row].tolist(), returns[row])) / SIZE
        for weight, bins in zip(targets.weights[row].tolist(), targets.action_bins[row].tolist()):
            improvement -= weight * sum(policy[row][d][bins[d]] for d in range(2)) / SIZE
    named = {"cloning": cloning, "improvement": improvement, "critic": critic}
    assert {name: float(figures[name]) for name in named} == pytest.approx(named, rel=1e-5)
    assert float(total.detach()) == pytest.approx(0.6 * cloning + 0.4 * improvement + 2.0 * critic, rel=1e-5)


def test_alpha_one_clones_and_draws_nothing(online, target, batch):
    config = replace(CONFIG, alpha=1.0)
    targets = targets_of(target, batch, config)
    assert targets.action_bins.shape == (SIZE, 0, 2)
    total, figures = loss(online, batch, targets, config=config)
    assert set(figures) == {"critic", "cloning"}
    assert float(total.detach()) == pytest.approx(
        float(figures["cloning"] + 2.0 * figures["critic"]), rel=1e-6
    )
    torch.testing.assert_close(targets.returns, targets_of(target, batch).returns)


def test_alpha_zero_never_looks_at_the_data_for_its_policy(online, target, batch):
    config = replace(CONFIG, alpha=0.0, beta=0.0)
    targets = targets_of(target, batch, config)
    total, _ = loss(online, batch, targets, config=config)
    other, _ = loss(online, replace(batch, action=-batch.action), targets, config=config)
    assert torch.equal(total, other)


def test_gradients_reach_the_online_network_alone(online, target, batch):
    targets = targets_of(target, batch)
    assert not any(tensor.requires_grad for tensor in (targets.returns, targets.weights))
    total, figures = loss(online, batch, targets, config=CONFIG)
    total.backward()
    assert all(parameter.grad is None for parameter in target.parameters())
    assert all(parameter.grad is not None for parameter in online.parameters())
    assert not any(figure.requires_grad for figure in figures.values())


def test_targets_are_a_function_of_the_generator(target, batch):
    one, again, other = (targets_of(target, batch, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.action_bins, again.action_bins) and torch.equal(one.returns, again.returns)
    assert not torch.equal(one.action_bins, other.action_bins)
