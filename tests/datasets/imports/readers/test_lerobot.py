import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import SCHEMA, write_lerobot, write_video

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.lerobot import episodes as read
from pacloop.datasets.imports.readers.raw import ReadOptions, Unreadable
from pacloop.datasets.imports.readers.video import frames

PEERS = Path(__file__).parent / "peers"


def test_images_come_back_as_they_were(tmp_path, episodes, options, agree):
    found = list(read(write_lerobot(tmp_path / "l", episodes, SCHEMA, video=False), options))
    agree(found, episodes, repeated=True)
    assert {(raw.instruction, raw.control_hz) for raw in found} == {("stack the cubes", 20.0)}


def test_video_comes_back_frame_by_frame(tmp_path, episodes, options, agree):
    # Neighbouring frames differ by 3, and the codec errs by less than 5: no frame is off by two.
    found = list(read(write_lerobot(tmp_path / "l", episodes, SCHEMA), options))
    agree(found, episodes, repeated=True, pictures=5)


@pytest.mark.parametrize(("kind", "pictures"), [("images", 0), ("video", 255)])
def test_what_lerobot_itself_wrote_comes_back(episodes, agree, kind, pictures):
    """The folders are of LeRobot 0.4.4's own `LeRobotDataset`: peers/make.py. Its video is lossy.

    An episode that was cut has `next.done` as one that ended has, and `next.truncated` besides.
    """
    found = list(read(PEERS / f"lerobot-0.4.4-{kind}", ReadOptions({"hand", "arm/joints", "image"})))
    agree(found, episodes, repeated=True, pictures=pictures)
    assert [(raw.score, raw.terminal) for raw in found] == [(e.score, e.is_terminal) for e in episodes]
    assert {(raw.instruction, raw.control_hz) for raw in found} == {("stack the cubes", 20.0)}
    seen, meant = (longer[1].observation["image"].astype(float) for longer in (found, episodes))
    off = np.abs(seen[:9, None] - meant[None, :9]).mean((2, 3, 4))  # [frame seen, frame meant]
    assert off.argmin(1).tolist() == list(range(9)), "no frame is another's"


def test_a_camera_has_its_name_with_images_or_without():
    path = PEERS / "lerobot-0.4.4-images"
    for name in ("image", "images/image"):
        assert set(next(read(path, ReadOptions({name}))).observation) == {name}
    assert next(read(path, ReadOptions({"hand"}))).unread == ("arm/joints", "images/image")


@pytest.mark.parametrize(
    ("done", "truncated", "found"),
    [
        ([0, 0, 0, 0, 1], [0, 0, 0, 0, 0], True),
        ([0, 0, 0, 0, 1], [0, 0, 0, 0, 1], False),
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 1], False),
        ([0, 0, 0, 0, 1], None, None),
        ([0, 0, 0, 0, 0], None, False),
        ([0, 0, 1, 0, 1], None, "next.done is set at step 2, before the last of 5"),
        ([0, 0, 0, 0, 1], [1, 0, 0, 0, 1], "next.truncated is set at step 0, before the last of 5"),
    ],
)
def test_flags_of_an_end(tmp_path, done, truncated, found):
    path = shutil.copytree(PEERS / "lerobot-0.4.4-images", tmp_path / "l")
    (file,) = (path / "data").rglob("*.parquet")
    table = pq.read_table(file)
    for name, flags in (("next.done", done), ("next.truncated", truncated)):
        index = table.schema.get_field_index(name)
        if flags is None:
            table = table.remove_column(index)
        else:
            flags = [*map(bool, flags), *table.column(name).to_pylist()[5:]]
            table = table.set_column(index, name, pa.array(flags))
    pq.write_table(table, file)
    first = next(read(path, ReadOptions({"hand"})))
    assert (first.reason if isinstance(first, Unreadable) else first.terminal) == found


