"""Where an episode came from and who learned from it; what a policy learned from and what came of it.

All of it is read from what the stages recorded: batches, snapshots, policies, verdicts, the champion's
history. Nothing here is kept twice, so nothing can disagree.
"""

from dataclasses import asdict
from typing import Any

from ...datasets import Batch, EpisodeStore, Snapshot
from ...datasets.records.batch import batch_of, episodes_by_source
from ..workspace.records import Appended, read_facts
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace

Facts = dict[str, Any]


ENDS = {
    "terminal": "terminal",
    "horizon": "cut off by the time limit",
    "interrupted": "interrupted before the time limit",
}
"""By why an episode ended, what people are told."""


def episode_facts(space: Workspace, store: EpisodeStore, episode_id: str) -> Facts:
    """Everything known of an episode. Raises DatasetError where there is none of this id."""
    episode, batch = store.episode(episode_id), store.batch(batch_of(episode_id))
    return {
        "id": episode_id,
        "source": batch.source,
        "round": batch.round,
        "policy": episode.policy,
        "policy_is_here": episode.policy in policy_ids(space),
        "seed": episode.seed,
        "score": episode.score,
        "steps": episode.length,
        "seconds": episode.length / store.schema.control_hz,
        "ended": ENDS[episode.ended(store.schema.horizon)],
        "return": float(episode.reward.sum()),
        "mistakes": episode.info.get("mistakes"),
        "instruction": episode.instruction,
        "info": {name: value for name, value in episode.info.items() if name not in ("mistakes", "ended")},
        "batch": batch.id,
        "origin": dict(batch.origin),
        "committed": batch.committed,
        "excluded": episode_id in store.excluded(),
        "tombstones": [asdict(t) for t in store.tombstones() if t.id in (episode_id, batch.id)],
        "learned_by": learned_by(space, episode_id),
    }


def learned_by(space: Workspace, episode_id: str) -> list[str]:
    """Ids of the policies whose snapshot holds an episode."""
    batch = batch_of(episode_id)
    return [
        policy
        for policy in policy_ids(space)
        if (snapshot := _snapshot(space, policy_lineage(space, policy)))
        and batch in snapshot.batch_ids
        and episode_id not in snapshot.excluded
    ]


def policy_ids(space: Workspace) -> list[str]:
    """The policies of a workspace, in the order of their rounds."""
    ids = [path.parent.name for path in space.folder.glob("policies/[!.]*/policy.json")]
    return sorted(ids, key=lambda policy: (policy_lineage(space, policy).get("round") or 0, policy))


def policy_facts(space: Workspace, store: EpisodeStore, policy: str) -> Facts:
    """Everything known of a policy. Raises LoopError where there is none of this id."""
    removed = space.registry.removed(policy)
    data = read_facts(space.policy_json(policy))
    lineage = data.lineage.model_dump()
    snapshot = _snapshot(space, lineage)
    batches = store.counted(snapshot) if snapshot else []
    reigns = [asdict(reign) for reign in space.registry.history() if reign.policy == policy]
    records = ((number, space.record(Verdict, number)) for number in space.rounds())
    verdict = next(({"round": k} | r.model_dump() for k, r in records if r and r.candidate == policy), None)
    rules = space.registry.champion() == policy
    return {
        "id": policy,
        **lineage,
        "children": [p for p in policy_ids(space) if policy_lineage(space, p).get("parent") == policy],
        "standing": "champion" if rules else "was champion" if reigns else "never champion",
        "reigns": reigns,
        "verdict": verdict,
        "episodes": sum(batch.episodes for batch in batches),
        "rows": sum(batch.steps for batch in batches),
        "sources": episodes_by_source(batches),
        "excluded": list(snapshot.excluded) if snapshot else [],
        "batches": [_batch_facts(batch) for batch in batches],
        "acted": episodes_by_source(b for b in store.batches() if b.origin.get("policy") == policy),
        "acting": data.acting,
        "network": data.network,
        "figures": data.figures,
        "weights_removed": removed and removed.model_dump(),
    }


def policy_lineage(space: Workspace, policy: str) -> Facts:
    """What a policy says of its making: round, parent, snapshot, seed, settings."""
    return read_facts(space.policy_json(policy)).lineage.model_dump()


def _snapshot(space: Workspace, lineage: Facts) -> Snapshot | None:
    """The snapshot a policy learned from; None where the round that pinned it is not on record."""
    number = lineage.get("round")
    pinned = None if number is None else space.record(Appended, number)
    if pinned is None or pinned.snapshot_id != lineage.get("snapshot"):
        return None
    return pinned.snapshot


def _batch_facts(batch: Batch) -> Facts:
    names = ("id", "source", "round", "episodes", "steps", "mean_score")
    facts = {name: getattr(batch, name) for name in names} | {"policy": batch.origin.get("policy")}
    if batch.origin.get("command") == "inject":
        facts["injected"] = {name: batch.origin[name] for name in ("path", "by", "when", "note")}
    return facts
