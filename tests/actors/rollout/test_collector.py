"""Collectors on a real Ray: every seed exactly once, whatever dies or falls silent on the way."""

import os
import signal
import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pacloop.actors.registry import TaskError, find_task
from pacloop.actors.rollout.collector import CollectorPool
from pacloop.actors.rollout.ray_connection import connect
from pacloop.actors.rollout.rollout import PolicyError, rollout
from pacloop.actors.rollout.slot import Failure
from pacloop.learner.checkpoint import build_policy
from pacloop.learner.policy import Acting

SEEDS = range(500, 560)
pytestmark = pytest.mark.timeout(180)


def mine(*_):
    """The signal handlers of whoever starts Ray."""


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    """The folder through which an actor is told to hang, and tells that it does."""
    folder = tmp_path_factory.mktemp("signals")
    os.mkfifo(folder / "hung")
    return folder


@pytest.fixture(scope="module")
def started(signals, offered):
    """Two collectors on a Ray of their own, and the signal handlers found after it started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(offered), prepend=os.pathsep)
        patch.setenv("PACLOOP_TEST_SIGNALS", str(signals))
        patch.delenv("RAY_ADDRESS", raising=False)
        before = {number: signal.signal(number, mine) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            pool = CollectorPool("test/reach", actors=2, environments=3)
            after = [signal.getsignal(number) for number in before]
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        with closing(pool):
            yield pool, after
    import ray

    assert not ray.is_initialized(), "what the pool started it stops"


@pytest.fixture
def pool(started):
    started[0].replaced = 0
    return started[0]


@pytest.fixture(scope="module")
def wanted(reach, reacher):
    """The episodes of all seeds, played in this process."""
    record, weights = reacher
    episodes = rollout(
        reach,
        build_policy(record, weights),
        SEEDS,
        environments=[reach.make()],
        policy_id=record.id,
        history=record.network.history,
    )
    return {episode.seed: episode for episode in episodes}


@pytest.fixture
def check(pool, reacher, wanted, same_episode):
    """Collect all seeds and compare."""

    def check():
        found = list(pool.run(*reacher, SEEDS))
        assert Counter(episode.seed for episode in found) == Counter(SEEDS)
        assert all(same_episode(episode, wanted[episode.seed]) for episode in found)

    return check


def test_another_task_is_played_by_the_same_collectors(pool, check, reacher, wanted, same_episode):
    record, weights = reacher
    near = find_task("test/reach-near")
    policy, history = build_policy(record, weights), record.network.history
    alone = rollout(near, policy, SEEDS[:8], environments=[near.make()], policy_id=record.id, history=history)
    expected = {episode.seed: episode for episode in alone}
    found = list(pool.run(record, weights, SEEDS[:8], task="test/reach-near"))
    assert all(same_episode(episode, expected[episode.seed]) for episode in found)
    assert not any(same_episode(episode, wanted[episode.seed]) for episode in found)
    assert all(episode.info["contact_force"] == episode.length for episode in found)
    check()


def pid_of(actor):
    import ray

    return ray.get(actor.__ray_call__.remote(lambda _: os.getpid()))


@pytest.fixture
def hang(pool, signals):
    """Make the second actor hang at its next step; `then` is called with its process id when it does."""
    threads = []

    def hang(then=lambda _: None):
        pid = pid_of(pool._actors[1])
        (signals / f"hang-{pid}").touch()

        def wait():
            if int((signals / "hung").read_text()) == pid:
                then(pid)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        return pid

    yield hang
    for thread in threads:
        if thread.is_alive():  # nothing hung, so nobody will say so
            (signals / "hung").write_text("0")
        thread.join()


def test_all_that_ray_starts_listens_on_loopback_only(pool):
    ports = {(port, address) for pid in family(os.getpid()) for port, address in listening(pid)}
    assert len(ports) >= 4, "the node, its store and the actors"
    assert {address for _, address in ports} <= {"0100007F", "0000000000000000FFFF00000100007F"}


def family(pid):
    """A process, its children, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def listening(pid):
    """Port and address, in the kernel's hexadecimal, of each TCP socket on which a process listens."""
    own = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in own:
                yield tuple(reversed(words[1].split(":")))


