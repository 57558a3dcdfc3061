"""The Q screen: what is kept out of learning, what the critics are asked, and what they must earn first."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from pacloop.actors.rollout.rollout import rollout
from pacloop.flows.pages.critic import screen_page
from pacloop.learner.checkpoint import PolicyRecord, read_policy, write_policy
from pacloop.learner.config import PacConfig
from pacloop.learner.network.pac import Pac
from pacloop.learner.policy import Acting
from pacloop.loop.gate.critic import agreement, held_out, learnable, screen, trust, with_screen
from pacloop.loop.progress import silent
from pacloop.loop.stages.entrants import Entrant, entrants, ways
from pacloop.loop.stages.stages import append
from pacloop.loop.views.critic import screen_png
from pacloop.loop.views.rounds import rows
from pacloop.loop.workspace.config import parse_config

NETWORK = PacConfig(width=8, latents=1, heads=1, action_bins=3, value_bins=3)
WAYS = [f"q_guided of {n}" for n in (2, 4, 8, 16)]


def put(space, name, seed, actions=4):
    torch.manual_seed(seed)
    pac = Pac(space.task.schema, NETWORK)
    for decoder in (pac.policy_decoder, pac.critic_decoder):
        torch.nn.init.normal_(decoder.head.weight, std=0.7)
    record = PolicyRecord(name, space.task.schema, NETWORK, Acting("q_guided", actions), {"round": 1}, {})
    write_policy(space.policy_folder(name), record, pac.state_dict())


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A champion that collected four blocks of two episodes, of which every second is kept out."""
    from pacloop.loop.workspace.workspace import Workspace

    settings = {"screen": {"held_out": 0.5}, "act": {"trial_actions": [2, 16]}}
    space = Workspace.create(tmp_path_factory.mktemp("played") / "space", parse_config(settings, "test"))
    put(space, "r000-pac", 0)
    put(space, "r001-pac", 1)
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
    space.write_outcome(1, "begin", {"champion": "r000-pac"})
    append(space, 1, lambda: None, silent)
    space.write_outcome(1, "learn", {"policy": "r001-pac", "seconds": 0.0})
    screen(space, 1, lambda: None, silent)
    return space


def test_every_so_manieth_block_of_a_collection_is_kept_out_of_learning(played):
    batches = played.store.batches()
    kept = {batch.id for batch in batches} - {batch.id for batch in learnable(batches, 0.5)}
    assert kept == {"r001-collect-00001", "r001-collect-00003"}
    assert [b.id for b in batches if b not in learnable(batches, 0.25)] == ["r001-collect-00003"]
    assert learnable(batches, 0.05) == learnable(batches, 0.0) == batches
    pinned = played.outcome(1, "append")["snapshot"]["batches"]
    assert {name for name, _ in pinned} == {b.id for b in batches} - kept


def test_without_a_share_the_learner_reads_what_it_always_read(space, played):
    store = played.store
    assert store.snapshot(batches=learnable(store.batches(), 0.0)) == store.snapshot()


def test_only_what_no_learner_has_read_is_held_out(played):
    assert held_out(played, 1).batch_ids == ("r001-collect-00001", "r001-collect-00003")
    assert held_out(played, 0).batch_ids == ()
    everything = asdict(played.store.snapshot())
    played.write_outcome(2, "append", {"snapshot": everything})
    assert held_out(played, 2).batch_ids == ()
    (played.round_folder(2) / "append.json").unlink()


def test_what_the_critics_are_asked(played):
    found = played.outcome(1, "screen")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["policy"], found["champion"], found["episodes"]) == ("r001-pac", "r000-pac", 4)
    assert [way["way"] for way in found["ways"]] == ["q_guided of 2", "q_guided of 4", "q_guided of 16"]
    own = [way["own_q"] for way in found["ways"]]
    assert own == sorted(own), "a critic overrates what it chose, the more the more it chose from"
    gain = found["advantage"]
    assert gain["mean"] == pytest.approx((gain["by_champion"] + gain["by_candidate"]) / 2, abs=1e-6)
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert found["discrimination"]["by_step"] and len(found["calibration"]["curve"]) == 10
    assert not found["rejects"]
    assert screen(played, 1, None, silent) == found, "a screen that ended is not asked again"


