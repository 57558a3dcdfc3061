"""`pacloop improve`: the loop's rounds, each a Prefect flow run in this process."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...loop.progress import Progress
from ...loop.stages.improve import Player, improve
from ...loop.workspace.workspace import Place, Workspace


@dataclass(frozen=True)
class Ended:
    """How the run ended: where, in words, the champion's success, and whether that is the target."""

    space: Workspace
    text: str
    rate: float
    good: bool


def improve_with_prefect(
    place: Place,
    progress: Progress,
    *,
    rounds: int | None,
    until: float | None,
    minutes: float | None,
    approve: bool | None = None,
) -> Ended:
    """Improve the workspace at `place`; what is None is taken from its settings."""
    begun = time.monotonic()
    Workspace.open(place)  # a wrong place is told before Prefect takes its seconds to start
    from ...loop.stages.round import run_final, run_round, run_start
    from .fallback import shown
    from .rounds import close_dead_runs, final_flow, play_round, session, start_flow

    with session(place, progress, until=until, approve=approve) as ours:
        settings, workspace = ours.space.config.improve, ours.space.address
        close_dead_runs(place)
        player = Player(
            start=shown(
                place, partial(start_flow, workspace), lambda: run_start(ours.space, ours.pool, progress)
            ),
            round=shown(
                place,
                partial(play_round, workspace),
                lambda number: run_round(ours.space, number, ours.pool, progress),
            ),
            measure=shown(
                place,
                partial(final_flow, workspace),
                lambda number, policy: run_final(ours.space, number, policy, ours.pool, progress),
            ),
        )
        done = improve(
            ours.space,
            player,
            rounds=settings.rounds if rounds is None else rounds,
            minutes=settings.minutes if minutes is None else minutes,
        )
        curve = write_curve(ours.space)
        low, high = done.final.interval
        lines = [
            f"stopped after {(time.monotonic() - begun) / 60:.1f} minutes: {done.why}",
            f"champion {done.champion}: {done.final.rate:.1%} of {done.final.episodes} fresh episodes "
            f"(95 %: {low:.1%} to {high:.1%}), target {settings.until:.0%}: "
            + ("reached" if done.good else "NOT reached"),
            f"workspace {ours.space.place}   dataset {ours.space.dataset}   "
            f"champion's weights {ours.space.policy_place(done.champion)}   curve {curve}",
            "the rounds in Prefect's UI: " + ui_hint(),
        ]
        return Ended(ours.space, "\n".join(lines), done.final.rate, done.good)


def write_curve(space: Workspace) -> Path:
    """Write the curve as `curve.png` into the workspace."""
    from ...datasets.files import write_bytes_atomically
    from ...loop.views.curve import success_png
    from ...loop.views.rounds import rows

    path = space.folder / "curve.png"
    write_bytes_atomically(path, success_png(space, rows(space)))
    return path


def ui_hint() -> str:
    """How to open the UI, as this machine is configured."""
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    if url := PREFECT_UI_URL.value() or PREFECT_API_URL.value():
        return str(url).removesuffix("/api")
    return "run `prefect server start`, then open http://127.0.0.1:4200/runs"
