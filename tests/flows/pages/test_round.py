"""The page of a round: complete, linked, and small enough for the UI."""

import re
import shutil
from types import SimpleNamespace

import pytest
from recorded import put, record

from pacloop.flows.pages.round import episodes_to_show, round_page
from pacloop.loop.views.film import Film, Films
from pacloop.loop.workspace.verdict import AtStep, Bin, CriticFigures, Verdict
from pacloop.loop.workspace.workspace import Workspace

FILMS = Films([Film(f"r001-gate-00000/{k}", k % 2, 60, 3.0, "", bytes(20_000)) for k in range(4)])


@pytest.fixture
def two_rounds(two_rounds, tmp_path):
    """A copy, which a test may write into."""
    shutil.copytree(two_rounds.folder, tmp_path / "arm")
    return Workspace.open(tmp_path / "arm")


def test_a_rounds_page_tells_verdict_stages_training_and_films(two_rounds):
    links = {0: "/runs/flow-run/zero", 1: "/runs/flow-run/one"}, "/artifacts/key/story"
    page = round_page(two_rounds, 1, two_rounds.record(Verdict, 1), FILMS, *links)
    assert page.startswith("# Round 1: promoted")
    for part in (
        "| candidate | `r001-pac` | 80.0% |",
        "Evidence 3.50, needed 2.50",
        "| race | 1 | q_guided of 4 50%; the candidate is `r001-pac` |",
        "`r001-pac` from [r000-pac](/runs/flow-run/zero): 500 gradient steps",
        "`r001-gate-00000/1`: success, 60 steps (3.0 s)",
        "(/artifacts/key/story)",
    ):
        assert part in page
    assert len(re.findall(r"!\[[^]]*\]\(data:image/png;base64,", page)) == 1, "the training curve"
    assert len(re.findall(r"!\[[^]]*\]\(data:image/jpeg;base64,", page)) == 4
    assert len(page) < 300_000


def test_a_rounds_page_says_what_its_learner_ran_into(two_rounds):
    ranges = {"returns": (-0.7, 1.0), "critic_range": (-1.125, 1.425)}
    figures = {"lowered_at_step": 350.0}
    put(two_rounds, 3, "learn", parent="r000-pac", steps=500, figures=figures, **ranges)
    page = round_page(two_rounds, 3, record("gate"), FILMS, {}, "")
    assert "returns of the data from -0.7 to 1, the critic's range from -1.12 to 1.43" in page
    assert "it diverged, and went on from step 350 with a lower learning rate" in page
    put(two_rounds, 4, "diverged", parent="r000-pac", reason="the learner diverged")
    page = round_page(two_rounds, 4, record("gate", reason="the learner diverged"), FILMS, {}, "")
    assert "| learn | 1 | no policy from `r000-pac`: the learner diverged |" in page
    for number in (3, 4):
        shutil.rmtree(two_rounds.round_folder(number))


def test_a_rounds_page_shows_what_the_critic_is_worth(two_rounds):
    by_step = [AtStep(step=k, auc=0.5 + k / 100, pairs=10) for k in range(0, 40, 5)]
    curve = [Bin(q=k / 10, returned=k / 12, steps=50) for k in range(10)]
    figures = CriticFigures(episodes=12, auc=0.7, by_step=by_step, error=0.03, curve=curve)
    put(two_rounds, 1, "critic", figures=figures)
    page = round_page(two_rounds, 1, two_rounds.record(Verdict, 1), FILMS, {}, "")
    assert "On 12 episodes kept out of learning it tells success at 0.70 and is off by 0.030." in page
    assert "![discrimination and calibration of the critic](data:image/png" in page
    own = figures.model_copy(update={"episodes": 20, "auc": None})
    verdict = two_rounds.record(Verdict, 1).model_copy(update={"own_critic": own})
    page = round_page(two_rounds, 1, verdict, FILMS, {}, "")
    assert "On its own 20 episodes in the gate it has one outcome only and is off by 0.030.\n\n" in page
    put(two_rounds, 1, "critic")
    page = round_page(two_rounds, 1, two_rounds.record(Verdict, 1), FILMS, {}, "")
    assert "No episodes are kept out of learning yet." in page
    (two_rounds.round_folder(1) / "critic.json").unlink()


def test_a_page_says_how_many_episodes_could_not_be_played(two_rounds):
    put(two_rounds, 1, "collect", failed=3)
    page = round_page(two_rounds, 1, two_rounds.record(Verdict, 1), FILMS, {}, "")
    row = next(line for line in page.splitlines() if line.startswith("| collect | "))
    assert row.endswith("; 3 more could not be played |")


def test_what_was_played_is_listed_by_stage_and_policy(two_rounds, monkeypatch):
    def batch(k, stage, policy, score_sum):
        origin = {"stage": stage, "policy": policy}
        facts = {"origin": origin, "episodes": 10, "score_sum": score_sum}
        return SimpleNamespace(id=f"{stage}-{k}", round=1, source="collection", **facts)

    batches = [batch(k, "collect", "r000-pac", 4.0) for k in range(3)] + [batch(0, "gate", "r001-pac", 9.0)]
    monkeypatch.setattr("pacloop.flows.pages.round.committed", lambda space: batches)
    links = {0: "/zero"}, ""
    page = round_page(two_rounds, 1, two_rounds.record(Verdict, 1), Films([]), *links)
    assert "| collect | [r000-pac](/zero) | 30 | 40.0% | `collect-0` and 2 more |\n" in page
    assert "| gate | `r001-pac` | 10 | 90.0% | `gate-0` |\n" in page


def test_without_pictures_a_page_says_why(two_rounds):
    verdict = record("reached", reason="r001-pac is good enough")
    page = round_page(two_rounds, 2, verdict, Films([], "Pictures are missing: no EGL"), {}, "")
    assert "# Round 2: reached" in page
    assert "Pictures are missing: no EGL" in page
    assert "data:image" not in page


def test_a_round_without_episodes_shows_none(two_rounds):
    assert episodes_to_show(two_rounds, 2) == []


def test_large_films_never_make_a_large_page(two_rounds):
    large = Films([Film(f"x/{k}", 1.0, 60, 3.0, "", bytes(60_000)) for k in range(4)])
    page = round_page(two_rounds, 1, two_rounds.record(Verdict, 1), large, {}, "")
    assert len(page) < 300_000
    assert "a picture is left out" in page
    assert "x/3" in page and "Evidence 3.50" in page
