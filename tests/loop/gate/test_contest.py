"""The gate as a stage: both ways to a champion's sample, scores between 0 and 1, a kill in the middle."""

from types import SimpleNamespace

import numpy as np
import pytest
from recorded import put, tally

from pacloop.actors.rollout.rollout import PolicyError
from pacloop.flows.runs.rounds import round_name
from pacloop.loop.episodes.play import Session
from pacloop.loop.gate import contest
from pacloop.loop.progress import silent
from pacloop.loop.stages.gate import gate
from pacloop.loop.views.rounds import rows
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


class Played:
    """Blocks that nobody had to act: scores by policy, and what was asked for."""

    def __init__(self, means, binary):
        self.means, self.binary, self.asked, self.batches = means, binary, [], []

    def play(self, _session, wanted):
        rng = np.random.default_rng([len(wanted.policy), len(wanted.name)])
        for number, first in enumerate(range(0, wanted.episodes, wanted.block)):
            n = min(wanted.block, wanted.episodes - first)
            yield self.add(wanted, f"{wanted.name}-{number:05d}", self.scores(rng, wanted.policy, n))

    def scores(self, rng, policy, n):
        mean = self.means[policy]
        if isinstance(mean, Exception):
            raise mean
        return (rng.random(n) < mean).astype(float) if self.binary else rng.beta(9 * mean, 9 * (1 - mean), n)

    def add(self, wanted, name, scores):
        self.asked.append((name, wanted.policy, wanted.purpose))
        batch = SimpleNamespace(
            id=f"r{wanted.round:03d}-{name}",
            source=wanted.source,
            round=wanted.round,
            origin={"policy": wanted.policy, "stage": wanted.name},
            episodes=len(scores),
            successes=int((scores >= 1).sum()),
            score_sum=float(scores.sum()),
            binary=self.binary,
            scores=scores,
        )
        self.batches.append(batch)
        return batch

    def iter_rows(self, ids):
        found = [score for batch in self.batches if batch.id in ids for score in batch.scores]
        return [SimpleNamespace(score=score, seed=seed) for seed, score in enumerate(found)]


@pytest.fixture
def judged(tmp_path, monkeypatch):
    def judged(settings, old=0.4, new=0.8, binary=True):
        settings = {"gate": {"cap": 80, "block": 20, **settings}}
        space = Workspace.create(tmp_path / "space", parse_config(settings, "test"))
        played = Played({"old": old, "newer": new}, binary)
        store = SimpleNamespace(
            batches=lambda: played.batches,
            iter_rows=played.iter_rows,
            episodes=lambda _: [],
            snapshot=lambda batches: batches,
        )
        monkeypatch.setitem(space.__dict__, "store", store)
        monkeypatch.setattr(contest, "play", played.play)
        for policy in ("old", "newer"):
            space.policy_folder(policy).mkdir(parents=True)
            (space.policy_folder(policy) / "policy.json").write_text('{"lineage": {}}')
        space.registry.install("old", reason="first", by="round 0", round=0, action="first")
        collect = SimpleNamespace(
            policy="old", purpose="collection", round=1, source="collection", name="collect"
        )
        batch = played.add(collect, "collect-00000", played.scores(np.random.default_rng(9), "old", 80))
        put(space, 1, "collect", **tally(batch.successes, 80, champion="old", binary=binary))
        put(space, 1, "race", policy="newer", episodes=0, seconds=0.0)
        verdict = gate(Session(space, None, silent), 1)
        return space, verdict, played

    return judged


def test_by_default_only_the_candidate_is_played(judged):
    space, verdict, played = judged({})
    assert (verdict.decision, verdict.champion_arm, verdict.test) == (
        "promoted",
        "collection",
        "rates",
    )
    assert {policy for _, policy, _ in played.asked[1:]} == {"newer"}
    assert verdict.champion_n == 80
    assert space.registry.champion() == "newer"
    assert verdict.alarm is None


def test_fresh_arms_take_turns_on_seeds_of_their_own(judged):
    _, verdict, played = judged({"champion": "fresh", "margin": 0.02}, new=0.5)
    assert verdict.champion_arm == "fresh"
    assert verdict.champion_n == verdict.candidate_n >= 40
    assert played.asked[1:5] == [
        ("gate-champion-00000", "old", "reference"),
        ("gate-00000", "newer", "gate"),
        ("gate-00001", "newer", "gate"),
        ("gate-champion-00001", "old", "reference"),
    ]
    assert {b.source for b in played.batches[1:]} == {"evaluation"}


@pytest.mark.parametrize("champion", ["collection", "fresh"])
def test_scores_between_0_and_1_are_compared_by_their_means(judged, champion):
    space, verdict, _ = judged({"champion": champion}, binary=False)
    assert (verdict.decision, verdict.test) == ("promoted", "scores")
    assert verdict.candidate_successes / verdict.candidate_n == pytest.approx(0.8, abs=0.06)
    assert verdict.evidence > verdict.boundary == pytest.approx(-np.log(verdict.level), abs=1e-4)
    assert space.registry.champion() == "newer"


def test_scores_between_0_and_1_may_be_paired(judged):
    _, verdict, played = judged({"champion": "paired"}, binary=False)
    assert (verdict.test, verdict.champion_arm) == ("scores", "paired")
    assert {purpose for _, _, purpose in played.asked[1:]} == {"gate"}
    assert verdict.pairing.correlation is not None


def test_giving_up_by_evidence_says_so(judged):
    _, verdict, _ = judged({"futility": 0.1, "level": 0.3}, old=0.6, new=0.45)
    assert verdict.decision == "rejected"
    assert verdict.episodes_saved >= 20
    assert "it does worse" in verdict.reason


def test_a_candidate_that_cannot_act_is_rejected_by_name(judged):
    space, verdict, _ = judged({}, new=PolicyError("newer", "gave actions that are not finite"))
    assert (verdict.decision, verdict.candidate_n) == ("rejected", 0)
    assert verdict.reason == "policy newer gave actions that are not finite"
    assert space.registry.champion() == "old"
    [row] = [row for row in rows(space) if row.name == "round 1"]
    assert (row.n, row.rate, row.interval, row.verdict) == (0, 0.0, (0.0, 1.0), "rejected")
    assert round_name(1, verdict) == "round 1 - rejected"


def test_a_champion_that_cannot_act_is_no_verdict_on_the_candidate(judged):
    with pytest.raises(PolicyError, match="policy old failed"):
        judged({"champion": "fresh"}, new=PolicyError("old", "failed to act: KeyError('arm')"))
