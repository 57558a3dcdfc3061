"""Who goes on with a workspace whose dataset is shared: of several copies, the one that did so first.

    <dataset>/holders/<id>.json    the last hold of the workspace: a random name, where and when it began

Each hold has a new name, which the workspace's own `identity.json` knows before the dataset does. A copy that
finds a name there which it does not know was left behind: another one went on. Neither path nor machine
counts, so a folder that was moved, or is mounted on two machines by turns, is none.
"""

import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime

from ...datasets.files import json_bytes, parse_json, parse_model
from ...datasets.objects import Bucket, Version
from ..errors import LoopError
from .records import Identity, Record


class Hold(Record):
    """The last hold of a workspace: its random `name`, where it began, and when, as ISO time, UTC."""

    name: str
    address: str
    host: str
    since: str


def check_turn(place: str, url: str, identity: Callable[[], Identity]) -> None:
    """Raise LoopError where a copy of the workspace at `place` went on with the dataset at `url`."""
    hold, _ = _last_hold(url, identity().id)
    _refuse_unknown(place, url, identity(), hold)  # read after it: a hold is known here first


def take_turn(
    place: str, url: str, address: str, identity: Identity, write: Callable[[Identity], None]
) -> None:
    """Hold the workspace at `place` from now on. `write` keeps what it must know. Raises as `check_turn`."""
    before, seen = _last_hold(url, identity.id)
    _refuse_unknown(place, url, identity, before)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    hold = Hold(name=secrets.token_hex(8), address=address, host=socket.gethostname(), since=now)
    known = (before.name, hold.name) if before else (hold.name,)
    taken = identity.model_copy(update={"address": address, "holds": {**identity.holds, url: known}})
    write(taken)
    key = _key(identity.id)
    Bucket(url).replace(key, json_bytes(key, hold.model_dump()), seen)
    check_turn(place, url, lambda: taken)  # another one may have come first


def _last_hold(url: str, own: str) -> tuple[Hold | None, Version | None]:
    """The last hold of the workspace of this id on a dataset, and which version of the object that is."""
    bucket, key = Bucket(url), _key(own)
    current = bucket.fetch(key)
    if current is None:
        return None, None
    path = bucket.place(key)
    return parse_model(Hold, parse_json(path, current.raw), path), current.version


def _refuse_unknown(place: str, url: str, identity: Identity, hold: Hold | None) -> None:
    if hold and hold.name not in identity.holds.get(url, ()):
        raise LoopError(
            f"{place} is not the only copy of its workspace: that at {hold.address} on {hold.host} goes on "
            f"with {url}, since {hold.since}; make a workspace that goes on from this one: "
            f"pacloop init --from {place} --workspace NEW"
        )


def _key(own: str) -> str:
    return f"holders/{own}.json"
