"""A promotion that waits for a person: what each answer does, and that a kill loses neither."""

import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from recorded import play_collection, put

from pacloop.loop.episodes.play import Session
from pacloop.loop.errors import LoopError
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages import approval
from pacloop.loop.stages.approval import approved, no_door
from pacloop.loop.stages.gate import gate
from pacloop.loop.stages.improve import next_round
from pacloop.loop.stages.learn import start_policy
from pacloop.loop.stages.question import answer, make_answer, question
from pacloop.loop.workspace import registry
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.verdict import Verdict

ANNA = {"by": "anna", "reason": "looks fine"}


def no_pool():
    """Collectors that cannot play, and begin nothing again."""
    return SimpleNamespace(start=lambda _seed: None)


@pytest.fixture
def asking(space, put_policy):
    """A workspace whose round 1 played 12 of 12 against 0 of 40, and waits."""
    clean = {"task": "pacloop/stack", "episodes": 12, "seed": 0, "clean": True, "bare": False}
    demo = add_demonstrations(space.folder, **clean, progress=silent)
    for name in ("r000-pac", "r001-pac"):
        put_policy(name, 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    put(space, 1, "begin", champion="r000-pac")
    play_collection(space, 1, "r000-pac", 0, 40)
    put(space, 1, "race", policy="r001-pac", episodes=0)
    episodes = list(space.store.episodes(demo))
    origin = {"policy": "r001-pac", "stage": "gate"}
    space.store.append(episodes, batch_id="r001-gate-00000", source="evaluation", round=1, origin=origin)
    settings = {"gate": {"cap": 12, "block": 12, "approve": True}}
    return replace(space, config=parse_config(settings, "test"))


@pytest.fixture
def waiting(asking):
    gate(Session(asking, no_pool, silent), 1)
    return asking


def settled(space):
    return approved(space, 1, silent, no_door)


def test_nothing_is_promoted_before_somebody_answers(asking):
    verdict = gate(Session(asking, no_pool, silent), 1)
    assert verdict.decision == "promoted", "so says the test"
    assert asking.registry.champion() == "r000-pac"
    assert asking.record(Verdict, 1) is None and next_round(asking) == 1
    again = gate(Session(asking, no_pool, silent), 1)
    assert again.reason == verdict.reason, "a second run of the stage plays nothing"
    asked = question(asking)
    assert (asked.round, asked.judged.candidate) == (1, "r001-pac")


def test_without_approval_the_gate_promotes(asking):
    alone = replace(asking, config=parse_config({"gate": {"cap": 12, "block": 12}}, "test"))
    gate(Session(alone, no_pool, silent), 1)
    assert alone.registry.champion() == "r001-pac"
    assert alone.registry.history()[-1].by == "gate"
    assert question(alone) is None


def test_an_approval_is_a_promotion_whatever_a_kill_prevents(waiting, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    answer(waiting, make_answer("approve", **ANNA))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(registry, "write_bytes_atomically", killed)
        settled(waiting)
    assert (waiting.registry.champion(), waiting.registry.history()[-1].by) == ("r001-pac", "anna")


def test_an_approval_promotes_and_is_on_record(waiting):
    answer(waiting, make_answer("approve", **ANNA))
    verdict = settled(waiting)
    assert verdict.decision == "promoted"
    assert {**ANNA, "decision": "approve"}.items() <= verdict.approval.model_dump().items()
    reign = waiting.registry.history()[-1]
    assert (reign.policy, reign.by, reign.round) == ("r001-pac", "anna", 1)
    assert reign.reason.startswith("approved by anna: looks fine; the test: 100% of 12 against 0% of 40")
    assert gate(Session(waiting, no_pool, silent), 1).reason == verdict.reason
    assert len(waiting.registry.history()) == 2, "promoted once"
    assert next_round(waiting) == 2


def test_a_rejection_keeps_the_champion_and_nothing_goes_on_from_the_candidate(waiting):
    answer(waiting, make_answer("reject", by="ben", reason="it scratches"))
    verdict = settled(waiting)
    assert verdict.decision == "rejected"
    assert verdict.reason.startswith("rejected by ben: it scratches; the test:")
    assert waiting.registry.champion() == "r000-pac"
    put(waiting, 2, "begin", champion="r000-pac")
    assert start_policy(waiting, 2) == "r000-pac"


def test_unanswered_the_champion_stays(waiting):
    settings = {"gate": {"approve": True, "approve_hours": 1e-9}}
    verdict = settled(replace(waiting, config=parse_config(settings, "test")))
    assert verdict.decision == "undecided"
    assert "nobody answered within 1e-09 hours, so the champion stays" in verdict.reason
    assert waiting.registry.champion() == "r000-pac"


def test_the_hours_count_from_when_it_was_asked_first(waiting, monkeypatch):
    hour = replace(waiting, config=parse_config({"gate": {"approve": True, "approve_hours": 1.0}}, "test"))
    monkeypatch.setattr(approval, "POLL_SEC", 0.01)
    now, looks = time.time(), iter([None, None, make_answer("reject", **ANNA)])

    @contextmanager
    def door(space, asked):
        yield lambda: next(looks)

    monkeypatch.setattr(time, "time", lambda: now + 3595)
    assert approved(hour, 1, silent, door).decision == "rejected", "it waits for the rest of the hour"
    (waiting.round_folder(1) / "answer.json").unlink()
    monkeypatch.setattr(time, "time", lambda: now + 3605)
    assert "nobody answered within 1 hours" in settled(hour).reason


def test_an_answer_to_a_candidate_that_does_not_wait_is_none(waiting):
    word = f"approve r001-pac --reason ... -w {waiting.place}"
    with pytest.raises(LoopError, match=rf"^r000-pac does not wait .*: r001-pac waits .*`pacloop {word}` or"):
        answer(waiting, make_answer("approve", **ANNA), "r000-pac")
    assert question(waiting)
    answer(waiting, make_answer("approve", **ANNA), "r001-pac")
    assert settled(waiting).decision == "promoted"


def test_the_first_answer_counts(waiting):
    answer(waiting, make_answer("reject", **ANNA))
    with pytest.raises(LoopError, match="nothing waits for approval"):
        answer(waiting, make_answer("approve", **ANNA))
    assert settled(waiting).decision == "rejected"


def test_an_answer_from_elsewhere_counts_like_one_from_a_terminal(waiting, monkeypatch):
    monkeypatch.setattr(approval, "POLL_SEC", 0.01)
    looks = iter([None, make_answer("approve", **ANNA)])
    seen = []

    @contextmanager
    def door(space, asked):
        yield lambda: next(looks)
        seen.append(asked.judged.candidate)

    assert approved(waiting, 1, silent, door).decision == "promoted"
    assert seen == ["r001-pac"], "the door is closed"


def test_a_champion_changed_by_hand_meanwhile_stays(waiting, put_policy):
    put_policy("other", 0)
    waiting.registry.promote("other", reason="better", by="ben")
    answer(waiting, make_answer("approve", **ANNA))
    verdict = settled(waiting)
    assert verdict.decision == "undecided"
    assert "changed by hand during the round" in verdict.reason
    assert waiting.registry.champion() == "other"


def test_a_rejected_candidate_stays_rejected_though_the_champion_was_changed_meanwhile(waiting, put_policy):
    put_policy("other", 0)
    waiting.registry.promote("other", reason="safer", by="ben")
    answer(waiting, make_answer("reject", by="anna", reason="it scratches"))
    verdict = settled(waiting)
    assert verdict.decision == "rejected"
    assert verdict.reason.startswith("the champion was changed by hand during the round; rejected by anna")
    put(waiting, 2, "begin", champion="other")
    assert start_policy(waiting, 2) == "other"


def test_nothing_waits_in_a_fresh_workspace(space):
    assert question(space) is None
    with pytest.raises(LoopError, match="nothing waits for approval"):
        answer(space, make_answer("approve", **ANNA))
