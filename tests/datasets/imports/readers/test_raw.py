import numpy as np
import pytest

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.decode import check_flags, complete, decode_images
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
    check_flags("done", np.array([0, 0, 1]))
    with pytest.raises(DatasetError, match="done is set at step 1, before the last of 3"):
        check_flags("done", np.array([0, 1, 1]))


def test_a_picture_is_measured_before_it_is_decoded(tmp_path):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (3000, 3000)).save(buffer, "PNG")
    assert decode_images([buffer.getvalue()], ReadOptions(()), "x").shape == (1, 3000, 3000, 1)
    with pytest.raises(DatasetError, match=r"x of shape .* claims 34 MiB"):
        decode_images([buffer.getvalue()], ReadOptions((), 2**20), "x")


def test_control_characters_of_a_file_do_not_reach_the_terminal():
    assert printable("a\x1b[2Jé\n") == "a\\x1b[2Jé\\n"
