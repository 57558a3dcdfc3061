"""The same start state acted by a run's first champion and by its last, side by side, as a GIF.

    OMP_NUM_THREADS=1 python benchmarks/animation.py --workspace W --out docs/first-and-last.gif

The start state is chosen by a rule and not by hand: of the seeds of the last round's final evaluation, which
no stage learned from, the first one where the first champion fails and the last one succeeds. Both are
played on these seeds again, each in its own way of acting. The two episodes are then acted out once more
before the camera, and each observation is compared with the one that was played. An `--out` that ends in
.webp or .png is written as such.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pacloop.actors.rendering.video import act_again  # pyright: ignore[reportMissingImports]
from pacloop.actors.rollout.rollout import rollout  # pyright: ignore[reportMissingImports]
from pacloop.datasets import Episode  # pyright: ignore[reportMissingImports]
from pacloop.learner.checkpoint import read_policy  # pyright: ignore[reportMissingImports]
from pacloop.loop.episodes.seeds import episode_seeds  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

SIZE = (360, 270)
"""Pixels of a panel's picture, width and height."""
CAPTION, GAP = 44, 8
"""Pixels of the strip under a panel, and between the panels."""
EVERY, HOLD_SEC = 2, 2.0
"""Every second step is shown, at the speed at which it was acted; the last picture stays for a while."""
COLOURS = 96
"""Of a GIF. No dithering: what does not move costs nothing then."""
INK, PAPER, GREEN, RED = (30, 30, 30), (255, 255, 255), (20, 120, 60), (176, 40, 40)
MOST_BYTES = 2_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workspace", required=True, help="folder of a run, or its URL in a bucket")
    parser.add_argument("--out", type=Path, required=True, help="the GIF")
    options = parser.parse_args()
    space = Workspace.open(options.workspace)
    policies = first_and_last(space)
    episodes = chosen(space, policies)
    pictures = [film(space, episode) for episode in episodes]
    titles = ("first champion", "last champion")
    heads = [f"{title}, {policy}: success {rate(space, policy)}" for title, policy in zip(titles, policies)]
    frames = [side_by_side(heads, pictures, episodes, k) for k in range(max(map(len, pictures)))]
    save(frames, options.out, EVERY / space.task.schema.control_hz)
    print(f"{options.out}: {len(frames)} frames, {options.out.stat().st_size / 1e6:.2f} MB, {heads}")
    if options.out.stat().st_size > MOST_BYTES:
        raise SystemExit(f"more than {MOST_BYTES / 1e6:g} MB")


def first_and_last(space: Workspace) -> tuple[str, str]:
    """Ids of the first champion and of the one in force. Ends where they are the same."""
    history = space.registry.history()
    if not history or history[0].policy == history[-1].policy:
        raise SystemExit(f"{space.place} has no champion that followed another")
    return history[0].policy, history[-1].policy


def chosen(space: Workspace, policies: Sequence[str]) -> list[Episode]:
    """Both policies' episodes on the first seed where the first fails and the last succeeds."""
    acts = [read_policy(space.policy_folder(policy)) for policy in policies]
    environment = space.task.make()
    seeds = episode_seeds(
        "final",
        run=space.config.seed,
        round=max(space.rounds()),
        count=space.config.improve.evaluation_episodes,
    )
    try:
        for number, seed in enumerate(seeds, 1):
            pair = [
                next(rollout(space.task, act, [seed], environments=[environment], policy_id=policy))
                for act, policy in zip(acts, policies)
            ]
            if [episode.score >= 1 for episode in pair] == [False, True]:
                print(f"seed {seed}, the {number}. of the final evaluation of round {max(space.rounds())}")
                return pair
    finally:
        environment.close()
    raise SystemExit(f"on none of {len(seeds)} seeds does {policies[0]} fail and {policies[1]} succeed")


def rate(space: Workspace, policy: str) -> str:
    """A policy's success on seeds that nobody selected: what it collected, else the final evaluation."""
    own = [batch for batch in space.store.batches() if batch.origin.get("policy") == policy]
    for stage in ("collect", f"final-{policy}"):
        if played := [batch for batch in own if batch.origin.get("stage") == stage]:
            n = sum(batch.episodes for batch in played)
            return f"{sum(batch.score_sum for batch in played) / n:.0%} of {n}"
    return "not measured"


def film(space: Workspace, episode: Episode) -> list[np.ndarray]:
    """Every second observation of an episode as the task's camera sees it, and the last one."""
    seen: list[np.ndarray] = []
    steps = sorted({*range(0, episode.length + 1, EVERY), episode.length})
    environment = space.task.make()
    try:
        difference = act_again(space.task, episode, seen.append, environment=environment, steps=steps)
    finally:
        environment.close()
    if difference:
        raise SystemExit(f"acted out again, the episode is another: {difference}")
    return [np.asarray(Image.fromarray(picture).resize(SIZE, Image.Resampling.LANCZOS)) for picture in seen]


def side_by_side(
    heads: Sequence[str], pictures: Sequence[list[np.ndarray]], episodes: Sequence[Episode], k: int
) -> Image.Image:
    """Frame k: a panel and a caption for each; whoever has ended stays as it ended."""
    width, height = SIZE
    canvas = Image.new("RGB", (2 * width + GAP, height + CAPTION), PAPER)
    draw = ImageDraw.Draw(canvas)
    for panel, (head, shown, episode) in enumerate(zip(heads, pictures, episodes)):
        left = panel * (width + GAP)
        canvas.paste(Image.fromarray(shown[min(k, len(shown) - 1)]), (left, 0))
        draw.text((left + 4, height + 5), head, INK, ImageFont.load_default(14))
        if k >= len(shown) - 1:
            end, colour = ("success", GREEN) if episode.score >= 1 else ("failure", RED)
            draw.text((left + 4, height + 24), end, colour, ImageFont.load_default(14))
    return canvas


def save(frames: list[Image.Image], path: Path, frame_sec: float) -> None:
    """Write the frames as one animation that begins again after a while."""
    milliseconds = [round(1000 * frame_sec)] * (len(frames) - 1) + [round(1000 * HOLD_SEC)]
    if path.suffix == ".gif":
        palette = frames[-1].quantize(COLOURS, dither=Image.Dither.NONE)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    options: dict[str, Any] = {"quality": 70} if path.suffix == ".webp" else {"optimize": True}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, **options)


if __name__ == "__main__":
    main()
