"""The table and the curve: each policy by its best unselected sample."""

from dataclasses import replace

import pytest
from recorded import play_collection, put, record, tally, verdict

from pacloop.datasets import EpisodeStore
from pacloop.flows.pages.render import markdown
from pacloop.flows.terminal import console, rows_table
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.views.curve import curve, png
from pacloop.loop.views.rounds import by_source, rows


@pytest.fixture
def played(space):
    add_demonstrations(
        space.folder, task="pacloop/stack", episodes=4, seed=0, clean=True, bare=False, progress=silent
    )
    put(space, 0, "baseline", **tally(2, 10, policy="r000-bc"))
    put(space, 0, "learn", policy="r000-pac", seconds=7.0)
    put(space, 0, "race", policy="r000-pac", episodes=6, seconds=1.0)
    play_collection(space, 1, "r000-pac", 15, 30)
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 16, 20))
    play_collection(space, 2, "r001-pac", 21, 30)
    put(space, 2, "gate", **verdict("rejected", "r002-pac", 4, 20))
    return space


def test_rows_in_order(played):
    found = [(row.name, row.n, round(row.rate, 3), row.verdict) for row in rows(played)]
    assert found == [
        ("demonstrations", 4, 1.0, ""),
        ("BC", 10, 0.2, ""),
        ("PAC on the demonstrations", 30, 0.5, ""),
        ("round 1", 30, 0.7, "promoted"),  # its next collection, not the 80 % that promoted it
        ("round 2", 20, 0.2, "rejected"),
    ]


def test_what_the_gate_selected_does_not_look_like_a_measurement(played):
    assert [row.success for row in rows(played)[-2:]] == ["70.0%", "20.0% in the gate"]
    page = markdown("evaluation.md.j2", outcome=record("baseline"), space=played, rows=rows(played))
    (screen := console()).begin_capture()
    screen.print(rows_table(rows(played), ""))
    for shown in (page, screen.end_capture()):
        assert "20.0% in the gate" in shown and "70.0% in" not in shown


def test_a_champion_is_shown_by_all_that_it_collected(played):
    play_collection(played, 3, "r001-pac", 12, 30)
    shown = next(row for row in rows(played) if row.name == "round 1")
    assert (shown.n, round(shown.rate, 3)) == (60, 0.55)


def test_episodes_add_up(played):
    assert [row.episodes for row in rows(played)] == [4, 14, 20, 70, 120]


@pytest.fixture
def injected(played):
    """Three demonstrations that came from outside when the first round had ended."""
    began = played.store.snapshot()
    for number in (0, 1):
        put(played, number, "append", snapshot=began, seconds=1.0)
    episodes = list(played.store.episodes(played.store.batches()[0]))
    origin = {
        "command": "inject",
        "path": "/x/demo.hdf5",
        "when": "2026-11-21T10:00",
        "by": "anna",
        "note": "",
    }
    played.store.append(episodes[:3], batch_id="inject-1", source="demonstration", origin=origin)
    return played


def test_an_injection_waits_for_the_next_round(injected):
    found = rows(injected)
    assert found[0].n == 4, "the demonstrations are those the run began with"
    assert (found[-1].name, found[-1].verdict, found[-1].episodes) == ("injected demo.hdf5", "injected", 123)
    assert found[-1].reason.endswith("; not learned from yet")


def test_an_injection_stands_before_the_round_that_learned_from_it(injected):
    put(injected, 2, "append", snapshot=injected.store.snapshot(), seconds=1.0)
    found = rows(injected)
    assert [row.name for row in found[-3:]] == ["round 1", "injected demo.hdf5", "round 2"]
    assert [row.episodes for row in found[-3:]] == [70, 73, 123]
    assert "demonstration from /x/demo.hdf5 by anna" in found[-2].reason
    assert found[-2].reason.endswith("learned from since round 2")


def test_what_a_run_began_with_is_shown_also_where_it_is_interventions(space):
    demos = add_demonstrations(
        space.folder / "demos",
        task="pacloop/stack",
        episodes=3,
        seed=0,
        clean=True,
        bare=True,
        progress=silent,
    )
    made = EpisodeStore.open(space.folder / "demos").episodes(demos)
    space.store.append(list(made), batch_id="corrected", source="intervention", origin={"command": "inject"})
    put(space, 0, "append", snapshot=space.store.snapshot(), seconds=1.0)
    put(space, 0, "baseline", **tally(2, 10, policy="r000-bc"))
    assert [(row.name, row.n, row.episodes) for row in rows(space)] == [
        ("demonstrations", 3, 3),
        ("BC", 10, 13),
    ]


def test_an_empty_workspace_has_no_rows(space):
    assert rows(space) == []


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_curve_is_a_small_png(played, count):
    image = png(curve(played, rows(played)[:count]))
    assert image.startswith(b"\x89PNG")
    assert len(image) < 100_000


@pytest.fixture
def batch(space):
    return add_demonstrations(
        space.folder, task="pacloop/stack", episodes=2, seed=0, clean=True, bare=False, progress=silent
    )


def test_each_source_adds_up_its_batches(batch):
    collected = replace(batch, id="c", source="collection", score_sum=1.0)
    found = by_source([collected, batch, replace(collected, id="d")])
    assert [(source, s.batches, s.episodes, s.rate) for source, s in found.items()] == [
        ("demonstration", 1, 2, 1.0),
        ("collection", 2, 4, 0.5),
    ]
    assert found["collection"].steps == 2 * batch.steps


def test_nothing_has_no_sources():
    assert by_source([]) == {}
