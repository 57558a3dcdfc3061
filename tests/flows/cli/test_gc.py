"""`pacloop gc`: what it says would go, goes; whoever is at work keeps it out."""

import json
import shutil

import pytest
from typed import pacloop, refused

from pacloop.loop.workspace.lease import lease


@pytest.fixture
def folder(two_rounds, tmp_path):
    """Two rounds and a candidate of the first that nobody uses."""
    folder = shutil.copytree(
        two_rounds.folder, tmp_path / "arm", ignore=shutil.ignore_patterns("identity.json")
    )
    unused = shutil.copytree(folder / "policies" / "r001-pac", folder / "policies" / "r001-pac-n2")
    (unused / "weights.safetensors").write_bytes(bytes(100))
    return folder


def test_what_would_go_goes(folder):
    weights = folder / "policies" / "r001-pac-n2" / "weights.safetensors"
    size = weights.stat().st_size
    shown = pacloop("gc", "--dry-run", "--keep", 1, "-w", folder, cwd=folder)
    assert shown.returncode == 0 and "would be removed" in shown.stdout and weights.exists()
    done = json.loads(pacloop("gc", "--keep", 1, "--json", "-w", folder, cwd=folder).stdout)
    assert done["removed"] and {"name": "policies/r001-pac-n2/weights.safetensors", "bytes": size} in [
        {name: file[name] for name in ("name", "bytes")} for file in done["files"]
    ]
    assert not weights.exists() and (folder / "policies" / "r001-pac-n2" / "policy.json").exists()
    listed = json.loads(pacloop("policies", "ls", "--json", "-w", folder, cwd=folder).stdout)
    removed = {policy["id"]: policy["weights_removed"] for policy in listed}
    when = json.loads((folder / "policies" / "r001-pac-n2" / "removed.json").read_text())["when"]
    assert removed["r001-pac-n2"]["when"] == when and removed["r001-pac"] is None
    shown = pacloop("policies", "show", "r001-pac-n2", "-w", folder, cwd=folder)
    assert f"weights removed by gc on {when[:10]}" in shown.stdout
    assert "removed" not in pacloop("policies", "show", "r001-pac", "-w", folder, cwd=folder).stdout
    said = refused("promote", "r001-pac-n2", "--reason", "x", "-w", folder, cwd=folder)
    assert "the weights of r001-pac-n2 were removed by pacloop gc" in said


def test_nothing_goes_while_somebody_is_at_work(folder):
    with lease(folder):
        assert "is in use by" in refused("gc", "--keep", 1, "-w", folder, cwd=folder)
