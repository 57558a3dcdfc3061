"""The champion's record: what counts as fresh, how seldom it cries wolf, how soon it sees a drop."""

import numpy as np
import pytest

from pacloop.loop.gate.alarm import champion_record, drop

LIMIT = np.log(20)


def binary(successes, n):
    return (np.arange(n) < successes).astype(float)


def test_one_occasion_tells_of_no_drop():
    assert drop([binary(10, 50)]) == (-np.inf, 0)


def test_a_drop_is_seen_and_placed_and_a_rise_is_not():
    evidence, at = drop([binary(80, 100), binary(82, 100), binary(50, 100)])
    assert evidence > np.log(100) and at == 2
    assert drop([binary(50, 100), binary(80, 100)])[0] < 0


def test_false_alarms_are_seldom_in_a_whole_reign():
    """Eight rounds of 50 episodes, a champion that never changes and reigns on only after a lucky one."""
    rng, false = np.random.default_rng(0), 0
    for _ in range(100):
        occasions = []
        for _ in range(8):
            occasions.append(binary(rng.binomial(50, 0.7), 50))
            if drop(occasions)[0] >= LIMIT:
                false += 1
                break
            if occasions[0].mean() < 0.7:
                break
    assert false <= 100 * 0.05


def test_drops_are_found_soon():
    rng, found = np.random.default_rng(1), 0
    for _ in range(30):
        occasions = [binary(rng.binomial(300, 0.85), 300) for _ in range(3)]
        occasions += [binary(rng.binomial(300, 0.7), 300)]
        found += drop(occasions)[0] >= LIMIT
    assert found >= 27


@pytest.fixture
def played(space, monkeypatch):
    """A workspace whose store tells of batches that nobody had to play."""
    from types import SimpleNamespace

    batches = []

    def add(policy, stage, source, number, successes, n):
        origin = {"policy": policy, "stage": stage}
        batches.append(
            SimpleNamespace(
                id=f"r{number:03d}-{stage}-{len(batches):05d}",
                source=source,
                round=number,
                origin=origin,
                episodes=n,
                successes=successes,
                score_sum=float(successes),
                binary=True,
            )
        )

    monkeypatch.setitem(space.__dict__, "store", SimpleNamespace(batches=lambda: batches))
    for policy in ("old", "new"):
        folder = space.policy_folder(policy)
        folder.mkdir(parents=True)
        (folder / "policy.json").write_text("{}")
    space.registry.install("old", reason="first", by="round 0", round=0, action="first")
    return space, add


def test_what_was_selected_is_no_part_of_the_record(played):
    space, add = played
    assert champion_record(space) is None
    add("old", "race-n4", "evaluation", 1, 20, 20)
    add("old", "gate", "evaluation", 1, 50, 50)
    add("old", "compare0000", "evaluation", 0, 30, 30)
    add("demonstrator", "demonstrate", "demonstration", 0, 5, 5)
    add("old", "collect", "collection", 2, 20, 25)
    add("old", "collect", "collection", 2, 10, 25)
    add("old", "gate-champion", "evaluation", 2, 7, 10)
    add("old", "compare0001-against", "evaluation", 1, 4, 10)
    record = champion_record(space)
    assert (record.episodes, record.rate, record.alarm) == (70, 41 / 70, None)
    assert record.interval[0] < 41 / 70 < record.interval[1]


def test_the_alarm_names_the_way_back(played):
    space, add = played
    add("old", "collect", "collection", 1, 170, 200)
    add("old", "collect", "collection", 2, 100, 200)
    said = champion_record(space).sentence()
    assert "ALARM: old dropped: 50% of its last 200 fresh episodes, after 85% of 200" in said
    assert "no champion before it" in said
    space.registry.install("new", reason="better", by="gate", round=2, action="promote")
    add("new", "collect", "collection", 3, 170, 200)
    add("new", "collect", "collection", 4, 100, 200)
    back = f'pacloop rollback --reason "its success dropped" -w {space.place}'
    assert champion_record(space).alarm.endswith(back)
