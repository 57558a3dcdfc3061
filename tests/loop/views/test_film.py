"""Episodes as pictures, rendered in a process of its own; and what is said where that cannot be."""

import io
from dataclasses import replace

import pytest

from pacloop.datasets import Episode
from pacloop.loop.views.film import STRIP_FRAMES, choose, filming


@pytest.fixture
def space(space, cut):
    """Four short episodes: two successes, two failures."""
    short, forged = cut
    made: list[Episode] = [replace(short, score=score) for score in (0.0, 1.0, 1.0, 0.0, 1.0)]
    made[3] = replace(forged, score=0.0)
    space.store.append(made, batch_id="cut", source="intervention")
    return space


def film(space, episodes, **options):
    with filming(space, episodes, **options) as films:
        return films()


def test_the_first_of_each_kind_are_chosen(space):
    own = [space.store.batch("cut")]
    assert choose(space.store, own, 2, 2) == ["cut/1", "cut/2", "cut/0", "cut/3"]
    assert choose(space.store, own, 9, 9) == ["cut/1", "cut/2", "cut/4", "cut/0", "cut/3"]
    assert choose(space.store, [], 2, 2) == []


def test_a_strip_and_a_video_of_each_and_what_is_not_as_recorded(space):
    from PIL import Image

    told = []
    films = film(
        space,
        ["cut/1", "cut/3"],
        videos=True,
        progress=lambda *news: told.append(news[:3]),
    )
    assert films.missing == ""
    good, forged = films.made
    assert good.caption == "success, 7 steps (0.3 s)"
    assert forged.caption.startswith(
        "failure, 7 steps (0.3 s); acted out again, not as recorded: from step 1"
    )
    strip = Image.open(io.BytesIO(good.strip))
    assert strip.format == "JPEG" and strip.width >= 100 * STRIP_FRAMES
    assert len(good.strip) < 40_000
    import av

    with av.open(io.BytesIO(good.video)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        assert (float(container.streams.video[0].average_rate), frames) == (10.0, 4)
    assert told == [("films", 1, 2), ("films", 2, 2)]


def test_what_cannot_be_rendered_is_said_and_nothing_fails(space, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "no-such-backend")
    films = film(space, ["cut/1"])
    assert films.made == []
    assert films.missing.startswith("Pictures are missing: ")
    assert "no-such-backend" in films.missing
    assert film(space, []).missing == "there are no episodes to show yet"


def test_rendering_is_stopped_at_its_deadline(space, monkeypatch):
    monkeypatch.setattr("pacloop.loop.views.film.DEADLINE_SEC", 0.01)
    films = film(space, ["cut/1"])
    assert films.made == []
    assert "was stopped at its deadline" in films.missing
