import json
from fractions import Fraction

import numpy as np
import pytest
from foreign import SCHEMA, write_lerobot, write_video

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.lerobot import episodes as read
from pacloop.datasets.imports.readers.raw import ReadOptions, Unreadable
from pacloop.datasets.imports.readers.video import frames


def test_images_come_back_as_they_were(tmp_path, episodes, options, agree):
    found = list(read(write_lerobot(tmp_path / "l", episodes, SCHEMA, video=False), options))
    agree(found, episodes, repeated=True)
    assert {(raw.instruction, raw.control_hz) for raw in found} == {("stack the cubes", 20.0)}


def test_video_comes_back_frame_by_frame(tmp_path, episodes, options, agree):
    # Neighbouring frames differ by 3, and the codec errs by less than 5: no frame is off by two.
    found = list(read(write_lerobot(tmp_path / "l", episodes, SCHEMA), options))
    agree(found, episodes, repeated=True, pictures=5)


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
