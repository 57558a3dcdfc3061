"""The command line as a user types it: what it says, and what it exits with."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typed import pacloop, refused

from pacloop import datasets


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "space"
    done = pacloop("demonstrate", "--workspace", folder, "--episodes", 5, "--seed", 3, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


def content(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "lease.json"}


GROUPS = {
    "Run": ["improve", "demo", "init", "demonstrate", "serve", "deploy", "collect", "learn", "evaluate"],
    "Watch": ["status", "report", "doctor"],
    "Data": ["inject", "dataset"],
    "Policies": ["promote", "rollback", "approve", "reject", "gc", "policies", "gate"],
}


def test_help_lists_every_command_in_its_group_and_cuts_no_sentence_off(tmp_path):
    lines = pacloop("--help", cwd=tmp_path, COLUMNS="80").stdout.splitlines()
    groups, inside = {}, None
    for line in lines:
        if line.startswith("╭─ "):
            inside = groups.setdefault(line.split()[1], [])
        elif inside is not None and line[2:3].isalpha():
            inside.append(line.split()[1])
    del groups["Options"]
    assert (list(groups), groups) == (list(GROUPS), GROUPS)
    assert all(len(line) <= 80 for line in lines)
    cut_off = [line for line in lines if line.rstrip("│ ").endswith(("...", "…"))]
    assert [line.split()[0] for line in cut_off] == ["Usage:"]


def test_the_help_of_every_command_says_what_each_option_is_for(tmp_path):
    from typer.main import get_command

    from pacloop.flows.cli.main import app

    def commands(group):
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else [command]

    for command in commands(get_command(app)):
        assert command.help, command.name
        assert [p.name for p in command.params if not p.help and p.name != "help"] == [], command.name


def test_help_imports_nothing_that_takes_time(tmp_path):
    heavy = ["torch", "ray", "prefect", "tensorflow", "dm_control", "pydantic", "numpy", "pyarrow", "httpx"]
    code = f"""
import sys
from pacloop.flows.cli.main import main
sys.argv = ["pacloop", "--help"]
try:
    main()
finally:
    print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(tmp_path):
    from importlib.metadata import version

    assert pacloop("--version", cwd=tmp_path).stdout == f"pacloop {version('pacloop')}\n"


def test_a_shell_can_complete_commands(tmp_path):
    done = pacloop(cwd=tmp_path, _PACLOOP_COMPLETE="complete_bash", COMP_WORDS="pacloop impr", COMP_CWORD="1")
    assert done.stdout.split() == ["improve"]


def test_demonstrating_twice_adds_nothing(space):
    before = content(space)
    done = pacloop("demonstrate", "-w", space, "--episodes", 5, "--seed", 3, cwd=space.parent)
    assert done.returncode == 0
    assert content(space) == before


def test_a_dataset_can_be_written_without_a_workspace(tmp_path):
    done = pacloop("demonstrate", "--episodes", 2, "--seed", 1, "--out", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "schemas").is_dir()
    assert not (tmp_path / "workspace").exists()


def test_status_in_json(space):
    data = json.loads(pacloop("status", "-w", space, "--json", cwd=space.parent).stdout)
    assert data["task"] == "pacloop/stack"
    assert data["champion"] is None
    assert data["rows"][0]["name"] == "demonstrations"
    assert data["rows"][0]["n"] == 5


def test_dataset_ls_show_and_verify(space):
    batches = json.loads(pacloop("dataset", "ls", "-w", space, "--json", cwd=space.parent).stdout)
    assert [b["source"] for b in batches] == ["demonstration"]
    episode = f"{batches[0]['id']}/2"
    shown = json.loads(pacloop("dataset", "show", episode, "-w", space, "--json", cwd=space.parent).stdout)
    assert shown["policy"] == "demonstrator"
    assert shown["steps"] > 0
    sound = pacloop("dataset", "verify", "-w", space, cwd=space.parent)
    assert (sound.returncode, sound.stdout) == (0, "1 batches, all sound\n")
    left = space / "dataset" / "batches" / ".a.elsewhere.1-00000000.tmp"
    left.mkdir()
    sound = pacloop("dataset", "verify", "-w", space, cwd=space.parent)
    left.rmdir()
    assert sound.returncode == 0
    assert f"{left.name} was left by a writer on another host" in sound.stdout


