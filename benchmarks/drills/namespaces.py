"""Hosts on this machine: each has a network, a name, processes and mounts of its own, by Linux's namespaces.

    hub     10.231.0.1: where the servers are; it reaches every host, and every host reaches it and no other
    a, b    10.231.1.2, 10.231.2.2: /mnt of each is a folder of its own

A host may be switched off, and everything on it dies, as by a power cut; or its network is
cut off for a while. It takes root, `ip` (iproute2), and `unshare` and `nsenter` (util-linux).
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HUB, PROGRAMS = "10.231.0.1", ("ip", "unshare", "nsenter")


def missing() -> str:
    """What this machine lacks, in words; "" where it can have such hosts."""
    lacks = [name for name in PROGRAMS if shutil.which(name) is None]
    if os.geteuid():
        lacks.append("root")
    if not lacks and subprocess.run(["ip", "netns", "list"], capture_output=True, check=False).returncode:
        lacks.append("the right to make namespaces")
    return ", ".join(lacks)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@dataclass
class Host:
    """A host; `name` is what it calls itself, and `folder` its /mnt."""

    name: str
    space: str
    folder: Path
    init: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Switch it on: its first process sleeps."""
        script = f"hostname {self.name} && mount --bind {self.folder} /mnt && exec sleep infinity"
        unshare = [
            "unshare",
            "--uts",
            "--pid",
            "--mount",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            script,
        ]
        self.init = subprocess.Popen(["ip", "netns", "exec", self.space, *unshare])
        while "sleep" not in self._words():
            assert self.init.poll() is None, f"{self.name} does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """Switch it off, and whatever runs on it."""
        if self.init and self.init.poll() is None:
            os.kill(self._first(), signal.SIGKILL)
            self.init.wait()

    def cut(self, off: bool) -> None:
        """Cut its network off, or join it again."""
        ip("-n", self.space, "link", "set", "eth0", "down" if off else "up")
        if not off:
            ip("-n", self.space, "route", "add", "default", "via", gateway(self.space))

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        """Start a command on it."""
        enter = ["nsenter", f"--target={self._first()}", "--uts", "--pid", "--mount", "--net", "--wd=/mnt"]
        with log.open("ab") as out:
            return subprocess.Popen([*enter, *command], env=dict(environment), stdout=out, stderr=out)

    def _first(self) -> int:
        assert self.init
        children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _words(self) -> str:
        first = self._first()
        return Path(f"/proc/{first}/cmdline").read_text() if first else ""


def gateway(space: str) -> str:
    """The hub's address on the wire to a host."""
    return f"10.231.{1 + 'ab'.index(space[-1])}.1"


@contextmanager
def hosts(root: Path) -> Iterator[tuple[str, dict[str, Host]]]:
    """The hub's network namespace, and the hosts `a` and `b`, switched on; all is gone afterwards."""
    prefix = f"pl{os.getpid()}"
    hub, made = f"{prefix}-hub", {}
    try:
        ip("netns", "add", hub)
        ip("-n", hub, "link", "set", "lo", "up")
        ip("-n", hub, "address", "add", f"{HUB}/32", "dev", "lo")
        for name in "ab":
            (folder := root / name).mkdir()
            made[name] = Host(f"host-{name}", f"{prefix}-{name}", folder)
            _wire(hub, made[name].space)
            made[name].start()
        yield hub, made
    finally:
        for host in made.values():
            host.kill()
        for space in (hub, *(host.space for host in made.values())):
            subprocess.run(["ip", "netns", "delete", space], check=False, stderr=subprocess.DEVNULL)


def _wire(hub: str, space: str) -> None:
    ip("netns", "add", space)
    ip("-n", space, "link", "set", "lo", "up")
    end = f"to-{space[-1]}"
    ip("link", "add", end, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", space)
    there = gateway(space)
    ip("-n", hub, "address", "add", f"{there}/24", "dev", end)
    ip("-n", hub, "link", "set", end, "up")
    ip("-n", space, "address", "add", there[:-1] + "2/24", "dev", "eth0")
    ip("-n", space, "link", "set", "eth0", "up")
    ip("-n", space, "route", "add", "default", "via", there)
