"""The Perceiver-Actor-Critic: one set of latents, a policy and a critic that read them.

PAC (Springenberg et al., 2024), sec. 3.3. Shapes: `B` batch, `H` history, `L` latents, `W` width,
`K` actions a state, `A` action dimensions. Actions are in [-1, 1] throughout; `policy.py` maps them
to the task's own range.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...datasets import Schema
from ..config import PacConfig
from .perceiver import Decoder, Perceiver
from .tokens import ActionEncoder, ObservationEncoder


class Pac(nn.Module):
    """The network. Every method takes latents, so that they are computed once and read many times."""

    action_values: Tensor
    return_values: Tensor

    def __init__(self, schema: Schema, config: PacConfig) -> None:
        super().__init__()
        self.config = config
        self.action_size = schema.action.size
        self.observation_encoder = ObservationEncoder(schema, config)
        self.action_encoder = ActionEncoder(self.action_size, config)
        self.perceiver = Perceiver(config)
        self.policy_query = nn.Parameter(torch.randn(1, config.width) * 0.5)
        self.policy_decoder = Decoder(config, self.action_size * config.action_bins)
        self.critic_decoder = Decoder(config, config.value_bins)
        returns = torch.linspace(config.return_minimum, config.return_maximum, config.value_bins)
        self.register_buffer("action_values", torch.linspace(-1, 1, config.action_bins), persistent=False)
        self.register_buffer("return_values", returns, persistent=False)

    def latents(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Observation fields `[B, H, ...]` to latents z_M `[B, L, W]`."""
        return self.perceiver(self.observation_encoder(observation))

    def policy_logits(self, latents: Tensor) -> Tensor:
        """Logits of the bins of each action dimension, `[B, A, bins]`."""
        query = self.policy_query.expand(len(latents), -1, -1)
        logits = self.policy_decoder(query, latents)
        return logits.view(len(latents), self.action_size, self.config.action_bins)

    def return_logits(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Logits of the return distribution of each action: `[B, K, A]` to `[B, K, bins]`."""
        return self.critic_decoder(self.action_encoder(actions), latents)

    def q_values(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Expected return of each action: `[B, K, A]` to `[B, K]`."""
        return self.return_logits(latents, actions).softmax(-1) @ self.return_values

    def action_bins(self, actions: Tensor) -> Tensor:
        """The bin nearest to each action: `[..., A]` to int64 `[..., A]`."""
        top = self.config.action_bins - 1
        return ((actions + 1) * (top / 2)).round().long().clamp(0, top)


def sample_bins(logits: Tensor, noise: Tensor) -> Tensor:
    """Draw bins by inverting the cumulative distribution (inversion; Devroye, 1986).

    Args:
      logits: `[B, A, bins]`.
      noise: uniform in [0, 1), `[B, K, A]`: the draw is a function of it alone.

    Returns:
      int64 `[B, K, A]`.
    """
    cumulative = logits.softmax(-1).cumsum(-1)
    uniform = noise.transpose(1, 2).contiguous() * cumulative[..., -1:]
    bins = torch.searchsorted(cumulative, uniform, right=True)
    return bins.clamp_(max=logits.shape[-1] - 1).transpose(1, 2)
