"""The candidate's critic: what is kept out of learning, and how its figures reach the verdict."""

from dataclasses import replace

import pytest
import torch
from recorded import put, record

from pacloop.actors.rollout.rollout import rollout
from pacloop.learner.checkpoint import PolicyRecord, read_policy, write_policy
from pacloop.learner.config import PacConfig
from pacloop.learner.network.pac import Pac
from pacloop.learner.policy import Acting
from pacloop.loop.gate.critic import check_critic, held_out, learnable, with_critic
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Appended
from pacloop.loop.workspace.verdict import CriticChecked

NETWORK = PacConfig(width=8, latents=1, heads=1, action_bins=3, value_bins=3)


def put_policy(space, name, seed):
    torch.manual_seed(seed)
    pac = Pac(space.task.schema, NETWORK)
    for decoder in (pac.policy_decoder, pac.critic_decoder):
        torch.nn.init.normal_(decoder.head.weight, std=0.7)
    record = PolicyRecord(name, space.task.schema, NETWORK, Acting("q_guided", 4), {"round": 1}, {})
    write_policy(space.policy_folder(name), record, pac.state_dict())


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A champion that collected four blocks of two episodes, of which every second is kept out."""
    from pacloop.loop.workspace.workspace import Workspace

    settings = {"learn": {"held_out": 0.5}}
    space = Workspace.create(tmp_path_factory.mktemp("played") / "space", parse_config(settings, "test"))
    put_policy(space, "r000-pac", 0)
    put_policy(space, "r001-pac", 1)
    champion, environments = read_policy(space.policy_folder("r000-pac")), [space.task.make() for _ in "ab"]
    for block in range(4):
        seeds = range(2 * block, 2 * block + 2)
        made = list(rollout(space.task, champion, seeds, environments=environments, policy_id="r000-pac"))
        made = [replace(episode, score=float(i)) for i, episode in enumerate(made)]
        name, origin = f"r001-collect-{block:05d}", {"policy": "r000-pac", "stage": "collect"}
        space.store.append(made, batch_id=name, source="collection", round=1, origin=origin)
        if block == 0:
            again = [replace(episode, seed=99 + i) for i, episode in enumerate(made)]
            origin = {"policy": "r001-pac", "stage": "gate"}
            space.store.append(again, batch_id="r001-gate-00000", source="evaluation", round=1, origin=origin)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    put(space, 1, "begin", champion="r000-pac")
    append(space, 1, silent)
    put(space, 1, "learn", policy="r001-pac", seconds=0.0)
    check_critic(space, 1, silent)
    return space


def test_every_so_manieth_block_of_a_collection_is_kept_out_of_learning(played):
    batches = played.store.batches()
    kept = {batch.id for batch in batches} - {batch.id for batch in learnable(batches, 0.5)}
    assert kept == {"r001-collect-00001", "r001-collect-00003"}
    assert [b.id for b in batches if b not in learnable(batches, 0.25)] == ["r001-collect-00003"]
    assert learnable(batches, 0.05) == learnable(batches, 0.0) == batches
    pinned = played.record(Appended, 1).snapshot.batches
    assert {name for name, _ in pinned} == {b.id for b in batches} - kept


def test_without_a_share_the_learner_reads_what_it_always_read(space, played):
    store = played.store
    assert store.snapshot(batches=learnable(store.batches(), 0.0)) == store.snapshot()


def test_only_what_no_learner_has_read_is_held_out(played):
    assert held_out(played, 1).batch_ids == ("r001-collect-00001", "r001-collect-00003")
    assert held_out(played, 0).batch_ids == ()
    put(played, 2, "append", snapshot=played.store.snapshot())
    assert held_out(played, 2).batch_ids == ()
    (played.round_folder(2) / "append.json").unlink()


def test_the_critic_is_checked_on_what_was_kept_out(played):
    checked = played.record(CriticChecked, 1)
    assert (checked.policy, checked.figures.episodes) == ("r001-pac", 4)
    assert checked.figures.by_step and len(checked.figures.curve) == 10
    assert 0 <= checked.figures.auc <= 1 and checked.figures.error >= 0
    assert "on 4 episodes kept out of learning it tells success at" in checked.figures.sentence()
    assert check_critic(played, 1, silent) == checked, "a check that ended is not made again"


def test_a_verdict_carries_the_figures_and_those_of_the_gates_own_episodes(played):
    given = record("gate", decision="rejected", candidate="r001-pac")
    verdict = with_critic(played, 1, given)
    assert verdict.critic == played.record(CriticChecked, 1).figures
    assert verdict.own_critic.episodes == 2
    assert verdict.model_copy(update={"critic": None, "own_critic": None}) == given
    assert with_critic(played, 7, given) == given, "a round without a check has no figures"


def test_a_verdict_has_no_figures_of_gate_episodes_that_were_excluded(played):
    played.store.exclude("r001-gate-00000", reason="the table was hit", by="ann")
    verdict = with_critic(played, 1, record("gate", decision="rejected", candidate="r001-pac"))
    played.store.include("r001-gate-00000", reason="it was not", by="ann")
    assert verdict.own_critic is None and verdict.critic.episodes == 4


def test_where_nothing_is_kept_out_nothing_is_asked(space):
    put(space, 1, "learn", policy="b")
    assert check_critic(space, 1, silent).figures is None
