"""A workspace in a bucket: what one machine does the other sees, and nobody overwrites what is new to him."""

import json
from pathlib import Path
from threading import Event, Thread

import pytest
import torch
from recorded import put, verdict

from pacloop.datasets import DatasetError
from pacloop.datasets.objects import Bucket
from pacloop.learner.checkpoint import PolicyRecord, read_policy, read_weights, weights_file
from pacloop.learner.config import PacConfig
from pacloop.learner.policy import Acting
from pacloop.loop.errors import LoopError
from pacloop.loop.stages.collect import begin
from pacloop.loop.stages.learn import start_policy
from pacloop.loop.workspace import local_copy
from pacloop.loop.workspace.config import Config, parse_config
from pacloop.loop.workspace.local_copy import LocalCopy
from pacloop.loop.workspace.place import address_of, url_of
from pacloop.loop.workspace.policies import write_policy
from pacloop.loop.workspace.records import Appended, Raced
from pacloop.loop.workspace.retention import remove_files, spare_files
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def url(s3, tmp_path):
    return f"s3://robots/{tmp_path.name}/arm"


@pytest.fixture
def on(tmp_path, monkeypatch, url):
    """Opens the workspace on a machine: one with a cache of its own."""

    def on(machine):
        monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / machine))
        return Workspace.open(url)

    return on


@pytest.fixture
def one(tmp_path, monkeypatch, url):
    """The workspace, made on the first machine."""
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "one"))
    return Workspace.create(url, Config())


def put_policy(space, name, weight=1.0):
    record = PolicyRecord(name, space.task.schema, PacConfig(), Acting("sample", 1, 0.05), {"round": 0}, {})
    write_policy(space, record, {"w": torch.full((1,), weight)})


def reign(space, policy):
    space.registry.promote(policy, reason="looks better", by="ann")


def files(space):
    return sorted(
        path.relative_to(space.folder).as_posix() for path in space.folder.rglob("*") if path.is_file()
    )


def test_a_url_is_one_however_it_is_written(tmp_path, monkeypatch):
    for text in ("s3://robots/arm", "s3://robots/arm/", Path("s3://robots/arm")):
        assert url_of(text) == address_of(text) == "s3://robots/arm"
    assert url_of("arm") is url_of("s3") is url_of("/s3:/arm") is None
    monkeypatch.chdir(tmp_path)
    assert address_of("arm") == str(tmp_path / "arm")
    with pytest.raises(DatasetError, match="'https://robots/arm' is no url of a bucket"):
        Workspace.open("https://robots/arm")


def test_what_is_no_workspace_is_said_and_leaves_nothing(s3, url, tmp_path, monkeypatch):
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        LoopError, match=f"^{url} is no workspace: .* pacloop init --task NAME --workspace {url}$"
    ):
        Workspace.open(url)
    with pytest.raises(DatasetError, match=r"^s3://nowhere/arm/pacloop.toml .*: there is no such bucket$"):
        Workspace.open("s3://nowhere/arm")
    assert not (tmp_path / "cache").exists()


def test_another_task_or_a_broken_setting_is_named_by_its_url(one, url, on):
    with pytest.raises(LoopError, match=f"^{url} is a workspace of pacloop/stack, not of other$"):
        Workspace.create(url, parse_config({"task": "other"}, "test"))
    bucket = Bucket(url)
    seen = bucket.fetch("pacloop.toml")
    bucket.replace("pacloop.toml", b"seed = -1", seen.version)
    with pytest.raises(LoopError, match=f"^{url}/pacloop.toml: seed is -1"):
        on("two")


def test_what_one_machine_writes_the_other_sees(one, on):
    put_policy(one, "a")
    put(one, 0, "race", policy="a")
    reign(one, "a")
    two = on("two")
    assert (two.place, two.name, two.rounds()) == (one.place, "arm", [0])
    assert (two.record(Raced, 0).policy, two.registry.champion()) == ("a", "a")
    assert "policies/a/weights.safetensors" not in files(two), "weights are fetched when they are needed"
    assert read_weights(two.policy_folder("a"))["w"].item() == 1.0
    put_policy(two, "b")
    reign(two, "b")
    assert one.registry.champion() == "b"
    one.pull()
    assert one.policy_json("b").is_file()
    assert two.dataset == f"{two.place}/dataset"


def test_weights_that_somebody_deleted_are_one_sentence(one, on):
    put_policy(one, "a")
    one.copy.bucket.delete(["policies/a/weights.safetensors"])
    folder = on("two").policy_folder("a")
    for read in (read_weights, read_policy, weights_file):
        with pytest.raises(DatasetError, match=r"^the weights of policy a cannot be read: no such file"):
            read(folder)


