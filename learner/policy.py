"""A policy: a network, and the way it picks actions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..datasets import Schema
from .network.pac import Pac, sample_bins

Mode = Literal["sample", "mode", "q_guided"]

FEWEST_ROWS = 8
"""Smaller batches are padded: products of one to three rows take another path through the BLAS and round
differently, and an episode must not depend on how many others are still running beside it."""


@dataclass(frozen=True)
class Acting:
    """How a policy picks an action; part of the policy, since it changes what it scores.

    Attributes:
      mode: `sample` draws from the policy, `mode` takes the likeliest bin of each dimension,
        `q_guided` draws `actions` and takes the one the critic likes best.
      actions: how many `q_guided` draws, `N`.
      floor: bins less likely than this share of the likeliest bin of their dimension are not drawn.
        A network never gives a bin exactly no chance; over a hundred steps, what is left to the
        thousandth bin opens the hand at the wrong moment.
      temperature: how freely `q_guided` picks: an action with the chance that softmax(Q / temperature)
        gives it, in units of the return; 0 picks the best, errors of the critic included.
    """

    mode: Mode = "q_guided"
    actions: int = 4
    floor: float = 0.05
    temperature: float = 0.0

    @property
    def draws(self) -> int:
        """Actions drawn at each step."""
        return self.actions if self.mode == "q_guided" else 1

    def __str__(self) -> str:
        """As tables and verdicts name it."""
        if self.mode != "q_guided":
            return self.mode
        return f"q_guided of {self.actions}" + (f" at {self.temperature:g}" if self.temperature else "")


class Policy:
    """Acts for a batch of environments at once. Holds no state between steps."""

    def __init__(self, network: Pac, schema: Schema, acting: Acting) -> None:
        """Put `network` to acting; it is not trained through this class."""
        self.network = network.eval().requires_grad_(False)
        self.schema = schema
        self.acting = acting
        self._low = np.asarray(schema.action_minimum, np.float32)
        self._high = np.asarray(schema.action_maximum, np.float32)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape `(N, A)` of the uniform noise that one environment needs at each step.

        Where the critic's pick is drawn, too, its noise is one row more.
        """
        return self.acting.draws + bool(self.acting.temperature), self.schema.action.size

    @torch.inference_mode()
    def act(self, observation: Mapping[str, np.ndarray], noise: np.ndarray) -> np.ndarray:
        """Observation fields `[B, H, ...]` and uniform noise `[B, N, A]` to actions `[B, A]`."""
        rows, network = len(noise), self.network
        if rows < FEWEST_ROWS:
            observation = {name: _padded(value) for name, value in observation.items()}
            noise = _padded(noise)
        latents = network.latents({name: torch.from_numpy(value) for name, value in observation.items()})
        logits = network.policy_logits(latents)
        if self.acting.mode == "mode":
            action = network.action_values[logits.argmax(-1)]
        else:
            likely = logits.amax(-1, keepdim=True) + math.log(max(self.acting.floor, 1e-12))
            logits = logits.masked_fill(logits < likely, -torch.inf)
            uniform, draws = torch.from_numpy(noise), self.acting.draws
            action = network.action_values[sample_bins(logits, uniform[:, :draws])]
            if self.acting.mode == "q_guided":
                q = network.q_values(latents, action)
                picked = pick(q, uniform[:, -1, 0], self.acting.temperature)
                action = action[torch.arange(len(action)), picked]
            else:
                action = action[:, 0]
        return self._low + (action.numpy()[:rows] + 1) * 0.5 * (self._high - self._low)

    @torch.inference_mode()
    def q(self, observation: Mapping[str, np.ndarray], action: np.ndarray) -> np.ndarray:
        """What the critic expects of each action: `[B, H, ...]` and `[B, A]` to discounted returns `[B]`."""
        latents = self.network.latents({name: torch.from_numpy(value) for name, value in observation.items()})
        unit = torch.from_numpy(normalise(action, self.schema))
        return self.network.q_values(latents, unit[:, None])[:, 0].numpy()


def normalise(action: np.ndarray, schema: Schema) -> np.ndarray:
    """From the task's own range to [-1, 1], float32, shape kept."""
    low, high = np.asarray(schema.action_minimum), np.asarray(schema.action_maximum)
    return ((action - low) * (2.0 / (high - low)) - 1.0).astype(np.float32)


def _padded(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, np.repeat(rows[-1:], FEWEST_ROWS - len(rows), axis=0)])


def pick(q: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Which of N actions to take: the best, or one drawn from softmax(Q / temperature).

    Args:
      q: `[B, N]`.
      uniform: in [0, 1), `[B]`; the draw is a function of it alone, and it is not looked at where
        `temperature` is 0.
      temperature: in units of `q`.

    Returns:
      int64 `[B]`.
    """
    if not temperature:
        return q.argmax(-1)
    return sample_bins(q[:, None] / temperature, uniform[:, None, None])[:, 0, 0]
