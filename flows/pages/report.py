"""The report of a workspace as one HTML page: what came out, how, from what, and with what."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...loop.views.curve import curve
from ...loop.views.film import Films
from ...loop.views.lineage import policy_facts, policy_ids, policy_lineage
from ...loop.views.panels import sources, svg, training
from ...loop.views.rounds import committed, first_learned
from ...loop.views.sources import by_source
from ...loop.views.status import now_line, read_status
from ...loop.views.training import trainings
from ...loop.workspace.config import config_toml
from ...loop.workspace.machine import environment
from .html import Html, element, inline, page, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...loop.views.status import Status
    from ...loop.workspace.workspace import Workspace

NUMBERS = ("success", "95 % interval", "n", "episodes", "seconds")
Shelf = tuple[str, Films]
"""A heading, and the films below it."""

SECTIONS = {
    "rounds": "Success per round",
    "training": "Training",
    "data": "Data",
    "episodes": "Episodes",
    "provenance": "Provenance",
    "environment": "Environment",
}


def report_page(space: "Workspace", shelves: Sequence[Shelf]) -> str:
    """The page. Needs no lease and writes nothing; what is not there yet is said to be missing."""
    status, found = read_status(space), committed(space)
    runs = trainings(space)
    bodies = {
        "rounds": _rounds(space, status),
        "training": [
            _figure(training(runs), "Each learner run after the other, from the workspace's own records.")
        ],
        "data": [_sources(space), _figure(sources(found, first_learned(space)), "")],
        "episodes": _episodes(shelves),
        "provenance": _provenance(space),
        "environment": [_environment()],
    }
    parts = [*_header(space, status)]
    for name, body in bodies.items():
        parts += [element("h2", SECTIONS[name], id=name), *body]
    return page(f"{space.config.task}: report", parts)


def _header(space: "Workspace", status: "Status") -> list[Html]:
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    state = "finished" if status.now is None else "unfinished"
    if status.at_work:
        state = "at work"
    at = f" ({now_line(status.now)})" if status.now else ""
    if not status.rows:
        state, at = "nothing is measured yet", ""
    links = [element("a", title, href=f"#{name}") for name, title in SECTIONS.items()]
    parts = [
        element("h1", f"{space.config.task}: report"),
        element("p", f"Workspace {space.name}, {made}: {state}{at}.", class_="dim"),
        element("nav", *links),
        element("div", *_tiles(space, status), class_="tiles"),
    ]
    if status.record and status.record.alarm:
        parts.append(element("p", status.record.alarm, class_="alarm"))
    return parts


def _tiles(space: "Workspace", status: "Status") -> list[Html]:
    found = status.rows
    last = next((row for row in reversed(found) if row.policy == status.champion), None)
    hours = sum(row.seconds for row in found) / 3600
    rounds = [row for row in found if row.name.startswith("round ")]
    promoted = sum(row.verdict == "promoted" for row in rounds)
    figures = [
        (f"{found[0].rate:.1%}" if found else "-", "demonstrations"),
        (f"{last.rate:.1%}" if last else "-", "champion"),
        (f"{last.interval[0]:.0%} to {last.interval[1]:.0%}" if last else "-", "its 95 % interval"),
        (f"{space.config.improve.until:.0%}", "target"),
        (f"{promoted} of {len(rounds)}", "rounds promoted"),
        (f"{found[-1].episodes:,}" if found else "0", "episodes"),
        (f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h", "of the stages"),
    ]
    return [
        element("div", element("b", big), element("span", small), class_="tile") for big, small in figures
    ]


def _rounds(space: "Workspace", status: "Status") -> list[Html]:
    if not status.rows:
        return [element("p", "Nothing is measured yet.", class_="dim")]
    title, target = f"{space.config.task}: success per round", space.config.improve.until
    rows = []
    for row in status.rows:
        low, high = row.interval
        mark = element("span", row.verdict, class_=f"mark {row.verdict}") if row.verdict else ""
        rows.append(
            [
                row.name,
                element("code", row.policy),
                f"{row.rate:.1%}",
                f"{low:.0%} to {high:.0%}",
                f"{row.n:,}",
                f"{row.episodes:,}",
                f"{row.seconds:.0f}",
                mark,
                row.reason,
            ]
        )
    head = ["", "policy", "success", "95 % interval", "n", "episodes", "seconds", "verdict", "why"]
    note = (
        "n: episodes behind the rate; a champion's are all that it collected, which nobody selected. "
        "episodes: in the dataset by then. seconds: of the stages."
    )
    return [
        _figure(curve(status.rows, target=target, title=title), ""),
        table(head, rows, numbers=NUMBERS, caption=note),
    ]


def _figure(drawn: "Figure | None", caption: str) -> Html:
    if drawn is None:
        return element("p", "Nothing yet.", class_="dim")
    below = [element("figcaption", caption)] if caption else []
    return element("figure", Html(svg(drawn)), *below)


def _sources(space: "Workspace") -> Html:
    rows = [
        [s.source, f"{s.batches:,}", f"{s.episodes:,}", f"{s.steps:,}", f"{s.rate:.1%}"]
        for s in by_source(committed(space))
    ]
    if not rows:
        return element("p", "No episodes yet.", class_="dim")
    head = ["source", "batches", "episodes", "steps", "success"]
    gone = len(space.store.excluded())
    note = f"{gone} episodes are excluded from what is learned." if gone else ""
    return table(head, rows, numbers=head[1:], caption=note)


def _episodes(shelves: Sequence[Shelf]) -> list[Html]:
    parts: list[Html] = []
    for heading, films in shelves:
        parts.append(element("h3", heading))
        for made in films.made:
            strip = element("img", src=inline(made.strip, "image/jpeg"), alt=made.caption)
            video = (
                [
                    element(
                        "video",
                        src=inline(made.video, "video/mp4"),
                        controls="",
                        loop="",
                        muted="",
                        preload="metadata",
                    )
                ]
                if made.video
                else []
            )
            said = element("figcaption", element("code", made.episode), f": {made.caption}")
            parts.append(element("figure", element("div", *video, strip, class_="film"), said))
        if films.missing:
            parts.append(element("p", films.missing, class_="dim"))
    if not parts:
        return [element("p", "No episodes yet.", class_="dim")]
    note = "The first of each kind, so nobody picked them; frames run from the start to the end."
    return [element("p", note, class_="dim"), *parts]


def _provenance(space: "Workspace") -> list[Html]:
    reigns = [
        [element("code", r.policy), r.since[:16].replace("T", " "), r.action, r.by, r.reason]
        for r in space.registry.history()
    ]
    parts = [element("h3", "Champions")]
    parts.append(table(["policy", "since, UTC", "how", "by", "why"], reigns) if reigns else _none("champion"))
    policies = _policies(space)
    head = ["policy", "round", "parent", "acts", "snapshot", "batches", "episodes", "rows", "seed", "verdict"]
    numbers = ("round", "batches", "episodes", "rows", "seed")
    parts.append(element("h3", "Policies and what each learned from"))
    codes = sorted({policy_lineage(space, name).get("code") or "unknown" for name in policy_ids(space)})
    note = f"Learned by pacloop {'; '.join(codes)}."
    parts.append(table(head, policies, numbers=numbers, caption=note) if policies else _none("policy"))
    parts.append(element("h3", "Settings"))
    return [*parts, element("pre", config_toml(space.config).strip())]


def _none(what: str) -> Html:
    return element("p", f"There is no {what} yet.", class_="dim")


def _policies(space: "Workspace") -> list[list[str | Html]]:
    from ...learner.policy import Acting

    rows: list[list[str | Html]] = []
    for name in policy_ids(space):
        facts = policy_facts(space, space.store, name)
        said = facts["verdict"]
        decision = said["decision"] if said else ""
        rows.append(
            [
                element("code", name),
                str(facts["round"]),
                element("code", facts["parent"]) if facts["parent"] else "",
                str(Acting(**facts["acting"])),
                element("code", (facts["snapshot"] or "")[:12]),
                f"{len(facts['batches']):,}",
                f"{facts['episodes']:,}",
                f"{facts['rows']:,}",
                str(facts["seed"]),
                element("span", decision, class_=f"mark {decision}") if decision else "",
            ]
        )
    return rows


def _environment() -> Html:
    note = "Of the machine that made this page, at the time it was made."
    return table(["", ""], [list(fact) for fact in environment().items()], caption=note)
