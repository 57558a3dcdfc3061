"""Evaluations by hand: in no round; the gate's code and record; interrupted, given up, refused at once."""

import json
from functools import partial

import pytest
from contestants import Collectors, Killed, judge

from pacloop.actors.rollout.rollout import PolicyError
from pacloop.loop.episodes.play import Session
from pacloop.loop.errors import LoopError
from pacloop.loop.progress import silent
from pacloop.loop.stages.evaluate import compare, compared, give_up, measure


def test_by_hand_the_same_code_leaves_the_same_record(make):
    collectors = Collectors({"old": 0.4, "new": 0.9})
    space = make(collectors)
    judged = judge(space, collectors)
    found = compare(Session(space, lambda: collectors, silent), policy="old", against="new")
    path = space.folder / "evaluations" / "0000.json"
    written = json.loads(path.read_text())
    assert set(written) == set(judged.model_dump())
    assert (written["decision"], written["champion"], written["candidate"]) == ("rejected", "new", "old")
    assert compared(space, found).startswith("old is no better than new: ")
    better = compare(Session(space, lambda: collectors, silent), policy="new", against="old")
    assert better.decision == "better" and better.level == 0.3
    how = f'pacloop promote new --reason "better than old" -w {space.place}'
    promote = f"nobody was promoted; to do it: {how}"
    assert promote in compared(space, better)
    assert len(space.registry.history()) == 2
    seeds = [seed for _, _, seed in collectors.played]
    assert len(set(seeds)) == len(seeds)


def test_an_interrupted_comparison_is_finished_first(make):
    rates = {"old": 0.5, "new": 0.5}
    space = make(Collectors(rates))
    asked = {"policy": "new", "against": "old", "episodes": 40, "paired": True}
    dying = Collectors(rates, killed_after=30)
    with pytest.raises(Killed):
        compare(Session(space, lambda: dying, silent), **asked)
    with pytest.raises(
        LoopError,
        match="finish it: pacloop evaluate new --episodes 40 --against old --paired "
        f"-w {space.place}, or give it up: pacloop evaluate --give-up -w {space.place}",
    ):
        compare(Session(space, lambda: Collectors(rates), silent), **asked | {"paired": False})
    found = compare(Session(space, lambda: Collectors(rates), silent), **asked)
    assert found.candidate_n == 40 and found.test == "pairs"


def test_an_interrupted_evaluation_can_be_given_up(make):
    space = make(Collectors({"old": 0.5}))
    with pytest.raises(LoopError, match="no evaluation was interrupted"):
        give_up(space)
    with pytest.raises(Killed):
        measure(
            Session(space, lambda: Collectors({"old": 0.5}, killed_after=60), silent),
            policy="old",
            episodes=300,
        )
    assert give_up(space).episodes == 300
    collectors = Collectors({"new": 0.5})
    found = measure(Session(space, lambda: collectors, silent), policy="new", episodes=40)
    assert (found.policy, found.episodes) == ("new", 40)
    assert json.loads((space.folder / "evaluations" / "0000.json").read_text())["decision"] == "given up"
    assert len(collectors.played) == 40, "on seeds of its own, though fewer were played of those given up"


def test_what_cannot_be_evaluated_blocks_no_later_evaluation(make):
    space = make(Collectors({"old": 0.5}))
    session = Session(space, lambda: Collectors({"old": 0.5, "new": 0.5}), silent)
    with pytest.raises(LoopError, match="a cap of 3000 is too large"):
        compare(session, policy="new", against="old", episodes=3000)
    for evaluation in (measure, partial(compare, against="old", paired=True)):
        with pytest.raises(LoopError, match=r"^--episodes is 16777217, but .* 16777216 at most$"):
            evaluation(session, policy="new", episodes=2**24 + 1)
    assert not (space.folder / "evaluations").exists()

    def fail(record, *_):
        raise PolicyError(record.id, "failed to act: KeyError('arm')")

    failing = Collectors({"old": 0.5})
    failing.run = fail
    for cannot in (measure, partial(compare, against="old")):
        with pytest.raises(PolicyError, match="failed to act"):
            cannot(Session(space, lambda: failing, silent), policy="new", episodes=40)
    assert measure(session, policy="old", episodes=20).episodes == 20


def test_an_evaluation_by_hand_belongs_to_no_round(make):
    space = make(Collectors({"old": 0.5}))
    session = Session(space, lambda: Collectors({"old": 0.5, "new": 0.9}), silent)
    measure(session, policy="old", episodes=20)
    found = compare(session, policy="new", against="old", episodes=40)
    assert "began in the same state" not in found.reason
    played = [b for b in space.store.batches() if b.source == "evaluation"]
    assert {b.round for b in played} == {None}
    stages = {b.origin["stage"] for b in played}
    assert stages == {"manual0000", "compare0001", "compare0001-against"}
    assert all(b.id.startswith(b.origin["stage"]) for b in played)


def test_who_is_compared_must_be_two_that_are_there(make):
    space = make(Collectors({"old": 0.5}))
    for policy, against, says in (
        ("old", "old", "compared with itself"),
        ("old", "older", "no policy 'older'"),
    ):
        with pytest.raises(LoopError, match=says):
            compare(Session(space, lambda: None, silent), policy=policy, against=against)
    assert not (space.folder / "evaluations").exists()