def test_what_retention_removes_is_gone_from_the_bucket(one, on):
    for number, name in enumerate(("a", "b", "c")):
        record = PolicyRecord(name, one.task.schema, PacConfig(), Acting("sample"), {"round": number}, {})
        write_policy(one, record, {"w": torch.ones(1)})
    put(one, 2, "append")
    two = on("two")
    two.policy_folder("b")
    spare = spare_files(two, 1)
    assert [(file.name, file.bytes > 0) for file in spare] == [("policies/b/weights.safetensors", True)]
    remove_files(two, spare, "ann")
    assert [name for name in files(two) if name.startswith("policies/b")] == [
        "policies/b/policy.json",
        "policies/b/removed.json",
    ]
    assert "policies/b/weights.safetensors" not in one.copy.bucket.list("policies")
    one.pull()
    with pytest.raises(LoopError, match="the weights of b were removed"):
        one.registry.promote("b", reason="why not", by="ann")


def test_a_pull_asks_for_what_is_new_only(one, s3):
    for number in range(3):
        put(one, number, "append", rows=number)
    s3.requests.clear()
    one.pull()
    asked = [path.rpartition("/")[2] for _, path in s3.requests]
    assert asked == ["pacloop.toml", "champion.json", "identity.json", "robots", "robots", "robots"]


def test_of_two_promotions_at_once_one_is_refused(one, on):
    for name in ("a", "b", "c"):
        put_policy(one, name)
    reign(one, "a")
    two = on("two")
    refused = pytest.raises(LoopError, match=r"champion.json was written by somebody else meanwhile")
    with refused, one.registry._changing() as (history, _):
        reign(two, "b")
        history.append(history[0])
    assert one.registry.champion() == "b"
    reign(one, "c")
    assert [entry.policy for entry in two.registry.history()] == ["a", "b", "c"]


def test_a_rollback_counts_for_the_round_that_its_machine_has_not_seen_begin(one, on):
    for name in ("r000-pac", "r001-pac"):
        put_policy(one, name)
    one.registry.install("r000-pac", reason="learned", by="round 0", round=0, action="first")
    begin(one, 1)
    put(one, 1, "gate", **verdict("promoted", "r001-pac", 9, 10))
    one.registry.settle()
    two = on("two")
    assert begin(one, 2).champion == "r001-pac"
    two.registry.rollback(reason="it scratches", by="ann")
    assert one.registry.changed_after(2) and not one.registry.changed_after(3)
    assert start_policy(one, 2) == "r000-pac"
    put(one, 2, "gate", **verdict("undecided", "r002-pac", 9, 10))
    begin(one, 3)
    assert start_policy(one, 3) == "r000-pac", "nor from what learned in the meantime"
    put(one, 3, "gate", **verdict("undecided", "r003-pac", 9, 10))
    begin(one, 4)
    assert start_policy(one, 4) == "r003-pac"


def test_of_a_promotion_and_the_removal_of_its_weights_one_happens(one, on):
    for name in ("a", "b"):
        put_policy(one, name)
    reign(one, "a")
    two = on("two")
    retired = pytest.raises(LoopError, match=r"champion.json was written by somebody else meanwhile")
    with retired, one.registry._changing() as (history, _):
        assert two.registry.retire(["a", "b"]) == {"b"}
        history.append(history[0])
    with pytest.raises(LoopError, match="the weights of b were removed"):
        reign(one, "b")


@pytest.mark.parametrize("late", ["list", "fetch"])
def test_whoever_looks_and_is_suspended_keeps_no_writer_waiting(one, monkeypatch, late):
    reader, reached, go_on = LocalCopy(one.place), Event(), Event()
    put(one, 1, "begin")
    whole = getattr(reader.bucket, late)

    def suspended(*arguments):
        seen = whole(*arguments)
        reached.set()
        go_on.wait(60)
        return seen

    monkeypatch.setattr(reader.bucket, late, suspended)
    looks = Thread(target=reader.pull, daemon=True)
    looks.start()
    assert reached.wait(20)
    writes = Thread(target=put, args=(one, 2, "append"), kwargs={"rows": 1}, daemon=True)
    writes.start()
    writes.join(20)
    assert not writes.is_alive()
    one.write_json("evaluations/0000.json", {"a": 1})
    go_on.set()
    looks.join(20)
    assert one.record(Appended, 2).rows == 1, "who saw less has removed nothing"
    assert one.rounds() == [1, 2] and (one.folder / "evaluations/0000.json").exists()


