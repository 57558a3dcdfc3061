"""The network: shapes, Q as an expectation, latents that serve many reads, draws by inversion."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pacloop.learner.network.pac import sample_bins

ALMOST_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


@pytest.fixture
def pac(build):
    return build.pac()


def draw(size, drawn, actions=2):
    return torch.rand(size, drawn, actions, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_shapes(pac, build):
    latents = pac.latents(build.observe(6))
    actions = draw(6, 3)
    assert latents.shape == (6, 2, 8)
    assert pac.policy_logits(latents).shape == (6, 2, 5)
    assert pac.return_logits(latents, actions).shape == (6, 3, 7)
    assert pac.q_values(latents, actions).shape == (6, 3)
    assert pac.action_values.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert pac.return_values.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]


def test_q_is_the_expected_return(pac, build):
    latents, actions = pac.latents(build.observe(4)), draw(4, 3)
    logits = pac.return_logits(latents, actions).detach().numpy().astype(np.float64)
    share = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    wanted = (share * np.linspace(-1, 2, 7)).sum(-1)
    np.testing.assert_allclose(pac.q_values(latents, actions).detach(), wanted, rtol=1e-5, atol=1e-6)
    assert wanted.std() > 0.1


def test_latents_computed_once_serve_every_action(pac, build):
    seen, actions = build.observe(4), draw(4, 3)
    together = pac.q_values(pac.latents(seen), actions)
    for k in range(3):
        torch.testing.assert_close(
            pac.q_values(pac.latents(seen), actions[:, k : k + 1])[:, 0], together[:, k]
        )
    for row in range(4):
        alone = {name: value[row : row + 1] for name, value in seen.items()}
        torch.testing.assert_close(
            pac.q_values(pac.latents(alone), actions[row : row + 1]), together[row : row + 1]
        )


def test_bins_are_the_nearest_values(pac):
    bins = torch.arange(5)
    assert pac.action_bins(pac.action_values).tolist() == bins.tolist()
    near = torch.tensor([-1.0, -0.76, -0.74, 0.24, 0.26, 1.0, -3.0, 3.0])
    assert pac.action_bins(near).tolist() == [0, 0, 1, 2, 3, 4, 0, 4]


def test_draws_invert_the_cumulative_distribution_by_hand():
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]).log()[None]
    noise = torch.tensor([[0.0, 0.0], [0.49, 0.3], [0.51, 0.5], [0.74, 0.9], [0.76, ALMOST_ONE]])[None]
    assert sample_bins(logits, noise).tolist() == [[[0, 2], [0, 2], [1, 2], [1, 2], [2, 2]]]


def test_draws_are_as_frequent_as_the_softmax_says():
    logits = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0))
    noise = torch.rand(2, 20_000, 3, generator=torch.Generator().manual_seed(1))
    bins = sample_bins(logits, noise)
    for row in range(2):
        for dimension in range(3):
            counts = torch.bincount(bins[row, :, dimension], minlength=6) / 20_000
            torch.testing.assert_close(counts, logits[row, dimension].softmax(-1), atol=0.015, rtol=0)


def test_draws_are_a_function_of_the_noise():
    logits = torch.randn(4, 2, 5, generator=torch.Generator().manual_seed(0))
    noise = torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(1)
    once = sample_bins(logits, noise)
    torch.manual_seed(2)
    assert torch.equal(sample_bins(logits, noise), once)
    for k in range(3):
        assert torch.equal(sample_bins(logits, noise[:, k : k + 1])[:, 0], once[:, k])


@given(
    st.lists(st.one_of(st.none(), st.floats(-20, 20)), min_size=2, max_size=60).filter(any),
    st.one_of(st.sampled_from([0.0, ALMOST_ONE]), st.floats(0, ALMOST_ONE, width=32)),
)
def test_what_has_no_chance_is_never_drawn(logits, noise):
    logits = torch.tensor([-torch.inf if logit is None else logit for logit in logits])
    bins = sample_bins(logits[None, None], torch.full((1, 1, 1), noise))
    assert logits[bins.item()] > -torch.inf
