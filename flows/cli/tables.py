"""Batches, episodes and facts as the terminal shows them, and as scripts read them."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...datasets.records.batch import batch_of

if TYPE_CHECKING:
    from ...datasets import Batch, EpisodeStore
    from ...datasets.records.rows import EpisodeRow

RIGHT = ("round", "episodes", "steps", "rows", "success", "score", "seed", "excluded")
"""Columns of numbers."""


def batch_facts(batch: "Batch", excluded: Collection[str]) -> dict[str, Any]:
    """A batch's manifest, and how many of its episodes are excluded now."""
    gone = sum(batch_of(episode) == batch.id for episode in excluded)
    return asdict(batch) | {"excluded": gone}


def row_facts(batch: "Batch", row: "EpisodeRow", excluded: Collection[str]) -> dict[str, Any]:
    """What is known of an episode without its steps, and whether it is excluded now."""
    facts = {**vars(row), "source": batch.source, "excluded": row.id in excluded}
    return facts | {"info": json.loads(row.info)}


def whole_batch(store: "EpisodeStore", batch_id: str) -> dict[str, Any]:
    """A batch's manifest, a line on each of its episodes, and who excluded any of them."""
    batch, excluded = store.batch(batch_id), store.excluded()
    rows = [
        f"{row.id}: score {row.score:g}, {row.length} steps" + (", excluded" if row.id in excluded else "")
        for row in store.iter_rows([batch])
    ]
    said = [vars(t) for t in store.tombstones() if batch.id in (t.id, batch_of(t.id))]
    return batch_facts(batch, excluded) | {"tombstones": said, "rows": rows}


def readable(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an episode or a batch, worded for people."""
    said = [
        f"{t['action']} {t['id']} by {t['by']}, {t['since'][:19]}: {t['reason']}" for t in facts["tombstones"]
    ]
    found = {**facts, "tombstones": said}
    if "policy_is_here" in found and not found.pop("policy_is_here") and found["policy"]:
        found["policy"] += " (not of this workspace)"
    return found


def print_batches(found: Sequence[Mapping[str, Any]]) -> None:
    """Batches as a table, and their number."""
    episodes, gone = sum(f["episodes"] for f in found), sum(f["excluded"] for f in found)
    rows = [
        {
            "batch": f["id"],
            "source": f["source"],
            "round": f["round"],
            "episodes": f["episodes"],
            "steps": f["steps"],
            "success": f"{f['score_sum'] / f['episodes']:.0%}",
            "policy": f["origin"].get("policy"),
            "committed": f["committed"][:19],
            "excluded": ("all" if f["excluded"] == f["episodes"] else f["excluded"]) or "",
        }
        for f in found
    ]
    print_table(rows, optional=("excluded",))
    print(f"{len(found)} batches, {episodes} episodes" + (f", {gone} of them excluded" if gone else ""))


def print_episodes(found: Sequence[Mapping[str, Any]]) -> None:
    """Episodes as a table, and their number."""
    rows = [
        {
            "episode": f["id"],
            "source": f["source"],
            "round": f["round"],
            "score": f"{f['score']:g}",
            "steps": f["length"],
            "seed": f["seed"],
            "policy": f["policy"],
            "excluded": "yes" if f["excluded"] else "",
        }
        for f in found
    ]
    print_table(rows, optional=("excluded",))
    gone = sum(f["excluded"] for f in found)
    print(f"{len(found)} episodes" + (f", {gone} of them excluded" if gone else ""))


def print_table(rows: Sequence[Mapping[str, Any]], optional: Collection[str] = ()) -> None:
    """Rows of the same keys as a table; a column of `optional` only where a row has something in it."""
    from rich.console import Console
    from rich.table import Table

    names = [name for name in (rows[0] if rows else ()) if name not in optional or any(r[name] for r in rows)]
    if not names:
        return
    table = Table()
    for name in names:
        table.add_column(name, justify="right" if name in RIGHT else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


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
