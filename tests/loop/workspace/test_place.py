"""What is advised names the workspace, as a shell takes it."""

import pytest

from pacloop.loop.errors import LoopError
from pacloop.loop.injection.demonstrations import no_demonstrations
from pacloop.loop.stages.collect import champion_of
from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.place import command
from pacloop.loop.workspace.records import Raced
from pacloop.loop.workspace.workspace import Workspace


def test_a_place_is_quoted():
    assert command("improve", "my arm") == "pacloop improve -w 'my arm'"
    assert command("inject PATH", "s3://robots/arm") == "pacloop inject PATH -w s3://robots/arm"


def test_hints_name_their_workspace(tmp_path):
    space = Workspace.create(tmp_path / "my arm", Config())
    improve = f"run: pacloop improve -w '{space.place}'$"
    with pytest.raises(LoopError, match=improve):
        space.require(Raced, 0)
    with pytest.raises(LoopError, match=improve):
        champion_of(space)
    ways = f"pacloop demonstrate -w '{space.place}', or pacloop inject PATH -w '{space.place}'"
    assert str(no_demonstrations(space)).endswith(f"add some: {ways}")
