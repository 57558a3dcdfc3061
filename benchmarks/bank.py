"""A bank of who succeeded: one bit an episode, of policies of a real run.

    OMP_NUM_THREADS=1 python benchmarks/bank.py WORKSPACE --out benchmarks/results/bank.json \
        [--episodes 1000] [--step 250]

What a champion collected is copied from the dataset, and played on where that is less. Every candidate is
played besides, on seeds that no run draws, in each of the ways its race could have chosen; `--step` episodes
of each before more of any, and what is recorded already is kept, so the command may be stopped and run again.
`gate.py` and `screen.py` read what it writes. 1,000 episodes take some 18 seconds of one core.
"""

import argparse
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pacloop.actors.rollout.rollout import rollout  # pyright: ignore[reportMissingImports]
from pacloop.datasets.files import write_json_atomically  # pyright: ignore[reportMissingImports]
from pacloop.learner.checkpoint import build_policy, read_record  # pyright: ignore[reportMissingImports]
from pacloop.learner.policy import Acting  # pyright: ignore[reportMissingImports]
from pacloop.loop.stages.race import ways  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.records import Learned  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

BANK = Path(__file__).parent / "results" / "bank.json"
ENVIRONMENTS = 50
FIRST_SEED = 2**60
"""Above all that `loop/episodes/seeds.py` gives out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--out", type=Path, default=BANK)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--step", type=int, default=250)
    wanted = parser.parse_args()
    space = Workspace.open(wanted.workspace)
    bank: dict[str, str] = json.loads(wanted.out.read_text()) if wanted.out.exists() else {}
    champions = collections(space)
    bank = {f"collected/{policy}": pack(won) for policy, won in champions.items()} | bank
    environments = [space.task.make() for _ in range(ENVIRONMENTS)]
    to_play = [(p, read_record(space.policy_folder(p)).acting, f"collected/{p}") for p in champions]
    to_play += [(policy, acting, f"{policy}/{acting}") for policy, acting in candidates(space)]
    for goal in range(wanted.step, wanted.episodes + 1, wanted.step):
        for policy, acting, label in to_play:
            won = unpack(bank[label]) if label in bank else np.zeros(0, bool)
            if len(won) < goal:
                more = play(space, policy, acting, label, len(won), goal - len(won), environments)
                won = np.append(won, more)
                bank[label] = pack(won)
                write_json_atomically(wanted.out, bank)
                print(f"{label}: {won.mean():.3f} of {len(won)}", flush=True)


def collections(space: Workspace) -> dict[str, np.ndarray]:
    """`[episodes]`: whether each episode that a champion collected succeeded, in the order played."""
    found: dict[str, list[bool]] = {}
    for batch in sorted(space.store.batches(), key=lambda batch: batch.id):
        if batch.source == "collection":
            scores = [row.score >= 1.0 for row in space.store.iter_rows([batch])]
            found.setdefault(str(batch.origin["policy"]), []).extend(scores)
    return {policy: np.array(won) for policy, won in found.items()}


def candidates(space: Workspace) -> list[tuple[str, Acting]]:
    """Each round's policy, in each way of acting of its race and with draws that ask no critic."""
    found = []
    for number in space.rounds():
        learned = space.record(Learned, number) if number else None
        if learned:
            own = read_record(space.policy_folder(learned.policy)).acting
            tried = dict.fromkeys([replace(own, mode="sample", actions=1), *ways(space, own)])
            found += [(learned.policy, way) for way in tried]
    return found


def play(
    space: Workspace, policy: str, acting: Acting, label: str, first: int, count: int, environments: list
) -> np.ndarray:
    """`[count]`: whether each succeeded, in the order of their seeds."""
    folder = space.policy_folder(policy)
    record = replace(read_record(folder), acting=acting)
    actor = build_policy(record, (folder / "weights.safetensors").read_bytes())
    start = FIRST_SEED + zlib.crc32(label.encode()) * 2**20 + first
    episodes = rollout(space.task, actor, range(start, start + count), environments=environments)
    ended = sorted((episode.seed or 0, episode.score >= 1.0) for episode in episodes)
    return np.array([won for _, won in ended])


def pack(won: np.ndarray) -> str:
    """How many, and hexadecimal digits of eight episodes in two."""
    return f"{len(won)}:{np.packbits(won).tobytes().hex()}"


def unpack(packed: str) -> np.ndarray:
    """What `pack` was given, bool."""
    count, _, digits = packed.partition(":")
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8), count=int(count)).astype(bool)


if __name__ == "__main__":
    main()
