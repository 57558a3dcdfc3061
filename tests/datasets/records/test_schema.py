import pytest

from pacloop.datasets import DatasetError, Field, Schema
from pacloop.datasets.files import json_bytes, parse_json, parse_model


def test_json_gives_an_equal_schema_back(schema):
    again = parse_model(Schema, as_json(schema), "a.json")
    assert again == schema
    assert again.fingerprint() == schema.fingerprint()


def test_fingerprint_ignores_the_order_of_fields_and_integers_for_floats(build):
    one = build.schema(observation={"a": Field((1,)), "b": Field((2,))}, control_hz=20)
    two = build.schema(observation={"b": Field((2,)), "a": Field((1,))}, action_minimum=(-1, -1))
    assert one == two
    assert one.fingerprint() == two.fingerprint()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"control_hz": 10.0}, "control_hz is 10.0, but must be 20.0"),
        ({"action_minimum": (-2.0, -1.0)}, "action_minimum is"),
        ({"observation": {"arm/position": Field((4,))}}, "observation arm/position is"),
    ],
)
def test_difference_names_the_field(build, changes, sentence):
    other = build.schema(**changes)
    assert build.schema().difference(other).startswith(sentence)
    assert build.schema().fingerprint() != other.fingerprint()


def test_equal_schemas_do_not_differ(build):
    assert build.schema().difference(build.schema()) is None


@pytest.mark.parametrize("facts", [{"task": "other"}, {"horizon": 41}, {"instruction": "stack"}])
def test_the_facts_of_a_task_are_no_part_of_the_layout(build, facts):
    schema, other = build.schema(), build.schema(**facts)
    assert schema.difference(other) is None
    assert schema.fingerprint() == other.fingerprint()
    assert schema != other and schema.facts != other.facts


def test_bounds_must_fit_the_action(build):
    with pytest.raises(DatasetError, match="action maximum has 1 numbers for 2 dimensions"):
        build.schema(action_maximum=(1.0,))
    with pytest.raises(DatasetError, match="one-dimensional"):
        build.schema(action=Field((2, 2)))
    for bounds in ((1.0, 1.0), (1.0, -2.0), (1.0, float("inf"))):
        with pytest.raises(DatasetError, match=r"action_minimum is .* in dimension 1, and action_maximum"):
            build.schema(action_minimum=(-1.0, bounds[0]), action_maximum=(1.0, bounds[1]))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"horizon": None}, "horizon is None, but must be a valid integer"),
        ({"observation": 3}, "observation is 3, but must be a valid dictionary"),
        ({"action": {"shape": [2], "dtype": "quick"}}, "action: dtype is 'quick', but must be the name of"),
        ({"colour": "red"}, "colour is unknown"),
        ({"action_minimum": [-1]}, "action minimum has 1 numbers for 2 dimensions"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(schema, changes, sentence):
    with pytest.raises(DatasetError, match=f"a.json: {sentence}"):
        parse_model(Schema, as_json(schema) | changes, "a.json")


def test_a_missing_key_is_named(schema):
    data = as_json(schema)
    del data["horizon"]
    with pytest.raises(DatasetError, match=r"a.json: horizon is missing"):
        parse_model(Schema, data, "a.json")


def as_json(schema):
    return parse_json("a.json", json_bytes("a.json", schema))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"horizon": 0}, "control_hz is 20 and horizon 0, but both must be positive"),
        ({"control_hz": 0}, "control_hz is 0 and horizon 40, but both must be positive"),
        ({"control_hz": float("nan")}, "control_hz is nan"),
        ({"observation": None}, "but observation and action must be fields by name"),
        ({"observation": {"arm": 4}}, "'arm' is 4, but observation"),
        ({"observation": {3: Field((4,))}}, "3 is Field"),
        ({"action": None}, "'action' is None, but observation"),
    ],
)
def test_what_is_no_layout_is_refused(build, changes, sentence):
    with pytest.raises(DatasetError, match=sentence):
        build.schema(**changes)
