"""The Perceiver: a few latents look at the inputs once, then only at each other.

Shapes: `B` batch, `G` input tokens, `L` latents, `K` queries, `W` width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import PacConfig


class Attention(nn.Module):
    """Multi-head attention from queries `[B, Q, W]` to keys and values made of a context `[B, N, W]`.

    Vaswani et al. (2017), sec. 3.2.
    """

    def __init__(self, config: PacConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width)
        self.key_value = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """See the class; returns `[B, Q, W]`."""
        batch, count, width = queries.shape
        size = width // self.heads
        query = self.query(queries).view(batch, count, self.heads, size).transpose(1, 2)
        key, value = self.key_value(context).view(batch, -1, 2, self.heads, size).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(batch, count, width))


class Block(nn.Module):
    """Attention, then a feed-forward layer, each added to what came in. Pre-normalised."""

    def __init__(self, config: PacConfig) -> None:
        super().__init__()
        hidden = config.expansion * config.width
        self.norm_query = nn.LayerNorm(config.width)
        self.norm_context = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.norm = nn.LayerNorm(config.width)
        self.feed_forward = nn.Sequential(
            nn.Linear(config.width, hidden), nn.ReLU(), nn.Linear(hidden, config.width)
        )

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """Queries `[B, Q, W]` look at the context `[B, N, W]`; returns `[B, Q, W]`."""
        queries = queries + self.attention(self.norm_query(queries), self.norm_context(context))
        return queries + self.feed_forward(self.norm(queries))


class Perceiver(nn.Module):
    """Input tokens `[B, G, W]` to latents z_M `[B, L, W]`. PAC (Springenberg et al., 2024), sec. 3.3."""

    def __init__(self, config: PacConfig) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(config.latents, config.width) * 0.5)
        self.read = Block(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))

    def forward(self, tokens: Tensor) -> Tensor:
        """See the class."""
        z = self.read(self.latents.expand(len(tokens), -1, -1), tokens)
        for block in self.blocks:
            z = block(z, z)
        return z


class Decoder(nn.Module):
    """Queries `[B, K, W]` read latents `[B, L, W]` and become logits `[B, K, O]`, near uniform at first."""

    def __init__(self, config: PacConfig, outputs: int) -> None:
        super().__init__()
        self.read = Block(config)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, outputs)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, queries: Tensor, latents: Tensor) -> Tensor:
        """See the class."""
        return self.head(self.norm(self.read(queries, latents)))
