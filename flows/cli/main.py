"""The command line. Every command says what it did, and exits 0 for done, 1 for no, 2 for bad use.

Nothing heavy is imported before a command runs, so that `pacloop --help` answers at once.
"""

import errno
import sys
from typing import Annotated, NoReturn

import typer

from ...datasets.errors import PacloopError
from ..environment import prepare
from ..terminal import sentence
from .dataset import dataset
from .doctor import doctor
from .gate import gate
from .gc import gc
from .inject import inject
from .policies import approve, policies, promote, reject, rollback
from .report import report
from .run import demo, demonstrate, improve, init
from .serve import deploy, serve
from .stages import collect, evaluate, learn
from .status import status

COMMANDS = {
    "Run": (improve, demo, init, demonstrate, serve, deploy, collect, learn, evaluate),
    "Watch": (status, report, doctor),
    "Data": (inject,),
    "Policies": (promote, rollback, approve, reject, gc),
}
"""Commands by the groups in which `pacloop --help` lists them."""
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)
"""What a disk may say that is the user's to mend, not ours."""
INTERRUPTED = 130
"""The status that typer ends with once it has caught an interrupt."""

app = typer.Typer(name="pacloop", no_args_is_help=True, pretty_exceptions_enable=False)
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(dataset, rich_help_panel="Data")
app.add_typer(policies, rich_help_panel="Policies")
app.add_typer(gate, rich_help_panel="Policies")


def _print_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        print(f"pacloop {version('pacloop')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A self-improvement loop for robot policies: collect, append, learn, gate."""


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit status 2."""
    prepare()
    try:
        app()
    except PacloopError as error:
        print(f"pacloop: {sentence(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno not in REFUSALS:
            _fail(error)
        print(f"pacloop: {error.filename or 'the disk'}: {(error.strerror or '').lower()}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        _fail(error)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print(
                "\npacloop: stopped; what was finished is kept, the same command goes on from there",
                file=sys.stderr,
            )
        raise


def _fail(error: Exception) -> NoReturn:
    """End with an error that nobody foresaw: in one line where a file has the rest, else with all of it."""
    if not hasattr(error, "__notes__"):
        raise error
    print(f"pacloop: {sentence(error)}", file=sys.stderr)
    raise SystemExit(1) from None


if __name__ == "__main__":
    main()
