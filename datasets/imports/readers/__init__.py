"""Other people's episodes, read one by one: a module a format, with two functions.

    episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]
    count(path: Path) -> int, how many episodes there seem to be

A reader yields what the file says, in its order, without judging it: a `RawEpisode` for each episode it
could read, an `Unreadable` for each it could not. It raises DatasetError where the file as a whole is not
what it claims to be (cut short, another format). It never executes anything from a file and never unpickles,
and it holds one episode at a time.
"""

FORMATS = ("rlds", "robomimic", "minari", "lerobot", "npz", "parquet", "pacloop")
"""The formats by their names; each is a module beside this one."""