def test_a_candidate_that_is_the_champion_has_no_advantage(played, tmp_path):
    learned = played.outcome(1, "learn")
    act = played.config.act.model_copy(update={"trial_actions": [4]})
    space = replace(played, config=played.config.model_copy(update={"act": act}))
    space.write_outcome(3, "begin", {"champion": "r000-pac"})
    space.write_outcome(3, "learn", learned | {"policy": "r000-pac"})
    gain = screen(space, 3, lambda: None, silent)["advantage"]
    assert gain["mean"] == gain["low"] == gain["high"] == 0.0
    for path in space.round_folder(3).iterdir():
        path.unlink()
    space.round_folder(3).rmdir()


def test_one_judge_is_asked_about_all_that_the_learner_kept(played):
    """Weights are ordered as the champion's critic likes them, whatever their own critics say."""
    put(played, "r004-pac", 1)
    put(played, "r004-pac-s50", 2)
    checkpoints = [{"policy": "r004-pac-s50", "step": 50}]
    played.write_outcome(4, "begin", {"champion": "r000-pac"})
    played.write_outcome(4, "learn", {"policy": "r004-pac", "checkpoints": checkpoints})
    found, alone = screen(played, 4, lambda: None, silent), played.outcome(1, "screen")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["ways"][:3] == alone["ways"], "what is asked of the last weights stays as it is"
    ways = ["q_guided of 2", "q_guided of 4", "q_guided of 16"]
    assert [(way["way"], way["step"]) for way in found["ways"][3:]] == [(way, 50) for way in ways]
    best, gain = max(found["ways"], key=lambda way: way["q"]), found["advantage"]
    assert (gain["way"], gain.get("step")) == (best["way"], best.get("step"))
    assert found["discrimination"] == alone["discrimination"], "of the last weights' critic"
    page = screen_page(found)
    assert "| q_guided of 16 |" in page and "| q_guided of 16 (step 50) |" in page
    for path in played.round_folder(4).iterdir():
        path.unlink()
    played.round_folder(4).rmdir()


def test_a_verdict_carries_the_figures_and_those_of_the_gates_own_episodes(played, verdict):
    given = verdict("rejected", "r001-pac", 1, 2)
    found = with_screen(played, 1, given)
    assert found["screen"]["own_episodes"]["episodes"] == 2
    assert found["screen"]["ways"] == played.outcome(1, "screen")["ways"]
    assert {key: found[key] for key in given} == given
    assert with_screen(played, 7, given) == given, "a round without a screen has none"


def test_the_figures_are_seen_in_status_and_on_the_page(played, verdict):
    played.write_outcome(1, "gate", with_screen(played, 1, verdict("rejected", "r001-pac", 1, 2)))
    [row] = [row for row in rows(played) if row.name == "round 1"]
    shown = row.to_json()["screen"]
    assert shown["advantage"] == played.outcome(1, "screen")["advantage"]
    assert screen_png(shown).startswith(b"\x89PNG") and len(screen_png(shown)) < 100_000
    page = screen_page(shown)
    assert "| q_guided of 16 |" in page and "data:image/png" in page
    assert "Its order is not trusted: evidence 0.00 of 3.00 from 0 earlier rounds." in page
    (played.round_folder(1) / "gate.json").unlink()


def test_where_nothing_is_kept_out_nothing_is_asked(space):
    space.write_outcome(1, "begin", {"champion": "a"})
    space.write_outcome(1, "learn", {"policy": "b"})
    found = screen(space, 1, lambda: None, silent)
    assert (found["episodes"], found["ways"], found["rejects"]) == (0, [], False)
    assert screen_page(found).startswith("## What the critics think\n\nNo episodes are kept out")
    found = [Entrant("b", way) for way in ways(space, Acting("q_guided", 4))]
    assert entrants(space, 1, found) == (found, {})


def asked(*values):
    return [{"way": way, "q": value, "own_q": 0.0} for way, value in zip(WAYS, values)]


def tried(*rates):
    return [{"way": way, "successes": 100 * rate, "episodes": 100} for way, rate in zip(WAYS, rates)]


