"""A workspace that goes on from another's champion: the data, a fresh budget, on record, killed anywhere."""

import sys
from dataclasses import replace

import pytest
from recorded import put, tally, verdict

from pacloop.datasets import EpisodeStore
from pacloop.loop.episodes.seeds import episode_seeds
from pacloop.loop.errors import LoopError
from pacloop.loop.gate.budget import round_level
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.stages.improve import improve, next_round
from pacloop.loop.stages.learn import fresh_rows, start_policy
from pacloop.loop.stages.start_from import POLICY, start_from
from pacloop.loop.views.lineage import policy_facts
from pacloop.loop.views.rounds import rows
from pacloop.loop.views.status import read_status
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.policies import write_policy
from pacloop.loop.workspace.records import Appended, Begun, From
from pacloop.loop.workspace.registry import Registry
from pacloop.loop.workspace.verdict import Verdict
from pacloop.loop.workspace.workspace import Workspace


def run_of(space, put_policy):
    """Two demonstrations, of which one is left out; r001-pac was promoted, and collected in round 2."""
    demo = add_demonstrations(
        space.place, task="pacloop/stack", episodes=2, seed=0, clean=False, bare=False, progress=silent
    )
    append(space, 0, silent)
    put_policy("r000-pac", 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    append(space, 1, silent)
    put_policy("r001-pac", 1, parent="r000-pac", seed=7)
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 9, 10))
    space.registry.settle()
    pairs = zip(space.store.episodes(demo), episode_seeds("collection", run=0, round=2, count=2))
    made = [replace(e, policy="r001-pac", seed=seed) for e, seed in pairs]
    origin = {"policy": "r001-pac", "stage": "collect"}
    space.store.append(made, batch_id="r002-collect-00000", source="collection", round=2, origin=origin)
    put(space, 2, "collect", **tally(1, 2, champion="r001-pac"))
    put(space, 2, "gate", **verdict("rejected", "r002-pac", 1, 10))
    space.store.exclude(f"{demo.id}/1", reason="knocked over", by="ann")
    return space


@pytest.fixture
def source(space, put_policy):
    return run_of(space, put_policy)


def content(space):
    """What a workspace holds, but for times."""
    batches = [(b.id, b.source, b.round, b.digest, dict(b.origin)) for b in space.store.batches()]
    weights = (space.policy_folder(POLICY) / "weights.safetensors").read_bytes()
    reigns = [(r.policy, r.by, r.action) for r in space.registry.history()]
    return (
        batches,
        weights,
        reigns,
        space.record(From, 0),
        space.record(Appended, 0).snapshot_id,
        space.config,
    )


def dies(*_args, **_kwargs):
    raise KeyboardInterrupt


def test_it_goes_on_with_the_policy_the_data_and_a_fresh_budget(source, tmp_path):
    made = start_from(source, tmp_path / "next", None, silent)
    assert made.config.seed == source.config.seed + 1 and made.config.gate == source.config.gate
    assert made.id != source.id
    assert made.registry.champion() == POLICY
    weights = [s.policy_folder(p) / "weights.safetensors" for s, p in ((source, "r001-pac"), (made, POLICY))]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    demo, collected = made.store.batches()
    assert (demo.source, demo.episodes, demo.round) == ("demonstration", 1, None)
    assert (collected.source, collected.episodes, collected.round) == ("collection", 2, None)
    assert collected.id == f"from-{source.id[:8]}-r002-collect-00000"
    assert next(iter(made.store.episodes(collected))).policy == f"{source.id[:8]}/r001-pac"
    assert len(source.store.batches()) == 2, "the other is left as it is"

    assert next_round(made) == 1
    put(made, 1, "begin", champion=POLICY)
    append(made, 1, silent)
    assert start_policy(made, 1) == POLICY
    assert fresh_rows(made, made.record(Appended, 1), POLICY) == collected.steps
    assert made.require(Begun, 1).champion == POLICY
    spent = [v for k in made.rounds() if (v := made.record(Verdict, k))]
    assert round_level(0.05, spent) == round_level(0.05, []) > 0.005


def test_start_states_of_earlier_runs_are_not_drawn_again(source, tmp_path):
    """Nor those of a run that the source itself goes on from, that shared its dataset, or was injected."""
    played = next(iter(source.store.episodes("r002-collect-00000")))
    seed = episode_seeds("final", run=1, round=3, count=1)[0]
    origin = {"policy": "other/r003-pac", "stage": "final", "workspace": "other"}
    known = {"batch_id": "r003-final-00000", "source": "evaluation", "round": 3, "origin": origin}
    source.store.append([replace(played, seed=seed)], **known)
    injected = replace(played, seed=episode_seeds("gate", run=2, round=3, count=1)[0])
    source.store.append([injected], batch_id="inject", source="demonstration")
    made = start_from(source, tmp_path / "next", None, silent)
    assert made.config.seed == 3
    for run in (0, 1, 2):
        with pytest.raises(LoopError, match=f"--seed is {run}, as in .*next or a run whose episodes it has"):
            start_from(made, tmp_path / "third", run, silent)


