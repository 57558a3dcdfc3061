"""What a learner run leaves in a workspace: its policies and its outcome, also where it was interrupted."""

import re
from dataclasses import replace

import numpy as np
import pytest
from recorded import play_collection, put

from pacloop.datasets.errors import PacloopError
from pacloop.datasets.replay import replay
from pacloop.learner.checkpoint import read_record
from pacloop.loop.episodes.play import Session
from pacloop.loop.errors import LoopError
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.stages.learn import learn, pac_run, run_learner
from pacloop.loop.stages.round import run_round
from pacloop.loop.views.at_work import activity
from pacloop.loop.views.rounds import committed, rows
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Diverged

STEPS = 60


def no_pool():
    raise AssertionError("nothing is played")


@pytest.fixture
def run(space):
    """A learner run of the workspace."""
    space = replace(space, config=parse_config({"learn": {"batch_size": 16}}, "test"))
    add_demonstrations(
        space.folder, task="pacloop/stack", episodes=1, seed=0, clean=True, bare=False, progress=silent
    )
    append(space, 0, silent)

    def run(name, progress=silent, on=space, number=0):
        return run_learner(on, number, name, name, pac_run(on, STEPS), None, progress)

    return space, run


def weights(space, policy):
    return (space.policy_folder(policy) / "weights.safetensors").read_bytes()


def test_an_interrupted_run_ends_in_the_same_policy(run):
    space, run = run
    outcome, record = run("learn"), read_record(space.policy_folder("learn"))
    assert (outcome.policy, outcome.steps, outcome.rows) == ("learn", STEPS, record.lineage["rows"])
    assert not list(space.round_folder(0).glob("learn-run/*.safetensors")), "the run needs them no more"

    def interrupt(_what, done, _total, _note):
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("again", interrupt)
    assert not space.has_record(0, "again")
    run("again")
    assert weights(space, "again") == weights(space, "learn")


def test_a_policy_that_was_written_ends_the_run_and_says_what_it_learned_from(run, monkeypatch):
    """Killed between policy and record, then run again with another mixture: the policy's word counts."""
    space, run = run

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(space), "write_record", die)
        run("learn")
    before, lineage = weights(space, "learn"), read_record(space.policy_folder("learn")).lineage
    config = space.config.model_copy(update={"learn": space.config.learn.model_copy(update={"eta": 9.0})})
    outcome = run("learn", on=replace(space, config=config))
    assert weights(space, "learn") == before
    assert (outcome.rows, outcome.snapshot) == (lineage["rows"], lineage["snapshot"])
    assert outcome.figures == read_record(space.policy_folder("learn")).figures
    assert not list(space.round_folder(0).glob("learn-run/*.safetensors"))


def test_a_policy_that_learned_from_other_data_is_not_taken_for_the_rounds(run, put_policy):
    _, run = run
    put_policy("learn", 7)
    with pytest.raises(LoopError, match="learn learned from other data than round 0 has now: remove"):
        run("learn")


def test_a_changed_mixture_begins_a_run_anew(run):
    """Of one source alone: the same draws, so that only what the run is about tells them apart."""
    space, run = run
    mixed = space.config.learn.model_copy(update={"mixture": {"demonstration": 1.0}})

    def interrupt(_what, done, _total, _note):
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("learn", interrupt)
    steps = []
    run(
        "learn",
        lambda _what, done, _total, _note: steps.append(done),
        on=replace(space, config=space.config.model_copy(update={"learn": mixed})),
    )
    assert steps == [50, STEPS]
    assert read_record(space.policy_folder("learn")).lineage["mixture"] == {"demonstration": 1.0}


def test_returns_within_the_critics_range_leave_it(run):
    _, run = run
    outcome = run("learn")
    assert outcome.critic_range == (0.0, 1.0)
    assert outcome.returns and 0.0 <= outcome.returns[0] < outcome.returns[1] == 1.0


def test_other_returns_set_the_critics_range_and_it_is_said(run, cut, monkeypatch):
    """A task that costs 0.1 a step: its critic would be constant in the range from 0 to 1.

    The batches could not be packed, which is said as well.
    """
    opened = replay.open_columns
    monkeypatch.setattr(replay, "open_columns", lambda *given: replace(opened(*given), remark="slower"))
    space, run = run
    short, _ = cut
    costly = replace(short, reward=np.full(short.length, -0.1, np.float32))
    space.store.append([costly], batch_id="costly", source="demonstration")
    append(space, 1, silent)
    said = []
    outcome = run("learn", lambda *word: said.append(word), number=1)
    network = read_record(space.policy_folder("learn")).network
    assert outcome.returns == pytest.approx((-0.1 * sum(0.99**k for k in range(7)), 1.0))
    assert outcome.critic_range == (network.return_minimum, network.return_maximum)
    assert network.return_minimum < outcome.returns[0] and network.return_maximum > 1.0
    assert said[0][1:] == (0, STEPS, "slower")
    assert said[1][1:3] == (0, STEPS)
    assert said[1][3] == "returns from -0.679 to 1: the critic's range is -1.1 to 1.42"


def test_a_run_that_diverges_ends_its_round_undecided_and_says_why(run):
    space, run = run
    run("r000-pac")
    put(space, 0, "learn", policy="r000-pac")
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    put(space, 1, "begin", champion="r000-pac")
    play_collection(space, 1, "r000-pac", 3, 10)
    settings = {
        "learn": {"rate": 1e30, "minimum_steps": STEPS, "maximum_steps": STEPS, "batch_size": 16},
        "gate": {"cap": 20, "block": 10},
        "dataset": {"rlds": "off"},
    }
    wild = replace(space, config=parse_config(settings, "test"))
    verdict = run_round(Session(wild, no_pool, silent), 1)
    says = r"the learner diverged: .* also with 0.1 times the learning rate .*; \[learn\] rate is 1e\+30"
    assert (verdict.decision, verdict.candidate_n) == ("undecided", 0)
    assert re.search(says, verdict.reason)
    diverged = space.require(Diverged, 1)
    assert (diverged.policy, diverged.parent) == ("r001-pac", "r000-pac")
    assert re.search(says, diverged.reason)
    assert not space.policy_json("r001-pac").exists() and not space.has_record(1, "learn")
    assert not list(space.round_folder(1).glob("learn-run/*.safetensors"))
    assert learn(wild, 1, silent) == diverged
    assert space.registry.champion() == "r000-pac"
    (row,) = [row for row in rows(space) if row.round == 1]
    assert (row.verdict, row.reason, row.n) == ("undecided", verdict.reason, 0)
    assert activity(space, committed(space)) is None


def test_a_first_policy_that_diverges_is_one_sentence(run):
    space, run = run
    learn = space.config.learn.model_copy(update={"rate": 1e30})
    with pytest.raises(PacloopError, match="the learner diverged"):
        run("learn", on=replace(space, config=space.config.model_copy(update={"learn": learn})))
    assert not space.policy_json("learn").exists()
