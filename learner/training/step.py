"""One gradient step: the networks it changes, its learning rate, the target network that follows."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...datasets import Schema
from ..config import LearnConfig, PacConfig
from ..network.pac import Pac
from .objective import Batch, Targets, loss

LOWERED = 0.1
"""Share of the learning rate with which a run that diverged goes on from its last saved state."""


@dataclass
class Networks:
    """What the steps of a run change.

    Attributes:
      online: the network that learns.
      target: follows `online`, makes the targets, and acts in the end.
      optimizer: AdamW (Loshchilov and Hutter, 2019).
      step: gradient steps taken.
      lowered: the step from which the learning rate is `LOWERED` of its schedule; None where it never was.
    """

    online: Pac
    target: Pac
    optimizer: torch.optim.AdamW
    step: int = 0
    lowered: int | None = None

    def is_finite(self) -> bool:
        """Whether all weights of `online` are; one that is not soon spreads to all, and to `target`."""
        sums = torch.stack([weights.detach().sum() for weights in self.online.parameters()])
        return bool(sums.isfinite().all())


def make_networks(
    schema: Schema,
    network: PacConfig,
    config: LearnConfig,
    *,
    seed: int,
    start: Mapping[str, Tensor] | None = None,
) -> Networks:
    """The networks before the first step: from the weights of `start`, or fresh ones drawn from `seed`."""
    torch.manual_seed(seed)
    online = Pac(schema, network)
    if start is not None:
        online.load_state_dict(dict(start))
    target = copy.deepcopy(online).requires_grad_(False)
    optimizer = torch.optim.AdamW(
        online.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    return Networks(online, target, optimizer)


def train_step(
    networks: Networks, batch: Batch, targets: Targets, *, config: LearnConfig
) -> dict[str, Tensor]:
    """Take one gradient step on the online network; returns the figures worth plotting."""
    total, figures = loss(networks.online, batch, targets, config=config)
    networks.optimizer.zero_grad()
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(networks.online.parameters(), config.gradient_clip)
    for group in networks.optimizer.param_groups:
        group["lr"] = learning_rate(config, networks.step) * (1.0 if networks.lowered is None else LOWERED)
    networks.optimizer.step()
    networks.step += 1
    return figures | {"loss": total.detach(), "gradient_norm": norm}


def move_target(target: Pac, online: Pac, rate: float) -> None:
    """theta' <- theta' + rate (theta - theta'): the soft target update of Lillicrap et al. (2016)."""
    for old, new in zip(target.parameters(), online.parameters(), strict=True):
        old.lerp_(new.detach(), rate)


def acting_weights(networks: Networks, config: LearnConfig) -> dict[str, Tensor]:
    """The weights that act if the run ends here: the target's, once it has followed the last step."""
    target = copy.deepcopy(networks.target)
    move_target(target, networks.online, config.target_rate)
    return target.state_dict()


def learning_rate(config: LearnConfig, step: int) -> float:
    """Rises in a straight line over the warm-up, then falls in one to `final_rate` of its peak."""
    rising = (step + 1) / max(1, config.warmup_steps)
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    falling = 1 - (1 - config.final_rate) * max(0.0, progress)
    return config.learning_rate * min(rising, falling)
