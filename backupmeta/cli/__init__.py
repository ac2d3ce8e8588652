"""The command line: thin commands that parse, call, print and choose the exit code.

Exit codes: 0 clean; 1 a negative answer, something wrong; 2 a usage error, or input that could not be read (2 wins).
"""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from time import monotonic
from types import FrameType
from typing import Final, NoReturn

_Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None

COMPLETION: Final[str] = "_BACKUPMETA_COMPLETE"
"""The variable by which a shell asks for completions."""
_INTERRUPTED: Final = 130
_PATIENCE: Final = 1.0
"""How long, in seconds, further signals count as coming with the first one."""
_AGAIN: Final = 0.5
"""After how many seconds it is looked, again and again, at whether what runs is about to end."""
_SOON: Final = 0.01
"""After how many seconds an exception is raised again that Python has passed over."""
_SIGNAL: Final = 128
"""What a shell adds to a signal's number, for the exit code."""
_FEWER_COLLECTIONS: Final = 50_000  # long lists make many small objects, and hardly a cycle


def console() -> NoReturn:
    """Be the process ``backupmeta``: run `main`, and end without taking every object of a long list down first.

    Exit code 1 is an answer, so an error in this program is none: it ends with 2, and a line that says where it is.
    """
    _be_the_same_everywhere()
    code = 0
    try:
        main()
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    except Exception as error:  # noqa: BLE001 - nobody is left to handle it
        code = _fault(error)
    if code > _SIGNAL:  # what the exception held is closed now, and removes what is half written
        gc.collect()
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # a full disk: whom could we tell?
            sys.stderr.flush()
    os._exit(code)


def _fault(error: Exception) -> int:
    """Tell of an error in this program; return the exit code. Its own text is not shown: it may hold a secret."""
    import traceback

    where = ""
    for frame, line_number in traceback.walk_tb(error.__traceback__):
        where = f" at {os.path.basename(frame.f_code.co_filename)}:{line_number}"
    line = f"backupmeta: an error in this program, {type(error).__name__}{where}; please report it\n"
    with contextlib.suppress(OSError):
        os.write(2, line.encode())
    return 2


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
        with _ending() as end:
            code = _run()
            raise SystemExit(code if end.code is None else end.code)
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


class _End:
    """Ends what runs, as an exception: what is half written is removed on the way.

    Others that come with the first signal, as when a terminal is closed, must not end that, too; one that comes later
    ends all at once. Where Python passes the exception over, as it does in a finalizer, it is raised again until it is
    on its way.

    Attributes:
        code: the exit code of the first signal; None until one has come.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self._began = 0.0
        self._raised: BaseException | None = None
        self._before: _Handler = None
        self._hook = sys.unraisablehook

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.code is None:
            self.code, self._began = _SIGNAL + number, monotonic()
            self._watch()
            self._raise()
        if monotonic() > self._began + _PATIENCE:
            os._exit(self.code)

    def _raise(self) -> NoReturn:
        is_interrupt = self.code == _INTERRUPTED
        self._raised = KeyboardInterrupt() if is_interrupt else SystemExit(self.code)
        raise self._raised

    def _watch(self) -> None:
        """Look, again and again, at whether the exception is on its way."""
        if hasattr(signal, "setitimer"):
            self._hook, sys.unraisablehook = sys.unraisablehook, self._passed_over
            self._before = signal.signal(signal.SIGALRM, self._look)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        handled = sys.exception()
        while handled is not None and handled is not self._raised:
            handled = handled.__context__
        if handled is None:
            self._raise()

    def _passed_over(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Know what was raised in a finalizer: ours is raised again soon, after it."""
        if unraisable.exc_value is self._raised:
            signal.setitimer(signal.ITIMER_REAL, _SOON, _AGAIN)
        else:
            self._hook(unraisable)

    def leave(self) -> None:
        """Look no longer, and hold nothing that has to be closed."""
        self._raised = None
        if self.code is not None and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
            sys.unraisablehook = self._hook


@contextlib.contextmanager
def _ending() -> Iterator[_End]:
    """Let TERM, HUP and INT end what runs, unless the caller has it pass them over."""
    handlers = {number: signal.getsignal(number) for number in _signals()}
    heard = {number for number, handler in handlers.items() if handler not in {signal.SIG_IGN, None}}
    end = _End()
    try:
        for number in heard:
            signal.signal(number, end)
        yield end
    except Exception:
        if end.code is None:
            raise
        raise SystemExit(end.code) from None  # what is interrupted may fail in any way
    finally:
        end.leave()
        for number in heard:
            signal.signal(number, handlers[number])


def _signals() -> list[signal.Signals]:
    """Return the signals that end a process and can be heard here: none but in the main thread."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        return []
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]


def _run() -> int:
    """Run the command, and return the exit code."""
    import click

    from backupmeta.cli import output
    from backupmeta.cli.commands import backupmeta
    from backupmeta.errors import BackupMetaError

    gc.set_threshold(_FEWER_COLLECTIONS)
    try:
        result = backupmeta.main(prog_name=_called(), complete_var=COMPLETION, standalone_mode=False)
        output.flush()
    except click.Abort:
        output.discard()
        return _INTERRUPTED
    except BrokenPipeError:
        output.discard()
        return output.BROKEN_PIPE
    except (click.ClickException, BackupMetaError, OSError, MemoryError, RecursionError) as error:
        from backupmeta.cli.messages import write_error

        if isinstance(error, OSError) and not isinstance(error, ChildProcessError):
            output.discard()  # evidence raises `EvidenceError`: mostly this is stdout's
        write_error(error)
        return 2
    return result if isinstance(result, int) else 0


def _called() -> str:
    """Return what the program was called as, for its usage; a shell completes what follows its own name alone."""
    is_module = os.path.basename(sys.argv[0]) == "__main__.py" and COMPLETION not in os.environ
    return "python -m backupmeta" if is_module else "backupmeta"
