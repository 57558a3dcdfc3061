"""What pacloop's own exports say of an episode beside its steps, whatever the format."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import DatasetError
from .decode import text

ORIGIN = ("id", "source", "policy", "round")
"""What names things of the other workspace, and means nothing here."""


def exported_info(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The `info` of an episode that pacloop exported, given its facts by name; {} for anybody else's.

    Raises DatasetError where it is no JSON.
    """
    if not {*ORIGIN, "info"} <= facts.keys():
        return {}
    try:
        info = dict(json.loads(text("info", facts["info"]), parse_constant=_refused))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"info is no JSON object ({error})") from None
    return info | {"injected_from": {name: _known(facts[name]) for name in ORIGIN}}


def _known(value: Any) -> Any:
    """A fact as plain JSON; None for what TFDS, which has no missing values, keeps instead of one."""
    plain = np.asarray(value).reshape(-1).tolist()[0]
    plain = plain.decode("utf-8", "replace") if isinstance(plain, bytes) else plain
    return None if plain in ("", -1) else plain


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is none")
