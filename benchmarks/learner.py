"""What share of this machine's matrix-product rate a PAC gradient step reaches.

    OMP_NUM_THREADS=1 python benchmarks/learner.py [--steps 150]

The limit is what one core reaches on float32 products of the model's own shapes. The learner's
arithmetic is counted by torch's own FLOP counter over one step: forward and backward of the online
network, forward of the target's. The learner uses two threads of one torch thread each, so its share
is also given per core.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from machine import machine
from torch.utils.flop_counter import FlopCounterMode

from pacloop.actors.rollout.rollout import rollout  # pyright: ignore[reportMissingImports]
from pacloop.actors.tasks.stack.demonstrator import Demonstrator  # pyright: ignore[reportMissingImports]
from pacloop.actors.tasks.stack.mistakes import CLUMSY  # pyright: ignore[reportMissingImports]
from pacloop.actors.tasks.stack.stack import task  # pyright: ignore[reportMissingImports]
from pacloop.datasets import EpisodeStore, Replay  # pyright: ignore[reportMissingImports]
from pacloop.learner.config import LearnConfig, PacConfig  # pyright: ignore[reportMissingImports]
from pacloop.learner.network.pac import Pac  # pyright: ignore[reportMissingImports]
from pacloop.learner.training.feed import make_batch  # pyright: ignore[reportMissingImports]
from pacloop.learner.training.objective import loss, make_targets  # pyright: ignore[reportMissingImports]
from pacloop.learner.training.run import learn  # pyright: ignore[reportMissingImports]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    found, network = task(), PacConfig()
    with tempfile.TemporaryDirectory() as folder:
        store = EpisodeStore.create(Path(folder) / "dataset", found.schema)
        made = rollout(found, Demonstrator(CLUMSY), range(50), environments=[found.make()])
        store.append(made, batch_id="demonstrations", source="demonstration")
        replay = Replay(store, store.snapshot(), n_step=20, discount=0.99, time_limit_is_terminal=True)
        limit = product_rate(256 * 4, network.width, network.width * network.expansion)
        print(machine())
        print(f"limit: {limit / 1e9:.1f} GFLOP/s on products of 1024 x 64 x 128, one core\n")
        print("| run | ms a step | GFLOP a step | GFLOP/s | share of one core | share of two |")
        print("|---|---|---|---|---|---|")
        for name, alpha in (("BC with a critic", 1.0), ("PAC, K = 8", 0.75)):
            config = LearnConfig(steps=steps, alpha=alpha, save_every_sec=1e9)
            work = step_flops(found.schema, network, replay, config)
            run = Path(folder) / name.replace(" ", "-")
            _, figures = learn(
                replay, schema=found.schema, network=network, config=config, seed=0, folder=run
            )
            rate = work * figures["steps_per_sec"]
            milliseconds = 1000 / figures["steps_per_sec"]
            shares = f"{rate / limit:.0%} | {rate / limit / 2:.0%}"
            print(f"| {name} | {milliseconds:.1f} | {work / 1e9:.2f} | {rate / 1e9:.1f} | {shares} |")


def product_rate(rows: int, inner: int, columns: int) -> float:
    """FLOP/s of one matrix product on one thread, the best of five tries."""
    left, right = torch.randn(rows, inner), torch.randn(inner, columns)
    best, repeats = 0.0, 200
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(repeats):
            torch.mm(left, right)
        best = max(best, 2 * rows * inner * columns * repeats / (time.perf_counter() - begun))
    return best


def step_flops(schema, network: PacConfig, replay: Replay, config: LearnConfig) -> int:
    """Floating-point operations of one gradient step."""
    import numpy as np

    online, target = Pac(schema, network), Pac(schema, network).requires_grad_(False)
    batch = make_batch(replay.sample(config.batch_size, np.random.default_rng(0)), schema)
    with FlopCounterMode(display=False) as counter:
        targets = make_targets(target, batch, config=config, generator=torch.Generator())
        loss(online, batch, targets, config=config)[0].backward()
    return counter.get_total_flops()


if __name__ == "__main__":
    main()
