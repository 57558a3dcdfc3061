from dataclasses import replace

import numpy as np
import pytest

from pacloop.datasets import Episode, Field
from pacloop.datasets.imports.readers.raw import RawEpisode
from pacloop.datasets.imports.scoring import constant_score, file_score
from pacloop.datasets.imports.validate import scale_hint, validate

SUCCESS = constant_score(1.0)


@pytest.fixture
def raw(build):
    episode = build.episode(4, 1)
    return RawEpisode(
        where="x", observation=episode.observation, action=episode.action, reward=episode.reward, seed=1
    )


def reasons(raw, schema, scores=SUCCESS):
    found = validate(raw, schema, (), scores)
    assert isinstance(found, list) and found
    return found


def changed(raw, name, value):
    return replace(raw, observation={**raw.observation, name: value})


def test_a_good_episode_is_taken_as_it_is(raw, schema, build):
    found = validate(raw, schema, (), SUCCESS)
    assert isinstance(found, Episode)
    for name, value in raw.observation.items():
        assert np.array_equal(found.observation[name], value)
    assert np.array_equal(found.action, raw.action)
    assert (found.score, found.seed, found.is_terminal) == (1.0, 1, True)


# What is cast, because nothing is lost.


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4", "int8"])
def test_numbers_that_a_float_holds(raw, schema, dtype):
    values = raw.observation["arm/position"].astype(dtype)
    found = validate(changed(raw, "arm/position", values), schema, (), SUCCESS)
    assert found.observation["arm/position"].dtype == np.float32
    assert np.array_equal(found.observation["arm/position"], values)


def test_wider_integers_ones_and_zeros_and_axes_of_size_one(raw, schema):
    wide = changed(raw, "camera", raw.observation["camera"].astype(np.int64)[..., 0])
    wide = changed(wide, "touch", raw.observation["touch"].astype(np.uint8)[:, None])
    found = validate(wide, schema, (), SUCCESS)
    for name in ("camera", "touch"):
        assert np.array_equal(found.observation[name], raw.observation[name])
        assert found.observation[name].dtype == raw.observation[name].dtype


# What is refused, and in which words.


def one_nan(values):
    return np.where(np.arange(values.size).reshape(values.shape) == 7, np.nan, values)


MISFITS = [
    ("camera", lambda v: v / 255.0, "is float64, but must be uint8; an image scaled to [0, 1] must be"),
    ("camera", lambda v: v.astype("i2") + 200, "is int16, but must be uint8, which cannot hold"),
    ("camera", lambda v: v[:, :2], "has shape (2, 4, 1) a step, but must have (4, 4, 1)"),
    ("arm/position", lambda v: v[:, :2], "has shape (2,) a step, but must have (3,)"),
    ("arm/position", lambda v: np.hstack([v, v]), "must have (3,); --map takes a piece: theirs[0:3]=ours"),
    ("arm/position", lambda v: v[:-1], "has 4 rows, but must have 5, one more than actions"),
    ("arm/position", lambda v: v.astype("S3"), "is |S3, but must be float32"),
    ("arm/position", lambda v: v.astype(complex), "is complex128, but must be float32"),
    ("arm/position", lambda v: v + np.float64(1e300), "is float64, but must be float32, which cannot hold"),
    ("arm/position", lambda v: v.astype(int) + 2**24 + 1, "is int64, but must be float32, which cannot"),
    ("arm/position", one_nan, "not finite at step 2, number 1"),
    ("touch", lambda v: v * 2.0, "is float64, but must be bool"),
    ("touch", lambda v: v.astype(int) + 1, "is int64, but must be bool, which cannot hold its value"),
    ("touch", lambda v: np.array(1), "is one value, but must have one for each step"),
]


@pytest.mark.parametrize(("name", "make", "says"), MISFITS)
def test_observations_that_do_not_fit(raw, schema, name, make, says):
    (reason,) = reasons(changed(raw, name, make(raw.observation[name])), schema)
    assert reason.startswith(f"observation {name} ")
    assert says in reason


@pytest.mark.parametrize(
    ("value", "theirs", "ours"),
    [
        (-1, "int8", "uint8"),
        (-1, "int16", "uint16"),
        (-1, "int64", "uint64"),
        (200, "uint8", "int8"),
        (2**63, "uint64", "int64"),
        (2**53 + 1, "int64", "float64"),
        (2**63 - 1, "int64", "float64"),
        (2**64 - 1, "uint64", "float64"),
        (2**24 + 1, "int32", "float32"),
        (2**17, "int32", "float16"),
        (2, "int8", "bool"),
    ],
)
def test_a_whole_number_is_kept_or_refused_but_never_another(raw, build, value, theirs, ours):
    """The largest number below that fits comes through as it was; `value` itself does not."""
    schema = build.schema(observation={"n": Field((), ours)})
    many = np.array([0, 1, 1, 0, value], theirs)
    (reason,) = reasons(replace(raw, observation={"n": many}), schema)
    assert reason == f"observation n is {theirs}, but must be {ours}, which cannot hold its value {value}"
    fits = np.array([0, 1, 1, 0, 1], theirs)
    found = validate(replace(raw, observation={"n": fits}), schema, (), SUCCESS)
    assert found.observation["n"].tolist() == fits.tolist()


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**60, -(2**63)])
def test_large_numbers_that_a_double_holds(raw, build, value):
    schema = build.schema(observation={"n": Field((), "float64")})
    found = validate(replace(raw, observation={"n": np.full(5, value)}), schema, (), SUCCESS)
    assert [int(n) for n in found.observation["n"]] == [value] * 5


