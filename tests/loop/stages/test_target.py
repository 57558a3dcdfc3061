"""After the target: what a further run watches, and what makes it learn again."""

from dataclasses import replace

import numpy as np
import pytest
from recorded import play, put, tally, verdict

from pacloop.loop.episodes.play import Session
from pacloop.loop.progress import silent
from pacloop.loop.stages import collect
from pacloop.loop.stages.improve import improve
from pacloop.loop.stages.round import run_round
from pacloop.loop.stages.target import reached_in
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Learned, Reached
from pacloop.loop.workspace.verdict import Verdict

SETTINGS = {"collect": {"episodes": 200}, "improve": {"until": 0.8}, "dataset": {"rlds": "off"}}


class Loop:
    """Runs `improve` with stages that play what `rates` says of each policy, and learn nothing."""

    def __init__(self, space):
        self.space, self.rates, self.collected, self.measured = space, {}, [], []

    def tally(self, _session, order):
        successes = round(self.rates[order.policy] * order.episodes)
        scores = (np.arange(order.episodes) < successes).astype(float)
        play(self.space, order.round, "collect", order.policy, scores, source="collection")
        self.collected.append((order.round, order.policy, order.episodes))
        return tally(successes, order.episodes)

    def improve(self, rounds=1, **improve_settings):
        if improve_settings:
            config = parse_config(SETTINGS | {"improve": improve_settings}, "test")
            self.space = replace(self.space, config=config)
        return improve(self.space, self.play, rounds=rounds)

    def play(self, part, number, policy=""):
        if part == "round":
            return run_round(Session(self.space, None, silent), number, self.stage)
        self.measured.append((number, policy))
        return put(self.space, number, f"final-{policy}", policy=policy, **tally(9, 10))

    def stage(self, name, run):
        number = max(self.space.rounds())
        if name == "learn":
            put(self.space, number, "learn", policy=f"r{number:03d}-pac")
            return None
        if name == "gate":
            return put(self.space, number, "gate", **verdict("undecided", f"r{number:03d}-pac", 5, 10))
        return run()


@pytest.fixture
def loop(space, put_policy, monkeypatch):
    """The target of 80 % was reached by `r001-pac` in round 2, which collected 200 episodes."""
    space = replace(space, config=parse_config(SETTINGS, "test"))
    for name in ("r000-pac", "r001-pac"):
        put_policy(name, 0)
    play(space, 0, "demonstrate", "demonstrator", [1], source="demonstration")
    put(space, 0, "append", snapshot=space.store.snapshot())
    put(space, 0, "learn", policy="r000-pac")
    put(space, 0, "race", policy="r000-pac")
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 9, 10))
    loop = Loop(space)
    monkeypatch.setattr(collect, "tally", loop.tally)
    loop.rates = {"r000-pac": 0.5, "r001-pac": 0.95}
    improved = loop.improve(rounds=4)
    assert improved.why.startswith("the target is reached: r001-pac") and improved.good
    assert loop.collected == [(2, "r001-pac", 200)] and loop.measured == [(2, "r001-pac")]
    return loop


def test_a_further_run_collects_a_tenth_and_measures_nothing(loop):
    for number in (3, 4):
        improved = loop.improve(rounds=4)
        assert loop.collected[-1] == (number, "r001-pac", 20)
        assert loop.space.has_record(number, Reached.STAGE)
        n = 180 + 20 * number - 20
        assert improved.why.startswith(
            f"the target is reached: r001-pac succeeded in {round(0.95 * n)} of {n}"
        )
        assert (improved.good, improved.final.episodes, improved.final.rate) == (True, n, 0.95)
    assert loop.measured == [(2, "r001-pac")]


def test_a_kill_before_the_end_of_a_watching_run_costs_nothing(loop):
    loop.improve()
    last = loop.space.round_folder(3)
    (last / "reached.json").unlink()
    (last / "append.json").unlink()
    loop.improve()
    assert [number for number, *_ in loop.collected] == [2, 3], "round 3 was finished and no other was begun"


def test_after_a_rollback_the_champion_in_force_is_asked(loop):
    loop.space.registry.rollback(reason="it scratches", by="anna")
    improved = loop.improve(rounds=2)
    assert loop.collected[1:] == [(3, "r000-pac", 200), (4, "r000-pac", 200)], "as in any round"
    assert loop.space.has_record(4, Learned.STAGE)
    assert improved.why == "2 rounds were played" and improved.final.policy == "r000-pac"


def test_who_comes_into_force_while_the_target_is_looked_at_is_not_watched(loop, monkeypatch):
    def promoted_meanwhile(space, number):
        sentence = reached_in(space, number)
        space.registry.promote("r000-pac", reason="why", by="anna")
        return sentence

    monkeypatch.setattr(collect, "reached_in", promoted_meanwhile)
    begun = collect.begin(loop.space, 3)
    assert (begun.champion, begun.watches) == ("r001-pac", True)
    assert loop.space.registry.changed_after(3)


def test_an_older_champion_that_is_good_enough_too_is_watched_in_turn(loop):
    loop.rates["r000-pac"] = 0.95
    loop.space.registry.rollback(reason="it scratches", by="anna")
    assert "reached: r000-pac succeeded in 190 of 200" in loop.improve(rounds=2).why
    assert loop.measured[-1] == (3, "r000-pac")
    loop.improve()
    assert loop.collected[1:] == [(3, "r000-pac", 200), (4, "r000-pac", 20)]


def test_data_from_outside_is_learned_from_once(loop):
    play(loop.space, 0, "demonstrate", "anna", [1, 1], source="demonstration")
    assert loop.improve().why == "1 round was played"
    assert loop.space.has_record(3, Learned.STAGE) and loop.collected[-1] == (3, "r001-pac", 20)
    assert loop.improve().why.startswith("the target is reached")
    assert not loop.space.has_record(4, Learned.STAGE)


def test_a_champion_that_drops_is_learned_from(loop):
    loop.rates["r001-pac"] = 0.3
    assert loop.improve().why == "1 round was played"
    assert loop.space.record(Verdict, 3) is not None
    loop.improve()
    assert loop.collected[-1] == (4, "r001-pac", 200), "a whole round again"


def test_an_alarm_alone_is_reason_enough(loop, monkeypatch):
    from types import SimpleNamespace

    from pacloop.loop.stages import target

    monkeypatch.setattr(target, "champion_record", lambda *_: SimpleNamespace(alarm="it dropped"))
    loop.improve()
    assert loop.space.has_record(3, Learned.STAGE)


def test_a_raised_target_is_a_round_as_any(loop):
    assert loop.improve(until=0.99).why == "1 round was played"
    assert loop.collected[-1] == (3, "r001-pac", 200) and loop.measured[-1] == (3, "r001-pac")


def test_without_rounds_nothing_is_watched(loop):
    assert loop.improve(rounds=0).why.startswith("the target is reached")
    assert len(loop.collected) == 1
