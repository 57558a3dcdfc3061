"""Whether Arrow would unpack more of a file than the file holds.

A file that pacloop wrote is one record batch as it is, which is mapped and takes no memory. One with
compressed buffers or dictionaries is unpacked whole when it is opened, to whatever size it claims. Arrow's
library tells of neither, so the format's flatbuffers are looked at here: its Footer, Message and RecordBatch.
Whether they are sound is left to Arrow, which checks them when it opens the file.
"""

import mmap
import struct
from pathlib import Path

from ...errors import DatasetError
from ...files import named_errors

END = b"ARROW1"
DICTIONARIES, BATCHES = 2, 3  # fields of Footer
HEADER, METADATA = 2, 4  # of Message, whose metadata once said what is compressed
COMPRESSION = 3  # of RecordBatch


def check_unpacked(path: Path) -> None:
    """Raise DatasetError where a file is no Arrow file of one batch, or is compressed or has dictionaries."""
    with named_errors(path, "read"), path.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
                packed = raw[-len(END) :] == END and _is_packed(raw)
        except (struct.error, ValueError):
            raise DatasetError(f"{path} is not a whole Arrow file") from None
    if packed:
        raise DatasetError(f"{path} is compressed or has dictionaries, but must be as pacloop writes it")


def _is_packed(raw: mmap.mmap) -> bool:
    size_at = len(raw) - len(END) - 4
    footer = _target(raw, size_at - _number(raw, size_at))
    dictionaries, batches = (_field(raw, footer, number) for number in (DICTIONARIES, BATCHES))
    if dictionaries and _number(raw, _target(raw, dictionaries)):
        return True
    (offset,) = struct.unpack_from("<q", raw, _target(raw, batches) + 4)  # of the first, behind their number
    message = _target(raw, offset + (8 if _number(raw, offset) == -1 else 4))
    batch = _target(raw, _field(raw, message, HEADER))
    return bool(_field(raw, message, METADATA) or _field(raw, batch, COMPRESSION))


def _field(raw: mmap.mmap, table: int, number: int) -> int:
    """Where a table keeps a field; 0 where it has none."""
    entries = table - _number(raw, table)
    entry, size = 4 + 2 * number, struct.unpack_from("<H", raw, entries)[0]
    place = struct.unpack_from("<H", raw, entries + entry)[0] if entry < size else 0
    return place and table + place


def _target(raw: mmap.mmap, place: int) -> int:
    """Where an offset at a place leads to."""
    return place + _number(raw, place)


def _number(raw: mmap.mmap, place: int) -> int:
    return struct.unpack_from("<i", raw, place)[0]
