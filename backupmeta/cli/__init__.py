"""The command line: thin commands that parse, call, print and choose the exit code.

Exit codes: 0 clean; 1 a negative answer; 2 a usage error, or input that could not be read (2 wins).
"""

import os
import sys
from typing import Final

_BROKEN_PIPE: Final = 141
_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line and exit. A broken pipe, Ctrl-C and a closed stdout end it without a word."""
    try:
        code = _run()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        code = _BROKEN_PIPE
    if code in {_INTERRUPTED, _BROKEN_PIPE} and sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered goes nowhere
    raise SystemExit(code)


def _run() -> int:
    import click

    from backupmeta.cli import output
    from backupmeta.cli.commands import backupmeta
    from backupmeta.errors import EvidenceError

    try:
        result = backupmeta.main(prog_name="backupmeta", standalone_mode=False)
        output.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        return _INTERRUPTED
    except click.ClickException as error:
        error.show()
        return 2
    except EvidenceError as error:
        output.complain(str(error))
        return 2
    return result if isinstance(result, int) else 0
