"""The champion: always exactly one, with its whole history, put in force and back."""

import json
import os
import subprocess
import sys

import pytest

from pacloop.datasets import DatasetError
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.registry import Registry


@pytest.fixture
def registry(tmp_path):
    """A registry of three policies, none in force."""
    for name in ("a", "b", "c"):
        (tmp_path / "policies" / name).mkdir(parents=True)
        (tmp_path / "policies" / name / "policy.json").write_text("{}")
    return Registry(tmp_path)


def install(registry, policy, round, by="gate"):
    registry.install(policy, reason=f"won round {round}", by=by, round=round, action="promote")


def champions(registry):
    return [reign.policy for reign in registry.history()]


def test_before_the_first_there_is_none(registry):
    assert registry.champion() is None and registry.history() == []


def test_the_last_reign_is_in_force_and_all_are_on_record(registry, tmp_path):
    registry.install("a", reason="learned", by="round 0", round=0, action="first")
    install(registry, "b", 1)
    registry.promote("c", reason="looks better", by="ann")
    assert registry.champion() == "c"
    assert [(r.policy, r.reason, r.by, r.round, r.action) for r in Registry(tmp_path).history()] == [
        ("a", "learned", "round 0", 0, "first"),
        ("b", "won round 1", "gate", 1, "promote"),
        ("c", "looks better", "ann", None, "promote"),
    ]
    assert all(reign.since.endswith("+00:00") for reign in registry.history())


def test_a_stage_that_runs_again_installs_nothing_twice(registry):
    install(registry, "a", 1)
    install(registry, "b", 2)
    install(registry, "b", 2)
    install(registry, "a", 1)
    assert champions(registry) == ["a", "b"]
    registry.rollback(reason="it drops cubes", by="ann")
    install(registry, "b", 2)
    assert registry.champion() == "a", "what was rolled back by hand stays so"


def test_what_was_promoted_by_hand_before_there_was_a_first_stays(registry):
    registry.promote("b", reason="I know it", by="ann")
    registry.install("a", reason="learned", by="round 0", round=0, action="first")
    assert champions(registry) == ["b"]


def test_a_second_rollback_goes_further_back(registry):
    for round, policy in enumerate("abc"):
        install(registry, policy, round)
    assert registry.rollback(reason="worse", by="ann") == ("c", "b")
    assert registry.rollback(reason="worse still", by="ann") == ("b", "a")
    with pytest.raises(LoopError, match="no champion before this one"):
        registry.rollback(reason="worst", by="ann")
    assert champions(registry) == ["a", "b", "c", "b", "a"]
    assert registry.history()[-1].reason == "worse still"


def test_a_promotion_after_a_rollback_is_undone_to_where_it_began(registry):
    install(registry, "a", 0)
    install(registry, "b", 1)
    registry.rollback(reason="worse", by="ann")
    install(registry, "c", 2)
    assert registry.rollback(reason="worse", by="ann") == ("c", "a")


def test_two_processes_at_once_lose_no_reign(registry, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom pacloop.loop.workspace.registry import Registry\n"
        "registry = Registry(Path(sys.argv[1]))\nprint(flush=True); sys.stdin.readline()\n"
        "for round in range(30):\n"
        "  registry.install('a', reason='r', by=sys.argv[2], round=round, action='promote')"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", code, tmp_path, by], **pipes) for by in ("gate", "ann")]
    for process in both:
        assert process.stdout.readline() == "\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=60)
    reigns = [(reign.by, reign.round) for reign in registry.history()]
    assert sorted(reigns) == [(by, round) for by in ("ann", "gate") for round in range(30)]


def test_unknown_policies_are_refused_by_name(registry):
    with pytest.raises(LoopError, match="there is no policy 'd'; known: a, b, c"):
        registry.promote("d", reason="typo", by="ann")
    assert registry.champion() is None


def test_a_folder_without_policies_says_none(tmp_path):
    with pytest.raises(LoopError, match="there is no policy 'a'; known: none"):
        Registry(tmp_path).promote("a", reason="first", by="ann")


def test_the_champion_is_not_promoted_again(registry):
    install(registry, "a", 0)
    with pytest.raises(LoopError, match="a is the champion already"):
        registry.promote("a", reason="twice", by="ann")


def test_a_write_that_fails_leaves_the_old_champion_whole(registry, tmp_path, monkeypatch):
    install(registry, "a", 0)
    before = (tmp_path / "champion.json").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with (
        monkeypatch.context() as patch,
        pytest.raises(DatasetError, match=r"champion\.json cannot be written"),
    ):
        patch.setattr(os, "fsync", full)
        install(registry, "b", 1)
    assert (tmp_path / "champion.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "champion.json",
        "champion.lock",
        "policies",
    ]
    assert json.loads(before)["version"] == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"version": 2, "history": []}', ": version is 2, but this pacloop reads 1"),
        ('{"version": 1}', ": history is missing"),
        (
            '{"version": 1, "history": [{"policy": 3}]}',
            r": history\.0\.policy is 3, but must be a",
        ),
    ],
)
def test_a_file_that_is_no_history_is_named(registry, tmp_path, content, problem):
    (tmp_path / "champion.json").write_text(content)
    with pytest.raises(DatasetError, match=rf"champion\.json{problem}"):
        registry.champion()
