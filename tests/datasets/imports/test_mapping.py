import numpy as np
import pytest

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.mapping import Piece, field_of, names_to_read, parse_map
from pacloop.datasets.imports.readers.raw import RawEpisode


@pytest.fixture
def raw():
    return RawEpisode(
        where="x",
        observation={"state": np.arange(12.0).reshape(2, 6), "gripper": np.array([[7.0], [8.0]])},
        action=None,
        columns={"action/arm": np.ones((1, 1)), "action/grip": np.zeros((1, 1))},
        unread=("camera",),
    )


def test_whole_arrays_pieces_and_several_joined(schema, raw):
    text = "observation.state[0:3]=arm/position, state[5:]=touch,action.arm=action,action.grip=action"
    pieces = parse_map(text, schema)
    assert pieces[0] == Piece("state", "arm/position", 0, 3)
    assert field_of(raw, "arm/position", pieces).tolist() == [[0, 1, 2], [6, 7, 8]]
    assert field_of(raw, "touch", pieces).tolist() == [[5], [11]]
    assert field_of(raw, "action", pieces).tolist() == [[1, 0]]
    assert names_to_read(schema, pieces) == {"state", "camera", "action/arm", "action/grip"}


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (np.full((2, 1), 2**53 + 1), "touch is made of int64, which float64"),
        (np.array([["a"], ["b"]]), "float64, which <U"),
    ],
)
def test_pieces_that_no_array_holds_together(schema, first, says):
    raw = RawEpisode(where="x", observation={"a": first, "b": np.zeros((2, 1))}, action=None)
    with pytest.raises(DatasetError, match=says):
        field_of(raw, "touch", parse_map("a=touch,b=touch", schema))


def test_pieces_of_several_kinds_of_numbers(schema):
    parts = {"a": np.array([[1], [2]], np.int8), "b": np.array([[0.5], [np.nan]], np.float32)}
    raw = RawEpisode(where="x", observation=parts, action=None)
    found = field_of(raw, "touch", parse_map("a=touch,b=touch", schema))
    assert np.array_equal(found, [[1, 0.5], [2, np.nan]], equal_nan=True)


def test_without_a_map_equal_names_meet(schema, raw):
    assert field_of(raw, "gripper", ()).tolist() == [[7], [8]]
    assert names_to_read(schema, ()) == {"arm/position", "camera", "touch"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("state", "--map has 'state', but must have theirs=ours"),
        ("state[0]=touch", "but must have theirs=ours"),
        ("state[3:3]=touch", "whose piece is empty"),
        ("state=hand", r"--map names 'hand', which is no field of the dataset; it has arm/position"),
    ],
)
def test_a_map_that_cannot_be_understood(schema, text, says):
    with pytest.raises(DatasetError, match=says):
        parse_map(text, schema)


def test_what_is_missing_is_said_with_what_there_is(schema, raw):
    with pytest.raises(DatasetError, match=r"file has no pose, only .*camera, gripper, state; see --map"):
        field_of(raw, "touch", parse_map("pose=touch", schema))
    with pytest.raises(DatasetError, match="state has 6 numbers a step, too few for touch's piece"):
        field_of(raw, "touch", parse_map("state[5:9]=touch", schema))
