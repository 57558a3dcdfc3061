"""What a round's run shows in Prefect: its verdict, stages, training and a filmstrip, as markdown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...loop.stages.entrants import label
from ...loop.views.curve import png
from ...loop.views.film import STRIP_FRAMES, Films, choose
from ...loop.views.lineage import policy_lineage
from ...loop.views.panels import training
from ...loop.views.rounds import committed, of_stage
from ...loop.views.training import read_training
from .markdown import fitted, picture
from .success import arms_table

if TYPE_CHECKING:
    from ...datasets import Batch
    from ...loop.workspace.workspace import Outcome, Workspace


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


def round_page(space: "Workspace", number: int, verdict: "Outcome", films: Films, links: Links) -> str:
    """The page of a round that has ended."""
    parts = [
        f"# Round {number}: {verdict['decision']}",
        verdict["reason"],
        f"**{verdict['alarm']}**" if verdict.get("alarm") else "",
        _arms(verdict),
        "## Stages",
        _stages(space, number, links),
        _screen(space, number),
        _training(space, number),
        "## Two successes and two failures",
        *strips(films),
        "## Data",
        _data(space, number, links),
        f"All rounds: [success-per-round]({links.story}). `pacloop policies show` and "
        f"`pacloop dataset show` tell the rest. Workspace: `{space.address}`.",
    ]
    return fitted(parts)


def _arms(verdict: "Outcome") -> str:
    if "candidate_n" not in verdict:
        return ""
    said = (
        f"Evidence {verdict['evidence']:.2f}, needed {verdict['boundary']:.2f}; chance of a wrong promotion "
        f"in this round at most {verdict['level']:.2%}; {verdict['episodes_saved']} episodes saved."
    )
    return arms_table(verdict) + "\n\n" + said


def _stages(space: "Workspace", number: int, links: Links) -> str:
    lines = ["| stage | seconds | |", "|---|---|---|"]
    told = {
        "collect": lambda o: (
            f"{o['episodes']} episodes of {_policy(space, o['champion'], links)}: success {o['rate']:.1%}"
        ),
        "append": lambda o: (
            f"snapshot `{o['snapshot_id'][:12]}`: {o['episodes']} episodes "
            f"in {len(o['snapshot']['batches'])} batches, {o['rows']} rows, {o['excluded']} episodes excluded"
        ),
        "learn": lambda o: (
            f"`{o['policy']}` from {_policy(space, o['parent'], links)}: {o['steps']} gradient steps"
            f"{_kept(o)}"
        ),
        "race": lambda o: f"{_tried(o)}; the candidate is `{o['policy']}`",
        "gate": lambda o: f"{o['candidate_n']} episodes of `{o['candidate']}`: {o['decision']}",
    }
    for stage, tell in told.items():
        if outcome := space.outcome(number, stage):
            lines.append(f"| {stage} | {outcome['seconds']:.0f} | {tell(outcome)} |")
    return "\n".join(lines)


def _kept(outcome: "Outcome") -> str:
    steps = [str(kept["step"]) for kept in outcome.get("checkpoints", ())]
    return f"; kept besides: step {', '.join(steps)}" if steps else ""


def _tried(outcome: "Outcome") -> str:
    rates = [f"{t['successes'] / t['episodes']:.0%}" if t["episodes"] else "failed" for t in outcome["tried"]]
    tried = [f"{label(t)} {rate}" for t, rate in zip(outcome["tried"], rates)]
    return ", ".join(tried) or "nothing to try"


def _screen(space: "Workspace", number: int) -> str:
    verdict = space.outcome(number, "gate") or {}
    screened = verdict.get("screen") or space.outcome(number, "screen")
    if screened is None:
        return ""
    from .critic import screen_page

    return screen_page(screened)


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