def test_twins_are_copied_once_and_long_ids_are_cut(source, tmp_path):
    played, known = list(source.store.episodes("r002-collect-00000")), {"source": "evaluation", "round": 2}
    long = "r002-" + "x" * 121
    for stage, batch_id in (("race-n4", f"{long}a"), ("race-n8", f"{long}b")):
        source.store.append(played, batch_id=batch_id, origin={"policy": "p", "stage": stage}, **known)
    other = [replace(episode, seed=5) for episode in played]
    source.store.append(other, batch_id=f"{long}c", origin={"policy": "p"}, **known)
    made = start_from(source, tmp_path / "next", None, silent)
    ids = [batch.id for batch in made.store.batches() if batch.source == "evaluation"]
    assert len(ids) == 2 and {len(name) for name in ids} == {128}
    assert content(start_from(source, tmp_path / "next", None, silent)) == content(made)


def test_no_round_0_is_played_again(source, tmp_path):
    made = start_from(source, tmp_path / "next", None, silent)
    parts = []

    def play(part, *_):
        parts.append(part)
        if part == "round":
            put(made, 1, "gate", **verdict("undecided", "r001-pac", 1, 10))
            put(made, 1, f"final-{POLICY}", **tally(1, 2, policy=POLICY))

    improve(made, play, rounds=1)
    assert parts == ["round"]


def test_lineage_and_status_say_so(source, tmp_path):
    made = start_from(source, tmp_path / "next", None, silent)
    origin = {"workspace": source.address, "id": source.id, "policy": "r001-pac"}
    facts = policy_facts(made, made.store, POLICY)
    assert facts["from"] == origin and facts["seed"] == 7 and facts["episodes"] == 1
    status = read_status(made)
    assert status.to_json()["begun_from"] == origin
    assert f"goes on from r001-pac of {source.address}" in status.summary()
    assert [row.name for row in rows(made)] == ["demonstrations"]
    assert made.registry.history()[0].reason == f"goes on from r001-pac of {source.address}"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Workspace, "write_record"),
        (EpisodeStore, "append"),
        (sys.modules["pacloop.loop.stages.start_from"], "write_policy"),
        (Registry, "install"),
        (Workspace, "write_config"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_anywhere_it_goes_on_and_nobody_begins_in_between(
    source, tmp_path, monkeypatch, owner, name, when
):
    whole = getattr(owner, name)

    def killed(*args, **kwargs):
        if when == "after":
            whole(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, name, killed)
        start_from(source, tmp_path / "killed", None, silent)
    if (name, when) != ("write_config", "after"):
        with pytest.raises(LoopError, match="is no workspace"):
            Workspace.open(tmp_path / "killed")
    again = start_from(source, tmp_path / "killed", None, silent)
    assert content(again) == content(start_from(source, tmp_path / "whole", None, silent))


def test_what_the_source_does_meanwhile_is_not_mixed_in(source, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(EpisodeStore, "append", dies)
        start_from(source, tmp_path / "next", None, silent)
    source.registry.rollback(reason="it scratches", by="ann")
    made = start_from(source, tmp_path / "next", None, silent)
    assert made.record(From, 0).policy == "r001-pac"


def test_what_cannot_be_is_refused(source, tmp_path):
    with pytest.raises(LoopError, match="cannot go on from itself"):
        start_from(source, source.folder, None, silent)
    with pytest.raises(LoopError, match=r"--seed is 0, as in .*space"):
        start_from(source, tmp_path / "next", 0, silent)
    other = Workspace.create(tmp_path / "other", parse_config({}, "test"))
    with pytest.raises(LoopError, match="other has no champion yet"):
        start_from(other, tmp_path / "next", None, silent)
    assert not (tmp_path / "next").exists()
    with pytest.raises(LoopError, match="other is something else already"):
        start_from(source, other.folder, None, silent)
    made = start_from(source, tmp_path / "next", 9, silent)
    before = content(made)
    assert content(start_from(source, tmp_path / "next", None, silent)) == before
    assert before[-1].seed == 9
    with pytest.raises(LoopError, match="next was begun with seed 9, not 8"):
        start_from(source, made.folder, 8, silent)


def test_from_a_bucket_into_a_bucket_on_another_machine(s3, tmp_path, monkeypatch):
    import torch

    from pacloop.learner.checkpoint import PolicyRecord
    from pacloop.learner.config import PacConfig
    from pacloop.learner.policy import Acting

    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "one"))
    url = f"s3://robots/{tmp_path.name}"
    space = Workspace.create(f"{url}/arm", parse_config({}, "test"))

    def put_policy(name, round, **lineage):
        lineage = {"round": round, "snapshot": space.record(Appended, round).snapshot_id, **lineage}
        record = PolicyRecord(name, space.task.schema, PacConfig(), Acting("sample", 1, 0.05), lineage, {})
        write_policy(space, record, {"w": torch.ones(1)})

    run_of(space, put_policy)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Registry, "install", dies)
        start_from(space, f"{url}/next", None, silent)
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "two"))
    monkeypatch.setattr("pacloop.loop.workspace.bucket_lease.EXPIRY_SEC", 0.5)
    made = start_from(Workspace.open(f"{url}/arm"), f"{url}/next", None, silent)
    assert made.registry.champion() == POLICY
    assert [b.episodes for b in Workspace.open(f"{url}/next").store.batches()] == [1, 2]
