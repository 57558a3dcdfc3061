"""The page of an injection."""

from pacloop.datasets.store.quarantine import Quarantined
from pacloop.flows.pages.render import markdown
from pacloop.loop.injection.inject import Request
from pacloop.loop.injection.outcome import InjectionOutcome


def test_a_page_lists_no_more_than_it_can_show(tmp_path):
    bad = [Quarantined(f"episode {i}", ("action 0 lies in [90, 90]",)) for i in range(5000)]
    outcome = InjectionOutcome("x.hdf5", "robomimic", 5000, quarantined=bad)
    page = markdown("injection.md.j2", outcome=outcome, request=Request(tmp_path / "x.hdf5"))
    assert "episode 99 " in page and "episode 100 " not in page
    assert "and 4900 more" in page