def test_of_two_processes_that_fetch_an_object_the_newer_content_stays(one, on, monkeypatch):
    for name in ("a", "b"):
        put_policy(one, name)
    reign(one, "a")
    two, other = on("two"), LocalCopy(one.place)
    whole = other.bucket.fetch

    def overtaken(key):
        seen = whole(key)
        monkeypatch.setattr(other.bucket, "fetch", whole)
        reign(one, "b")
        two.registry.champion()
        return seen

    monkeypatch.setattr(other.bucket, "fetch", overtaken)
    assert '"b"' in other.current("champion.json").read_text()


def test_an_answer_is_given_once(one, on):
    put(one, 1, "judged")
    two = on("two")
    assert two.create_json("rounds/001/answer-1.json", {"by": "ann"})
    assert not one.create_json("rounds/001/answer-1.json", {"by": "ben"})
    assert json.loads(one.current("rounds/001/answer-1.json").read_text()) == {"by": "ann"}


def test_what_the_bucket_refuses_has_not_happened(one, s3, on):
    put(one, 1, "begin", champion="a")
    s3.deny = True
    try:
        for write in (
            lambda: put(one, 1, "append"),
            lambda: put_policy(one, "a"),
            lambda: one.write_json("evaluations/0000.json", {}),
        ):
            with pytest.raises(DatasetError, match=r"access denied \(AccessDenied\)$"):
                write()
    finally:
        s3.deny = False
    assert one.record(Appended, 1) is None
    assert [name for name in files(one) if "0000" in name or "policies" in name] == []
    put_policy(one, "a")
    put(one, 1, "append")
    assert on("two").record(Appended, 1) == one.record(Appended, 1)


def test_weights_without_their_policy_are_those_of_a_dead_writer(one, on):
    one.copy.write("policies/a/weights.safetensors", b"half")
    two = on("two")
    assert not two.policy_json("a").is_file()
    put_policy(two, "a", weight=2.0)
    put_policy(two, "a", weight=3.0)
    one.pull()
    assert read_weights(one.policy_folder("a"))["w"].item() == 2.0


def test_only_what_the_bucket_has_is_believed(one):
    put(one, 1, "append")
    saved = one.round_folder(1) / "learn-run" / "state.safetensors"
    for path in (saved, one.round_folder(1) / "learn.json", one.round_folder(7) / "gate.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    one.copy.bucket.delete(["rounds/001/append.json"])
    put(one, 1, "begin")
    again = Workspace.open(one.place)
    assert again.rounds() == [1]
    assert [again.has_record(1, stage) for stage in ("append", "learn", "begin")] == [False, False, True]
    assert saved.exists(), "a learner's state is of this machine alone"
    put(again, 1, "append", rows=1)
    assert Workspace.open(one.place).record(Appended, 1).rows == 1


def test_figures_of_a_run_are_shared_as_far_as_they_have_come(one, on):
    put(one, 0, "append")
    path = one.round_folder(0) / "clone-run" / "metrics.jsonl"
    path.parent.mkdir()
    two = on("two")
    path.with_name(".metrics.jsonl.here.1-00000000.tmp").touch()
    for lines in ('{"step": 1}\n', '{"step": 1}\n{"step": 2}\n'):
        path.write_text(lines)
        one.share_runs()
        two.pull()
        assert (two.folder / "rounds/000/clone-run/metrics.jsonl").read_text() == lines
        one.pull()
        assert path.read_text() == lines
    assert [name for name in files(two) if "clone-run" in name] == ["rounds/000/clone-run/metrics.jsonl"]


def test_a_store_without_conditions_is_refused(s3, url, tmp_path, monkeypatch):
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "cache"))
    s3.ignore_conditions = True
    try:
        for _ in range(2):
            with pytest.raises(DatasetError, match="overwrites what it should create only"):
                Workspace.create(url, Config())
    finally:
        s3.ignore_conditions = False


def test_copies_lie_in_the_users_cache(monkeypatch):
    monkeypatch.delenv("PACLOOP_CACHE", raising=False)
    assert local_copy.copies() == Path.home() / ".cache" / "pacloop"


def test_a_copy_that_does_not_know_what_it_has_fetches_it_anew(one, on):
    put_policy(one, "r000-pac")
    path = one.folder / "versions.json"
    for broken in ("[]", '{"id": 3}', "{"):
        path.write_text(broken)
        again = on("one")
        assert again.policy_json("r000-pac").is_file()
        assert json.loads(path.read_text())["versions"]
