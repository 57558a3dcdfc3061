import pytest

from pacloop.datasets import DatasetError, Field, Schema


def test_json_gives_an_equal_schema_back(schema):
    again = Schema.from_json(schema.to_json())
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
        ({"task": "other"}, "task is other, but must be test/reach"),
        ({"horizon": 41}, "horizon is 41, but must be 40"),
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


def test_bounds_must_fit_the_action(build):
    with pytest.raises(DatasetError, match="action maximum has 1 numbers for 2 dimensions"):
        build.schema(action_maximum=(1.0,))
    with pytest.raises(DatasetError, match="one-dimensional"):
        build.schema(action=Field((2, 2)))


def test_a_missing_key_is_named(schema):
    data = schema.to_json()
    del data["horizon"]
    with pytest.raises(DatasetError, match="schema has no 'horizon'"):
        Schema.from_json(data)
    with pytest.raises(DatasetError, match="schema is malformed"):
        Schema.from_json(schema.to_json() | {"observation": 3})
