"""A promotion that waits for a person is approved and rejected in Prefect's UI."""

import os
import subprocess

import pytest
from playwright.sync_api import expect
from typed import PACLOOP

from pacloop.loop.workspace.verdict import Verdict

RUN_SEC = 900


@pytest.mark.parametrize(
    "decision, champion, name",
    [("approve", "r001-pac", "promoted"), ("reject", "r000-pac", "rejected")],
)
def test_a_person_decides(ui, waiting_space, tmp_path, decision, champion, name):
    space = waiting_space(tmp_path / "arm")
    told = os.environ | {"PREFECT_API_URL": f"{ui.site}/api"}
    improving = subprocess.Popen(
        [PACLOOP, "improve", "-w", str(space.folder), "--rounds", "1"], env=told, stdout=subprocess.PIPE
    )
    try:
        ui.open("runs")
        ui.page.get_by_role("link", name="round 1 - 61% in the gate - waits for approval").click()
        expect(ui.main.get_by_text("Paused", exact=True).first).to_be_visible()
        ui.menu("Resume")
        form = ui.page.get_by_role("dialog")
        expect(form.get_by_role("heading", name="Promote r001-pac?")).to_be_visible()
        expect(form.get_by_role("row", name="candidate r001-pac")).to_contain_text("61.0%")
        ui.picture("approval-figures")
        form.get_by_role("button", name="Select decision").click()
        ui.page.get_by_role("option", name=decision, exact=True).click()
        form.get_by_role("textbox", name="reason").fill("I watched the videos")
        form.get_by_role("textbox", name="who").fill("anna")
        ui.picture("approval")
        form.get_by_role("button", name="Resume").click()
        expect(ui.page.get_by_text("Flow run resumed")).to_be_visible()
        improving.communicate(timeout=RUN_SEC)
    finally:
        improving.kill()
    assert space.registry.champion() == champion
    assert space.record(Verdict, 1).reason.startswith(
        f"{name.replace('promoted', 'approved')} by anna: I watched"
    )
    expect(ui.main.get_by_text(f"round 1 - 61% in the gate - {name}")).to_be_visible()