def test_verify_exits_1_and_names_a_flipped_byte(space, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(space, broken)
    steps = next(broken.rglob("steps.arrow"))
    data = bytearray(steps.read_bytes())
    data[len(data) // 2] ^= 1
    steps.write_bytes(data)
    done = pacloop("dataset", "verify", "-w", broken, cwd=tmp_path)
    assert done.returncode == 1
    assert "steps.arrow" in done.stdout


def test_dataset_ls_finds_batches_and_episodes(space):
    def ls(*words):
        done = pacloop("dataset", "ls", "-w", space, "--json", *words, cwd=space.parent)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert len(ls("--round", 0, "--source", "demonstration", "--policy", "demonstrator")) == 1
    assert ls("--round", 7) == ls("--since", "2999-01-01") == ls("--policy", "r000-pac") == []
    failed, fine = ls("--max-score", 0), ls("--min-score", 1)
    assert len(failed) + len(fine) == 5
    assert {row["score"] for row in failed} <= {0.0}
    for words in (["--since", "soon"], ["--source", "dreams"]):
        refused("dataset", "ls", "-w", space, *words, cwd=space.parent)
    assert "5 episodes" in pacloop("dataset", "ls", "-w", space, "--min-score", 0, cwd=space.parent).stdout


def test_policies_ls_and_show(space):
    assert json.loads(pacloop("policies", "ls", "-w", space, "--json", cwd=space.parent).stdout) == []
    assert "no policy 'r000-pac'" in refused("policies", "show", "r000-pac", "-w", space, cwd=space.parent)


def test_excluding_is_on_record_and_can_be_taken_back(space, tmp_path):
    other = another(space, tmp_path / "other")
    (batch,) = json.loads(pacloop("dataset", "ls", "-w", other, "--json", cwd=tmp_path).stdout)
    why = ("--reason", "knocked over", "--by", "ann", "-w", other)
    done = pacloop("dataset", "exclude", f"{batch['id']}/2", *why, cwd=tmp_path)
    assert done.stdout == f"{batch['id']}/2: 1 episode excluded from every later snapshot\n"
    assert "excluded already" in refused("dataset", "exclude", f"{batch['id']}/2", *why, cwd=tmp_path)
    assert "has no batch or episode nope" in refused("dataset", "exclude", "nope", *why, cwd=tmp_path)
    assert pacloop("dataset", "include", batch["id"], *why, cwd=tmp_path).returncode == 0
    assert pacloop("dataset", "verify", "-w", other, cwd=tmp_path).returncode == 0


def test_a_folder_that_is_no_workspace(tmp_path):
    for command in (["improve"], ["status"], ["dataset", "ls"], ["collect"]):
        assert "is no workspace" in refused(*command, "-w", "nowhere", cwd=tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_an_unknown_task(tmp_path):
    said = refused("demonstrate", "--task", "pacloop/juggle", cwd=tmp_path)
    assert "pacloop/juggle" in said
    assert "pacloop/stack" in said
    assert not (tmp_path / "workspace").exists()


def another(space, folder):
    """A workspace with the same content, and an identity of its own."""
    from pacloop.loop.workspace.workspace import IDENTITY, Workspace

    shutil.copytree(space, folder, ignore=shutil.ignore_patterns(IDENTITY))
    assert Workspace.open(folder).id
    return folder


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version = 99", "version is 99"),
        ("task = ", "not valid TOML"),
        ("[gate]\nlevel = 2.0", "gate.level"),
        ("[gate]\nlevle = 0.1", "levle"),
        ('task = "pacloop/juggle"', "no task"),
    ],
)
def test_a_broken_or_newer_configuration(space, tmp_path, text, says):
    other = another(space, tmp_path / "other")
    (other / "pacloop.toml").write_text(text + "\n")
    before = content(other)
    assert says in refused("improve", "-w", other, cwd=tmp_path)
    assert content(other) == before


def test_a_workspace_of_another_task(space, tmp_path):
    other = another(space, tmp_path / "other")
    (other / "pacloop.toml").write_text('task = "somebody/elses"\n')
    said = refused("demonstrate", "-w", other, cwd=tmp_path)
    assert "somebody/elses" in said


def test_a_dataset_whose_fingerprint_differs(space, tmp_path):
    from pacloop.datasets.files import fingerprint, write_json_atomically

    other = another(space, tmp_path / "other")
    (path,) = (other / "dataset" / "schemas").glob("*.json")
    data = json.loads(path.read_text())
    data["layout"]["control_hz"] = 10.0
    path.unlink()
    write_json_atomically(path.with_name(f"{fingerprint(data['layout'])}.json"), data)
    before = content(other)
    assert "control_hz" in refused("improve", "-w", other, cwd=tmp_path)
    assert content(other) == before


def test_a_workspace_in_use(space):
    from pacloop.loop.workspace.lease import lease

    with lease(space):
        said = refused("improve", "-w", space, cwd=space.parent)
    assert "in use by process" in said


def test_promoting_what_is_not_there(space):
    said = refused("promote", "r009-pac", "--reason", "hope", "-w", space, cwd=space.parent)
    assert "r009-pac" in said
    assert "roll back" in refused("rollback", "--reason", "fear", "-w", space, cwd=space.parent)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_no_space_left(small_disk):
    said = refused("demonstrate", "--episodes", 100, "-w", small_disk / "space", cwd=small_disk.parent)
    assert "no space left on device" in said
    assert list((small_disk / "space" / "dataset" / "batches").iterdir()) == [], "half a batch is left"


def test_bad_use_exits_2(tmp_path):
    assert pacloop("improve", "--rounds", "many", cwd=tmp_path).returncode == 2
    assert pacloop("dance", cwd=tmp_path).returncode == 2


def test_doctor_finds_this_machine_fit(tmp_path):
    checks = json.loads(pacloop("doctor", "--json", cwd=tmp_path).stdout)
    assert {"python", "mujoco", "simulator", "memory"} <= {check["name"] for check in checks}
    assert next(check for check in checks if check["name"] == "simulator")["good"]


def test_pairs_need_somebody_to_be_compared_with(space):
    assert refused("evaluate", "r001-pac", "--paired", "-w", space, cwd=space.parent) == (
        "pacloop: --paired needs the other policy: --against B"
    )


def test_every_command_that_is_advised_exists(tmp_path):
    root = Path(datasets.__file__).parents[1]
    texts = [
        path.read_text()
        for room in ("loop", "flows", "datasets", "actors")
        for path in (root / room).rglob("*.py")
    ]
    pattern = re.compile(r"(?:(?:: |`|, or )pacloop |command\([\"'])([a-z]+)")
    advised = {word for text in texts for word in pattern.findall(text)}
    assert {"improve", "inject", "evaluate", "init"} <= advised
    listed = pacloop("--help", cwd=tmp_path).stdout
    assert [word for word in sorted(advised) if not re.search(rf"^\W*{word}\b", listed, re.M)] == []


def test_there_may_be_no_evaluation_to_give_up(space):
    assert refused("evaluate", "--give-up", "-w", space, cwd=space.parent) == (
        f"pacloop: no evaluation was interrupted in {space}"
    )


def test_gate_simulate_in_json_and_as_a_table(tmp_path):
    words = ["gate", "simulate", "--champion", 0.5, "--candidate", 0.8, "--cap", 60]
    done = pacloop(*words, "--collected", 60, "--json", "--plot", "power.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert 0.9 < data["promoted"] < 1 and 0.03 < data["wrong_promotions"] <= data["alpha"] == 0.05
    assert 0 < data["candidate_episodes"] <= 60 and data["champion_episodes"] == 0
    assert data["fixed_n_per_arm"] > 0
    assert (tmp_path / "power.png").read_bytes().startswith(b"\x89PNG")
    table = pacloop(*words, "--collected", 0, cwd=tmp_path).stdout
    assert "both arms fresh" in table and "fixed-n test, in each arm" in table
    assert "level" in refused(*words, "--alpha", 0, cwd=tmp_path)
    assert pacloop(*words, "--collected", -1, cwd=tmp_path).returncode == 2
