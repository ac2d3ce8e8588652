"""The command line: thin commands that parse, call, print and choose the exit code.

Exit codes: 0 clean; 1 a negative answer, something wrong; 2 a usage error, or input that could not be read (2 wins).
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from time import monotonic
from types import FrameType
from typing import Final, NoReturn

_INTERRUPTED: Final = 130
_PATIENCE: Final = 5.0
"""How long, in seconds, what was begun may take to end before a second signal counts."""
_SIGNAL: Final = 128
"""What a shell adds to a signal's number, for the exit code."""
_FEWER_COLLECTIONS: Final = 50_000  # long lists make many small objects, and hardly a cycle


def console() -> NoReturn:
    """Be the process ``backupmeta``: run `main`, and end without taking every object of a long list down first."""
    _be_the_same_everywhere()
    code = 0
    try:
        main()
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # a full disk: whom could we tell?
            sys.stderr.flush()
    os._exit(code)


def _be_the_same_everywhere() -> None:
    """Read names as UTF-8, and numbers of so many digits, whatever the environment says: answers are of evidence alone.

    How Python reads names is decided when it starts (PEP 540): where that is another way, it starts anew.
    """
    sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - the same program


def main() -> None:
    """Run the command line and exit. A broken pipe, Ctrl-C and a closed stdout end it without a word."""
    try:
        with _ending():
            raise SystemExit(_run())
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


class _End:
    """Ends what runs, as an exception: what is half written is removed on the way.

    Others that come meanwhile, as when a terminal is closed, must not end that, too.
    """

    def __init__(self) -> None:
        self._began: float | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._began is not None and monotonic() < self._began + _PATIENCE:
            return
        self._began = monotonic()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(_SIGNAL + number)


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Let TERM, HUP and INT end what runs, unless the caller has it pass them over."""
    handlers = {number: signal.getsignal(number) for number in _signals()}
    heard = {number for number, handler in handlers.items() if handler not in {signal.SIG_IGN, None}}
    end = _End()
    try:
        for number in heard:
            signal.signal(number, end)
        yield
    finally:
        for number in heard:
            signal.signal(number, handlers[number])


def _signals() -> list[signal.Signals]:
    """Return the signals that end a process and can be heard here: none but in the main thread."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        return []
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]


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
        output.complain_of_usage(error)
        return 2
    return result if isinstance(result, int) else 0
