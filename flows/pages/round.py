"""What Prefect shows as markdown: how a round ended, the question it may wait with, and all rounds."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from ...loop.episodes.sample import of_stage
from ...loop.gate.alarm import champion_record
from ...loop.views.curve import curve, png, success_title
from ...loop.views.film import Films, choose, filming
from ...loop.views.lineage import policy_lineage
from ...loop.views.panels import critic_png, training
from ...loop.views.rounds import by_source, committed, rows
from ...loop.views.training import read_training
from ...loop.workspace.records import Appended, Collected, Diverged, Learned, Raced
from ...loop.workspace.verdict import CriticChecked, Verdict
from .render import markdown

if TYPE_CHECKING:
    from ...datasets import Batch
    from ...loop.stages.question import Question
    from ...loop.workspace.records import Reached
    from ...loop.workspace.workspace import Workspace

STAGES = (Collected, Appended, Learned, Diverged, CriticChecked, Raced, Verdict)
"""What a page shows of a round, as the stages recorded it."""


def episodes_to_show(space: "Workspace", number: int) -> list[str]:
    """Two successes and two failures: of the candidate before the gate, else of what was collected."""
    batches = committed(space)
    for stage in ("gate", "collect"):
        if own := of_stage(batches, number, stage):
            return choose(space.store, own, 2, 2)
    return []


def round_page(
    space: "Workspace",
    number: int,
    verdict: "Verdict | Reached",
    films: Films,
    runs: Mapping[int, str],
    story: str,
) -> str:
    """The page of a round that has ended.

    `runs` are pages of the rounds' latest runs in Prefect's UI, by their numbers, and `story` is that of
    the workspace's artifact `success-per-round`.
    """
    records = {kind.STAGE: space.record(kind, number) for kind in STAGES}
    run = read_training(space, number, "learn")
    figure = training([run]) if run else None
    return markdown(
        "round.md.j2",
        space=space,
        number=number,
        verdict=verdict,
        stages=records,
        critic_png=critic_png,
        training=png(figure) if figure else None,
        films=films,
        parts=_parts(space, number),
        policy=partial(_policy, space, runs),
        story=story,
    )


def approval_page(space: "Workspace", question: "Question") -> str:
    """What waits for a person: the figures, the curve, a filmstrip, and both ways to answer."""
    with filming(space, episodes_to_show(space, question.round)) as films:
        return markdown(
            "approval.md.j2",
            space=space,
            question=question,
            verdict=question.judged,
            curve=png(curve(space, rows(space))),
            films=films(),
        )


def success_page(space: "Workspace") -> str:
    """The story of all rounds so far: the curve, the table, the gate's latest reasons, the data.

    Where the champion's success has dropped, a warning with the command that undoes it stands above.
    """
    batches = committed(space)
    measured, record = rows(space, batches), champion_record(space, batches)
    return markdown(
        "success.md.j2",
        title=success_title(space),
        alarm=record and record.alarm,
        curve=png(curve(space, measured)),
        rows=measured,
        samples=by_source(batches),
        space=space,
    )


def _parts(space: "Workspace", number: int) -> "dict[tuple[str, str], list[Batch]]":
    """What a round added to the dataset, by the stage and the policy that played it."""
    groups: dict[tuple[str, str], list[Batch]] = {}
    for batch in committed(space):
        if batch.round == number:
            key = str(batch.origin.get("stage", batch.source)), str(batch.origin.get("policy", ""))
            groups.setdefault(key, []).append(batch)
    return groups


def _policy(space: "Workspace", runs: Mapping[int, str], policy: str | None) -> str:
    """A policy, with a link to the run of the round that made it."""
    if policy is None:
        return "fresh weights"
    if not space.policy_json(policy).is_file():
        return policy  # a demonstrator
    link = runs.get(policy_lineage(space, policy).get("round", -1))
    return f"[{policy}]({link})" if link else f"`{policy}`"  # Prefect's UI shows no code in links
