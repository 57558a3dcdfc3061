"""A web page of somebody else, open in a browser on this machine, tries what it can with Prefect's server.

The same page succeeds with a server as Prefect starts it, so what it tries would be heard.
"""

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typed import free_port, shown_to

from pacloop.flows.server.ask import answers

ATTACK = """
async api => {
  const put = (name, options) => fetch(`${api}/variables/`, {
    method: "POST", body: new Blob([JSON.stringify({name, value: "was here"})]), ...options});
  const attempt = async work => { try { return await work() } catch (error) { return String(error) } };
  const socket = () => new Promise(done => {
    const opened = new WebSocket(api.replace("http", "ws") + "/events/in", ["prefect"]);
    opened.onopen = () => done("open");
    opened.onerror = () => done("refused");
  });
  const json = {headers: {"content-type": "application/json"}};
  return {
    read: await attempt(async () => (await fetch(`${api}/admin/version`)).status),
    json: await attempt(async () => (await put("json", json)).status),
    blind: await attempt(async () => (await put("blind", {mode: "no-cors"})).type),
    socket: await socket(),
  }
}
"""
"""`blind` is not asked about by the browser: it may be sent to anybody, and only its answer is kept back."""


@pytest.fixture(scope="module")
def hostile():
    """The address of somebody else's page, by another name and on another port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>kittens</title>")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://evil.example:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The API of a server as Prefect starts it."""
    port = free_port()
    told = {"PREFECT_HOME": str(tmp_path_factory.mktemp("plain")), "PREFECT_UI_ENABLED": "0"}
    words = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--port", str(port)]
    server = subprocess.Popen([sys.executable, *words, "--log-level", "error"], env=os.environ | told)
    url = f"http://127.0.0.1:{port}/api"
    while not answers(url):
        assert server.poll() is None
        time.sleep(0.5)
    yield url
    server.terminate()
    server.wait(60)


@pytest.fixture
def page(chromium):
    page = chromium.new_page()
    yield page
    page.close()


def variables(page, api, **headers):
    return {v["name"] for v in page.request.post(f"{api}/variables/filter", data={}, headers=headers).json()}


def test_the_page_would_be_heard(page, hostile, plain):
    page.goto(hostile)
    heard = page.evaluate(ATTACK, plain)
    assert heard == {"read": 200, "json": 201, "blind": "opaque", "socket": "open"}
    assert variables(page, plain) == {"json", "blind"}


def test_somebody_elses_page_is_refused_also_where_the_browser_is_let_in(ui, hostile):
    ui.open("deployments")
    ui.page.get_by_role("link", name="improve-arm", exact=True).wait_for()
    with ui.page.expect_popup() as tab:
        ui.page.evaluate("url => { window.open(url) }", hostile)
    tab.value.wait_for_url(hostile)
    api = f"{ui.site}/api"
    heard = tab.value.evaluate(ATTACK, api)
    assert heard.pop("blind") == "opaque", "it was sent, and the answer kept back"
    assert heard == {
        "read": "TypeError: Failed to fetch",
        "json": "TypeError: Failed to fetch",
        "socket": "refused",
    }
    assert variables(ui.page, api, authorization=shown_to(api)) == set()


def test_a_name_that_was_made_to_mean_this_machine_is_refused(page, site):
    port = site.rpartition(":")[2]
    answer = page.goto(f"http://evil.example:{port}/v2/deployments")
    assert answer.status == 403
    heard = page.evaluate(ATTACK, f"http://evil.example:{port}/api")
    assert heard == {"read": 403, "json": 403, "blind": "basic", "socket": "refused"}
    api = f"{site}/api"
    assert variables(page, api, authorization=shown_to(api)) == set()


def test_a_browser_that_was_not_let_in_is_asked_for_the_string(page, site):
    page.goto(f"{site}/v2/deployments")
    page.wait_for_url(f"{site}/v2/login**")
    page.goto(f"{site}/open#pacloop:guessed")
    page.get_by_text("was that of another start of pacloop serve").wait_for()
    assert page.evaluate("localStorage.getItem('prefect-password')") is None
