"""The picture of a gate's power."""

from pacloop.loop.gate.simulate import Scenario
from pacloop.loop.views.power import power_png


def test_a_gates_power_is_a_small_picture():
    picture = power_png(Scenario(0.5, 0.7, cap=40, block=20, collected=40))
    assert picture.startswith(b"\x89PNG") and len(picture) < 60_000
