"""Writes the recordings beside this file with LeRobot's and robomimic's own code; no test runs it.

Neither library fits pacloop's other requirements, so what they wrote once is kept. To write it again, in an
environment that has `lerobot==0.4.4` and `robomimic==0.3.0` (only their dataset code is used):

    PYTHONPATH=<the folder of pacloop>:benchmarks python tests/datasets/imports/readers/peers/make.py
"""

import shutil
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[4] / "benchmarks"))

from foreign import make_episode  # noqa: E402

EPISODES = [make_episode(steps, seed, float(seed % 2)) for seed, steps in enumerate((5, 9, 1))]


def lerobot(path: Path, *, video: bool) -> None:
    """`next.done` is set where an episode ends for whatever reason, `next.truncated` where it was cut."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    number = {"dtype": "float32", "shape": (1,), "names": None}
    flag = {"dtype": "bool", "shape": (1,), "names": None}
    camera = {
        "dtype": "video" if video else "image",
        "shape": (32, 32, 3),
        "names": ["height", "width", "channels"],
    }
    features: dict[str, Any] = {
        "observation.hand": {"dtype": "float32", "shape": (3,), "names": None},
        "observation.arm.joints": {"dtype": "float32", "shape": (4,), "names": None},
        "observation.images.image": camera,
        "action": {"dtype": "float32", "shape": (2,), "names": None},
        "next.reward": number,
        **dict.fromkeys(("next.done", "next.truncated", "next.success"), flag),
    }
    shutil.rmtree(path, ignore_errors=True)
    dataset = LeRobotDataset.create("local/small", 20, features, root=path, use_videos=video, vcodec="h264")
    for episode in EPISODES:
        for t in range(episode.length):
            last = t == episode.length - 1
            dataset.add_frame(
                {
                    "observation.hand": episode.observation["hand"][t],
                    "observation.arm.joints": episode.observation["arm/joints"][t],
                    "observation.images.image": episode.observation["image"][t],
                    "action": episode.action[t],
                    "next.reward": episode.reward[t : t + 1],
                    "next.done": np.array([last]),
                    "next.truncated": np.array([last and not episode.is_terminal]),
                    "next.success": np.array([last and episode.is_success]),
                    "task": episode.instruction,
                }
            )
        dataset.save_episode()
    dataset.finalize()


def robomimic(path: Path, *, done_mode: int) -> None:
    """Observations, rewards and dones as `dataset_states_to_obs.py` makes them of states.

    Instead of a simulator stands an environment to which a state is the number of an episode and of its step.
    """
    from robomimic.envs.env_base import EnvBase
    from robomimic.scripts import dataset_states_to_obs as script

    class Recorded(EnvBase):
        def __init__(self) -> None:
            pass

        def reset(self) -> None:
            pass

        def reset_to(self, state: Any) -> Any:
            number, step = map(int, state["states"])
            self.number, self.episode, self.t = number, EPISODES[number], step
            return {name.replace("/", "_"): value[step] for name, value in self.episode.observation.items()}

        def step(self, action: Any) -> Any:
            return self.reset_to({"states": (self.number, self.t + 1)}), 0.0, False, {}

        def get_reward(self) -> float:
            return float(self.episode.reward[self.t - 1])

        def is_success(self) -> dict[str, bool]:
            return {"task": self.get_reward() == 1.0}

        def serialize(self) -> dict[str, Any]:
            return {"env_name": "Stack", "type": 1, "env_kwargs": {"control_freq": 20}}

    Recorded.__abstractmethods__ = frozenset()  # the script calls no other method
    source = path.with_suffix(".states")
    with h5py.File(source, "w") as file:
        for number, episode in enumerate(EPISODES):
            steps = np.arange(episode.length)
            file[f"data/demo_{number}/states"] = np.stack([np.full(episode.length, number), steps], 1) * 1.0
            file[f"data/demo_{number}/actions"] = episode.action.astype(np.float64)
    script.FileUtils = SimpleNamespace(get_env_metadata_from_dataset=lambda **_: {})
    script.EnvUtils = SimpleNamespace(
        create_env_for_data_processing=lambda **_: Recorded(), is_robosuite_env=lambda _: False
    )
    options = {"camera_names": [], "camera_height": 0, "camera_width": 0, "shaped": False, "n": None}
    options |= {"copy_rewards": False, "copy_dones": False, "compress": True, "exclude_next_obs": False}
    names = {"dataset": str(source), "output_name": path.name, "done_mode": done_mode}
    script.dataset_states_to_obs(Namespace(**options, **names))
    source.unlink()


if __name__ == "__main__":
    lerobot(HERE / "lerobot-0.4.4-images", video=False)
    lerobot(HERE / "lerobot-0.4.4-video", video=True)
    robomimic(HERE / "robomimic-0.3.0.hdf5", done_mode=2)
