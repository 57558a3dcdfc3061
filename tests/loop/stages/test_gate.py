"""Verdicts on episodes that are stored for good: guards, further tasks, pairs, by hand, and after a kill.

Collectors write episodes of two steps into a real dataset; who succeeds is told by policy, task and seed.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from recorded import put

from pacloop.actors.rollout.rollout import PolicyError
from pacloop.actors.rollout.slot import Failure
from pacloop.datasets import Episode
from pacloop.loop.episodes.play import Session
from pacloop.loop.episodes.sample import champion_sample
from pacloop.loop.errors import LoopError
from pacloop.loop.progress import silent
from pacloop.loop.stages.collect import collect
from pacloop.loop.stages.evaluate import compare, compared, give_up, measure
from pacloop.loop.stages.gate import check_gate, gate
from pacloop.loop.stages.improve import next_round
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.registry import Registry, Reign
from pacloop.loop.workspace.verdict import Verdict
from pacloop.loop.workspace.workspace import Workspace

OFFERED = Path(__file__).parents[2] / "actors" / "offered"
WIDE = "pacloop/stack-wide"
GATE = {"cap": 120, "block": 20, "level": 0.3}


class Killed(BaseException):
    """The process is gone."""


class Collectors:
    """Chance of success and steps of a success by policy, and by `policy@task` on another task.

    `luck` is the share of an episode's chance that its seed decides for whoever plays it.
    """

    def __init__(self, rates, steps=None, luck=0.0, killed_after=10**9):
        self.rates, self.steps, self.luck, self.killed_after = rates, steps or {}, luck, killed_after
        self.played, self.fails = [], ""

    def start(self, seed):
        """Nothing begins it again."""

    def run(self, record, _weights, seeds, task=""):
        rate = self.rates.get(f"{record.id}@{task}", self.rates.get(record.id))
        for seed in seeds:
            if len(self.played) == self.killed_after:
                raise Killed
            self.played.append((record.id, task, seed))
            if record.id == self.fails and seed % 2:
                yield Failure(seed, f"seed {seed}: stuck")
                continue
            shared = np.random.default_rng([seed, 1]).random()
            own = np.random.default_rng([seed, *record.id.encode()]).random()
            decides = np.random.default_rng([seed, 2]).random() < self.luck
            yield episode(record, seed, (shared if decides else own) < rate, self.steps.get(record.id, 2))


def episode(record, seed, success, steps):
    """Every step is alike; a success ends with reward 1."""
    flow = np.zeros(steps, np.float32)
    end = np.arange(steps) == steps - 1
    return Episode(
        observation={
            name: np.full((steps + 1, *field.shape), seed % 997, np.float32)
            for name, field in record.schema.observation.items()
        },
        action=np.zeros((steps, 5), np.float32),
        reward=flow + end * np.float32(success),
        discount=1 - flow - end * np.float32(success),
        score=float(success),
        seed=seed,
        policy=record.id,
    )


@pytest.fixture
def make(tmp_path, put_policies):
    """A workspace whose champion `old` has collected and whose candidate `new` awaits the gate."""

    def make(collectors, name="space", **gate):
        gate = {**GATE, **gate}
        settings = {
            "gate": gate,
            "collect": {"episodes": 300, "environments": 150, "failures": 0.5},
            "dataset": {"rlds": "off"},
        }
        space = Workspace.create(tmp_path / name, parse_config(settings, "test"))
        put_policies(space, "old", "new")
        space.registry.install("old", reason="first", by="round 0", round=0, action="first")
        collect(Session(space, lambda: collectors, silent), 1)
        put(space, 1, "race", policy="new")
        return space

    return make


@pytest.fixture
def put_policies():
    import torch

    from pacloop.learner.checkpoint import PolicyRecord, write_policy
    from pacloop.learner.config import PacConfig
    from pacloop.learner.policy import Acting

    def put_policies(space, *names, lineage=None):
        for name in names:
            made = lineage or {"round": 0}
            record = PolicyRecord(name, space.task.schema, PacConfig(), Acting("sample"), made, {})
            write_policy(space.policy_folder(name), record, {"w": torch.zeros(1)})

    return put_policies


def judge(space, collectors):
    return gate(Session(space, lambda: collectors, silent), 1)


def test_a_comparison_killed_in_the_middle_goes_on_with_the_same_evidence(make):
    rates = {"old": 0.5, "new": 0.58}
    whole = make(Collectors(rates), "whole", level=0.05)
    wanted = judge(whole, collectors := Collectors(rates))
    assert wanted.candidate_n >= 60, "else there is no middle to be killed in"

    killed = make(Collectors(rates), "killed", level=0.05)
    with pytest.raises(Killed):
        judge(killed, Collectors(rates, killed_after=50))
    assert killed.record(Verdict, 1) is None
    kept = [b.id for b in killed.store.batches() if b.origin["stage"] == "gate"]
    assert kept == [f"r001-gate-{killed.id[:8]}-{number:05d}" for number in range(2)]

    again = Workspace.open(killed.folder)
    found = judge(again, rest := Collectors(rates))
    rest_seeds, all_seeds = [[seed for *_, seed in c.played] for c in (rest, collectors)]
    assert rest_seeds == all_seeds[50:], "what was finished must not be played again"
    assert found.model_copy(update={"seconds": wanted.seconds}) == wanted
    store = again.store
    played = [b for b in store.batches() if b.origin["stage"] == "gate"]
    assert found.candidate_successes == sum(b.successes for b in played)
    assert found.candidate_n == sum(b.episodes for b in played) and store.verify() == []


@pytest.mark.parametrize("arm", ["collection", "fresh", "paired"])
def test_what_a_candidate_could_not_play_counts_as_its_failures(make, arm):
    collectors = Collectors({"old": 0.5, "new": 1.0})
    space = make(collectors, champion=arm)
    collectors.fails = "new"
    verdict = judge(space, collectors)
    assert verdict.decision != "promoted" and verdict.candidate_successes == verdict.candidate_n / 2
    told = f"{verdict.candidate_n // 2} episodes of new could not be played, and count as failures: seed "
    assert any(remark.startswith(told) and remark.endswith(": stuck") for remark in verdict.remarks)


def test_what_a_champion_could_not_play_counts_as_its_successes(make):
    collectors = Collectors({"old": 0.5, "new": 0.7})
    collectors.fails = "old"
    space = make(collectors)
    verdict = judge(space, collectors)
    sample = champion_sample(space, 1, "old")
    assert (sample.episodes, sample.failed, verdict.champion_n) == (150, 150, 300)
    assert verdict.champion_successes == sample.successes + 150
    assert verdict.decision != "promoted", "0.7 is better than 0.5, but not than what nobody saw"


def test_a_slower_candidate_is_not_promoted_though_it_succeeds_more(make):
    collectors = Collectors({"old": 0.5, "new": 0.9}, steps={"old": 40, "new": 60})
    verdict = judge(space := make(collectors, guards={"time_to_success": 0.1}), collectors)
    assert verdict.decision == "rejected"
    assert "it is worse than a guard allows: time_to_success 3 s against 2 s, 2.2 s allowed" in verdict.reason
    assert space.registry.champion() == "old"
    (found,) = verdict.guards
    assert (found.name, found.state, found.allowed) == ("time_to_success", "broken", 2.2)


def test_a_guard_that_is_kept_is_on_record_with_the_promotion(make):
    collectors = Collectors({"old": 0.5, "new": 0.9}, steps={"old": 40, "new": 40})
    guards = {"time_to_success": 0.2, "action_saturation": 0.1}
    verdict = judge(space := make(collectors, guards=guards), collectors)
    assert verdict.decision == "promoted"
    assert [found.state for found in verdict.guards] == ["kept", "kept"]
    reign: Reign = space.registry.history()[-1]
    assert reign.policy == "new" and "no worse: time_to_success 2 s against 2 s" in reign.reason
    assert "no worse: action_saturation 0 against 0" in reign.reason


def test_guards_cost_episodes_and_never_add_a_promotion(make):
    """What is promoted at once without a guard goes on until the guard is shown."""
    rates = {"old": 0.3, "new": 0.95}
    steps = {"old": 60, "new": 58}
    free = judge(make(c := Collectors(rates, steps), "free"), c)
    bound = judge(make(c := Collectors(rates, steps), "bound", guards={"time_to_success": 0.15}), c)
    assert free.decision == bound.decision == "promoted"
    assert bound.candidate_n > free.candidate_n


@pytest.mark.parametrize(("rate", "decision"), [(0.8, "promoted"), (0.3, "rejected")])
def test_a_candidate_must_be_no_worse_on_the_other_tasks(make, rate, decision):
    collectors = Collectors({"old": 0.5, "new": 0.9, f"old@{WIDE}": 0.7, f"new@{WIDE}": rate})
    space = make(collectors, others={WIDE: 0.15})
    verdict = judge(space, collectors)
    assert verdict.decision == decision
    (found,) = verdict.others
    assert (found.task, found.margin, found.champion_arm) == (WIDE, -0.15, "fresh")
    assert found.level == verdict.level, "each test has the whole level of the round"
    said = f"; on {WIDE} no worse: " if decision == "promoted" else f"; but on {WIDE} "
    assert said in verdict.reason and "it may be worse by 0.15" in verdict.reason
    assert space.registry.champion() == ("new" if decision == "promoted" else "old")
    assert {b.origin["stage"] for b in space.store.batches()} == {"collect", "gate"}
    elsewhere = space.store_of(WIDE).batches()
    assert {b.origin["stage"] for b in elsewhere} == {"gate", "gate-champion"}
    assert sum(b.episodes for b in elsewhere) == 2 * found.candidate_n
    seeds = [seed for _, task, seed in collectors.played if task == WIDE]
    assert len(set(seeds)) == len(seeds)


def test_who_does_not_win_at_home_is_not_tried_elsewhere(make):
    collectors = Collectors({"old": 0.8, "new": 0.2})
    verdict = judge(make(collectors, others={WIDE: 0.15}), collectors)
    assert verdict.decision == "rejected" and verdict.others == ()
    assert {task for _, task, _ in collectors.played} == {""}


def test_a_task_that_looks_otherwise_is_refused_before_anything_is_played(make, monkeypatch):
    monkeypatch.syspath_prepend(OFFERED)
    space = make(Collectors({"old": 0.5}), others={"test/reach": 0.1})
    with pytest.raises(
        LoopError, match=r"\[gate.others\] test/reach does not fit pacloop/stack: its observation"
    ):
        check_gate(space)


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"others": {WIDE: 0.1}}, r"\[gate.others\]"), ({"champion": "fresh"}, 'champion = "fresh"')],
)
def test_a_cap_that_no_boundary_can_be_computed_for_is_refused(make, asked, says):
    space = make(Collectors({"old": 0.5}), cap=3000, **asked)
    with pytest.raises(LoopError, match=rf"cap is 3000, but must be at most 2000 with {says}"):
        check_gate(space)
    check_gate(make(Collectors({"old": 0.5}), "small", cap=2000, **asked))


def test_pairs_share_their_start_states_and_need_fewer_where_these_decide(make):
    rates = {"old": 0.5, "new": 0.7}
    space = make(Collectors(rates, luck=0.9), champion="paired", level=0.2)
    verdict = judge(space, collectors := Collectors(rates, luck=0.9))
    assert (verdict.test, verdict.champion_arm, verdict.decision) == ("pairs", "paired", "promoted")
    seeds = {who: [seed for name, _, seed in collectors.played if name == who] for who in ("old", "new")}
    assert seeds["old"] == seeds["new"]
    assert verdict.pairing.correlation > 0.3
    assert json.loads((space.round_folder(1) / "gate.json").read_text())["pairing"]["saved"] > 0.3


def test_by_hand_the_same_code_leaves_the_same_record(make):
    collectors = Collectors({"old": 0.4, "new": 0.9})
    space = make(collectors)
    judged = judge(space, collectors)
    found = compare(Session(space, lambda: collectors, silent), policy="old", against="new")
    path = space.folder / "evaluations" / "0000.json"
    written = json.loads(path.read_text())
    assert set(written) == set(judged.model_dump())
    assert (written["decision"], written["champion"], written["candidate"]) == ("rejected", "new", "old")
    assert compared(found).startswith("old is no better than new: ")
    better = compare(Session(space, lambda: collectors, silent), policy="new", against="old")
    assert better.decision == "better" and better.level == 0.3
    assert "nobody was promoted; to do it: pacloop promote new --reason" in compared(better)
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
        match="finish it: pacloop evaluate new --episodes 40 --against old --paired, or give it up: "
        "pacloop evaluate --give-up",
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


def test_a_kill_between_verdict_and_champion_loses_no_promotion(make, monkeypatch):
    collectors = Collectors({"old": 0.3, "new": 0.95})
    space = make(collectors)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Registry, "_write", killed)
        judge(space, collectors)
    assert space.record(Verdict, 1).decision == "promoted"
    assert [reign["policy"] for reign in written_reigns(space)] == ["old"], "it was killed in between"

    again = Workspace.open(space.folder)
    assert again.registry.champion() == "new"
    assert (again.registry.history()[-1].round, again.registry.history()[-1].by) == (1, "gate")
    number = next_round(again)
    assert collect(Session(again, lambda: collectors, silent), number).champion == "new"
    assert [reign["policy"] for reign in written_reigns(again)] == ["old", "new"]
    assert again.registry.rollback(reason="why", by="anna") == ("new", "old")
    assert again.registry.champion() == "old", "a verdict puts its candidate in force once"


def test_what_was_promoted_before_a_kill_can_be_rolled_back(make, monkeypatch):
    collectors = Collectors({"old": 0.3, "new": 0.95})
    space = make(collectors)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Registry, "_write", killed)
        judge(space, collectors)
    assert space.registry.rollback(reason="why", by="anna") == ("new", "old")
    assert [reign["action"] for reign in written_reigns(space)] == ["first", "promote", "rollback"]


def killed(*_):
    raise Killed


def written_reigns(space):
    return json.loads((space.folder / "champion.json").read_text())["history"]


def test_who_is_compared_must_be_two_that_are_there(make):
    space = make(Collectors({"old": 0.5}))
    for policy, against, says in (
        ("old", "old", "compared with itself"),
        ("old", "older", "no policy 'older'"),
    ):
        with pytest.raises(LoopError, match=says):
            compare(Session(space, lambda: None, silent), policy=policy, against=against)
    assert not (space.folder / "evaluations").exists()
