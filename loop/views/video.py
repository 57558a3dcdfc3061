"""The video of an episode, made of what the workspace knows."""

from contextlib import closing
from pathlib import Path

from ...actors.registry import find_task
from ...actors.rendering.video import act_again, image_fields, mp4, show_images
from ...datasets import EpisodeStore
from ..errors import LoopError


def write_video(store: EpisodeStore, episode_id: str, path: Path) -> str:
    """Write an episode as an MP4 file, and return a sentence on what it shows.

    It shows the episode's own images where it has them. Otherwise the task is acted out again from the
    episode's seed and actions, and the sentence says whether that gave the observations on record.
    Raises DatasetError or LoopError where neither can be done, and leaves no file then.
    """
    if path.suffix.lower() != ".mp4":
        raise LoopError(f"{path} must end in .mp4")
    episode = store.episode(episode_id)
    if names := image_fields(store.schema):
        with mp4(path, store.schema.control_hz) as see:
            show_images(episode, names, see)
        return f"{path} shows the images of the episode: {', '.join(names)}"
    task = find_task(store.schema.task)
    if difference := store.schema.difference(task.schema):
        raise LoopError(f"{path} was not written: {task.name} is another task by now: {difference}")
    try:
        with closing(task.make()) as environment, mp4(path, store.schema.control_hz) as see:
            difference = act_again(task, episode, see, environment=environment)
    except RuntimeError as error:  # the camera's way to say what the machine lacks
        raise LoopError(f"{path} was not written: {error}") from None
    alike = f"; all {episode.length + 1} observations are as recorded"
    result = f", not as it was recorded: {difference}" if difference else alike
    return f"{path} shows the episode acted out again{result}"
