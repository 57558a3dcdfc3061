"""`pacloop improve`: the loop's rounds, each a Prefect flow run in this process."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...loop.progress import Progress
from ...loop.stages.improve import Improved, Player, improve, plain_player
from ...loop.workspace.place import Place
from ...loop.workspace.workspace import Workspace
from ..environment import this_command

if TYPE_CHECKING:
    from ...loop.episodes.play import Session


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
    """Improve the workspace at `place`; what is None is taken from its settings.

    `rounds` is the most rounds that this call adds.
    """
    begun = time.monotonic()
    Workspace.open(place)  # a wrong place is named before Prefect takes its seconds to start
    from .dead import close_dead_runs
    from .session import session

    with session(place, progress, until=until, approve=approve) as opened:
        space, settings = opened.space, opened.space.config.improve
        close_dead_runs(place)
        improved = improve(
            space,
            _player(opened),
            rounds=settings.rounds if rounds is None else rounds,
            minutes=settings.minutes if minutes is None else minutes,
        )
        text = f"stopped after {(time.monotonic() - begun) / 60:.1f} minutes: {improved.why}\n"
        text += _result(space, improved) + "\n" + _next_steps(place, improved)
        return Ended(space, text, improved.final.rate, improved.good)


def _player(session: "Session") -> Player:
    """Plays each part as a flow, and without Prefect where its API stays away."""
    from .fallback import with_fallback
    from .rounds import final_flow, play_round, start_flow

    place = session.space.address
    plain = plain_player(session)
    return Player(
        start=with_fallback(place, partial(start_flow, place), plain.start),
        round=with_fallback(place, partial(play_round, place), plain.round),
        measure=with_fallback(place, partial(final_flow, place), plain.measure),
    )


def _result(space: Workspace, improved: Improved) -> str:
    """What came out and where it is; writes the curve."""
    final, (low, high) = improved.final, improved.final.interval
    target = f"target {space.config.improve.until:.0%}: {'reached' if improved.good else 'NOT reached'}"
    return (
        f"champion {improved.champion}: {final.rate:.1%} of {final.episodes} fresh episodes "
        f"(95 %: {low:.1%} to {high:.1%}), {target}\n"
        f"workspace {space.place}   dataset {space.dataset}   "
        f"champion's weights {space.policy_place(improved.champion)}   curve {write_curve(space)}"
    )


def _next_steps(place: Place, improved: Improved) -> str:
    """Commands that lead on, as they work from where the user stands."""
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    url = str(PREFECT_UI_URL.value() or PREFECT_API_URL.value() or "").removesuffix("/api")
    steps = {
        "the whole run as one page": this_command("report --open", place),
        "the rounds in Prefect's UI": url or this_command("serve", place),
    }
    if not improved.good:
        steps["go on"] = this_command("improve", place)
    return "\n".join(f"{step + ':':<27} {command}" for step, command in steps.items())


def write_curve(space: Workspace) -> Path:
    """Write the curve as `curve.png` into the workspace."""
    from ...datasets.files import write_bytes_atomically
    from ...loop.views.curve import success_png
    from ...loop.views.rounds import rows

    path = space.folder / "curve.png"
    write_bytes_atomically(path, success_png(space, rows(space)))
    return path
