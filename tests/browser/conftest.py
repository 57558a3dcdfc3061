"""One served workspace, and Debian's Chromium that looks at it as a person does.

`make browser` runs these; they cost minutes, so `make test` leaves them out. Where PACLOOP_PICTURES names a
folder, the pages are kept there as small PNGs: that is how the pictures in docs/ are made.
"""

import importlib.util
import io
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from typed import PACLOOP, SMALL, free_port, shown_to

from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
]
WIDTH, HEIGHT = 1360, 900
PAGE_MS = 120_000
"""Deadline for what a page should show. Far above what it takes: a busy machine is no failure."""
RUN_SEC = 1800
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(3600))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip("chromium is missing: apt-get install chromium"))


@pytest.fixture(scope="session")
def pacloop():
    """Runs a command, which must end well; gives what it printed."""

    def pacloop(*words):
        done = subprocess.run([PACLOOP, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout

    return pacloop


@pytest.fixture(scope="session")
def arm(tmp_path_factory, pacloop):
    """A workspace with demonstrations and a round of seconds."""
    folder = tmp_path_factory.mktemp("browser") / "arm"
    space = Workspace.create(folder, parse_config(SMALL, "test"))
    pacloop("demonstrate", "-w", folder, "--episodes", "6")
    return space


@pytest.fixture(scope="session")
def waiting_space():
    """Makes a workspace whose round 1 waits for a person, as the tests of the flows do."""
    path = Path(__file__).parents[1] / "flows" / "conftest.py"
    spec = importlib.util.spec_from_file_location("flows_conftest", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.waiting_space


@pytest.fixture(scope="session")
def way_in(arm):
    """The address that `pacloop serve` printed on a terminal, which lets a browser in."""
    port = str(free_port())
    told = os.environ | {"PREFECT_HOME": str(arm.folder.with_name("prefect"))}
    ours, theirs = pty.openpty()
    command = [PACLOOP, "serve", "-w", str(arm.folder), "--port", port]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=told)
    os.close(theirs)
    shown = ""
    try:
        while not (found := re.search(r"opened once: (\S+)\s", shown)):
            shown += os.read(ours, 65536).decode()
        Thread(target=_drain, args=[ours], daemon=True).start()
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _drain(terminal):
    """Read what else is shown, so that whoever shows it need not wait."""
    with suppress(OSError):  # how a terminal says that nobody holds its other end
        while os.read(terminal, 65536):
            pass


@pytest.fixture(scope="session")
def site(way_in):
    return way_in.partition("/open#")[0]


@pytest.fixture(scope="session")
def chromium():
    pytest.importorskip("playwright")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PAGE_MS)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@pytest.fixture
def ui(chromium, site, way_in):
    """Prefect's UI in a window of its own, whose pages ask nobody but their server."""
    page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
    page.set_default_timeout(PAGE_MS)
    answered, failed = set(), set()
    page.on("response", lambda response: answered.add(response.url))
    page.on("requestfailed", lambda request: failed.add((request.url, request.failure)))
    page.goto(way_in)
    page.wait_for_url(f"{site}/v2/**", wait_until="networkidle")
    yield Ui(page, site)
    page.close()
    home = (site, "data:", "blob:")
    assert [url for url in answered if not url.startswith(home)] == []
    assert [why for why in failed if not why[0].startswith(home) and "csp" not in str(why[1]).lower()] == []


class Ui:
    """What a person does in the UI, by the words that stand on the pages."""

    def __init__(self, page, site):
        self.page, self.site = page, site
        self.main = page.get_by_role("main")

    def open(self, path):
        """Go to a page, and let it ask: one that is left while it does forgets that it was let in."""
        self.page.goto(f"{self.site}/v2/{path}", wait_until="networkidle")

    def deployment(self, name):
        """Go to a deployment by way of the list."""
        self.open("deployments")
        self.page.get_by_role("link", name=name, exact=True).click()
        self.page.get_by_role("button", name="Run", exact=True).wait_for()

    def form(self, deployment, **fields):
        """Open a deployment's form, and fill in what is given by the fields' labels."""
        self.deployment(deployment)
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Custom run").click()
        for name, text in fields.items():
            field = self.page.get_by_role("textbox", name=re.compile(rf"^{name}\b"))
            field.fill(str(text))

    def submit(self):
        """Submit the form and go to the run's page; returns the run's id."""
        self.page.get_by_role("button", name="Submit").click()
        self.page.get_by_role("button", name="View run").click()
        self.page.wait_for_url("**/runs/flow-run/**")
        return re.search(r"flow-run/([0-9a-f-]+)", self.page.url)[1]

    def menu(self, item):
        """Choose from the menu of the page that is open."""
        self.main.get_by_role("button", name="Open menu").first.click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def artifact(self, key):
        """Open the newest artifact of a key, by way of the key's history."""
        self.open(f"artifacts/key/{key}")
        self.main.locator("a[href*='/artifacts/artifact/']").first.click()

    def shown_in_time(self, wanted):
        """Look at the page again and again until it shows `wanted`."""
        from playwright.sync_api import expect

        for _ in range(30):
            try:
                expect(wanted).to_be_visible(timeout=10_000)
                return
            except AssertionError:
                self.page.reload()
        raise AssertionError(f"the page never shows {wanted}")

    def run(self, id):
        """What the server knows of a run."""
        api = f"{self.site}/api"
        shown = {"authorization": shown_to(api)}
        return self.page.request.get(f"{api}/flow_runs/{id}", headers=shown).json()

    def ended(self, id):
        """Wait until a run has ended, with its page closed, whose timeline costs a core; returns it."""
        self.page.goto("about:blank")
        for _ in range(RUN_SEC):
            run = self.run(id)
            if run["state"]["type"] in ENDED:
                return run
            time.sleep(1)
        raise AssertionError(f"{run['name']} is still {run['state']['name']}")

    def picture(self, name, scroll_to=None):
        """Keep what is seen, where pictures are wanted."""
        if not (folder := os.environ.get("PACLOOP_PICTURES")):
            return
        from PIL import Image

        if scroll_to is not None:
            scroll_to.scroll_into_view_if_needed()
        self.page.wait_for_timeout(2000)  # what slides in has arrived
        seen = (
            Image.open(io.BytesIO(self.page.screenshot()))
            .convert("RGB")
            .quantize(128, Image.Quantize.MAXCOVERAGE)
        )
        seen.save(Path(folder) / f"{name}.png", optimize=True)
