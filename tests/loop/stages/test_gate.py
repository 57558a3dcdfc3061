"""Verdicts on episodes that are stored for good: guards, further tasks, pairs, and after a kill.

Collectors write episodes of two steps into a real dataset; who succeeds is told by policy, task and seed.
"""

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from contestants import Collectors, Killed, judge
from recorded import put

from pacloop.loop.episodes import play as playing
from pacloop.loop.episodes.play import Play, Session, play
from pacloop.loop.episodes.sample import champion_sample
from pacloop.loop.errors import LoopError
from pacloop.loop.gate.comparison import make_test
from pacloop.loop.gate.contest import contest
from pacloop.loop.progress import silent
from pacloop.loop.stages.collect import begin, collect
from pacloop.loop.stages.evaluate import compare
from pacloop.loop.stages.gate import CHANGED, check_gate, gate
from pacloop.loop.stages.improve import next_round
from pacloop.loop.stages.round import learn_candidate
from pacloop.loop.workspace import registry
from pacloop.loop.workspace.registry import Reign
from pacloop.loop.workspace.verdict import Verdict
from pacloop.loop.workspace.workspace import Workspace

OFFERED = Path(__file__).parents[2] / "actors" / "offered"
WIDE = "pacloop/stack-wide"


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


def test_nobody_is_promoted_where_what_the_champion_collected_is_not_there(make, tmp_path):
    """A copy without its identity owns no episodes of the one it was copied from."""
    space = make(collectors := Collectors({"old": 0.9, "new": 0.2}))
    shutil.copytree(space.folder, tmp_path / "copy")
    (tmp_path / "copy" / "identity.json").unlink(missing_ok=True)
    (space.folder / "dataset").rename(tmp_path / "aside")
    for lost in map(Workspace.open, (space.folder, tmp_path / "copy")):
        with pytest.raises(LoopError, match="round 1 collected 300 episodes, but the dataset holds 0"):
            judge(lost, collectors)
        assert lost.registry.champion() == "old" and not lost.has_record(1, "begin-gate")
    shutil.rmtree(space.folder / "dataset")
    (tmp_path / "aside").rename(space.folder / "dataset")
    assert judge(Workspace.open(space.folder), collectors).champion_n == 300


def test_a_comparison_with_nobodys_episodes_is_refused(make):
    session = Session(make(Collectors({"old": 0.5})), None, silent)
    new = Play("gate", "new", "gate", 1, 120, 20)
    with pytest.raises(LoopError, match="old has no episodes to compare new with"):
        contest(session, make_test(session.space.config.gate, 0, 0.3), champion="old", new=new, old=None)


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


def test_once_collectors_have_it_no_second_environment_is_made(make, monkeypatch):
    def second():
        raise AssertionError("of a robot there is one")

    collectors = Collectors({"old": 0.5, "new": 0.9})
    space = make(collectors, guards={"measures": {"torque": {"margin": 0.1, "limit": 5.0}}})
    vars(space)["task"] = replace(space.task, make=second)
    with pytest.raises(LoopError, match="torque is set, but pacloop/stack has no such measure; it has: none"):
        judge(space, collectors)


@pytest.mark.parametrize(
    "guards", [{"measures": {"contact_forse": {"margin": 0.2, "limit": 60.0}}}, {"discounted_return": 0.1}]
)
def test_a_guard_that_cannot_be_looked_at_does_not_bind_the_gate_to_itself(make, guards):
    class Rich(Collectors):
        def run(self, *arguments, **options):
            for made in super().run(*arguments, **options):
                yield replace(made, reward=made.reward * 5)

    space = make(collectors := Rich({"old": 0.3, "new": 0.95}), guards=guards)
    with pytest.raises(LoopError, match=r"\[gate.guards"):
        judge(space, collectors)
    mended = replace(space, config=make(Collectors({"old": 0.5}), "mended").config)
    assert judge(mended, collectors).decision == "promoted"


def test_a_horizon_may_be_passed_by_before_the_gate_begins_only(make):
    def cut(space):
        vars(space)["task"] = replace(space.task, schema=replace(space.task.schema, horizon=7))
        vars(space).pop("store", None)
        return space

    space = make(Collectors({"old": 0.5}))
    with pytest.raises(LoopError, match=r'but it is 7 now: put it back until this .* champion = "fresh"$'):
        judge(cut(space), Collectors({}))
    with pytest.raises(Killed):
        judge(Workspace.open(space.folder), Collectors({"new": 0.5}, killed_after=0))
    with pytest.raises(LoopError, match=r"but it is 7 now: put it back until this round has ended$"):
        judge(cut(Workspace.open(space.folder)), Collectors({}))


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


def test_another_version_of_the_physics_is_named_and_the_sample_begins_anew(make, monkeypatch):
    def use(version):
        monkeypatch.setattr(playing, "physics", lambda _task: {"mujoco": version, "arm-task": "1.0"})

    collectors = Collectors({"old": 0.5, "new": 0.5})
    use("3.2.0")
    space = make(collectors)
    use("3.3.0")
    verdict = judge(space, collectors)
    assert (
        "old was played with mujoco 3.2.0 and arm-task 1.0, but new with mujoco 3.3.0 and arm-task 1.0"
        in verdict.reason
    )
    collect(Session(space, lambda: collectors, silent), 2)
    put(space, 2, "race", policy="new")
    verdict = gate(Session(space, lambda: collectors, silent), 2)
    assert verdict.champion_n == 300, "not the 600 of both rounds"
    assert "old plays with mujoco 3.3.0 and arm-task 1.0 now, and played with mujoco 3.2.0" in verdict.reason


