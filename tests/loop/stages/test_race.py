"""A candidate's weights and number of actions are chosen on few episodes, losers first, kill or no kill."""

from dataclasses import replace

import pytest
from recorded import put

from pacloop.actors.rollout.rollout import PolicyError, rollout
from pacloop.learner.checkpoint import PolicyRecord, build_policy, read_record, write_policy
from pacloop.learner.config import PacConfig
from pacloop.learner.network.pac import Pac
from pacloop.learner.policy import Acting
from pacloop.loop.episodes.play import Session
from pacloop.loop.errors import LoopError
from pacloop.loop.progress import silent
from pacloop.loop.stages.race import SEEDS, race, ways
from pacloop.loop.workspace.config import parse_config

SETTINGS = {"act": {"trial_actions": [2, 8, 16], "trial_episodes": 4}}
CHANCE = {1: 0.1, 2: 0.3, 4: 0.5, 8: 1.0, 16: 0.2}
"""How often each number of actions is made to succeed."""


class Collectors:
    """Plays the real task, then says how often each way of acting succeeds."""

    def __init__(self, task):
        self.task, self.played, self.chance = task, [], {}
        self.environments = [task.make() for _ in range(4)]

    def run(self, record, weights, seeds):
        policy = build_policy(record, weights)
        for made in rollout(self.task, policy, seeds, environments=self.environments, policy_id=record.id):
            self.played.append((f"{record.id} {record.acting}", made.seed))
            chance = self.chance.get(record.id, CHANCE[record.acting.actions])
            yield replace(made, score=float(len(self.played) % 10 < 10 * chance))


@pytest.fixture
def raced(space):
    space = replace(space, config=parse_config(SETTINGS, "test"))
    put_policy(space, "r001-pac")
    put(space, 1, "learn", policy="r001-pac")
    return space, Collectors(space.task)


def put_policy(space, name, actions=4, **lineage):
    network = PacConfig(width=8, latents=1, heads=1, action_bins=3, value_bins=3)
    weights, schema = Pac(space.task.schema, network).state_dict(), space.task.schema
    record = PolicyRecord(name, schema, network, Acting("q_guided", actions), lineage, {})
    write_policy(space.policy_folder(name), record, weights)


def test_the_best_way_of_acting_becomes_the_candidate(raced):
    space, collectors = raced
    outcome = race(Session(space, lambda: collectors, silent), 1)
    assert outcome.policy == "r001-pac-n8"
    found = read_record(space.policy_folder("r001-pac-n8"))
    assert found.acting == Acting("q_guided", 8)
    weights = [space.policy_folder(name) / "weights.safetensors" for name in ("r001-pac", "r001-pac-n8")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_losers_are_dropped_early_and_every_episode_is_data(raced):
    space, collectors = raced
    outcome = race(Session(space, lambda: collectors, silent), 1)
    assert sorted(way.episodes for way in outcome.tried) == [4, 4, 8, 8]
    assert outcome.episodes == sum(batch.episodes for batch in space.store.batches()) == 24
    seeds = [seed for _, seed in collectors.played]
    assert len(seeds) == len(set(seeds))


def test_a_race_that_ended_is_not_run_again(raced):
    space, collectors = raced
    first = race(Session(space, lambda: collectors, silent), 1)
    assert race(Session(space, lambda: collectors, silent), 1) == first
    assert len(collectors.played) == 24


@pytest.mark.parametrize("change", [{"mode": "sample"}, {"trial_actions": []}])
def test_where_nothing_is_to_be_chosen_nothing_is_played(raced, change):
    space, _ = raced
    act = space.config.act.model_copy(update={"trial_actions": change.get("trial_actions", [2])})
    space = replace(space, config=space.config.model_copy(update={"act": act}))
    assert ways(space, Acting(change.get("mode", "q_guided"), 4)) == []


@pytest.mark.parametrize("failing", [{16}, {2, 4, 8, 16}])
def test_a_way_in_which_the_policy_fails_loses(raced, failing):
    space, collectors = raced
    run = collectors.run

    def fail(record, weights, seeds):
        if record.acting.actions in failing:
            raise PolicyError(record.id, "failed to act")
        return run(record, weights, seeds)

    collectors.run = fail
    outcome = race(Session(space, lambda: collectors, silent), 1)
    lost = [way for way in outcome.tried if way.actions in failing]
    assert {(way.successes, way.episodes) for way in lost} == {(0.0, 0)}
    assert read_record(space.policy_folder(outcome.policy)).acting.actions == (2 if 8 in failing else 8)


def test_sampling_is_a_way_with_seeds_of_its_own(raced):
    space, collectors = raced
    act = {"trial_actions": [1, 2], "trial_episodes": 4}
    space = replace(space, config=parse_config({"act": act}, "test"))
    names = [str(way) for way in ways(space, Acting("q_guided", 4))]
    assert names == ["sample", "q_guided of 2", "q_guided of 4"]
    outcome = race(Session(space, lambda: collectors, silent), 1)
    assert [way.way for way in outcome.tried] == names
    seeds = [seed for _, seed in collectors.played]
    assert len(seeds) == len(set(seeds)) == outcome.episodes
    acting = read_record(space.policy_folder(outcome.policy)).acting
    short = {"sample": "-sample", "q_guided of 2": "-n2"}
    assert outcome.policy == f"r001-pac{short.get(str(acting), '')}"


def test_there_is_no_race_without_a_candidate(space):
    with pytest.raises(LoopError, match="round 3 has no learn yet"):
        race(Session(space, lambda: None, silent), 3)


def test_a_killed_race_goes_on_with_the_seeds_it_had(raced):
    space, collectors = raced
    run, left = collectors.run, [3]

    def killed(record, weights, seeds):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return run(record, weights, seeds)

    collectors.run = killed
    with pytest.raises(KeyboardInterrupt):
        race(Session(space, lambda: collectors, silent), 1)
    outcome = race(Session(space, lambda: collectors, silent), 1)
    assert len(collectors.played) == outcome.episodes == 24
    assert outcome.policy == "r001-pac-n8"
    first = {}
    for who, seed in collectors.played:
        first.setdefault(who, seed % 2**24)
    assert first == {f"r001-pac q_guided of {n}": n * 2**16 for n in (2, 4, 8, 16)}


def test_a_race_that_would_run_out_of_seeds_is_refused():
    """64 numbers of actions and the policy's own are halved 6 times, and the laps doubled 6 times."""
    assert SEEDS > 1000 * 2**6
    with pytest.raises(LoopError, match="trial_episodes"):
        parse_config({"act": {"trial_episodes": 1001}}, "test")
