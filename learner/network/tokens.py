"""From observations and actions to input tokens."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...datasets import DatasetError, Schema
from ..config import PacConfig


def multi_scale(x: Tensor, scales: tuple[float, ...]) -> Tensor:
    """Scalars seen at several scales at once: tanh(x * scale), so that no dataset statistics are needed.

    PAC (Springenberg et al., 2024), sec. 3.3. Input `[..., D]`, output `[..., D * S]`.
    """
    return torch.tanh(x.unsqueeze(-1) * x.new_tensor(scales)).flatten(-2)


class ObservationEncoder(nn.Module):
    """One input token for each group of scalars: multi-scale encoding, then a linear map.

    All groups are encoded by one matrix with zeros between them: on a CPU, one product with a few
    zeros in it is faster than one small product a group.
    """

    mask: Tensor

    def __init__(self, schema: Schema, config: PacConfig) -> None:
        """Make a token for each observation field of `schema`; raises DatasetError where one is an image."""
        super().__init__()
        self.names = sorted(schema.observation)
        for name, field in schema.observation.items():
            if len(field.shape) > 1 or field.dtype in ("uint8", "str"):
                raise DatasetError(
                    f"observation {name} has shape {field.shape} and type {field.dtype}, "
                    "but the network reads groups of scalars only"
                )
        sizes = [schema.observation[name].size * config.history for name in self.names]
        features = sum(sizes) * len(config.scales)
        self.scales = config.scales
        self.weight = nn.Parameter(torch.zeros(len(sizes), config.width, features))
        self.bias = nn.Parameter(torch.randn(len(sizes), config.width) * 0.02)
        mask = torch.zeros(len(sizes), 1, features)
        start = 0
        for token, size in enumerate(sizes):
            stop = start + size * len(config.scales)
            mask[token, :, start:stop] = 1
            nn.init.normal_(self.weight[token, :, start:stop], std=(stop - start) ** -0.5)
            start = stop
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Observation fields `[B, H, ...]` to tokens `[B, G, W]`, one for each of the G groups."""
        flat = torch.cat([observation[name].flatten(1).float() for name in self.names], dim=1)
        groups, width, features = self.weight.shape
        weight = (self.weight * self.mask).view(groups * width, features)
        tokens = multi_scale(flat, self.scales) @ weight.t()
        return tokens.view(-1, groups, width) + self.bias


class ActionEncoder(nn.Module):
    """An action as one query token for the critic: multi-scale encoding, then a small network."""

    def __init__(self, action_size: int, config: PacConfig) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(action_size * 3, config.width), nn.ReLU(), nn.Linear(config.width, config.width)
        )

    def forward(self, action: Tensor) -> Tensor:
        """Actions in [-1, 1], `[..., A]`, to tokens `[..., W]`."""
        return self.network(multi_scale(action, (1.0, 3.0, 10.0)))
