"""Who runs this, how its commands are typed here, and defaults for the libraries underneath."""

import logging
import os
import re
import shlex
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a server that the client starts lets everybody in
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
    "PREFECT_CLI_PROMPT": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
}

WORKSPACE, WORKSPACE_VARIABLE = "workspace", "PACLOOP_WORKSPACE"
"""The workspace of a command that names none, and the environment variable that names another."""


def prepare() -> None:
    """Set what the user has not set. Must run before prefect, ray, torch or tensorflow are imported."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.raiseExceptions = False  # what cannot be logged is not told on the screen either
    if string := kept_string(os.environ.get("PREFECT_API_URL", "")):
        os.environ.setdefault("PREFECT_API_AUTH_STRING", string)


def string_file(url: str) -> Path | None:
    """Where a Prefect server that was started here keeps the string it asks for; None for one elsewhere."""
    match = re.fullmatch(r"http://(?:127\.0\.0\.1|localhost):(\d+)/api/?", url)
    return Path.home() / ".pacloop" / f"{socket.gethostname()}-{match[1]}" if match else None


def kept_string(url: str) -> str | None:
    """The string that the server at this URL asks for; None where no file has it."""
    with suppress(OSError):
        return file.read_text() if (file := string_file(url)) else None
    return None


def user() -> str:
    """Who is at the keyboard, as the system calls them."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "somebody"


def program(name: str) -> str:
    """How a program of this installation is typed from here: `prefect`, or `.venv/bin/prefect`.

    That is its name where a shell finds it by that, else its path in the words of the running command.
    """
    typed = sys.argv[0] if Path(sys.argv[0]).name == "pacloop" else sys.executable
    beside, found = os.path.join(os.path.dirname(typed), name), shutil.which(name)  # noqa: PTH118, PTH120
    by_name = found and Path(found).resolve() == Path(beside).resolve()
    return name if by_name else shlex.quote(beside)


def this_command(words: str, workspace: object = None) -> str:
    """`pacloop` with these words, as it works when it is typed from here.

    Args:
      words: the command and its options.
      workspace: the one that it is for, which is named where it is not the default; None for none.
    """
    default = os.environ.get(WORKSPACE_VARIABLE) or WORKSPACE
    named = workspace is not None and str(workspace) != default
    return f"{program('pacloop')} {words}" + (f" --workspace {shlex.quote(str(workspace))}" if named else "")
