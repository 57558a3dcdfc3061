"""Batches, episodes and facts as the terminal shows them, and as scripts read them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...datasets.records.batch import batch_of
from ..terminal import console, table

if TYPE_CHECKING:
    from ...datasets import Batch, EpisodeStore
    from ...datasets.records.rows import EpisodeRow


def batch_facts(batch: "Batch", excluded: Collection[str]) -> dict[str, Any]:
    """A batch's manifest, and how many of its episodes are excluded now."""
    return asdict(batch) | {"excluded": sum(batch_of(episode) == batch.id for episode in excluded)}


def row_facts(batch: "Batch", row: "EpisodeRow", excluded: Collection[str]) -> dict[str, Any]:
    """What is known of an episode without its steps, and whether it is excluded now."""
    info = json.loads(row.info)
    return {**vars(row), "source": batch.source, "excluded": row.id in excluded, "info": info}


def whole_batch(store: "EpisodeStore", batch_id: str) -> dict[str, Any]:
    """A batch's manifest, a line on each of its episodes, and who excluded any of them."""
    batch, excluded = store.batch(batch_id), store.excluded()
    rows = [
        f"{row.id}: score {row.score:g}, {row.length} steps" + (", excluded" if row.id in excluded else "")
        for row in store.iter_rows([batch])
    ]
    tombstones = [vars(t) for t in store.tombstones() if batch.id in (t.id, batch_of(t.id))]
    return batch_facts(batch, excluded) | {"tombstones": tombstones, "rows": rows}


def readable(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an episode or a batch, worded for people."""
    tombstones = [
        f"{t['action']} {t['id']} by {t['by']}, {t['since'][:19]}: {t['reason']}" for t in facts["tombstones"]
    ]
    worded = {**facts, "tombstones": tombstones}
    if not worded.pop("policy_is_here", True) and worded["policy"]:
        worded["policy"] += " (not of this workspace)"
    return worded


def print_batches(batches: Sequence[Mapping[str, Any]]) -> None:
    """The facts of batches as a table, and their number."""
    rows = [
        {
            "batch": b["id"],
            **{name: b[name] for name in ("source", "round", "episodes", "steps")},
            "success": f"{b['score_sum'] / b['episodes']:.0%}",
            "policy": b["origin"].get("policy"),
            "committed": b["committed"][:19],
            "excluded": ("all" if b["excluded"] == b["episodes"] else b["excluded"]) or "",
        }
        for b in batches
    ]
    console(140).print(table(rows))
    episodes = sum(b["episodes"] for b in batches)
    print(f"{len(batches)} batches, {episodes} episodes{_excluded(batches)}")


def print_episodes(episodes: Sequence[Mapping[str, Any]]) -> None:
    """The facts of episodes as a table, and their number."""
    rows = [
        {
            "episode": e["id"],
            **{name: e[name] for name in ("source", "round")},
            "score": f"{e['score']:g}",
            "steps": e["length"],
            **{name: e[name] for name in ("seed", "policy")},
            "excluded": "yes" if e["excluded"] else "",
        }
        for e in episodes
    ]
    console(140).print(table(rows))
    print(f"{len(episodes)} episodes{_excluded(episodes)}")


def _excluded(facts: Sequence[Mapping[str, Any]]) -> str:
    count = sum(each["excluded"] for each in facts)
    return f", {count} of them excluded" if count else ""


def print_quarantine(records: Sequence[Mapping[str, Any]]) -> None:
    """Every episode that an injection did not take, with its reasons, and their number."""
    for record in records:
        print(f"{record['path']} ({record['format']}), {record['when'][:19]}, by {record['by']}")
        for entry in record["entries"]:
            print(f"  {entry['where']}: " + "; ".join(entry["reasons"]))
    print(f"{sum(len(record['entries']) for record in records)} episodes in quarantine")


def print_facts(facts: Mapping[str, Any]) -> None:
    """A name and its value a line; what is empty is left out."""
    for name, value in facts.items():
        if value not in (None, "", [], {}):
            lines = [_text(item) for item in value] if isinstance(value, list) else [_text(value)]
            print(f"{name:<12} " + ("\n" + " " * 13).join(lines))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items() if item not in (None, ""))
    if isinstance(value, list):
        return " ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
