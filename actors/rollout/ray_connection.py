"""Ray: the cluster that is configured, or a small private one on this machine."""

import logging
import os
import signal
from collections.abc import Mapping

from ...datasets.errors import PacloopError

OBJECT_STORE_BYTES = 256 * 2**20
"""Room for shared weights and episodes on their way; a private cluster needs no more."""
ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Where it is 0, Ray takes 127.0.0.1 for this node's address and listens there; else it takes the network's,
whatever `ray.init` is told, and listens to everybody. Ray reads it when it is imported."""
DEAD_PROXY = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1,localhost"}
"""Ray asks at its start, over http, whether this is a cloud's machine. Here it reaches nobody."""
STARTS = 4
"""Ray gives up on its own start after 30 s, too soon for a busy machine; so often it is tried."""


def check_address() -> None:
    """Raise PacloopError where `RAY_ADDRESS` names what collectors cannot be on."""
    address = os.environ.get("RAY_ADDRESS", "")
    if address.startswith("ray://"):
        raise PacloopError(
            f"RAY_ADDRESS is {address}, but a Ray client cannot stream episodes: "
            "on a machine of the cluster, set it to the cluster's own address, like 10.0.0.5:6379"
        )


def connect(*, cpus: int) -> bool:
    """Join the cluster of `RAY_ADDRESS`, or start a private one; True where this call started one.

    A private cluster listens on loopback only, has no dashboard, and reports nothing to anybody. The
    signal handlers are the caller's again afterwards: Ray replaces SIGTERM's, and then a cancelled run
    looks like a crash. Raises as `check_address` does.
    """
    check_address()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault(ON_LOOPBACK, "0")
    import ray

    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)  # tokens are on by default: good
    if ray.is_initialized():
        return False
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    own_proxies = proxies()
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        else:
            _set_proxies(DEAD_PROXY)
            _start(cpus)
    finally:
        _set_proxies(own_proxies)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return True


def proxies() -> dict[str, str | None]:
    """This process's proxy settings: a private cluster's processes start with others, which reach nobody."""
    return {name: os.environ.get(name) for name in DEAD_PROXY}


def use_proxies(settings: Mapping[str, str | None]) -> None:
    """Set what `proxies` gave elsewhere, in a process that a private cluster started; others keep theirs."""
    if proxies() == DEAD_PROXY:
        _set_proxies(settings)


def _set_proxies(settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _start(cpus: int) -> None:
    import ray

    for attempt in range(1, STARTS + 1):
        try:
            ray.init(
                address="local",  # else it joins what somebody began here with `ray start`
                num_cpus=max(cpus, 1),
                num_gpus=0,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _node_ip_address="127.0.0.1",
            )
            return
        except Exception as error:  # it is nothing more special
            if attempt == STARTS or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
