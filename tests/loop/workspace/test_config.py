"""`pacloop.toml`: written, read back, and refused in one sentence that names file and field."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacloop.datasets import DatasetError
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.config import VERSION, Config, config_toml, parse_config, read_config

CHANGED = {
    "task": "manipulation/stack",
    "seed": 7,
    "collect": {"episodes": 12, "deadline_sec": 1.5},
    "learn": {
        "alpha": 1.0,
        "rate": 1e-05,
        "start": "pretrained",
        "mixture": {"demonstration": 0.25, "collection": 0.5},
        "task_mixture": {'say "stäck"': 1},
    },
    "act": {"mode": "sample", "floor": 0.0, "trial_actions": []},
    "gate": {
        "level": 0.01,
        "cap": 1000,
        "others": {'a "quoted"/task': 0.05},
        "guards": {"measures": {"contact_force": {"margin": 0.25, "limit": 60.0}}},
    },
    "improve": {"until": 1.0},
}


def test_what_is_written_is_read_back(tmp_path):
    for config in (Config(), parse_config(CHANGED, "test")):
        (tmp_path / "pacloop.toml").write_text(config_toml(config))
        assert read_config(tmp_path / "pacloop.toml") == config


def test_a_table_is_shown_by_an_example_that_counts_once_it_is_no_comment():
    text = config_toml(Config())
    shown = parse_config(tomllib.loads(text.replace("\n# ", "\n")), "test")
    assert shown.learn.mixture == {"demonstration": 0.25} and shown.gate.others
    assert shown.learn.task_mixture and shown.gate.guards.measures["contact_force"].limit == 60.0
    assert parse_config(tomllib.loads(text), "test") == Config()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x7f")))
def test_any_name_of_a_task_survives(task):
    assert tomllib.loads(config_toml(Config(task=task)))["task"] == task


def test_a_file_names_only_what_it_wants_changed(tmp_path):
    (tmp_path / "pacloop.toml").write_text("[gate]\ncap = 100\n")
    config = read_config(tmp_path / "pacloop.toml")
    assert config.gate.cap == 100
    assert config.model_copy(update={"gate": Config().gate}) == Config()
    (tmp_path / "pacloop.toml").write_text("")
    assert read_config(tmp_path / "pacloop.toml") == Config()


def test_every_setting_is_explained():
    settings = [line for line in config_toml(Config()).splitlines() if " = " in line]
    assert len(settings) > 30
    assert all(line.partition("  # ")[2] not in ("", "None") for line in settings[1:])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[gate]\nlevle = 0.05", "gate.levle is no setting of pacloop"),
        ("[gates]", "gates is no setting of pacloop"),
        ("colour = 1", "colour is no setting of pacloop"),
        ("[learn]\nalpha = 1.5", "learn.alpha is 1.5, but must be less than or equal to 1"),
        ("[gate]\nlevel = 0.0", "gate.level is 0.0, but must be greater than 0"),
        ("[gate]\ncap = 5001", "gate.cap is 5001, but must be less than or equal to 5000"),
        ("[gate]\napprove_hours = inf", "gate.approve_hours is inf, but must be a finite number"),
        ("[gate.others]\na = nan", "gate.others.a is nan, but must be a finite number"),
        ("[dataset]\ncache_gib = inf", "dataset.cache_gib is inf, but must be a finite number"),
        ("[act]\nactions = 65", "act.actions is 65, but must be less than or equal to 64"),
        ("[collect]\nepisodes = 0", "collect.episodes is 0, but must be greater than or equal to 1"),
        ("[collect]\nepisodes = 'many'", "collect.episodes is 'many', but must be a valid integer"),
        ("[collect]\nepisodes = '300'", "collect.episodes is '300', but must be a valid integer"),
        (
            "[learn.mixture]\ndemonstrations = 0.25",
            "learn.mixture.demonstrations is 'demonstrations', but must be 'd",
        ),
        (
            "[learn.mixture]\ncollection = -0.1",
            "learn.mixture.collection is -0.1, but must be greater",
        ),
        (
            "[learn]\nmixture = {collection = 0.7, evaluation = 0.5}",
            "learn.mixture: its shares add up to 1.2, more than 1",
        ),
        (
            "[learn]\ntask_mixture = {a = 1.0, b = 0.1}",
            "learn.task_mixture: its shares add up to 1.1",
        ),
        (
            "[gate]\ncap = 20",
            "gate: block is 50, but must be at most cap, which is 20",
        ),
        (
            "[learn]\nmaximum_steps = 100",
            "learn: minimum_steps is 5000, but must be at most maximum_steps, which is 100",
        ),
        ("[act]\nmode = 'wild'", "act.mode is 'wild', but must be 'q_guided', 'sample' or 'mode'"),
        ("seed = 65536", "seed is 65536, but must be less than 65536"),
        ("[gate.guards]\nspeed = 0.1", "gate.guards.speed is no setting of pacloop"),
        (
            "[gate.guards]\ntime_to_success = 1",
            "gate.guards.time_to_success is 1, but must be less than 1",
        ),
        ('[gate.others]\n"a/b" = 0', "gate.others.a/b is 0, but must be greater than 0"),
        ("gate = 3", "gate is 3, but must be"),
        (f"version = {VERSION + 1}", "version is 2, but this pacloop reads 1"),
        ("[gate\ncap = 1", "is not valid TOML: "),
        ("cap = 1\ncap = 2", "is not valid TOML: "),
    ],
)
def test_what_cannot_be_obeyed_is_one_sentence(tmp_path, text, says):
    path = tmp_path / "pacloop.toml"
    path.write_text(text)
    with pytest.raises(LoopError) as refused:
        read_config(path)
    sentence = str(refused.value)
    assert sentence.startswith(str(path)) and says in sentence
    assert "\n" not in sentence


def test_files_that_are_no_text_or_not_there(tmp_path):
    path = tmp_path / "pacloop.toml"
    with pytest.raises(DatasetError, match=r"pacloop\.toml cannot be read: no such file or directory"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LoopError, match=r"pacloop\.toml is not valid TOML"):
        read_config(path)
