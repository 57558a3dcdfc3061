"""What people do with pacloop in Prefect's UI: watch, inject, schedule, cancel. In this order."""

import json
import re
import shutil
import time

from playwright.sync_api import expect

from pacloop.loop.workspace.verdict import Verdict


def row(page, name):
    """The cells of a row of the table on `success-per-round`."""
    found = page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
    return found.get_by_role("cell")


def test_a_form_starts_a_run_and_its_rounds_show_their_success(ui, arm):
    ui.form("improve-arm")
    expect(ui.page.get_by_role("spinbutton", name="rounds")).to_have_value("")
    ui.picture("form-improve")
    run = ui.ended(ui.submit())
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    verdict = arm.record(Verdict, 1).decision

    ui.open("runs")
    expect(
        ui.page.get_by_role("link", name=re.compile(rf"^round 1 - \d+% in the gate - {verdict}$"))
    ).to_be_visible()
    expect(ui.page.get_by_role("link", name=re.compile(r"^improve - success \d+% - target"))).to_be_visible()
    ui.picture("runs")

    ui.artifact("success-per-round")
    expect(row(ui.page, "round 1").nth(4)).to_have_text(verdict)
    curve = ui.page.get_by_role("img", name="success per round")
    expect(curve).to_be_visible()
    assert curve.evaluate("picture => picture.naturalWidth") > 500
    ui.picture("success-per-round")


def test_a_form_injects_and_the_page_has_the_validators_table(ui, arm, pacloop):
    recording = arm.folder.with_name("afternoon")
    pacloop("demonstrate", "--out", recording, "--episodes", "5", "--seed", "9")
    ui.form("inject-demonstrations-arm", path=recording, note="first afternoon", who="anna")
    ui.picture("form-inject")
    run = ui.ended(ui.submit())
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    ui.open(f"runs/flow-run/{run['id']}")
    expect(ui.main.get_by_text("inject afternoon - 5 added, 0 known, 0 bad")).to_be_visible()
    ui.artifact("injection")
    expect(ui.page.get_by_role("heading", name="afternoon: 5 episodes added")).to_be_visible()
    expect(row(ui.page, "accepted").nth(1)).to_have_text("5")
    ui.picture("injection")


def test_the_next_round_counts_the_injected_batch(ui, arm):
    ui.form("improve-arm")
    run = ui.ended(ui.submit())
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    ui.artifact("success-per-round")
    expect(row(ui.page, "injected afternoon").nth(3)).to_have_text("5")
    expect(ui.page.get_by_text("by anna")).to_contain_text("learned from since round 2; first afternoon")
    expect(row(ui.page, "round 2").nth(4)).to_have_text(arm.record(Verdict, 2).decision)
    ui.picture("success-after-injection")


def test_a_schedule_shows_its_next_runs(ui):
    ui.deployment("improve-arm")
    ui.page.get_by_role("button", name="Schedule", exact=True).click()
    dialog = ui.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Value").fill("360")
    ui.picture("form-schedule")
    dialog.get_by_role("button", name="Save").click()
    expect(ui.main.get_by_text("Every 6 hours")).to_be_visible()
    ui.page.get_by_role("tab", name="Upcoming").click()
    ui.shown_in_time(ui.main.locator("a[href*='/runs/flow-run/']").first)  # put there once a minute
    ui.picture("scheduled")


def test_a_cancelled_run_is_cancelled_and_its_workspace_intact(ui, arm, pacloop):
    """A run of its own workspace, which clones for hours, is cancelled while it learns."""
    long = arm.folder.with_name("long")
    shutil.copytree(arm.dataset, long / "dataset")
    text = (arm.folder / "pacloop.toml").read_text()
    (long / "pacloop.toml").write_text(text.replace("clone_steps = 20 ", "clone_steps = 1000000 "))
    ui.form("improve-arm", workspace=long)
    id = ui.submit()
    while not (long / "rounds" / "000" / "append.json").exists():
        assert ui.run(id)["state"]["type"] in ("SCHEDULED", "PENDING", "RUNNING")
        time.sleep(1)
    expect(ui.main.get_by_text("Running", exact=True).first).to_be_visible()
    ui.menu("Cancel")
    ui.page.get_by_role("alertdialog").get_by_role("button", name="Cancel Flow Run").click()
    assert ui.ended(id)["state"]["type"] == "CANCELLED"
    ui.open(f"runs/flow-run/{id}")
    expect(ui.main.get_by_text("Cancelled", exact=True).first).to_be_visible()
    ui.picture("cancelled")
    ui.open("runs")
    ui.shown_in_time(ui.main.get_by_text("Cancelled", exact=True).nth(1))  # what it had begun is, too
    assert json.loads(pacloop("status", "-w", long, "--json"))["at_work"] is None
    pacloop("dataset", "verify", "-w", long)
