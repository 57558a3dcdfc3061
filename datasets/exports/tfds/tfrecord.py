"""TFRecord files without TensorFlow: each record is its length, the bytes, and a checksum of either."""

import struct
from collections.abc import Iterable
from typing import BinaryIO


def write_records(file: BinaryIO, records: Iterable[bytes]) -> None:
    """Append `records` to `file`."""
    for record in records:
        length = struct.pack("<Q", len(record))
        file.write(length + _checksum(length))
        file.write(record)
        file.write(_checksum(record))


def _checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and offset as TFRecord wants it, so that a checksum of a checksum is none."""
    import google_crc32c

    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
