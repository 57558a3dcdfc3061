"""A workspace that was copied has the id of another; it is told from one that was moved, and refused."""

from functools import partial

from ...datasets.errors import DatasetError, PacloopError
from ..errors import LoopError
from .local_copy import IDENTITY
from .records import Identity
from .turns import check_turn, take_turn
from .workspace import Workspace


def settle(space: Workspace) -> None:
    """Record where a workspace is; call it under the lease. Raises LoopError where it is a copy.

    That is one of a workspace that is still where it was, or went on with a shared dataset: what one of the
    two plays would pass for the other's.
    """
    refuse_copy(space)
    identity = space.identity()
    if url := space.config.dataset.url:
        take_turn(space.place, url, space.address, identity, partial(_write, space))
    elif identity.address != space.address:
        _write(space, identity.model_copy(update={"address": space.address}))


def _write(space: Workspace, identity: Identity) -> None:
    space.write_json(IDENTITY, identity.model_dump())


def refuse_copy(space: Workspace) -> None:
    """Raise LoopError where a workspace is a copy."""
    if text := copy_sentence(space):
        raise LoopError(text)


def copy_sentence(space: Workspace) -> str:
    """Of which workspace this one is a copy, and what to do; "" where it is none. Writes nothing."""
    identity = space.read_record(Identity, IDENTITY)
    if identity is None:
        return ""
    if identity.address not in ("", space.address) and _is_elsewhere(space, identity):
        return (
            f"{space.place} is a copy of {identity.address}, which is still there; make a workspace that "
            f"goes on from it: pacloop init --from {identity.address} --workspace NEW"
        )
    try:
        if url := space.config.dataset.url:
            check_turn(space.place, url, space.identity)
    except LoopError as error:
        return str(error)
    except DatasetError:  # to what is out of reach nobody adds
        pass
    return ""


def _is_elsewhere(space: Workspace, identity: Identity) -> bool:
    """Whether where a workspace was there is another folder or prefix of the same id."""
    try:
        original = Workspace.find(identity.address)
        if original is None or not original.current(IDENTITY).exists() or original.id != identity.id:
            return False
    except (OSError, PacloopError):  # what cannot be read plays nothing
        return False
    return bool(space.copy or original.copy) or not original.folder.samefile(space.folder)
