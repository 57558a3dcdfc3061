"""Acting: three modes, a floor under what is drawn, the task's own range."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pacloop.learner.policy import Acting, Policy, normalise

SIZE = 6


@pytest.fixture
def network(build):
    return build.pac()


@pytest.fixture
def seen(build):
    return {name: value.numpy() for name, value in build.observe(SIZE).items()}


def noise_of(policy, size=SIZE, seed=0):
    return np.random.default_rng(seed).random((size, *policy.noise_shape), np.float32)


def share_of(network, seen):
    latents = network.latents({name: torch.from_numpy(value) for name, value in seen.items()})
    return network.policy_logits(latents).softmax(-1).numpy()


def in_range(bins):
    """Bins `[..., 2]` as actions of the schema: five values in [-1, 1], and five in [0, 4]."""
    return np.stack([bins[..., 0] * 0.5 - 1, bins[..., 1] * 1.0], -1).astype(np.float32)


@pytest.mark.parametrize(
    ("acting", "shape", "name"),
    [
        (Acting(), (4, 2), "q_guided of 4"),
        (Acting("q_guided", 7), (7, 2), "q_guided of 7"),
        (Acting("sample", 7), (1, 2), "sample"),
        (Acting("mode"), (1, 2), "mode"),
    ],
)
def test_noise_and_name_tell_how_it_acts(network, schema, acting, shape, name):
    assert Policy(network, schema, acting).noise_shape == shape
    assert str(acting) == name


def test_mode_takes_the_likeliest_bin(network, schema, seen):
    policy = Policy(network, schema, Acting("mode"))
    found = policy.act(seen, noise_of(policy))
    assert found.dtype == np.float32 and found.shape == (SIZE, 2)
    np.testing.assert_allclose(found, in_range(share_of(network, seen).argmax(-1)))


@given(st.integers(-100, 100), st.integers(1, 100))
def test_no_action_leaves_its_bounds_by_rounding(low, span):
    from pacloop.datasets import Field, Schema

    low, high = low / 100, (low + span) / 100
    schema = Schema("t", {"x": Field((1,))}, Field((1,)), (low,), (high,), 1.0, 1)
    policy = Policy(torch.nn.Module(), schema, Acting("mode"))
    policy._latents, policy._pick = (lambda _: None), (lambda *_: torch.linspace(-1, 1, 9)[:, None])
    found = policy.act({}, np.zeros((9, 1, 1), np.float32))
    assert found.dtype == np.float32
    assert np.float32(low) <= found.min() and found.max() <= np.float32(high)


def test_sample_draws_from_the_policy(network, schema, seen):
    policy = Policy(network, schema, Acting("sample", floor=0.0))
    one = {name: np.repeat(value[:1], 20_000, 0) for name, value in seen.items()}
    found = policy.act(one, noise_of(policy, 20_000))
    share = share_of(network, seen)[0]
    for dimension in range(2):
        values, counts = np.unique(found[:, dimension], return_counts=True)
        wanted = in_range(np.arange(5)[:, None].repeat(2, 1))[:, dimension]
        np.testing.assert_allclose(values, wanted, atol=1e-6)
        np.testing.assert_allclose(counts / 20_000, share[dimension], atol=0.015)


@pytest.mark.parametrize("floor", [0.05, 0.5, 0.999])
def test_what_lies_under_the_floor_is_never_drawn(network, schema, seen, floor):
    policy = Policy(network, schema, Acting("sample", floor=floor))
    share = share_of(network, seen)
    allowed = share >= floor * share.max(-1, keepdims=True)
    assert not allowed.all()
    found = []
    for seed in range(200):
        actions = policy.act(seen, noise_of(policy, seed=seed))
        bins = np.round(actions / [0.5, 1.0] + [2, 0]).astype(int)
        assert np.take_along_axis(allowed, bins[..., None], -1).all()
        found.append(bins)
    # What is left is drawn in its old proportions.
    first = np.where(allowed, share, 0)[0, 0]
    counts = np.bincount(np.array(found)[:, 0, 0], minlength=5) / 200
    np.testing.assert_allclose(counts, first / first.sum(), atol=0.12)


def test_q_guided_takes_the_draw_the_critic_likes_best(network, schema, seen):
    guided = Policy(network, schema, Acting("q_guided", 8, floor=0.0))
    sampled = Policy(network, schema, Acting("sample", floor=0.0))
    noise = noise_of(guided)
    draws = np.stack([sampled.act(seen, noise[:, k : k + 1]) for k in range(8)], 1)
    q = np.stack([guided.q(seen, draws[:, k]) for k in range(8)], 1)
    assert len(np.unique(q.argmax(1))) > 1
    np.testing.assert_array_equal(guided.act(seen, noise), draws[np.arange(SIZE), q.argmax(1)])
    assert q.max(1).mean() > q.mean() + 0.05


def test_q_is_the_critics_in_the_tasks_own_range(network, schema, seen):
    actions = np.random.default_rng(0).uniform([-1, 0], [1, 4], (SIZE, 2)).astype(np.float32)
    latents = network.latents({name: torch.from_numpy(value) for name, value in seen.items()})
    unit = torch.from_numpy(actions / np.float32([1, 2]) - np.float32([0, 1]))
    wanted = network.q_values(latents, unit[:, None])[:, 0]
    found = Policy(network, schema, Acting()).q(seen, actions)
    np.testing.assert_allclose(found, wanted.detach(), rtol=1e-5, atol=1e-6)


def test_an_action_depends_on_nobody_else_in_the_batch(network, schema, seen):
    policy = Policy(network, schema, Acting())
    noise = noise_of(policy)
    together = policy.act(seen, noise)
    for row in range(SIZE):
        alone = {name: value[row : row + 1] for name, value in seen.items()}
        np.testing.assert_array_equal(policy.act(alone, noise[row : row + 1])[0], together[row])


unit = st.floats(-1, 1, width=32)


@given(unit, unit, st.floats(-10, 10, width=32), st.floats(2**-7, 100, width=32))
def test_normalise_undoes_the_map_to_the_tasks_range(first, second, low, span):
    from pacloop.datasets import Field, Schema

    schema = Schema("t", {"x": Field((1,))}, Field((2,)), (low, -1.0), (low + span, 1.0), 1.0, 1)
    action = np.array([low + (first + 1) / 2 * span, second])
    found = normalise(action, schema)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [first, second], atol=1e-4)


def test_acting_needs_no_gradient_and_leaves_no_trace(network, schema, seen):
    policy = Policy(network, schema, Acting())
    noise = noise_of(policy)
    once = policy.act(seen, noise)
    torch.manual_seed(99)
    np.testing.assert_array_equal(policy.act(seen, noise), once)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert math.isfinite(once.sum())
