"""What a round's run shows in Prefect: its verdict, stages, training and a filmstrip, as markdown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...loop.episodes.sample import of_stage
from ...loop.views.curve import png
from ...loop.views.film import STRIP_FRAMES, Films, choose
from ...loop.views.lineage import policy_lineage
from ...loop.views.panels import training
from ...loop.views.rounds import committed
from ...loop.views.training import read_training
from ...loop.workspace.records import Appended, Collected, Learned, Raced, Reached
from ...loop.workspace.verdict import CriticChecked, Verdict
from .critic import critic_section
from .markdown import fitted, picture
from .success import arms_table

if TYPE_CHECKING:
    from ...datasets import Batch
    from ...loop.workspace.workspace import Workspace


@dataclass(frozen=True)
class Links:
    """Pages of Prefect's UI.

    Attributes:
      rounds: the latest run of each round, by their numbers.
      story: the artifact `success-per-round` of the workspace.
    """

    rounds: Mapping[int, str]
    story: str


def episodes_to_show(space: "Workspace", number: int) -> list[str]:
    """Two successes and two failures: of the candidate before the gate, else of what was collected."""
    batches = committed(space)
    for stage in ("gate", "collect"):
        if own := of_stage(batches, number, stage):
            return choose(space.store, own, 2, 2)
    return []


def round_page(
    space: "Workspace", number: int, verdict: "Verdict | Reached", films: Films, links: Links
) -> str:
    """The page of a round that has ended."""
    parts = [
        f"# Round {number}: {verdict.decision}",
        verdict.reason,
        f"**{alarm}**" if (alarm := getattr(verdict, "alarm", None)) else "",
        _arms(verdict),
        "## Stages",
        _stages(space, number, links),
        _critic(space, number),
        _training(space, number),
        "## Two successes and two failures",
        *strips(films),
        "## Data",
        _data(space, number, links),
        f"All rounds: [success-per-round]({links.story}). `pacloop policies show` and "
        f"`pacloop dataset show` tell the rest. Workspace: `{space.address}`.",
    ]
    return fitted(parts)


def _arms(verdict: Verdict | Reached) -> str:
    if isinstance(verdict, Reached):
        return ""
    figures = (
        f"Evidence {verdict.evidence:.2f}, needed {verdict.boundary:.2f}; chance of a wrong promotion "
        f"in this round at most {verdict.level:.2%}; {verdict.episodes_saved} episodes saved."
    )
    return arms_table(verdict) + "\n\n" + figures


def _stages(space: "Workspace", number: int, links: Links) -> str:
    lines = ["| stage | seconds | |", "|---|---|---|"]
    for stage, seconds, text in _ended(space, number, links):
        lines.append(f"| {stage} | {seconds:.0f} | {text} |")
    return "\n".join(lines)


def _ended(space: "Workspace", number: int, links: Links) -> Iterator[tuple[str, float, str]]:
    """Name, seconds and result of each stage that has ended."""
    if o := space.record(Collected, number):
        who = _policy(space, o.champion, links)
        yield "collect", o.seconds, f"{o.episodes} episodes of {who}: success {o.rate:.1%}"
    if o := space.record(Appended, number):
        data = f"{o.episodes} episodes in {len(o.snapshot['batches'])} batches, {o.rows} rows"
        text = f"snapshot `{o.snapshot_id[:12]}`: {data}, {o.excluded} episodes excluded"
        yield "append", o.seconds, text
    if o := space.record(Learned, number):
        parent = _policy(space, o.parent, links)
        yield "learn", o.seconds, f"`{o.policy}` from {parent}: {o.steps} gradient steps"
    if o := space.record(Raced, number):
        yield "race", o.seconds, f"{_tried(o)}; the candidate is `{o.policy}`"
    if o := space.record(Verdict, number):
        yield "gate", o.seconds, f"{o.candidate_n} episodes of `{o.candidate}`: {o.decision}"


def _tried(raced: "Raced") -> str:
    tried = [f"{way.way} {way.rate:.0%}" if way.episodes else f"{way.way} failed" for way in raced.tried]
    return ", ".join(tried) or "nothing to try"


def _critic(space: "Workspace", number: int) -> str:
    checked = space.record(CriticChecked, number)
    if checked is None:
        return ""
    verdict = space.record(Verdict, number)
    return critic_section(checked.figures, verdict.own_critic if verdict else None)


def _training(space: "Workspace", number: int) -> str:
    run = read_training(space, number, "learn")
    figure = training([run]) if run else None
    return picture(png(figure), "training curves") if figure else ""


def strips(films: Films) -> list[str]:
    """The films as paragraphs, and why some are missing."""
    parts = []
    for made in films.made:
        parts += [f"`{made.episode}`: {made.caption}", picture(made.strip, made.caption, "jpeg")]
    if films.made:
        parts.append(f"Each strip: {STRIP_FRAMES} moments, evenly spread from the start to the end.")
    return parts + ([films.missing] if films.missing else [])


def _data(space: "Workspace", number: int, links: Links) -> str:
    groups: dict[tuple[str, str], list[Batch]] = {}
    for batch in committed(space):
        if batch.round == number:
            key = str(batch.origin.get("stage", batch.source)), str(batch.origin.get("policy", ""))
            groups.setdefault(key, []).append(batch)
    lines = ["| stage | policy | episodes | success | batches |", "|---|---|---|---|---|"]
    for (stage, policy), own in groups.items():
        n, score = sum(b.episodes for b in own), sum(b.score_sum for b in own)
        more = f" and {len(own) - 1} more" if len(own) > 1 else ""
        lines.append(
            f"| {stage} | {_policy(space, policy, links)} | {n} | {score / n:.1%} | `{own[0].id}`{more} |"
        )
    return "\n".join(lines)


def _policy(space: "Workspace", policy: str | None, links: Links) -> str:
    """A policy, with a link to the run of the round that made it."""
    if policy is None:
        return "fresh weights"
    if not space.policy_json(policy).is_file():
        return policy  # a demonstrator
    link = links.rounds.get(policy_lineage(space, policy).get("round", -1))
    return f"[{policy}]({link})" if link else f"`{policy}`"  # Prefect's UI shows no code in links
