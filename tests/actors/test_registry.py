"""Tasks by name: ours, another package's, and sentences for the rest."""

from dataclasses import replace

import pytest

from pacloop.actors.registry import TaskError, find_task
from pacloop.actors.task import Task
from pacloop.datasets.errors import PacloopError


def test_the_headline_task_is_found():
    assert find_task("pacloop/stack").name == "pacloop/stack"


def test_another_package_may_offer_a_task(reach):
    assert isinstance(reach, Task) and reach.name == "test/reach"


def test_an_unknown_task_is_told_the_known_ones(offered):
    with pytest.raises(
        TaskError, match=r"there is no task 'pacloop/stak'; known tasks: pacloop/stack, .*test/reach"
    ):
        find_task("pacloop/stak")


def test_a_task_of_another_name_than_offered_is_refused(offered):
    with pytest.raises(
        TaskError, match=r"entry point 'test/misnamed' gave .* must give a pacloop Task of that name"
    ):
        find_task("test/misnamed")


@pytest.mark.parametrize("part", [{"schema": None}, {"make": None}, {"score": 1.0}, {"seed_limit": 0}])
def test_a_task_of_other_parts_is_refused_by_their_name(reach, part):
    ((name, value),) = part.items()
    with pytest.raises(PacloopError, match=rf"the task's {name} is {value}, but must be a"):
        replace(reach, **part)
