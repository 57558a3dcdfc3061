"""The page of all rounds: complete and small; a champion whose success dropped is named there."""

from types import SimpleNamespace

import pytest

from pacloop.flows.pages import round as pages
from pacloop.flows.pages.render import LARGEST_PAGE, picture
from pacloop.loop.statistics.wilson import wilson
from pacloop.loop.views.curve import curve, png
from pacloop.loop.views.film import STRIP_WIDTH
from pacloop.loop.views.rounds import Row
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
        monkeypatch.setattr(Workspace, "has_store", lambda _: True)
        return pages.success_page(space)

    return published


def test_an_alarm_stands_above_the_curve_with_the_way_back(published):
    said = published(170, 100)
    assert "\n\n> **Alarm.** new dropped: 50% of its last 200 fresh episodes, after 85% of 200" in said
    assert 'pacloop rollback --reason "its success dropped"' in said
    assert said.index("Alarm") < said.index("![success per round]")


def test_where_nothing_dropped_there_is_no_alarm(published):
    assert "Alarm" not in published(170, 168)


def test_the_page_of_all_rounds_tells_baselines_verdicts_and_sources(two_rounds):
    page = pages.success_page(two_rounds)
    for name in ("demonstrations", "BC", "round 1"):
        assert f"| {name} |" in page
    assert "| round 1 | 80.0% in the gate | 58% to 92% | 20 | promoted | 76 | 10 |\n" in page
    assert "| demonstration | 1 | 4 |" in page
    assert "* **round 1**: r001-pac &lt;b>did&lt;/b> \\| so" in page


def test_the_page_of_three_hundred_rounds_stays_small(two_rounds):
    rows = [
        Row(f"round {k}", k, f"r{k:03d}-pac", 0.5, wilson(500, 1000), 1000, "undecided", "x" * 120)
        for k in range(300)
    ]
    image = png(curve(two_rounds, rows))
    assert len(picture(image, "")) < LARGEST_PAGE / 2
    assert STRIP_WIDTH < 200
