"""What commands say on stderr, and the exit codes that follow from it."""

import io
from collections.abc import Iterable
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING

import click

from backupmeta.errors import AnswerError
from backupmeta.escapes import inert, printable, printable_lines
from backupmeta.findings import Finding, Severity
from backupmeta.secrets import mask_text
from backupmeta.work.orders import Watch, Workers, unwatched

if TYPE_CHECKING:
    from backupmeta.catalog.database import ScanResult


def write_line(message: str) -> None:
    """Print one line on stderr; where that is full or closed, nowhere."""
    with suppress(OSError):
        click.echo(inert(f"backupmeta: {printable(mask_text(message))}"), err=True)


def write_usage_error(error: click.ClickException) -> None:
    """Print what is wrong with the command line on stderr; where that is full or closed, nowhere."""
    usage = io.StringIO()
    error.show(usage)
    with suppress(OSError):
        click.echo(inert(printable_lines(mask_text(usage.getvalue()))), err=True, nl=False)


def write_error(error: Exception) -> None:
    """Print what an error says on stderr; of a policy, a line for each mistake."""
    for line in str(error).splitlines():
        write_line(line)


def write_system_error(error: OSError | MemoryError | RecursionError) -> None:
    """Print what the system refuses to do, or to give."""
    if not isinstance(error, OSError):
        write_line("what is read asks for more memory than there is; name fewer files, or a lower --limit")
        return
    reason = error.strerror or str(error) or type(error).__name__
    write_line(f"{error.filename!s}: {reason}" if error.filename else f"can't write: {reason}")


def write_negative_answer(error: AnswerError) -> None:
    """Print a negative answer on stderr, then what could not be read, where what was asked for may be."""
    for line in (error.message, *getattr(error, "__notes__", ())):
        write_line(line)


def write_unread_accounts(tally: "ScanResult") -> None:
    """Print which accounts a scan could not read, or not all of them."""
    for account, reason in tally.troubles.items():
        write_line(f"{account}: {reason}")
    if (more := tally.unreadable - len(tally.troubles)) > 0:
        write_line(f"{more:,} more could not be read, or not to the end")


def write_age(catalog: str) -> None:
    """Print how old the ``catalog`` is that is answered from. Raises `CatalogError`."""
    from backupmeta.catalog.database import age
    from backupmeta.render.tallies import age_line

    write_line(age_line(catalog, age(catalog), int(time())))


def judge(findings: Iterable[Finding]) -> int:
    """Print errors and warnings on stderr; return 2 where something could not be read, 1 for any of them, else 0."""
    kept = list(findings)
    return report(kept, Severity.WARNING) or int(any(finding.severity is not Severity.NOTE for finding in kept))


def report(findings: Iterable[Finding], least: Severity) -> int:
    """Print findings at least as severe as ``least``, and those that hide records, on stderr.

    Return 2 where something could not be read, else 0.
    """
    order = list(Severity)
    code = 0
    for finding in findings:
        if finding.hides_records or order.index(finding.severity) <= order.index(least):
            from backupmeta.render.explanations import finding_line

            write_line(finding_line(finding))
        if finding.is_unread:
            code = 2
    return code


def workers(jobs: int | None, watch: Watch = unwatched, ahead: int = 4) -> Workers:
    """Return who does the work: as many processes as are asked for, else one a core; fewer, and a line, without room.

    ``watch`` is called with how many more bytes were read; ``ahead`` is how many orders for each of them are begun.
    """
    from backupmeta.work.processes import affordable, cores, processes

    wanted = jobs or cores()
    if (given := affordable(wanted)) < wanted:
        write_line(f"only {given} of {wanted} processes: there are few descriptors (ulimit -n); allow 64 or more")
    return processes(given, watch, ahead)


def write_no_account(where: str) -> None:
    """Print that a scan met no account ``where`` it looked."""
    write_line(f"there is no account in {where}; name a home, a folder of homes, or a folder of archives")
