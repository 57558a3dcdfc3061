import numpy as np
import pytest

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.decode import (
    arrow_numbers,
    complete,
    decode_images,
    last_flag,
    last_number,
    text,
)
from pacloop.datasets.imports.readers.raw import ReadOptions, flat_name, natural, printable


@pytest.mark.parametrize(
    ("theirs", "flat"),
    [
        ("observation.images.front", "images/front"),
        ("obs/robot0_eef_pos", "robot0_eef_pos"),
        ("observations", "observation"),
        ("next.success", "next/success"),
        ("observation/arm/joints", "arm/joints"),
        ("state", "state"),
    ],
)
def test_one_flat_name_however_it_is_spelled(theirs, flat):
    assert flat_name(theirs) == flat
    assert flat_name(flat) == flat


def test_demonstrations_sort_by_their_numbers():
    assert sorted(["demo_10", "demo_9", "demo_1"], key=natural) == ["demo_1", "demo_9", "demo_10"]


def test_the_last_observation():
    rows = np.arange(3.0)
    assert complete({"x": rows}, 2, "") == ({"x": pytest.approx([0, 1, 2])}, {})
    assert complete({"x": rows}, 3, "", {"x": np.array([9.0])}) == ({"x": pytest.approx([0, 1, 2, 9])}, {})
    repeated = {"last_observation": "repeated"}
    assert complete({"x": rows}, 3, "") == ({"x": pytest.approx([0, 1, 2, 2])}, repeated)
    with pytest.raises(DatasetError, match="obs/x has 3 rows for 5 actions"):
        complete({"x": rows}, 5, "obs/")


def test_flags_may_only_be_set_at_the_end():
    assert last_flag("done", np.array([0, 0, 1])) is True
    assert last_flag("done", np.array([[False], [False]])) is False
    assert last_flag("done", None) is None
    with pytest.raises(DatasetError, match="done is set at step 1, before the last of 3"):
        last_flag("done", np.array([0, 1, 1]))
    with pytest.raises(DatasetError, match=r"done is 0\.5, but must be 0 or 1"):
        last_flag("done", np.array([0, 0.5]))


@pytest.mark.parametrize("seed", [1.5, np.nan, np.inf])
def test_a_number_is_not_rounded(seed):
    assert last_number("seed", np.array(3.0), int) == 3
    assert last_number("seed", np.array(2**64 - 1, np.uint64), int) == 2**64 - 1
    with pytest.raises(DatasetError, match=f"seed is {seed}, but must be a whole number"):
        last_number("seed", np.array(seed), int)


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "x holds None, but must hold text"), (7, "must hold text"), (b"\xff", "no valid Unicode")],
)
def test_text_is_text(value, says):
    assert [text("x", known) for known in (b"a\xc3\xa9", "aé", np.array(["aé"]), [])] == [
        "aé",
        "aé",
        "aé",
        "",
    ]
    with pytest.raises(DatasetError, match=says):
        text("x", value)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[1.0, 2.0], [3.0], [4.0, 5.0, 6.0]], "x has rows of 1 and of 3 values"),
        ([[1.0, 2.0], None, [5.0, 6.0]], "x has frames without a value"),
        ([[1.0, 2.0], [3.0, None], [5.0, 6.0]], "x has frames without a value"),
        (
            [[[1.0], [2.0]], [[3.0], [4.0]], [[5.0], [6.0]]],
            r"x has rows of shape \(2, 1\), but must have \(2,\)",
        ),
    ],
)
def test_rows_that_are_not_alike_do_not_shift_the_others(rows, says):
    import pyarrow as pa

    with pytest.raises(DatasetError, match=says):
        arrow_numbers(pa.array(rows), (2,), ReadOptions(()), "x")


def test_rows_without_a_value_are_no_numbers_and_no_text():
    import pyarrow as pa

    for values in ([1, None], ["a", None], [True, None]):
        with pytest.raises(DatasetError, match="x has frames without a value"):
            arrow_numbers(pa.array(values), (), ReadOptions(()), "x")


def test_a_picture_is_measured_before_it_is_decoded(tmp_path):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (3000, 3000)).save(buffer, "PNG")
    assert decode_images([buffer.getvalue()], ReadOptions(()), "x").shape == (1, 3000, 3000, 1)
    with pytest.raises(DatasetError, match=r"x of shape .* claims 34 MiB"):
        decode_images([buffer.getvalue()], ReadOptions((), 2**20), "x")


@pytest.mark.parametrize("kind", ["EPS", "ICO"])
def test_pictures_of_formats_that_run_programs_or_hide_sizes_are_not_opened(kind):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, kind)
    with pytest.raises(DatasetError, match="x holds an image that is none of PNG, JPEG"):
        decode_images([buffer.getvalue()], ReadOptions(()), "x")


def test_a_palette_is_looked_up():
    import io

    from PIL import Image

    buffer = io.BytesIO()
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 0] = (200, 10, 30)
    Image.fromarray(picture).quantize(4).save(buffer, "PNG")
    assert np.array_equal(decode_images([buffer.getvalue()], ReadOptions(()), "x")[0], picture)


def test_control_characters_of_a_file_do_not_reach_the_terminal():
    assert printable("a\x1b[2Jé\n") == "a\\x1b[2Jé\\n"