class Graded(Collectors):
    """`new` scores between 0 and 1."""

    def run(self, record, *arguments, **options):
        for made in super().run(record, *arguments, **options):
            yield replace(made, score=0.9) if record.id == "new" else made


def test_a_candidate_that_scores_between_0_and_1_is_compared_by_means(make):
    """Its race has told so before the gate."""
    collectors = Graded({"old": 0.2, "new": 0.5})
    space = make(collectors)
    list(play(Session(space, lambda: collectors, silent), Play("race-n4", "new", "race", 1, 20, 20)))
    verdict = judge(space, collectors)
    assert (verdict.decision, verdict.test) == ("promoted", "scores")
    assert verdict.candidate_rate == pytest.approx(0.9)


def test_scores_that_nobody_expected_end_a_comparison_of_rates(make):
    collectors = Graded({"old": 0.2, "new": 0.5})
    space = make(collectors)
    verdict = judge(space, collectors)
    assert (verdict.decision, verdict.test, verdict.candidate_n) == ("undecided", "rates", 20)
    assert verdict.candidate_rate == pytest.approx(0.9)
    assert verdict.reason.startswith("new scored between 0 and 1, which no policy had so far")
    assert compare(Session(space, lambda: collectors, silent), policy="new", against="old").test == "scores"


@pytest.mark.parametrize("stage", ["gate", "compare0000"])
def test_a_kill_after_the_first_score_between_0_and_1_changes_no_test(make, monkeypatch, stage):
    collectors = Graded({"old": 0.2, "new": 0.5})
    space = make(collectors)

    def compared():
        session = Session(space, lambda: collectors, silent)
        return gate(session, 1) if stage == "gate" else compare(session, policy="new", against="old")

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("pacloop.loop.gate.contest._graded", killed)
        compared()
    assert not all(batch.binary for batch in space.store.batches() if batch.origin["stage"] == stage)
    verdict = compared()
    assert (verdict.decision, verdict.test, verdict.candidate_n) == ("undecided", "rates", 20)


def test_a_level_that_no_test_can_keep_is_refused_with_the_way_on(make):
    space = make(Collectors({"old": 0.5}), level=0.05)
    put_verdicts = {"candidate": "new", "level": 1e-7}
    for number in range(1, 260):
        put(space, number, "gate", decision="undecided", **put_verdicts)
    with pytest.raises(LoopError, match=rf"pacloop init --from {space.place} --workspace NEW"):
        learn_candidate(Session(space, None, silent), 260)


def test_a_kill_between_verdict_and_champion_loses_no_promotion(make, monkeypatch):
    space, collectors = killed_after_the_verdict(make, monkeypatch)
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
    space, _ = killed_after_the_verdict(make, monkeypatch)
    assert space.registry.rollback(reason="why", by="anna") == ("new", "old")
    assert [reign["action"] for reign in written_reigns(space)] == ["first", "promote", "rollback"]


def killed_after_the_verdict(make, monkeypatch):
    """A workspace whose run died between the verdict that promotes and champion.json."""
    collectors = Collectors({"old": 0.3, "new": 0.95})
    space = make(collectors)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(registry, "write_bytes_atomically", killed)
        judge(space, collectors)
    return space, collectors


def killed(*_):
    raise Killed


def written_reigns(space):
    return json.loads((space.folder / "champion.json").read_text())["history"]


def test_a_champion_that_was_replaced_and_put_back_in_the_round_leaves_it_undecided(make):
    collectors = Collectors({"old": 0.95, "new": 0.2})
    space = make(collectors)
    space.registry.promote("new", reason="to see", by="anna")
    space.registry.rollback(reason="it scratches", by="anna")
    verdict = judge(space, collectors)
    assert (verdict.decision, verdict.reason.partition(";")[0]) == ("undecided", CHANGED)
    assert verdict.candidate_n == 0 and space.registry.champion() == "old"


@pytest.mark.parametrize("killed", [False, True])
def test_a_hand_between_look_and_verdict_is_not_overridden_and_the_record_says_so(make, monkeypatch, killed):
    collectors = Collectors({"older": 0.3, "old": 0.3, "new": 0.95})
    space = make(collectors)
    write = Workspace.write_record

    def rolled_back_first(self, number, record, stage=""):
        if not isinstance(record, Verdict) or record.decision != "promoted":
            return write(self, number, record, stage)
        space.registry.promote("new", reason="by hand", by="anna")
        write(self, number, record, stage)
        if killed:
            raise Killed
        return record

    with monkeypatch.context() as patched:
        patched.setattr(Workspace, "write_record", rolled_back_first)
        with pytest.raises(Killed) if killed else nullcontext():
            assert judge(space, collectors).decision == "undecided"
    assert begin(space, 2).champion == "new"
    verdict = space.require(Verdict, 1)
    assert (verdict.decision, verdict.reason.partition(";")[0]) == ("undecided", CHANGED)
    assert [reign["by"] for reign in written_reigns(space)] == ["round 0", "anna"]
