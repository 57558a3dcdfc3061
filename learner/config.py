"""What a PAC network and a learner run are made of; plain values that go to JSON and back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..datasets import DatasetError

METRICS, IDENTITY = "metrics.jsonl", "state.json"
"""Files of a learner's run: its figures, a line every few dozen steps; and what it is, to know it again."""


LARGEST_RETURN = 1e12
"""The networks compute with 32 bits."""


@dataclass(frozen=True)
class PacConfig:
    """The size of a network and the ranges it speaks in.

    Attributes:
      width: size of every token and latent, `W`.
      latents: number of Perceiver latents, `L`.
      blocks: self-attention blocks over the latents.
      heads: attention heads; must divide `width`.
      expansion: hidden size of each feed-forward layer, as a multiple of `width`.
      action_bins: of each action dimension.
      value_bins: of the discounted return, from `return_minimum` to `return_maximum`.
      scales: every scalar x enters as tanh(x * scale), once for each scale.
      history: observations that the policy sees at once, `H`.
    """

    width: int = 64
    latents: int = 4
    blocks: int = 1
    heads: int = 2
    expansion: int = 2
    action_bins: int = 51
    value_bins: int = 51
    return_minimum: float = 0.0
    return_maximum: float = 1.0
    scales: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    history: int = 1


@dataclass(frozen=True)
class LearnConfig:
    """One learner run. PAC (Springenberg et al., 2024), sec. 3; symbols as there.

    Attributes:
      steps: gradient steps.
      batch_size: transitions, `B`.
      learning_rate: AdamW's, after the warm-up; it then falls in a straight line.
      final_rate: what is left of the learning rate at the last step, as a share.
      warmup_steps: over which the learning rate rises from 0.
      gradient_clip: largest norm of the whole gradient.
      alpha: weight of behaviour cloning against policy improvement; 1 clones, 0 is pure offline RL.
      eta: temperature of the improvement's weights, in units of the return.
      beta: weight of the critic's loss.
      improvement_actions: actions drawn a state for the improvement term, `K`.
      n_step: steps of real reward before the critic's own estimate takes over.
      discount: gamma.
      target_rate: share of the online weights that moves into the target network at each step.
      threads: torch threads; more than one pays only where the cores are idle.
      save_every_sec: seconds between two saves of the run's own state.
    """

    steps: int = 2500
    batch_size: int = 256
    learning_rate: float = 3e-4
    final_rate: float = 0.1
    warmup_steps: int = 100
    weight_decay: float = 1e-2
    gradient_clip: float = 10.0
    alpha: float = 0.75
    eta: float = 0.03
    beta: float = 1.0
    improvement_actions: int = 8
    n_step: int = 20
    discount: float = 0.99
    target_rate: float = 0.005
    threads: int = 1
    save_every_sec: float = 20.0


SIZES: dict[str, PacConfig] = {"pac-nano": PacConfig()}


def cover_returns(network: PacConfig, low: float, high: float) -> PacConfig:
    """The network, with another range of returns where its own does not hold those of the data.

    The new range reaches a quarter beyond them on both sides, for what a better or a worse policy gets.
    Raises DatasetError for returns that are not finite, or too large to compute with.
    """
    if not -LARGEST_RETURN < low <= high < LARGEST_RETURN:
        raise DatasetError(
            f"the rewards add up to discounted returns from {low:g} to {high:g}, "
            f"but a critic needs finite ones below {LARGEST_RETURN:g}"
        )
    slack = 1e-3 * (network.return_maximum - network.return_minimum)
    if network.return_minimum - slack <= low and high <= network.return_maximum + slack:
        return network
    room = max(high - low, abs(low), abs(high)) / 4
    return replace(network, return_minimum=low - room, return_maximum=high + room)


def in_short(figures: Mapping[str, float]) -> str:
    """Those of a run's latest figures that a line has room for, e.g. `loss 1.23, q 0.4, steps per sec 41`."""
    names = [name for name in ("loss", "q", "steps_per_sec") if name in figures]
    return ", ".join(f"{name.replace('_', ' ')} {figures[name]:.3g}" for name in names)
