"""The artifact of all rounds: a champion whose success dropped is named there, with the way back."""

from types import SimpleNamespace

import pytest

from pacloop.flows.pages import success as pages
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The page of a champion that collected these successes of 200, one number a round."""
    space = Workspace.create(tmp_path / "space", parse_config({}, "test"))
    for policy in ("old", "new"):
        space.policy_folder(policy).mkdir(parents=True)
        (space.policy_folder(policy) / "policy.json").write_text("{}")
        space.registry.install(policy, reason="why", by="gate", round=None, action="promote")

    def published(*successes):
        batches = [
            SimpleNamespace(
                id=f"r{number:03d}-collect-00000",
                source="collection",
                round=number,
                origin={"policy": "new", "stage": "collect"},
                episodes=200,
                steps=2000,
                successes=won,
                score_sum=float(won),
                binary=True,
            )
            for number, won in enumerate(successes, start=1)
        ]
        monkeypatch.setitem(space.__dict__, "store", SimpleNamespace(batches=lambda: batches))
        return pages.success_page(space)

    return published


def test_an_alarm_stands_above_the_curve_with_the_way_back(published):
    said = published(170, 100)
    assert "\n\n> **Alarm.** new dropped: 50% of its last 200 fresh episodes, after 85% of 200" in said
    assert 'pacloop rollback --reason "its success dropped"' in said
    assert said.index("Alarm") < said.index("![success per round]")


def test_where_nothing_dropped_there_is_no_alarm(published):
    assert "Alarm" not in published(170, 168)
