"""Names that differ: which of a file's arrays, or pieces of them, are which of our fields.

    --map observation.state=proprio                          their whole array is our field
    --map observation.state[0:7]=hand,observation.state[7:10]=hand_velocity
                                                             pieces of one array
    --map joints=proprio,gripper=proprio                     several, joined end to end in this order

Left of each `=` stands theirs, right of it ours: an observation's name, `action` or `reward`. Theirs may
be spelled as the file spells it: `observation.state`, `observation/state`, `obs/state` and `state` are one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DatasetError
from ..records.schema import Schema
from .fit import differ
from .readers.raw import RawEpisode, flat_name

_PIECE = re.compile(r"(?P<theirs>[^=\[\]]+)(\[(?P<start>\d*):(?P<stop>\d*)\])?=(?P<ours>[^=\[\]]+)")


@dataclass(frozen=True)
class Piece:
    """A part of one of their arrays that is, or helps to make, one of our fields.

    Attributes:
      theirs: flat name of their array.
      start: first number of each of their rows, flattened.
      stop: the number after the last one; None for all.
    """

    theirs: str
    ours: str
    start: int = 0
    stop: int | None = None


def parse_map(text: str, schema: Schema) -> tuple[Piece, ...]:
    """The pieces of a `--map`. Raises DatasetError, naming the entry, where one cannot be understood."""
    pieces, names = [], (*schema.observation, "action", "reward")
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _PIECE.fullmatch(entry)
        if match is None:
            raise DatasetError(f"--map has {entry!r}, but must have theirs=ours or theirs[first:after]=ours")
        ours = match["ours"].strip()
        if ours not in names:
            known = ", ".join(names)
            raise DatasetError(f"--map names {ours!r}, which is no field of the dataset; it has {known}")
        start, stop = int(match["start"] or 0), int(match["stop"]) if match["stop"] else None
        if stop is not None and stop <= start:
            raise DatasetError(f"--map has {entry!r}, whose piece is empty")
        pieces.append(Piece(flat_name(match["theirs"].strip()), ours, start, stop))
    return tuple(pieces)


def names_to_read(schema: Schema, pieces: Sequence[Piece]) -> set[str]:
    """The flat names of all that a reader must read to fill our fields."""
    mapped = {piece.ours for piece in pieces}
    own = {flat_name(name) for name in schema.observation if name not in mapped}
    return own | {piece.theirs for piece in pieces}


def field_of(raw: RawEpisode, ours: str, pieces: Sequence[Piece]) -> np.ndarray:
    """Our field from their arrays. Raises DatasetError, saying what there is, where one is missing."""
    own = [piece for piece in pieces if piece.ours == ours] or [Piece(flat_name(ours), ours)]
    parts = [_part(_array(raw, piece.theirs, ours), piece) for piece in own]
    if len(parts) == 1:
        return parts[0]
    if len({len(part) for part in parts}) > 1:
        raise DatasetError(f"{ours} is made of arrays of {', '.join(str(len(part)) for part in parts)} rows")
    joined = np.concatenate([part.reshape(len(part), -1) for part in parts], 1)
    for part in parts:
        is_mixed = (part.dtype.kind in "OSU") != (joined.dtype.kind in "OSU")
        if is_mixed or (part.dtype.kind in "iu" and differ(part, part.astype(joined.dtype)).any()):
            raise DatasetError(f"{ours} is made of {part.dtype}, which {joined.dtype} cannot hold as it is")
    return joined


def _part(values: np.ndarray, piece: Piece) -> np.ndarray:
    if piece.start == 0 and piece.stop is None:
        return values
    flat = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
    if (piece.stop or piece.start + 1) > flat.shape[1]:
        raise DatasetError(
            f"{piece.theirs} has {flat.shape[1]} numbers a step, too few for {piece.ours}'s piece"
        )
    return flat[:, piece.start : piece.stop]


def _array(raw: RawEpisode, theirs: str, ours: str) -> np.ndarray:
    known = {"action": raw.action, "reward": raw.reward}
    arrays = {**raw.columns, **raw.observation, **{n: a for n, a in known.items() if a is not None}}
    if theirs not in arrays:
        names = ", ".join(sorted({*arrays, *raw.unread}))
        raise DatasetError(f"{ours} is missing: the file has no {theirs}, only {names}; see --map")
    return np.asarray(arrays[theirs])