def test_ragged_rows_and_gaps_do_not_shift_the_frames(tmp_path):
    path = shutil.copytree(PEERS / "lerobot-0.4.4-images", tmp_path / "l")
    (file,) = (path / "data").rglob("*.parquet")
    table = pq.read_table(file)
    rows = table.column("observation.hand").to_pylist()
    rows[1], rows[2] = rows[1][:2], [*rows[2], rows[1][2]]
    rows[7] = None
    index = table.schema.get_field_index("observation.hand")
    pq.write_table(table.set_column(index, "observation.hand", pa.array(rows)), file)
    ragged, gap, good = read(path, ReadOptions({"hand"}))
    assert ragged.reason == "observation.hand has rows of 2 and of 4 values"
    assert gap.reason == "observation.hand has frames without a value"
    assert good.observation["hand"].shape == (2, 3)


def test_video_is_the_file_s_own_frames(tmp_path, episodes, options):
    import av

    path = write_lerobot(tmp_path / "l", episodes, SCHEMA, episodes_a_file=3)
    with av.open(str(next(path.rglob("*.mp4")))) as container:
        whole = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    mine = np.concatenate([raw.observation["image"][:-1] for raw in read(path, options)])
    assert np.array_equal(whole, mine)


def test_cameras_nobody_wants_are_not_decoded(tmp_path, episodes):
    path = write_lerobot(tmp_path / "l", episodes, SCHEMA)
    for file in path.rglob("*.mp4"):
        file.unlink()
    found = list(read(path, ReadOptions({"hand", "arm/joints"})))
    assert all(raw.unread == ("image",) for raw in found)
    assert all(isinstance(raw, Unreadable) for raw in read(path, ReadOptions({"image"})))


def test_a_video_that_ends_early_or_runs_at_another_rate(tmp_path, episodes, options):
    path = next(write_lerobot(tmp_path / "l", episodes, SCHEMA).rglob("file-000.mp4"))
    with pytest.raises(DatasetError, match="ends after 14 of 20 frames"):
        frames(path, start_sec=0.0, count=20, fps=20.0, options=options)
    with pytest.raises(DatasetError, match=r"has no frame at 0\.0333333 s, where one of 30 a second is due"):
        frames(path, start_sec=0.0, count=5, fps=30.0, options=options)


def test_a_gap_in_a_video_does_not_shift_what_follows(tmp_path, episodes, options):
    import av

    path = tmp_path / "gap.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv444p"
        for number in (0, 1, 2, 4, 5, 6):
            frame = av.VideoFrame.from_ndarray(episodes[1].observation["image"][number], format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 20)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert len(frames(path, start_sec=0.0, count=3, fps=20.0, options=options)) == 3
    with pytest.raises(DatasetError, match=r"has no frame at 0\.15 s, where one of 20 a second is due"):
        frames(path, start_sec=0.0, count=5, fps=20.0, options=options)


def test_a_video_of_another_rate_gives_the_frames_of_the_dataset_s(tmp_path, episodes, options):
    path = tmp_path / "fast.mp4"
    pictures = list(episodes[1].observation["image"][:9])
    write_video(path, pictures, 60)
    every = frames(path, start_sec=0.0, count=9, fps=60.0, options=options)
    assert np.array_equal(frames(path, start_sec=0.0, count=3, fps=20.0, options=options), every[::3])


def test_other_versions_and_cut_off_copies(tmp_path, episodes, options):
    path = write_lerobot(tmp_path / "l", episodes, SCHEMA)
    info = json.loads((path / "meta" / "info.json").read_text())
    (path / "meta" / "info.json").write_text(json.dumps(info | {"codebase_version": "v2.1"}))
    with pytest.raises(DatasetError, match=r"is LeRobot v2\.1, but only v3 is read"):
        list(read(path, options))
    (path / "meta" / "info.json").write_text(json.dumps(info))
    (path / "data" / "chunk-000" / "file-001.parquet").unlink()
    with pytest.raises(DatasetError, match="has no frames of episode 2 where they must be"):
        list(read(path, options))


def test_an_episode_beyond_memory_is_left_out(tmp_path, episodes):
    path = write_lerobot(tmp_path / "l", episodes, SCHEMA, video=False)
    kinds = [isinstance(raw, Unreadable) for raw in read(path, ReadOptions({"hand", "arm/joints"}, 500))]
    assert kinds == [False, True, False]