@pytest.mark.parametrize("value", [None, b"\xff", 3, "\ud800"])
def test_what_is_no_text_is_not_made_text(raw, build, value):
    schema = build.schema(observation={"word": Field((), "str")})
    words = np.array(["a", "b", b"c", "d", value], object)
    (reason,) = reasons(replace(raw, observation={"word": words}), schema)
    assert reason.startswith(f"observation word holds {value!r}, ")
    assert reasons(replace(raw, observation={}, instruction="\ud800"), build.schema(observation={})) == [
        "instruction holds '\\ud800', which is no valid Unicode"
    ]


def test_channels_first_is_named(raw, build):
    schema = build.schema(observation={"camera": Field((4, 4, 3), "uint8")})
    first = replace(raw, observation={"camera": np.zeros((5, 3, 4, 4), np.uint8)})
    assert "it has its channels first: put them last" in reasons(first, schema)[0]


UNFIT = [
    ({"action": None}, "action is missing: the file has no action, only arm/position"),
    ({"action": np.zeros((0, 2))}, "has no action"),
    ({"action": np.zeros((50, 2))}, "has 50 actions, more than the horizon of 40"),
    ({"action": np.full((4, 2), np.inf)}, "action is not finite at step 0, number 0"),
    ({"action": np.full((4, 2), 90.0)}, "action 0 lies in [90, 90], outside its bounds [-1, 1]; they look"),
    ({"reward": np.ones(7)}, "reward has shape (7,), but must have one number for each of 4 actions"),
    ({"reward": np.full(4, np.nan)}, "reward is not finite at step 0"),
    ({"control_hz": 30.0}, "has a control rate of 30 Hz, but must have 20 Hz"),
    ({"discount": np.array([1, 0, 1, 1.0])}, "discount is 0 at step 1, before the last of 4"),
    ({"discount": np.array([1, 1, 1, 0.0]), "terminal": False}, "is not terminal, but its last discount"),
    ({"discount": np.array([1, 1, 1, 0.5]), "terminal": True}, "is terminal, but its last discount is 0.5"),
    ({"discount": np.array([1, 1, 1, 7.0])}, "discount must lie in [0, 1]"),
    ({"seed": 2**70}, "must fit 64 bits"),
]


@pytest.mark.parametrize(("change", "says"), UNFIT)
def test_episodes_that_do_not_fit(raw, schema, change, says):
    assert any(says in reason for reason in reasons(replace(raw, **change), schema))


@pytest.mark.parametrize("score", [2.0, float("nan")])
def test_a_score_that_is_none(raw, schema, score):
    found = reasons(replace(raw, score=score), schema, file_score(None))
    assert found == [f"score is {score}, but must lie in [0, 1]"]


def test_every_reason_is_given_at_once(raw, schema):
    bad = changed(replace(raw, control_hz=5.0), "touch", np.full(5, b"x"))
    assert len(reasons(replace(bad, action=np.full((4, 2), 2.0)), schema)) == 3


# What the file leaves open.


def test_rewards_that_are_missing_are_made_from_the_score(raw, schema):
    bare = replace(raw, reward=None)
    assert validate(bare, schema, (), SUCCESS).reward.tolist() == [0, 0, 0, 1]
    assert "neither a score nor rewards" in reasons(bare, schema, file_score(None))[0]


@pytest.mark.parametrize(
    ("told", "score", "terminal"),
    [
        ({"terminal": True}, 0.0, True),
        ({"terminal": False}, 1.0, False),
        ({"discount": np.array([1, 1, 1, 0.0])}, 0.0, True),
        ({}, 1.0, True),
        ({}, 0.5, False),
    ],
)
def test_whether_it_ended(raw, schema, told, score, terminal):
    assert validate(replace(raw, **told), schema, (), constant_score(score)).is_terminal is terminal


@pytest.mark.parametrize(
    ("steps", "told", "ended"),
    [
        (40, {"terminal": False}, "horizon"),
        (4, {"terminal": False}, "interrupted"),
        (4, {"terminal": True}, "terminal"),
        (4, {"terminal": False, "info": {"ended": "horizon"}}, "horizon"),
        (40, {"terminal": False, "info": {"ended": "interrupted"}}, "interrupted"),
        (4, {"terminal": False, "info": {"ended": "tea"}}, "interrupted"),
    ],
)
def test_why_it_ended(schema, build, steps, told, ended):
    made = build.episode(steps)
    raw = RawEpisode(where="x", observation=made.observation, action=made.action, reward=made.reward)
    found = validate(replace(raw, **told), schema, (), constant_score(0.5))
    assert found.ended(schema.horizon) == ended
    assert found.info.get("ended", "terminal") == ended


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.0, 1.0, "scaled to [0, 1]"),
        (0, 255, "scaled to 0..255"),
        (-97.5, 40.0, "scaled to -100..100"),
        (-179.5, 170.2, "degrees"),
        (-0.9, 0.8, ""),
        (0.0, 0.0, ""),
    ],
)
def test_hints_at_another_scale(low, high, says):
    hint = scale_hint(low, high, -1.0, 1.0)
    assert says in hint
    assert bool(says) == bool(hint)
