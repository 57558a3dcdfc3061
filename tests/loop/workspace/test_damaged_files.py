"""Settings and records with any damage are read, or refused in one sentence; nothing is written meanwhile."""

import json

import pytest
from damaged import any_damage, damaged_bytes, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import KINDS, put, record

from pacloop.learner.checkpoint import read_record
from pacloop.loop.workspace.config import Config, config_toml, read_config
from pacloop.loop.workspace.records import Identity

FIXTURES = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def files(space):
    return {
        path.relative_to(space.folder).as_posix(): path.stat().st_mtime_ns for path in space.folder.rglob("*")
    }


def check(space, path, raw, read):
    """What is read of these bytes is one sentence at most, and leaves the folder as it is."""
    path.write_bytes(raw)
    before = files(space)
    refusal(read, path)
    assert files(space) == before


@pytest.mark.parametrize("stage", KINDS)
@FIXTURES
@given(data=st.data())
def test_a_stages_record(space, stage, data):
    put(space, 1, stage)
    sound = record(stage).model_dump(mode="json")
    path = space.folder / "rounds" / "001" / f"{stage}.json"
    check(space, path, data.draw(any_damage(sound)), lambda: space.record(KINDS[stage], 1, stage))


REIGN = {"policy": "a", "reason": "b", "by": "c", "round": 0, "action": "first", "after": 0, "since": "d"}


@FIXTURES
@given(raw=any_damage({"version": 1, "history": [REIGN, {**REIGN, "action": "promote"}]}))
def test_the_champions(space, raw):
    check(space, space.folder / "champion.json", raw, space.registry.champion)


@FIXTURES
@given(raw=any_damage(Identity(id="0123", address="/x").model_dump()))
def test_the_identity(space, raw):
    check(space, space.folder / "identity.json", raw, space.identity)


LINES = config_toml(Config()).splitlines()


@st.composite
def damaged_toml(draw):
    """The default settings, with some lines swapped, cut, doubled or replaced by others."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        name = lines[place].partition(" = ")[0]
        value = draw(
            st.sampled_from(["''", "-1", "nan", "inf", "1e400", "[]", "{}", "true", "1979-05-27", '"é"'])
        )
        line = draw(
            st.sampled_from(
                [f"{name} = {value}", name, "", lines[-1], "[gate]", '"a\\nb" = 1', "a.b.c = [{x = 1}]"]
            )
            | st.text(max_size=10)
        )
        lines[place] = line
    return "\n".join(lines).encode(errors="replace")


@settings(FIXTURES, max_examples=100)
@given(raw=damaged_toml() | damaged_bytes("\n".join(LINES).encode()))
def test_the_settings(space, raw):
    path = space.folder / "pacloop.toml"
    check(space, path, raw, lambda: read_config(path))


def test_a_sound_one_of_each_is_read(space):
    """So that the tests above damage what would be read."""
    for stage, kind in KINDS.items():
        put(space, 1, stage)
        path = space.folder / "rounds" / "001" / f"{stage}.json"
        path.write_text(json.dumps(record(stage).model_dump(mode="json")))
        assert space.record(kind, 1, stage) == record(stage)


@FIXTURES
@given(data=st.data())
def test_a_policys_facts(space, put_policy, data):
    folder = space.policy_folder("r000-pac")
    if not folder.exists():
        put_policy("r000-pac", 0)
        (folder / "sound.json").write_bytes((folder / "policy.json").read_bytes())
    sound = json.loads((folder / "sound.json").read_bytes())
    check(space, folder / "policy.json", data.draw(any_damage(sound)), lambda: read_record(folder))


@FIXTURES
@given(data=st.data())
def test_a_batchs_manifest(space, cut, data):
    path = space.folder / "dataset" / "batches" / "cut" / "batch.json"
    if not path.exists():
        space.store.append([cut[0]], batch_id="cut", source="intervention")
        (space.folder / "sound.json").write_bytes(path.read_bytes())
    sound = json.loads((space.folder / "sound.json").read_bytes())
    check(space, path, data.draw(any_damage(sound)), lambda: space.open_store().batch("cut"))
