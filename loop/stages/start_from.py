"""A workspace that goes on from another's champion, with its data and an error budget of its own.

It has its own dataset, into which the other's episodes are copied under names of their own: two loops on one
dataset would take each other's episodes for their own. The settings come last, so that nobody begins in a
workspace that is half made; until then the same call goes on from what is there.
"""

from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

from ...datasets import Batch, EpisodeStore, Snapshot
from ...datasets.errors import TwinError
from ...datasets.files import fingerprint
from ...datasets.records.batch import LONGEST_ID
from ...learner.checkpoint import read_record, read_weights
from ..episodes.seeds import RUNS, run_of
from ..errors import LoopError
from ..progress import Progress
from ..workspace.config import Config
from ..workspace.lease import hold
from ..workspace.local_copy import CONFIG
from ..workspace.place import Place, command
from ..workspace.policies import write_policy
from ..workspace.records import Appended, From, Learned, Raced
from ..workspace.workspace import Workspace
from .append import pinned_data

POLICY = "r000-from"
"""Id of the first champion."""


def start_from(source: Workspace, place: Place, seed: int | None, progress: Progress) -> Workspace:
    """Make a workspace at `place` of the champion, the data and the settings of `source`.

    Its seed is another one, by default the next, so that it draws no start state a second time. Raises
    LoopError where something else is at `place`, or `source` has no champion.
    """
    made = Workspace.unmade(place, source.config)
    if made.address == source.address:
        raise LoopError(f"{source.place} cannot go on from itself: name another --workspace")
    order = _begin(source, seed)
    made.folder.mkdir(parents=True, exist_ok=True)
    with hold(made, progress):
        made.current(f"rounds/000/{From.STAGE}.json")
        begun, whole = made.record(From, 0), made.current(CONFIG).exists()
        if begun.id != source.id if begun else whole:
            raise LoopError(f"{made.place} is something else already; name another --workspace")
        begun = begun or made.write_record(0, order)
        if seed not in (None, begun.seed):
            raise LoopError(f"{made.place} was begun with seed {begun.seed}, not {seed}")
        if whole:
            return Workspace.open(made.place)
        made = replace(made, config=_settings(made, source.config, begun.seed))
        _fill(source, made, begun, progress)
        made.write_config()
    return made


def _begin(source: Workspace, seed: int | None) -> From:
    champion = source.registry.champion()
    if champion is None:
        advice = command("improve", source.place)
        raise LoopError(f"{source.place} has no champion yet to go on from; run: {advice}")
    drawn = _drawn(source)
    if seed is None:
        seed = next(other % RUNS for other in count(source.config.seed + 1) if other % RUNS not in drawn)
    if seed in drawn:
        raise LoopError(
            f"--seed is {seed}, as in {source.place} or a run whose episodes it has: the same start states "
            "would be drawn again"
        )
    snapshot = source.open_store().snapshot()
    return From(workspace=source.address, id=source.id, policy=champion, seed=seed, snapshot=snapshot)


def _drawn(source: Workspace) -> set[int]:
    """The seeds of all runs whose start states are in a workspace's dataset, also of those injected."""
    runs = {run_of(row.seed) for row in source.open_store().iter_rows()}
    return {source.config.seed, *runs} - {None}


def _settings(made: Workspace, settings: Config, seed: int) -> Config:
    """The other's, with a seed and a dataset of its own."""
    url = settings.dataset.url and f"{settings.dataset.url.rstrip('/')}-{made.id[:8]}"
    dataset = settings.dataset.model_copy(update={"url": url})
    return settings.model_copy(update={"seed": seed, "dataset": dataset})


def _fill(source: Workspace, made: Workspace, begun: From, progress: Progress) -> None:
    """Copy the episodes, then the policy; then round 0 has ended."""
    old, store = source.open_store(), made.make_store(source.open_store().schema)
    batches = old.pinned(begun.snapshot)
    for number, batch in enumerate(batches, 1):
        if not store.holds(_name(begun, batch)):
            _copy_batch(old, store, batch, begun)
        progress("copy", number, len(batches), batch.id)
    record = read_record(source.policy_folder(begun.policy))
    learned_in = source.require(Appended, record.lineage["round"])
    pinned = _write_append(store, made, begun, learned_in.snapshot)
    facts = {"round": 0, "parent": None, "snapshot": pinned.snapshot_id, "from": begun.facts()}
    lineage = {**record.lineage, **facts}
    weights = read_weights(source.policy_folder(begun.policy))
    write_policy(made, replace(record, id=POLICY, lineage=lineage), weights)
    learned = Learned(
        policy=POLICY,
        parent=None,
        steps=0,
        snapshot=pinned.snapshot_id,
        rows=pinned.rows,
        figures=dict(record.figures),
    )
    made.write_record(0, learned)
    made.write_record(0, Raced(policy=POLICY))
    made.registry.install(POLICY, reason=begun.sentence(), by="init --from", round=0, action="first")


def _write_append(store: EpisodeStore, made: Workspace, begun: From, learned: Snapshot) -> Appended:
    """What the champion has learned from, by the names that it has here."""
    known = [_name(begun, batch) for batch in learned.batch_ids]
    snapshot = store.snapshot(batches=[name for name in known if store.holds(name)])
    return made.write_record(0, pinned_data(store, snapshot))


def _copy_batch(old: EpisodeStore, store: EpisodeStore, batch: Batch, begun: From) -> None:
    """Of no round, and of policies that are named after their workspace: they are no policies of this one."""
    left_out = frozenset(begun.snapshot.excluded)
    own = str(batch.origin.get("policy") or "")
    named = own if "/" in own or not own else f"{begun.id[:8]}/{own}"
    episodes = [
        replace(episode, policy=named if own and episode.policy == own else episode.policy)
        for index, episode in enumerate(old.episodes(batch))
        if f"{batch.id}/{index}" not in left_out
    ]
    origin: dict[str, Any] = {name: value for name, value in batch.origin.items() if name != "stage"}
    origin |= {
        "command": "init --from",
        "workspace": begun.workspace,
        "batch": batch.id,
        "round": batch.round,
    }
    origin |= {"policy": named} if own else {}
    with suppress(TwinError):  # what was two stages' there is the same here, and would count twice
        store.append(episodes, batch_id=_name(begun, batch), source=batch.source, origin=origin)


def _name(begun: From, batch: Batch | str) -> str:
    """The name of a batch here; one that was copied before keeps its own."""
    name = batch if isinstance(batch, str) else batch.id
    if name.startswith("from-"):
        return name
    whole = f"from-{begun.id[:8]}-{name}"
    return whole if len(whole) <= LONGEST_ID else f"{whole[: LONGEST_ID - 17]}-{fingerprint(name)[:16]}"
