"""`lease.json`: who holds a workspace, as it says of itself."""

import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Holder(BaseModel):
    """A process that holds a workspace. All but `version` is None where it did not say so.

    Attributes:
      version: of this record.
      host: its machine.
      pid: its process there.
      command: what it runs.
      since: ISO time, UTC.
      copy_id: in a bucket, the local copy that it works in; `copy` in the file.
      run: in a bucket, a name that no other claim has.
      beat: in a bucket, how often it has said that it lives.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    version: int = 1
    host: str | None = None
    pid: int | None = None
    command: str | None = None
    since: str | None = None
    copy_id: str | None = Field(default=None, alias="copy")
    run: str | None = None
    beat: int | None = None

    def in_words(self) -> str:
        """A sentence's subject: which process on which machine."""
        if None in (self.host, self.pid, self.command, self.since):
            return "another process"
        return f"process {self.pid} on {self.host} ({self.command}, since {self.since})"

    def to_json(self) -> bytes:
        """The content of the file."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode() + b"\n"


def this_process() -> Holder:
    """What this process says of itself."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return Holder(
        host=socket.gethostname(),
        pid=os.getpid(),
        command=command.encode(errors="replace").decode(),  # an argument may be no text
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def parse_holder(raw: bytes) -> Holder | None:
    """Whom the content of a lease names: None for nobody, an empty Holder for one that cannot be read."""
    if raw.strip() in (b"", b"{}"):
        return None
    try:
        return Holder.model_validate_json(raw)
    except ValidationError:
        return Holder()


def in_use(place: str, holder: Holder) -> str:
    """The sentence for whoever comes second."""
    return f"{place} is in use by {holder.in_words()}; stop it, or wait until it is done"
