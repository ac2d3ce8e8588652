"""The command line: thin commands that parse, call, print and choose the exit code.

Exit codes: 0 clean; 1 a negative answer, something wrong; 2 a usage error, or input that could not be read (2 wins).
"""

import contextlib
import os
import sys
from typing import Final, NoReturn

_INTERRUPTED: Final = 130
_FEWER_COLLECTIONS: Final = 50_000  # long lists make many small objects, and hardly a cycle


def console() -> NoReturn:
    """Be the process ``backupmeta``: run `main`, and end without taking every object of a long list down first."""
    code = 0
    try:
        main()
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # a full disk: whom could we tell?
            sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Run the command line and exit. A broken pipe, Ctrl-C and a closed stdout end it without a word."""
    try:
        raise SystemExit(_run())
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


def _run() -> int:
    import gc

    import click

    from backupmeta.cli import output
    from backupmeta.cli.commands import backupmeta
    from backupmeta.errors import CatalogError, EvidenceError, PolicyError

    gc.set_threshold(_FEWER_COLLECTIONS)
    try:
        result = backupmeta.main(prog_name="backupmeta", standalone_mode=False)
        output.flush()
    except click.Abort:
        output.discard()
        return _INTERRUPTED
    except BrokenPipeError:
        output.discard()
        return output.BROKEN_PIPE
    except (CatalogError, ChildProcessError, EvidenceError, PolicyError) as error:
        for line in str(error).splitlines():
            output.complain(line)
        return 2
    except OSError as error:  # evidence raises `EvidenceError`: this is the output's
        output.discard()
        output.complain(f"can't write: {error.strerror}")
        return 2
    except click.ClickException as error:
        error.show()
        return 2
    return result if isinstance(result, int) else 0