def test_agreement_is_kendalls_tau():
    assert agreement(asked(1, 2, 3, 4), tried(0.1, 0.2, 0.4, 0.3)) == pytest.approx(4 / 6)
    assert agreement(asked(1, 2, 3, 4), tried(0.4, 0.3, 0.2, 0.1)) == pytest.approx(-1)
    assert agreement(asked(1, 2, 3, 4), tried(0.5, 0.5, 0.5, 0.5)) is None
    assert agreement(asked(1, 2, 3, 4), tried(0.1)) is None
    assert agreement(asked(1, 2, 3, 4), [{"way": WAYS[0], "successes": 0, "episodes": 0}]) is None


@pytest.fixture
def past(space, verdict):
    """Rounds in which the screen said no, and ordered the ways as the race did or the other way round."""

    def past(agreed, no_and_right):
        for number, (good, right) in enumerate(zip(agreed, no_and_right), 1):
            values = (1, 2, 3, 4) if good else (4, 3, 2, 1)
            screened = {"ways": asked(*values), "says_no": right is not None}
            space.write_outcome(number, "screen", screened)
            space.write_outcome(number, "race", {"tried": tried(0.1, 0.2, 0.3, 0.4)})
            figures = {"champion_successes": 50, "champion_n": 100}
            found = verdict("rejected", "x", 40 if right else 60, 100)
            space.write_outcome(number, "gate", found | figures)
        return trust(space, len(agreed) + 1)

    return past


@pytest.mark.parametrize(
    ("right", "wrong", "earned"), [(8, 0, False), (9, 0, True), (12, 1, True), (9, 2, False)]
)
def test_trust_is_earned_by_nine_right_answers_or_more(past, right, wrong, earned):
    answers = [True] * right + [False] * wrong
    found = past(answers, answers)
    for what in ("order", "rejection"):
        assert found[what]["rounds"] == right + wrong
        assert found[what]["earned"] is earned
    # the mean of twelve bets b: (1 + b)^right (1 - b)^wrong
    shares = np.geomspace(0.02, 0.8, 12)
    wealth = ((1 + shares) ** right * (1 - shares) ** wrong).mean()
    assert found["order"]["evidence"] == pytest.approx(np.log(wealth))


def test_rounds_without_a_no_say_nothing_about_rejecting(past):
    found = past([True] * 9, [None] * 9)
    assert found["order"]["earned"] and found["rejection"]["rounds"] == 0


def test_what_ways_have_shown_says_nothing_of_checkpoints(past, space):
    assert past([True] * 9, [True] * 9)["order"]["earned"]
    space.write_outcome(10, "learn", {"checkpoints": []})
    assert [earned["rounds"] for earned in trust(space, 10).values()] == [0, 0]
    for number in range(1, 10):
        screened = space.outcome(number, "screen")
        late = [each | {"step": 50} for each in screened["ways"]]
        space.write_outcome(number, "screen", screened | {"ways": late})
    assert trust(space, 10)["rejection"]["earned"], "these rounds had checkpoints, too"


def test_a_screen_that_knows_nothing_is_seldom_trusted():
    """Random orders of four ways, looked at after each of 40 rounds: 2,000 runs, .05 at most."""
    from pacloop.loop.statistics.betting import log_wealth

    rng, trusted = np.random.default_rng(0), 0
    taus = np.array([-6, -4, -2, 0, 2, 4, 6]) / 6
    scores = (rng.choice(taus, (2000, 40), p=np.array([1, 3, 5, 6, 5, 3, 1]) / 24) + 1) / 2
    for run in scores:
        trusted += any(log_wealth(run[:n], np.array([0.5]))[0] >= np.log(20) for n in range(9, 41))
    assert trusted <= 0.05 * 2000


def test_a_trusted_order_halves_the_race_and_an_untrusted_one_does_nothing(space):
    def screened(earned, rejects=False):
        trusted = {"order": {"earned": earned}, "rejection": {"earned": rejects}}
        outcome = {"ways": asked(2, 4, 3, 1), "trust": trusted, "rejects": rejects}
        space.write_outcome(1, "screen", outcome)
        everybody = [Entrant("r001-pac", way) for way in ways(space, Acting("q_guided", 4))]
        found, expected = entrants(space, 1, everybody)
        return [entrant.way.actions for entrant in found], expected

    assert screened(False) == ([2, 4, 8, 16], {})
    assert screened(True) == ([4, 8], dict(zip(WAYS, (2, 4, 3, 1))))
    assert screened(False, rejects=True) == ([], {})
