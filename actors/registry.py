"""Finding a task by its name."""

from importlib.metadata import entry_points

from ..datasets.errors import PacloopError
from .task import Task

OURS = ("pacloop/stack", "pacloop/stack-wide")
"""Tasks that come with pacloop."""

GROUP = "pacloop.tasks"
"""Entry-point group in which other packages offer tasks: `name = "package.module:function"`, where
the function takes nothing and returns a `Task` of that name."""


class TaskError(PacloopError):
    """No such task, or one that breaks the contract."""


def package_of(name: str) -> str:
    """The package that offers a task: pacloop, or that of its entry point; "" where nobody knows."""
    found = (point.dist for point in entry_points(group=GROUP) if point.name == name)
    return "pacloop" if name in OURS else next((package.name for package in found if package), "")


def find_task(name: str) -> Task:
    """The task called `name`. Raises TaskError, naming the known ones, where there is none."""
    check_name(name)
    if name in OURS:
        from .tasks.stack.stack import task as stack  # MuJoCo is slow to import

        return stack(name=name)
    (point, *_) = entry_points(group=GROUP, name=name)
    try:
        task = point.load()()
    except (Exception, SystemExit) as error:  # somebody else's code
        reason = f"{type(error).__name__}: {error}"
        raise TaskError(f"entry point {name!r}, {point.value}, fails: {reason}") from error
    if not isinstance(task, Task) or task.name != name:
        raise TaskError(f"entry point {name!r} gave {task!r}, but must give a pacloop Task of that name")
    return task


def check_name(name: str) -> None:
    """Raise TaskError, naming the known ones, where no package here offers a task of this name."""
    known = [*OURS, *sorted(point.name for point in entry_points(group=GROUP))]
    if name not in known:
        raise TaskError(f"there is no task {name!r}; known tasks: {', '.join(known)}")
