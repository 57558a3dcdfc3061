"""An episode in moving pictures: its own images, or the task acted out again from its seed and actions."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ...actors.registry import find_task
from ...actors.rendering.video import See, act_again, image_fields, mp4, show_images
from ...datasets import Episode, EpisodeStore
from ...datasets.errors import PacloopError
from ..errors import LoopError

Render = Callable[[Episode, See, Sequence[int] | None], str | None]
"""Shows an episode, all of it or some steps; says in what it differs from the record where it does."""


@contextmanager
def renderer(store: EpisodeStore) -> Iterator[Render]:
    """Renders episodes from their own images, or by acting them out again in one environment.

    Raises PacloopError where the task is no longer that of the dataset, or its episodes are not played again.
    """
    if names := image_fields(store.schema):
        yield lambda episode, see, steps: show_images(episode, names, see, steps=steps)
        return
    task = find_task(store.schema.task)
    if difference := store.schema.difference(task.schema):
        raise LoopError(f"{task.name} is another task by now: {difference}")
    with closing(task.make_for_replay()) as environment:
        yield lambda episode, see, steps: act_again(task, episode, see, environment=environment, steps=steps)


def write_video(store: EpisodeStore, episode_id: str, path: Path) -> str:
    """Write an episode as an MP4 file, and return a sentence on what it shows.

    Raises PacloopError where that cannot be done, and leaves no file then.
    """
    if path.suffix.lower() != ".mp4":
        raise LoopError(f"{path} must end in .mp4")
    episode = store.episode(episode_id)
    try:
        with renderer(store) as render, mp4(path, store.schema.control_hz) as see:
            difference = render(episode, see, None)
    except (PacloopError, RuntimeError) as error:  # the latter is the camera's: what the machine lacks
        raise LoopError(f"{path} was not written: {error}") from None
    if names := image_fields(store.schema):
        return f"{path} shows the images of the episode: {', '.join(names)}"
    alike = f"; all {episode.length + 1} observations are as recorded"
    result = f", not as it was recorded: {difference}" if difference else alike
    return f"{path} shows the episode acted out again{result}"
