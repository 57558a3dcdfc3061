"""Images as they lie in `steps.arrow`: losslessly encoded, one file's bytes a step.

Measured on the stacking task's 64x64 camera (and on 84x84 with a sensor's noise), Pillow on one core:
WebP takes 14 % (55 %) of the raw bytes and 0.09 (0.22) ms to decode, PNG 21 % (61 %) and 0.10 (0.28) ms.
So colour is WebP; PNG serves where WebP cannot: one channel, or sides beyond 16383.
"""

import io
from typing import Any

import numpy as np
import pyarrow as pa

from .errors import DatasetError
from .schema import Field

SMALLEST = 1024
"""Bytes: an image below this stays raw, since a file's header would make it larger."""

WEBP_SIDE = 16383


def is_encoded(field: Field) -> bool:
    """Whether a new batch keeps this field encoded."""
    return field.is_image and field.size >= SMALLEST


def encode(images: np.ndarray) -> pa.Array:
    """`[N, H, W, C]` uint8 as N files."""
    return pa.array([_encode(image) for image in images], pa.large_binary())


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
        found = self._decode(np.arange(len(self))[rows])
        found.flags.writeable = False
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All images."""
        return np.asarray(self._decode(np.arange(len(self))), dtype)

    def take(self, rows: np.ndarray, axis: int = 0) -> np.ndarray:
        """The images of `rows`, `[*rows.shape, H, W, C]`; one that is named twice is decoded once."""
        once, places = np.unique(rows, return_inverse=True)
        return self._decode(once).take(places.reshape(rows.shape), axis=axis)

    def _decode(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self._field.shape), np.uint8)
        for place, row in enumerate(rows.tolist()):
            found[place] = self._image(row)
        return found

    def _image(self, row: int) -> np.ndarray:
        from PIL import Image

        try:
            image = np.asarray(Image.open(io.BytesIO(self._files[row].as_buffer())))
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for broken files
            raise DatasetError(f"{self._name}, row {row}, is no whole image: {error}") from None
        if image.ndim == 2:
            image = image[:, :, None]
        if image.shape != self._field.shape or image.dtype != np.uint8:
            wanted = self._field.shape
            raise DatasetError(f"{self._name}, row {row}, is {image.shape} pixels, but must be {wanted}")
        return image


def _encode(image: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    if image.shape[2] == 3 and max(image.shape) <= WEBP_SIDE:
        Image.fromarray(image).save(file, "WEBP", lossless=True, method=0, quality=0)
    else:
        Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(file, "PNG", compress_level=3)
    return file.getvalue()