def test_ray_leaves_the_signal_handlers_as_they_were(started):
    assert started[1] == [mine, mine]


def test_a_second_connection_starts_nothing(started):
    assert connect(cpus=1) is False


def test_every_seed_once_and_as_in_one_process(pool, check):
    check()
    assert pool.replaced == 0


def test_the_same_weights_may_act_in_several_ways(pool, reach, reacher, same_episode):
    record, weights = reacher
    for actions in (1, 9):
        other = replace(record, acting=Acting("q_guided", actions))
        played = rollout(
            reach,
            build_policy(other, weights),
            SEEDS,
            environments=[reach.make()],
            policy_id=other.id,
            history=other.network.history,
        )
        wanted = {episode.seed: episode for episode in played}
        found = list(pool.run(other, weights, SEEDS))
        assert all(same_episode(episode, wanted[episode.seed]) for episode in found)


def test_a_seed_that_fails_is_tried_again_and_named_and_the_others_are_played(pool, check, reacher):
    outcomes = list(pool.run(*reacher, [13, *range(1000, 1020)]))
    assert sorted(outcome.seed for outcome in outcomes) == [13, *range(1000, 1020)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert failures == [Failure(13, "test/reach, seed 13: RuntimeError: the arm is stuck")]
    assert pool.replaced == 1, "it was tried again in a fresh actor"
    check()


def test_a_run_that_is_left_early_is_not_heard_of_later(pool, check, reacher):
    next(iter(pool.run(*reacher, range(1000, 1100))))
    check()


def test_a_seed_can_be_begun_again_in_an_environment_that_is_there(pool, check, wanted):
    start = pool.start(SEEDS[3])
    assert all((start[name] == value[0]).all() for name, value in wanted[SEEDS[3]].observation.items())
    pool.replaced = 0
    assert pool.start(13) is None, "the arm is stuck"
    check()


def test_an_environment_whose_package_is_missing_is_said_at_once(pool, check, reacher):
    with pytest.raises(TaskError, match="no environment of test/unmakable can be made: ModuleNotFoundError"):
        list(pool.run(*reacher, SEEDS[:4], task="test/unmakable"))
    check()


def test_a_policy_that_crashes_is_blamed_and_not_the_task(pool, check, reacher):
    record, weights = reacher
    drawless = replace(record, id="drawless", acting=Acting("q_guided", 0))
    with pytest.raises(PolicyError, match="policy drawless failed to act: IndexError") as caught:
        list(pool.run(drawless, weights, SEEDS))
    assert caught.value.policy == "drawless"
    check()


def test_an_actor_killed_by_the_system_is_replaced(pool, check, hang):
    pid = hang(then=lambda pid: os.kill(pid, signal.SIGKILL))
    check()
    assert pool.replaced == 1
    assert pid_of(pool._actors[1]) != pid


def test_an_actor_killed_by_ray_is_replaced(pool, check, hang):
    import ray

    actor = pool._actors[1]
    hang(then=lambda _: ray.kill(actor))
    check()
    assert pool.replaced == 1


def test_a_silent_actor_is_replaced(pool, check, hang, monkeypatch):
    actor = pool._actors[1]
    hang()
    monkeypatch.setattr(pool, "_deadline_sec", 5.0)
    check()
    assert pool.replaced == 1
    assert pool._actors[1] is not actor


def test_starting_up_is_not_silence(pool, check, monkeypatch):
    for actor in range(2):
        pool._respawn(actor)
    monkeypatch.setattr(pool, "_deadline_sec", 0.5)  # an actor needs seconds to import torch
    check()
