"""What the doctor says of a Prefect API, a Ray cluster, and a workspace in which a run would fail."""

import http.server
import shutil
from functools import partial
from threading import Thread

import pytest
from recorded import episode
from typed import free_port, pacloop

from pacloop.datasets.errors import PacloopError
from pacloop.flows.cli.doctor import _prefect, _ray, _workspace
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def configured():
    """Checks the API at an address as if Prefect's settings named it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def configured(url):
        with temporary_settings({PREFECT_API_URL: url}):
            return _prefect("arm")

    return configured


@pytest.fixture
def served(tmp_path):
    """The address of an API that is well, and says with which status to whoever asks for its version."""

    class Api(http.server.SimpleHTTPRequestHandler):
        status = 200

        def do_GET(self):
            if self.path.endswith("/admin/version"):
                self.send_error(self.status)
            else:
                super().do_GET()

    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "health").write_text("true")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Api, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield f"http://127.0.0.1:{server.server_port}/api", Api
        server.shutdown()


def test_one_that_answers_is_good_unless_it_wants_a_password(served, configured):
    url, api = served
    check = configured(url)
    assert check.good and check.found == url
    api.status = 401
    check = configured(url)
    assert not check.good and check.found == f"the server at {url} wants a password"


def test_an_api_that_only_prefects_profile_names_is_asked_too(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/api"
    profile = f'active = "robots"\n[profiles.robots]\nPREFECT_API_URL = "{url}"\n'
    (tmp_path / "profiles.toml").write_text(profile)
    done = pacloop("doctor", cwd=tmp_path, PREFECT_HOME=str(tmp_path))
    assert done.returncode == 1
    says = f"BAD  prefect api  PREFECT_API_URL is {url}, but no Prefect server answers there: start it, or "
    assert says in done.stdout and "prefect config unset PREFECT_API_URL" in done.stdout


def test_a_cluster_that_cannot_be_joined_is_bad(monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    check = _ray()
    assert not check.good and check.found.startswith(f"RAY_ADDRESS is {address}, but no cluster")
    assert check.advice.endswith("unset RAY_ADDRESS")


def test_a_ray_client_is_refused_by_whoever_would_use_it(monkeypatch, tmp_path):
    from pacloop.actors.rollout.ray_connection import connect
    from pacloop.loop.stages.improve import check_start

    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    sentence = "RAY_ADDRESS is ray://head:10001, but a Ray client cannot stream episodes: "
    check = _ray()
    assert not check.good and check.found.startswith(sentence)
    space = Workspace.create(tmp_path / "arm", parse_config({}, "test"))
    for use in (lambda: connect(cpus=1), lambda: check_start(space)):
        with pytest.raises(PacloopError, match=sentence):
            use()


def test_a_cluster_that_runs_is_joined(monkeypatch):
    import ray

    from pacloop.actors.rollout.ray_connection import connect

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert connect(cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", address := ray.get_runtime_context().gcs_address)
    check = _ray()
    ray.shutdown()
    assert check.good and check.found == address


def test_a_workspace_that_was_named_must_be_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, (named,) = _workspace(str(tmp_path / "nowhere"))
    assert not named.good and f"init --task NAME --workspace {tmp_path / 'nowhere'}" in named.advice
    _, (default,) = _workspace("workspace")
    assert default.good, "a machine may be looked at before anything is made"


def test_records_that_no_run_could_read_are_bad(two_rounds, tmp_path):
    folder = shutil.copytree(
        two_rounds.folder, tmp_path / "arm", ignore=shutil.ignore_patterns("identity.json")
    )
    assert _workspace(str(folder))[1][0].good
    (folder / "champion.json").write_text("{")
    _, (check,) = _workspace(str(folder))
    assert not check.good and check.found.startswith(f"{folder}/champion.json is not valid JSON")


def test_what_could_not_be_played_is_named(tmp_path):
    space = Workspace.create(tmp_path / "arm", parse_config({}, "test"))
    failed = [{"seed": 7, "reason": "seed 7: the arm is stuck"}]
    origin = {"policy": "r000-pac", "stage": "collect", "workspace": space.id, "failed": failed}
    made = [episode(space, 1, 1.0)]
    space.store.append(made, batch_id="r001-collect-00000", source="collection", round=1, origin=origin)
    _, (_, check) = _workspace(str(space.folder))
    assert check.good and "1 episode could not be played; the last: seed 7: the arm is stuck" in check.found
    assert f"pacloop dataset show r001-collect-00000 -w {space.folder}" in check.found
