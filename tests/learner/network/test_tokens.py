"""Encoders: several scales of every scalar, one token a group, nothing shared between groups."""

import numpy as np
import torch

from pacloop.learner.network.tokens import ActionEncoder, ObservationEncoder, multi_scale


def test_multi_scale_by_hand():
    found = multi_scale(torch.tensor([[0.5, -2.0]]), (1.0, 10.0))
    np.testing.assert_allclose(found, np.tanh([[0.5, 5.0, -2.0, -20.0]]), rtol=1e-6)


def test_one_token_a_group(schema, build):
    encoder = ObservationEncoder(schema, build.tiny)
    assert encoder.names == ["arm", "goal"]
    assert encoder(build.observe(5)).shape == (5, 2, build.tiny.width)


def test_a_token_is_a_linear_map_of_its_group_alone(schema, build):
    encoder = ObservationEncoder(schema, build.tiny)
    seen = build.observe(4)
    tokens = encoder(seen)
    arm = np.tanh(seen["arm"].flatten(1)[..., None] * torch.tensor([1.0, 10.0])).flatten(1)
    size = arm.shape[1]
    wanted = arm @ encoder.weight[0, :, :size].T + encoder.bias[0]
    torch.testing.assert_close(tokens[:, 0], wanted)
    other = encoder({**seen, "arm": seen["arm"] + 1})
    assert torch.equal(tokens[:, 1], other[:, 1])
    assert not torch.isclose(tokens[:, 0], other[:, 0]).any()


def test_the_zeros_between_groups_are_never_learned(schema, build):
    encoder = ObservationEncoder(schema, build.tiny)
    encoder(build.observe(4)).sum().backward()
    outside = (encoder.mask == 0).expand_as(encoder.weight)
    assert (encoder.weight.grad[outside] == 0).all()
    assert (encoder.weight.grad[~outside] != 0).all()


def test_every_observation_of_the_history_counts(schema, build):
    encoder = ObservationEncoder(schema, build.tiny)
    seen = build.observe(1)
    for step in range(build.tiny.history):
        changed = {name: value.clone() for name, value in seen.items()}
        changed["goal"][0, step] += 1
        assert not torch.equal(encoder(seen)[0, 1], encoder(changed)[0, 1])


def test_whole_numbers_and_flags_are_scalars_too(schema, build):
    encoder = ObservationEncoder(schema, build.tiny)
    flags = {"arm": torch.ones(2, 2, 3, dtype=torch.uint8), "goal": torch.ones(2, 2, dtype=torch.bool)}
    as_floats = {name: value.float() for name, value in flags.items()}
    assert torch.equal(encoder(flags), encoder(as_floats))


def test_an_action_is_one_token(build):
    encoder = ActionEncoder(2, build.tiny)
    actions = torch.rand(3, 4, 2) * 2 - 1
    tokens = encoder(actions)
    assert tokens.shape == (3, 4, build.tiny.width)
    torch.testing.assert_close(encoder(actions[1, 2]), tokens[1, 2])
