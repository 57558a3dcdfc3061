"""From an episode to the policy, seed and round that made it; from a policy to its episodes."""

import json
from dataclasses import replace

import pytest
from recorded import put, tally, verdict

from pacloop.datasets import DatasetError
from pacloop.loop.errors import LoopError
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.views.lineage import episode_facts, learned_by, policy_facts, policy_ids
from pacloop.loop.workspace.records import Appended


def no_pool():
    raise AssertionError("no collectors are needed")


@pytest.fixture
def run(space, put_policy):
    """Round 0 learned r000-pac, which collected in round 1; r001-pac was learned and promoted."""
    demo = add_demonstrations(
        space.folder, task="pacloop/stack", episodes=3, seed=0, clean=False, bare=False, progress=silent
    )
    append(space, 0, silent)
    put_policy("r000-pac", 0, learn={"steps": 5}, seed=7)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    made = [replace(e, policy="r000-pac") for e in space.store.episodes(demo)]
    origin = {"policy": "r000-pac"}
    space.store.append(made, batch_id="r001-collect-00000", source="collection", round=1, origin=origin)
    put(space, 1, "collect", **tally(1, 3))
    space.store.exclude(f"{demo.id}/1", reason="knocked over", by="ann")
    append(space, 1, silent)
    put_policy("r001-pac", 1, parent="r000-pac")
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 9, 10))
    space.registry.install("r001-pac", reason="better", by="gate", round=1, action="promote")
    return space, demo.id


def test_where_an_episode_came_from(run):
    space, _ = run
    facts = episode_facts(space, space.store, "r001-collect-00000/2")
    assert (facts["source"], facts["round"], facts["batch"]) == ("collection", 1, "r001-collect-00000")
    assert (facts["policy"], facts["policy_is_here"]) == ("r000-pac", True)
    episode = space.store.episode("r001-collect-00000/2")
    assert (facts["seed"], facts["score"], facts["steps"]) == (episode.seed, episode.score, episode.length)
    assert facts["return"] == float(episode.reward.sum())
    assert facts["mistakes"] == episode.info["mistakes"]
    assert facts["learned_by"] == ["r001-pac"]
    assert (facts["excluded"], facts["tombstones"]) == (False, [])
    json.dumps(facts, allow_nan=False)


def test_an_excluded_episode_keeps_who_learned_from_it_before(run):
    space, demo = run
    facts = episode_facts(space, space.store, f"{demo}/1")
    assert facts["excluded"]
    assert [t["reason"] for t in facts["tombstones"]] == ["knocked over"]
    assert facts["learned_by"] == ["r000-pac"]
    assert not facts["policy_is_here"], "the demonstrator is no policy of the workspace"
    assert learned_by(space, f"{demo}/0") == ["r000-pac", "r001-pac"]
    with pytest.raises(DatasetError, match="has no episode '3'"):
        episode_facts(space, space.store, f"{demo}/3")


def test_what_a_policy_learned_from(run):
    space, demo = run
    facts = policy_facts(space, space.store, "r001-pac")
    assert [batch["id"] for batch in facts["batches"]] == [demo, "r001-collect-00000"]
    assert facts["sources"] == {"demonstration": 2, "collection": 3}
    assert facts["excluded"] == [f"{demo}/1"]
    assert facts["episodes"] == 5
    assert facts["rows"] == space.record(Appended, 1).rows
    assert facts["snapshot"] == space.record(Appended, 1).snapshot_id
    assert facts["parent"] == "r000-pac"
    assert facts["verdict"]["decision"] == "promoted"
    assert (facts["standing"], len(facts["reigns"])) == ("champion", 1)
    json.dumps(facts, allow_nan=False)


def test_what_became_of_a_policy(run):
    space, _ = run
    facts = policy_facts(space, space.store, "r000-pac")
    assert facts["acted"] == {"collection": 3}
    assert facts["children"] == ["r001-pac"]
    assert facts["standing"] == "was champion"
    assert facts["verdict"] is None
    assert (facts["learn"], facts["seed"], facts["figures"]) == ({"steps": 5}, 7, {"loss": 0.25})
    assert policy_ids(space) == ["r000-pac", "r001-pac"]


def test_a_policy_whose_round_is_not_on_record(run, put_policy):
    space, demo = run
    put_policy("stranger", 9)
    assert policy_facts(space, space.store, "stranger")["batches"] == []
    assert "stranger" not in learned_by(space, f"{demo}/0")
    with pytest.raises(LoopError, match="no policy 'x'; known: r000-pac, r001-pac, stranger"):
        policy_facts(space, space.store, "x")


@pytest.mark.parametrize("lineage", [0.5, {"round": "x"}, {"parent": []}, None])
def test_a_policy_that_says_no_origin_is_named(run, lineage):
    space, _ = run
    path = space.policy_json("r001-pac")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lineage": lineage}))
    with pytest.raises(DatasetError, match=r"r001-pac/policy\.json: lineage"):
        policy_ids(space)
