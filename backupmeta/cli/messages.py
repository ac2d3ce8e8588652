"""What commands say on stderr, but for how far they are, and the exit codes that follow from it."""

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Final

import click

from backupmeta.advice import AS_OWNER, DENIED, absent, near, next_step
from backupmeta.errors import AnswerError, EvidenceError
from backupmeta.escapes import inert, printable, printable_lines
from backupmeta.findings import Finding, Severity
from backupmeta.secrets import mask_text
from backupmeta.work.orders import Watch, Workers, unwatched

if TYPE_CHECKING:
    from backupmeta.catalog.progress import ScanResult


def write_line(message: str) -> None:
    """Print one line on stderr; where that is full or closed, nowhere."""
    with suppress(OSError):
        click.echo(inert(f"backupmeta: {printable(mask_text(message))}"), err=True)


def write_remark(message: str) -> None:
    """Print what is no error and no finding as one line on stderr, unless the command is to be quiet."""
    if not is_quiet():
        write_line(message)


_QUIET: Final = "backupmeta.quiet"


def be_quiet(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    """Remember for the command whether it is to be quiet: a callback of the option."""
    context.meta[_QUIET] = wanted


def is_quiet() -> bool:
    """Return whether nothing is to be shown but what fails, or can't be read."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_QUIET))


def write_error(error: Exception) -> None:
    """Print what went wrong on stderr; where that is full or closed, nowhere."""
    if isinstance(error, click.ClickException):
        usage = io.StringIO()
        _explained(error).show(usage)
        with suppress(OSError):
            click.echo(inert(printable_lines(mask_text(usage.getvalue()))), err=True, nl=False)
        return
    for line in _lines_of(error):
        write_line(line)


def write_notes(error: Exception) -> None:
    """Print on stderr what was noted at an ``error`` whose own text is an answer."""
    for note in getattr(error, "__notes__", ()):
        write_line(note)


def _lines_of(error: Exception) -> Sequence[str]:
    """Return what an ``error`` says: of a policy, a line for each mistake; of an answer, also why it may be wrong."""
    if isinstance(error, MemoryError | RecursionError):
        return ["what is read asks for more memory than there is; name fewer files, or a lower --bound"]
    notes: Sequence[str] = getattr(error, "__notes__", ())
    if isinstance(error, AnswerError):
        return [error.message, *notes]
    if isinstance(error, EvidenceError) and not error.advice and (step := next_step(error)):
        return [f"{error}; {step}", *notes]
    if isinstance(error, OSError) and not isinstance(error, ChildProcessError):
        reason = error.strerror or str(error) or type(error).__name__
        return [f"{error.filename!s}: {reason}" if error.filename else f"can't write: {reason}"]
    return [*str(error).splitlines(), *notes]


def write_unread_accounts(tally: "ScanResult") -> None:
    """Print which accounts a scan could not read, or not all of them; what may be meant by a root that is not there."""
    for root in tally.unread:
        if not os.path.lexists(root) and (meant := absent(root)):
            write_line(f"{root}: {meant}")
    for account, reason in tally.troubles.items():
        write_line(f"{account}: {reason}")
    if (more := tally.unreadable - len(tally.troubles)) > 0:
        write_line(f"{more:,} more could not be read, or not to the end")


def is_whole(tally: "ScanResult", where: str, obstacles: Iterable[str]) -> bool:
    """Return whether a scan of what is ``where`` it looked read all accounts.

    Where there is none, print that, and the ``obstacles`` that may be why.
    """
    if not tally.accounts and not tally.unread:
        nothing = f"there is no account in {where}; name a home, a folder of homes, or a folder of archives"
        write_line("; ".join([nothing, *obstacles]))
        return False
    return not tally.unread and not tally.unreadable


def write_age(catalog: str) -> None:
    """Print how old the ``catalog`` is that is answered from. Raises `CatalogError`."""
    from backupmeta.catalog.database import age
    from backupmeta.render.tallies import age_line

    write_remark(age_line(catalog, age(catalog), int(time())))


def judge(findings: Iterable[Finding], path: str) -> int:
    """Print errors and warnings about ``path`` on stderr; return 2 where something is unread, 1 for any, else 0."""
    kept = list(findings)
    return report(kept, Severity.WARNING, path) or int(any(finding.severity is not Severity.NOTE for finding in kept))


def report(findings: Iterable[Finding], least: Severity, path: str = "") -> int:
    """Print findings at least as severe as ``least``, and those that hide records, on stderr, with their ``path``.

    Last is who may read what the system refuses to. Return 2 where something could not be read, else 0.
    """
    code, is_refused = 0, False
    for finding in findings:
        if finding.hides_records or finding.severity.rank <= least.rank:
            from backupmeta.render.formats import finding_line

            write_line(finding_line(finding.at_path(path) if path else finding))
        if finding.is_unread:
            code = 2
            is_refused = is_refused or DENIED in finding.detail
    if is_refused:
        write_line(f"{DENIED}: {AS_OWNER}")
    return code


def workers(jobs: int | None, watch: Watch = unwatched, ahead: int = 4) -> Workers:
    """Return who does the work: as many processes as are asked for, else one a core; fewer, and a line, without room.

    ``watch`` is called with how many more bytes were read; ``ahead`` is how many orders for each of them are begun.
    """
    from backupmeta.work.processes import affordable, cores, processes

    wanted = jobs or cores()
    if (given := affordable(wanted)) < wanted:
        write_remark(f"only {given} of {wanted} processes: there are few descriptors (ulimit -n); allow 64 or more")
    return processes(given, watch, ahead)


# --- usage errors: what was probably meant, beside what click says ---------------------------------------------------

_NEWER: Final[Mapping[str, str]] = {
    "--limit": "--bound",
    "--to": "--format",
    "--digest": "--archive-digest",
}
"""What options that commands had are called now."""

_EXTRA: Final = re.compile(r"Got unexpected extra arguments? \((?P<names>.+)\)", re.DOTALL)
_ARGUMENTS: Final[Mapping[str, str]] = {
    "target": "an archive, a record file or an id; 'backupmeta list' shows what there is",
    "member": "a name that 'backupmeta members' lists",
    "install": "an install's id, or one of its backups; 'backupmeta installs' shows what there is",
    "catalog": "the file that 'backupmeta scan -o' wrote",
    "a": "a backup: an archive, a record file or an id; 'backupmeta list' shows what there is",
    "b": "another backup, 'current' for the live install of the first, or a folder",
}
"""What arguments are that are missing."""
_OF_SCAN: Final = frozenset({"--sysroot", "--root", "--deep", "--bound", "--jobs", "--member-digest"})
"""Options of commands that read the disk, which a catalog's scan has instead."""
_ONE_MEMBER: Final[Mapping[str | None, str]] = {
    "cat": "it gives the content of one; 'backupmeta extract TARGET MEMBER… --to FOLDER' unpacks many",
    "members": "it lists all of them; 'backupmeta cat TARGET MEMBER' gives the content of one",
}
"""What to do with many members, or with one, instead."""


def _explained(error: click.ClickException) -> click.ClickException:
    """Return a usage ``error`` with what was probably meant; any other one, and one that is plain, as it is."""
    if not isinstance(error, click.UsageError):
        return error
    command = None if error.ctx is None else error.ctx.command
    if isinstance(error, click.NoSuchOption) and command is not None and (newer := _newer(error, command)):
        return newer
    hints = list(_hints(error, command)) if command is not None else []
    if not hints:
        return error
    is_name = isinstance(error, click.NoSuchOption | click.NoSuchCommand)  # what is spelled alike is of no help, then
    said = error.message if is_name else error.format_message()
    return click.UsageError("; ".join([said.rstrip("."), *hints]), error.ctx)


def _hints(error: click.UsageError, command: click.Command) -> Iterator[str]:
    """Yield what to type instead."""
    if isinstance(error, click.NoSuchOption):
        yield from _of_option(error, command)
    elif isinstance(error, click.MissingParameter):
        yield from _of_missing(error)
    elif isinstance(error, click.BadParameter):
        yield from _of_value(error, command)
    elif extra := _EXTRA.fullmatch(error.message):
        yield from _of_extra(extra["names"], command)
    elif isinstance(error, click.NoSuchCommand) and _has(command, f"--{error.command_name}"):
        yield f"'backupmeta --{error.command_name}' is an option"
    elif isinstance(command, click.Group) and os.path.lexists(_named_instead_of_a_command()):
        yield "a command stands before a path: 'backupmeta view PATH', 'backupmeta list PATH'"


def _newer(error: click.NoSuchOption, command: click.Command) -> click.UsageError | None:
    """Return an error that names what a ``command`` has now for the option that it had; None for another one."""
    old = error.option_name
    new = _NEWER.get(old)
    if new is None or not _has(command, new):
        return None
    return click.UsageError(f"No such option {old!r}. Did you mean {new!r}?", error.ctx)


def _of_option(error: click.NoSuchOption, command: click.Command) -> Iterator[str]:
    """Yield what stands for an option that a ``command`` does not have."""
    if file := _file_like_option(error.option_name):
        yield f"a name that begins with - stands after --, or as ./{file}"
    elif isinstance(command, click.Group) and not near(error.option_name, error.possibilities or ()):
        yield "options stand after the command: 'backupmeta list --json'"
    elif error.option_name == "--root" and any(parameter.name == "roots" for parameter in command.params):
        yield f"a ROOT stands by itself: 'backupmeta {command.name} ROOT'"
    elif (short := error.option_name.removeprefix("--")) in {"json", "jsonl", "csv"} and _has(command, "--format"):
        yield f"it answers in no {short}; 'backupmeta {command.name} --help' has its formats"
    elif error.option_name in _OF_SCAN and any(parameter.name == "catalog" for parameter in command.params):
        yield f"a CATALOG is asked, not the disk; 'backupmeta scan {error.option_name} … -o CATALOG' writes it"


def _has(command: click.Command, option: str) -> bool:
    """Return whether a ``command`` has an ``option``; of the program's own ones, also those that click adds."""
    parameters = command.get_params(click.Context(command))
    return any(option in parameter.opts for parameter in parameters)


def _file_like_option(option: str) -> str:
    """Return the argument that begins as an ``option`` and is a file's name; empty where there is none."""
    is_short = len(option) == len("-x")
    given = (argument for argument in sys.argv if is_short and argument.startswith(option) and argument != option)
    return next(filter(os.path.lexists, given), "")


def _of_missing(error: click.MissingParameter) -> Iterator[str]:
    """Yield what an argument or an option is that is missing."""
    if isinstance(error.param, click.Option) and error.param.help:
        yield f"{error.param.metavar}: {error.param.help}"
    elif error.param is not None and error.param.name in _ARGUMENTS:
        yield f"it is {_ARGUMENTS[error.param.name]}"


def _of_value(error: click.BadParameter, command: click.Command) -> Iterator[str]:
    """Yield what is meant by a value that an option does not take."""
    name = None if error.param is None else error.param.name
    if name == "limit" and "=" in error.message:
        how = "--bound NAME=VALUE is" if _has(command, "--bound") else "'verify', 'members' and others take as --bound"
        yield f"it is how many rows are shown; what a file may ask for, {how}"
    elif name == "jobs":
        yield "it is a number of processes, such as 4"
    elif error.param_hint == "--output" and (file := _file_like_option("-o")):
        yield f"a name that begins with - stands after --, or as ./{file}"


def _of_extra(names: str, command: click.Command) -> Iterator[str]:
    """Yield why there may be more arguments, called ``names``, than a ``command`` takes."""
    if command.name in _ONE_MEMBER:
        yield _ONE_MEMBER[command.name]
    elif _has(command, "--member"):
        yield "a wildcard stands in quotes, else the shell puts the names of files in its place"
    elif all(map(os.path.lexists, names.split())):
        yield f"'backupmeta {command.name}' takes one at a time; list and verify take many, and folders"


def _named_instead_of_a_command() -> str:
    return sys.argv[1] if len(sys.argv) > 1 else ""
