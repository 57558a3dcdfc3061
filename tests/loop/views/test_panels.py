"""Training curves and data as figures."""

import json
from dataclasses import replace

import pytest

from pacloop.datasets import DatasetError
from pacloop.loop.gate.simulate import Scenario
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.views.curve import png
from pacloop.loop.views.panels import power_png, sources, svg, training
from pacloop.loop.views.training import Training, trainings


def run(number, steps=4, **more):
    lines = [{"step": 50.0 * k, "loss": 10.0 / k, "q": 0.1 * k, **more} for k in range(1, steps + 1)]
    return Training(number, "learn", 200, lines)


def test_runs_are_read_in_order_with_what_is_being_written_left_out(space):
    for number, stage in ((0, "clone"), (0, "learn"), (1, "learn")):
        folder = space.round_folder(number) / f"{stage}-run"
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(json.dumps({"step": 50 + number, "loss": 1.0}) + '\n{"step": 1')
        (folder / "state.json").write_text('{"learn": {"steps": 300}}')
    assert [(r.name, r.step, r.total) for r in trainings(space)] == [
        ("BC", 50, 300),
        ("round 0", 50, 300),
        ("round 1", 51, 300),
    ]


def test_lines_that_are_no_figures_are_left_out(space):
    folder = space.round_folder(0) / "learn-run"
    folder.mkdir(parents=True)
    lines = ["[1]", '{"loss": 1.0}', '{"step": "x"}', '{"step": NaN}', '{"step": 50, "loss": 2.0}']
    (folder / "metrics.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xac")
    assert [run.lines for run in trainings(space)] == [[{"step": 50.0, "loss": 2.0}]]
    (folder / "state.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"state\.json: "):
        trainings(space)


def test_a_panel_a_figure_and_none_for_what_no_run_has():
    figure = training([run(1), run(2, critic=0.5)])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "critic's loss", "mean Q"]
    assert list(figure.axes[0].lines[0].get_xdata()) == [50, 100, 150, 200]
    assert training([]) is None
    assert training([Training(1, "learn", None, [])]) is None


def test_runs_stand_one_after_another():
    lines = [line for line in training([run(1), run(2)]).axes[0].lines if len(line.get_xdata()) == 4]
    assert list(lines[1].get_xdata()) == [250, 300, 350, 400]


@pytest.fixture
def batch(space):
    return add_demonstrations(
        space.folder, task="pacloop/stack", episodes=2, seed=0, clean=True, bare=False, progress=silent
    )


def test_what_came_from_outside_stands_with_the_round_that_learned_from_it(batch):
    injected = replace(batch, id="inject-1", round=None)
    collected = replace(batch, id="c", round=1, source="collection", episodes=5)
    figure = sources([batch, injected, collected], {batch.id: 0, "inject-1": 2})
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["round 0", "round 1", "round 2"]
    heights = [[bar.get_height() for bar in bars] for bars in figure.axes[0].containers]
    assert heights == [[2, 0, 2], [0, 5, 0]]
    assert sources([], {}) is None


def test_a_figure_is_the_same_svg_each_time_and_a_small_png():
    first, second = svg(training([run(1)])), svg(training([run(1)]))
    assert first == second
    assert first.startswith("<svg") and ">loss<" in first, "its text is text"
    assert len(png(training([run(1, steps=160)]))) < 60_000


def test_a_gates_power_is_a_small_picture():
    picture = power_png(Scenario(0.5, 0.7, cap=40, block=20, collected=40))
    assert picture.startswith(b"\x89PNG") and len(picture) < 60_000
