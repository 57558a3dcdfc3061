"""Arbitrary schemas and recordings of them, as hypothesis draws them."""

import numpy as np
from hypothesis import strategies as st

from pacloop.datasets import Episode, Field, Schema

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NUMBERS = (*INTEGERS, "float16", "float32", "float64", "bool")
HORIZON = 9

SHAPES = st.lists(st.integers(1, 3), max_size=3).map(tuple)
SIDES = st.integers(1, 8) | st.integers(20, 40)  # small ones are kept raw, large ones encoded
IMAGES = st.builds(lambda *shape: Field(shape, "uint8"), SIDES, SIDES, st.sampled_from((1, 3)))
FIELDS = st.one_of(
    st.builds(Field, SHAPES, st.sampled_from(NUMBERS)),
    st.builds(Field, SHAPES, st.just("str")),
    IMAGES,
)
WORDS = st.text("abcé_ .-", min_size=1, max_size=4)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
JSON = st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers() | st.text(max_size=3))


@st.composite
def schemas(draw):
    action = Field((draw(st.integers(1, 3)),), draw(st.sampled_from(("float32", "float64", "int8", "int64"))))
    return Schema(
        task="t",
        observation=draw(st.dictionaries(NAMES, FIELDS, min_size=1, max_size=4)),
        action=action,
        action_minimum=(-1.0,) * action.size,
        action_maximum=(1.0,) * action.size,
        control_hz=draw(st.sampled_from([1, 12.5, 20.0])),
        horizon=HORIZON,
    )


def values(field, shape, rng, words):
    """Anything the field may hold, extremes too."""
    if field.is_text:
        return rng.choice(np.array(words, object), shape)
    if field.dtype == "bool":
        return rng.random(shape) < 0.5
    if field.dtype in INTEGERS:
        bounds = np.iinfo(field.dtype)
        return rng.integers(bounds.min, bounds.max, shape, field.dtype, endpoint=True)
    bounds = np.finfo(field.dtype)
    return rng.choice(np.array([0, -0.0, 1 / 3, bounds.max, bounds.tiny, -bounds.eps], field.dtype), shape)


@st.composite
def recordings(draw):
    """A schema and a few of its episodes, some of them of one step or of none."""
    schema = draw(schemas())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    words = draw(st.lists(st.text(max_size=6), min_size=1, max_size=4))
    episodes = []
    for steps in draw(st.lists(st.sampled_from((0, 1, 2, HORIZON)), min_size=1, max_size=4)):
        observation = {
            name: values(field, (steps + 1, *field.shape), rng, words)
            for name, field in schema.observation.items()
        }
        discount = np.ones(steps, np.float32)
        discount[-1:] = draw(st.sampled_from((0.0, 1.0)))
        action = rng.integers(-1, 1, (steps, *schema.action.shape), endpoint=True).astype(schema.action.dtype)
        facts = {
            "score": draw(st.floats(0, 1)),
            "seed": draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
            "policy": draw(st.none() | st.text(max_size=5)),
            "instruction": draw(st.text(max_size=5)),
            "info": draw(JSON),
        }
        reward = rng.standard_normal(steps).astype(np.float32)
        episodes.append(Episode(observation, action, reward, discount, **facts))
    return schema, episodes
