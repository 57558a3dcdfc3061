"""Images as they lie in `steps.arrow`: losslessly encoded, the bytes of one image a step.

    4 bytes    `rows`
    12 bytes   height, width, channels: three little-endian 32-bit numbers
    the rest   one Zstandard frame: height * width * channels bytes, each row but the first less the row
               above it

A row is subtracted as little-endian integers of 8, 4, 2 or 1 bytes, the most that divide it: that differs
little from the differences of its bytes, and four or eight of them are summed up again at once.

Measured at 84x84 on one core, pictures with a sensor's noise: 61 to 65 % of the raw bytes, some 50 us to
decode, 38 to encode. WebP by Pillow takes 65 %, 217 us and 252 us: slower than a learner reads. Without noise
WebP is smaller (8 % against 13 % of the stacking task's camera).
"""

import struct
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import DatasetError
from .schema import Field

SMALLEST = 1024
"""Bytes: an image below this stays raw, since it is not worth a call to decode it."""

_MAGIC = b"rows"
_HEAD = struct.Struct("<4sIII")
_ZSTD = pa.Codec("zstd", compression_level=1)


def is_encoded(field: Field) -> bool:
    """Whether a new batch keeps this field encoded."""
    return field.is_image and field.size >= SMALLEST


def encode(images: np.ndarray) -> pa.Array:
    """`[N, H, W, C]` uint8, each as the bytes that the module describes.

    Each is decoded again. Raises DatasetError where that does not give the image back.
    """
    head = _HEAD.pack(_MAGIC, *images.shape[1:])
    files = pa.array([head + _compressed(image) for image in images], pa.large_binary())
    encoded = EncodedImages(files, Field(images.shape[1:], "uint8"), "what was encoded")
    decoded = np.empty(images.shape[1:], np.uint8)
    for row, image in enumerate(images):
        encoded._image(row, decoded)
        if not np.array_equal(decoded, image):
            raise DatasetError(f"image {row} is not the same any more once it is encoded and decoded")
    return files


class EncodedImages:
    """A column of images, `[N, H, W, C]`, each decoded when it is asked for.

    A slice, `take` and `numpy.asarray` give arrays. They raise DatasetError, naming the column and the
    row, where an image is broken or of another shape.
    """

    def __init__(self, files: pa.Array, field: Field, name: str) -> None:
        """Look at `files`, whose images must have the shape of `field`; `name` is for errors."""
        self._files, self._field, self._name = files, field, name
        self.shape = (len(files), *field.shape)
        self.dtype = np.dtype(np.uint8)

    @property
    def nbytes(self) -> int:
        """Bytes of all images once decoded."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        """N."""
        return len(self._files)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The images of a slice, read-only as every column is."""
        images = self.take(np.arange(len(self))[rows])
        images.flags.writeable = False
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All images."""
        return np.asarray(self.take(np.arange(len(self))), dtype)

    def take(self, rows: np.ndarray, axis: int = 0) -> np.ndarray:
        """The images of `rows`, `[*rows.shape, H, W, C]`; one that is named twice is decoded once."""
        once, first, which = np.unique(rows.reshape(-1), return_index=True, return_inverse=True)
        images = np.empty((rows.size, *self._field.shape), np.uint8)
        for place, row in zip(first.tolist(), once.tolist()):
            self._image(row, images[place])
        again = np.flatnonzero(first[which] != np.arange(rows.size))
        images[again] = images[first[which[again]]]
        return images.reshape(*rows.shape, *self._field.shape)

    def _image(self, row: int, image: np.ndarray) -> None:
        """Decode the image of a row into `image`."""
        raw, rows = self._files[row].as_buffer(), _words(image)
        try:
            magic, *shape = _HEAD.unpack(raw[: _HEAD.size])
            if magic != _MAGIC:
                raise ValueError(f"it begins with {magic}, but must begin with {_MAGIC}")
            if tuple(shape) != image.shape:
                sentence = f"{self._name}, row {row}, is {tuple(shape)} pixels, but must be {image.shape}"
                raise DatasetError(sentence)
            bytes_ = _ZSTD.decompress(raw[_HEAD.size :], decompressed_size=image.size)
            differences = np.frombuffer(bytes_, rows.dtype).reshape(rows.shape)
            np.add.accumulate(differences, axis=0, out=rows)
        except DatasetError:
            raise
        except (OSError, ValueError, struct.error) as error:  # what the decoder raises
            raise DatasetError(f"{self._name}, row {row}, is no whole image: {error}") from None


def _compressed(image: np.ndarray) -> bytes:
    rows = _words(np.ascontiguousarray(image))
    differences = rows.copy()
    differences[1:] -= rows[:-1]
    return _ZSTD.compress(differences.tobytes(), asbytes=True)


def _words(image: np.ndarray) -> np.ndarray:
    """A view of a contiguous image: its rows as the longest integers that fill them."""
    rows = image.reshape(len(image), -1)
    size = next(size for size in (8, 4, 2, 1) if rows.shape[1] % size == 0)
    return rows.view(f"<u{size}")
