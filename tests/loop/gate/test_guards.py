"""Guards: what is allowed, by hand; what is shown, at its level; figures out of stored episodes."""

from dataclasses import replace

import numpy as np
import pytest

from pacloop.loop.errors import LoopError
from pacloop.loop.gate.guards import Guard, check_measures, guards_of, look
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

ALL = {
    "time_to_success": 0.1,
    "discounted_return": 0.2,
    "action_saturation": 0.05,
    "measures": {"contact_force": {"margin": 0.5, "limit": 40.0}},
}


def guard(margin, **more):
    return Guard("time", margin, "s", 6.0, lambda batch: np.zeros(0), **more)


def test_what_is_allowed_by_hand():
    """Half of six seconds may become 3.3; a return of .8 may become .64; a share of .3 may become .35."""
    time, gain, share = guard(0.1), guard(0.2, more_is_better=True), guard(0.05, added=True)
    assert time.figure(float(time.allowed(np.array(0.5)))) == pytest.approx(3.3)
    assert gain.allowed(np.array(0.8)) == pytest.approx(0.64)
    assert share.allowed(np.array(0.7)) == pytest.approx(0.65)


def steps(rng, mean, n):
    """Times as numbers of 20 steps, `[n]`."""
    return 1 - rng.binomial(20, mean, n) / 20


@pytest.mark.parametrize("state", ["kept", "broken"])
def test_at_what_is_just_allowed_little_is_shown(state):
    """The candidate's mean is the worst allowed; four looks a comparison, at a level of .1."""
    rng, shown = np.random.default_rng(0), 0
    for _ in range(60):
        champion, candidate = steps(rng, 0.5, 150), steps(rng, 0.6, 160)
        shown += any(
            look(guard(0.2), champion, candidate[:n], 0.1).state == state for n in range(40, 161, 40)
        )
    assert shown <= 60 * 0.1


def test_what_is_clear_is_shown():
    rng = np.random.default_rng(1)
    champion, alike, slow = steps(rng, 0.5, 400), steps(rng, 0.5, 200), steps(rng, 0.7, 200)
    kept = look(guard(0.2), champion, alike, 0.005)
    assert kept.state == "kept" and not kept.worse
    assert kept.evidence > kept.boundary == pytest.approx(-np.log(0.005), abs=1e-3)
    assert (kept.champion_n, kept.candidate_n) == (400, 200)
    assert kept.champion == pytest.approx(6 * (1 - champion.mean()), abs=1e-3)
    assert kept.allowed == pytest.approx(1.2 * kept.champion, abs=1e-3)
    broken = look(guard(0.2), champion, slow, 0.005)
    assert broken.state == "broken" and broken.worse
    assert broken.sentence().startswith("time 4.") and " s against 2.98 s" in broken.sentence()


def test_without_values_nothing_is_shown():
    found = look(guard(0.2), np.full(50, 0.5), np.zeros(0), 0.05)
    assert found.state == "open" and not found.worse
    assert found.sentence() == "time is not known of both policies"


@pytest.fixture
def guarded(tmp_path):
    space = Workspace.create(tmp_path / "space", parse_config({"gate": {"guards": ALL}}, "test"))
    demo = add_demonstrations(
        space.folder, task="pacloop/stack", episodes=2, seed=0, clean=True, bare=False, progress=silent
    )
    made = list(space.store.episodes(demo))
    played = [replace(made[0], info={"contact_force": 15.0}), replace(made[1], info={}, score=0.0)]
    return space, played, space.store.append(played, batch_id="b0", source="evaluation")


def test_figures_of_stored_episodes(guarded):
    space, episodes, batch = guarded
    found = {guard.name: guard.values(batch) for guard in guards_of(space)}
    assert found["time_to_success"].tolist() == [1 - episodes[0].length / 120]
    rewards = [0.99 ** np.arange(e.length) @ e.reward for e in episodes]
    assert found["discounted_return"] == pytest.approx(rewards)
    at_bound = [(np.abs(e.action) >= 0.98).mean() for e in episodes]
    assert found["action_saturation"] == pytest.approx([1 - share for share in at_bound])
    assert found["contact_force"].tolist() == [1 - 15 / 40], "an episode that lacks it has none"


def test_a_measure_beyond_its_limit_counts_as_the_limit(guarded):
    space, episodes, _ = guarded
    played = [replace(episodes[0], info={"contact_force": force}) for force in (10.0, 40.0, 900.0)]
    batch = space.store.append(played, batch_id="b1", source="evaluation")
    force = next(guard for guard in guards_of(space) if guard.name == "contact_force")
    assert force.values(batch).tolist() == [0.75, 0.0, 0.0]
    assert force.figure(0.75) == 10.0 and force.allowed(np.array(0.75)) == pytest.approx(1 - 15 / 40)


def test_only_what_is_asked_for_is_looked_at(space):
    assert guards_of(space) == []


def test_what_the_task_cannot_give_is_refused(guarded):
    space, episodes, _ = guarded
    rich = replace(episodes[0], reward=np.full_like(episodes[0].reward, 1.0))
    batch = space.store.append([rich], batch_id="b1", source="evaluation")
    gain = next(guard for guard in guards_of(space) if guard.name == "discounted_return")
    with pytest.raises(
        LoopError, match=r"discounted_return: episode b1/0 has .*sum to something in \[0, 1\]"
    ):
        gain.values(batch)


def test_once_something_was_played_any_episode_of_the_workspace_says_what_is_measured(guarded):
    def second():
        raise AssertionError("of a robot there is one")

    space, episodes, _ = guarded
    vars(space)["task"] = replace(space.task, make=second)
    newer = {"source": "collection", "batch_id": "b1"}
    space.store.append([replace(episodes[0], info={"jerk": 1.0})], **newer)
    origin = {"stage": "collect", "policy": "theirs", "workspace": "another"}
    theirs = replace(episodes[0], info={"torque": 1.0})
    space.store.append([theirs], **newer | {"batch_id": "b2", "origin": origin})
    check_measures(space)
    measures = {"torque": {"margin": 0.1, "limit": 5.0}}
    other = replace(space, config=parse_config({"gate": {"guards": {"measures": measures}}}, "test"))
    vars(other)["task"] = space.task
    with pytest.raises(
        LoopError, match=r"torque is set, but pacloop/stack has no such measure; it has: contact_force, jerk$"
    ):
        check_measures(other)


def test_before_anything_is_played_no_robot_is_asked_what_it_measures(space, monkeypatch):
    robot = replace(space.task, replayable=False)
    monkeypatch.setattr(type(space), "task", property(lambda _: robot))
    measures = {"contact_forse": {"margin": 0.1, "limit": 5.0}}
    check_measures(replace(space, config=parse_config({"gate": {"guards": {"measures": measures}}}, "test")))


def test_before_anything_is_played_the_environment_says_what_it_measures(space):
    measures = {"contact_forse": {"margin": 0.1, "limit": 5.0}}
    other = replace(space, config=parse_config({"gate": {"guards": {"measures": measures}}}, "test"))
    with pytest.raises(LoopError, match="contact_forse is set, but pacloop/stack has no such measure"):
        check_measures(other)
