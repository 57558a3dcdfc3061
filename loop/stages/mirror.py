"""`<workspace>/rlds`: a copy of the dataset that stock TFDS reads, kept current while the loop runs."""

from contextlib import suppress

from ...datasets.exports.tfds.rlds import export_rlds
from ..progress import Progress, stopwatch
from ..workspace.workspace import Workspace


def import_tfds(space: Workspace) -> None:
    """Import what the mirror needs, before other threads begin.

    TensorFlow Datasets patches Python's import while it is imported: what another thread imports meanwhile,
    Prefect's for example, comes out broken.
    """
    if space.config.dataset.rlds != "off":
        from ...datasets.exports.tfds.features import encoder

        with suppress(Exception):  # `mirror` tells of it
            encoder(space.task.schema)


def mirror(space: Workspace, progress: Progress) -> None:
    """Bring the mirror up to date with what is committed, if the settings ask for one.

    Nothing that goes wrong here stops a round: it is told, and the next call catches up.
    """
    if space.config.dataset.rlds == "off":
        return
    watch = stopwatch()
    try:
        done = export_rlds(space.store, space.folder / "rlds", excluded=space.store.excluded())
    except Exception as error:  # a copy must never cost the run that it is a copy of
        sentence = str(error).splitlines()[0] if str(error) else type(error).__name__
        progress("mirror", 0, 0, f"behind, the next append tries again: {sentence}")
        return
    if done.shards:
        progress("mirror", done.episodes, done.episodes, f"{done.shards} new in rlds, {watch()} s")
