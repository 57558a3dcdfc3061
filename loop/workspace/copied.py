"""A workspace that was copied has the id of another; it is told from one that was moved, and refused."""

from ...datasets.errors import PacloopError
from ..errors import LoopError
from .records import Identity
from .workspace import IDENTITY, Workspace


def settle(space: Workspace) -> None:
    """Record where a workspace is; call it under the lease. Raises LoopError where it is a copy.

    That is one of a workspace that is still where it was: what one of the two plays would pass for the
    other's.
    """
    refuse_copy(space)
    identity = space.identity()
    if identity.address != space.address:
        space.write_json(IDENTITY, Identity(id=identity.id, address=space.address).model_dump())


def refuse_copy(space: Workspace) -> None:
    """Raise LoopError where a workspace is a copy."""
    if text := copy_sentence(space):
        raise LoopError(text)


def copy_sentence(space: Workspace) -> str:
    """Of which workspace this one is a copy, and what to do; "" where it is none. Writes nothing."""
    identity = space.read_record(Identity, IDENTITY)
    if identity is None or identity.address in ("", space.address) or not _is_elsewhere(space, identity):
        return ""
    return (
        f"{space.place} is a copy of {identity.address}, which is still there; make a workspace that "
        f"goes on from it: pacloop init --from {identity.address} --workspace NEW"
    )


def _is_elsewhere(space: Workspace, identity: Identity) -> bool:
    """Whether where a workspace was there is another folder or prefix of the same id."""
    try:
        original = Workspace.find(identity.address)
        if original is None or not original.current(IDENTITY).exists() or original.id != identity.id:
            return False
    except (OSError, PacloopError):  # what cannot be read plays nothing
        return False
    return bool(space.copy or original.copy) or not original.folder.samefile(space.folder)
