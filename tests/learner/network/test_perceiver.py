"""The Perceiver: attention by hand, inputs as a set, decoders that start without an opinion."""

import torch

from pacloop.learner.network.perceiver import Attention, Block, Decoder, Perceiver


def test_attention_by_hand(build):
    torch.manual_seed(0)
    attention = Attention(build.tiny)
    queries, context = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    query = attention.query(queries)
    key, value = attention.key_value(context).split(8, dim=-1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weight = (query[..., part] @ key[..., part].transpose(1, 2) / 4**0.5).softmax(-1)
        heads.append(weight @ value[..., part])
    torch.testing.assert_close(attention(queries, context), attention.out(torch.cat(heads, -1)))


def test_a_block_adds_to_what_came_in(build):
    block = Block(build.tiny)
    for layer in (block.attention.out, block.feed_forward[-1]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    queries = torch.randn(2, 3, 8)
    assert torch.equal(block(queries, torch.randn(2, 4, 8)), queries)


def test_latents_have_one_shape_whatever_the_inputs(build):
    torch.manual_seed(0)
    perceiver = Perceiver(build.tiny)
    few, many = torch.randn(3, 1, 8), torch.randn(3, 50, 8)
    assert perceiver(few).shape == perceiver(many).shape == (3, build.tiny.latents, 8)


def test_inputs_are_a_set_and_rows_do_not_meet(build):
    torch.manual_seed(0)
    perceiver = Perceiver(build.tiny)
    tokens = torch.randn(3, 6, 8)
    latents = perceiver(tokens)
    torch.testing.assert_close(perceiver(tokens[:, torch.randperm(6)]), latents)
    torch.testing.assert_close(perceiver(tokens[1:2]), latents[1:2])


def test_queries_do_not_see_each_other(build):
    torch.manual_seed(0)
    decoder = Decoder(build.tiny, outputs=9)
    queries, latents = torch.randn(2, 4, 8), torch.randn(2, 2, 8)
    found = decoder(queries, latents)
    assert found.shape == (2, 4, 9)
    torch.testing.assert_close(decoder(queries[:, 2:3], latents), found[:, 2:3])


def test_a_fresh_decoder_is_near_uniform(build):
    torch.manual_seed(0)
    found = Decoder(build.tiny, outputs=9)(torch.randn(20, 4, 8), torch.randn(20, 2, 8)).softmax(-1)
    assert found.min() > 0.09 and found.max() < 0.135
