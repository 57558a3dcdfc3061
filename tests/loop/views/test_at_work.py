"""What a workspace is at, told from its disk alone."""

import json
from dataclasses import replace

import pytest
from recorded import put, tally, verdict

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.views.at_work import activity


@pytest.fixture
def batch(space):
    """A batch to make others of."""
    return add_demonstrations(
        space.folder, task="pacloop/stack", episodes=2, seed=0, clean=True, bare=False, progress=silent
    )


def played(batch, round, stage, episodes, score_sum):
    origin = {"stage": stage, "policy": "p"}
    return replace(batch, round=round, origin=origin, episodes=episodes, score_sum=score_sum)


def put_metrics(space, number, stage, text):
    folder = space.round_folder(number) / f"{stage}-run"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(text)
    (folder / "state.json").write_text(json.dumps({"learn": {"steps": 500}}))


def test_an_empty_workspace_is_at_nothing(space):
    assert activity(space, []) is None


def test_a_collection_is_told_by_its_blocks(space, batch):
    put(space, 1, "begin", champion="p")
    blocks = [played(batch, 1, "collect", 50, 20.0), played(batch, 1, "collect", 50, 30.0), batch]
    at = activity(space, blocks)
    assert (at.round, at.stage, at.done, at.total) == (1, "collect", 100, space.config.collect.episodes)
    assert at.note == "success 50%"
    put(space, 1, "collect", **tally(50, 100, champion="p"))
    assert activity(space, blocks).stage == "append"


def test_learning_is_told_by_its_figures_also_while_a_line_is_written(space):
    put(space, 0, "append")
    assert activity(space, []).stage == "clone"
    put_metrics(space, 0, "clone", '{"step": 50, "loss": 9.0}\n{"step": 100, "loss": 2.5, "q": 0.25}\n{"st')
    at = activity(space, [])
    assert (at.stage, at.done, at.total, at.note) == ("clone", 100, 500, "loss 2.5, q 0.25")


def test_a_gate_is_told_beside_the_champions_rate(space, batch):
    put(space, 1, "collect", **tally(30, 100, champion="p"))
    collected = replace(played(batch, 1, "collect", 100, 30.0), source="collection")
    for stage in ("append", "learn", "race"):
        put(space, 1, stage)
    at = activity(space, [collected, played(batch, 1, "gate", 50, 40.0)])
    assert (at.stage, at.done, at.total) == ("gate", 50, space.config.gate.cap)
    assert at.note == "success 80%, the champion's 30%"


def test_a_race_has_no_known_end(space, batch):
    put(space, 1, "collect", **tally(30, 100, champion="p"))
    for stage in ("append", "learn"):
        put(space, 1, stage)
    assert activity(space, []).stage == "critic"
    put(space, 1, "critic")
    names = ("race-n2", "race-n16", "race-sample", "race-n8")
    at = activity(space, [played(batch, 1, name, 50, score) for name, score in zip(names, (40, 10, 20, 30))])
    assert (at.stage, at.done, at.total, at.note) == ("race", 200, None, "success 50%")


def test_an_ended_round_is_at_nothing_until_it_is_measured(space, batch):
    put(space, 1, "collect", **tally(30, 100, champion="p"))
    for stage in ("append", "learn", "race"):
        put(space, 1, stage)
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 16, 20))
    assert activity(space, [played(batch, 1, "gate", 20, 16.0)]) is None
    final = played(batch, 1, "final-r001-pac", 50, 40.0)
    at = activity(space, [final])
    assert (at.stage, at.done, at.total) == ("final", 50, space.config.improve.evaluation_episodes)
    put(space, 1, "final-r001-pac", **tally(40, 50))
    assert activity(space, [final]) is None


def test_a_round_that_found_the_target_reached_has_ended(space):
    put(space, 1, "collect", **tally(99, 100, champion="p"))
    put(space, 1, "append")
    put(space, 1, "reached", decision="reached")
    assert activity(space, []) is None
