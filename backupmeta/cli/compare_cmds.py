"""The commands that compare: ``diff`` and ``history``."""

import click

from backupmeta.archive.limits import Limits
from backupmeta.cli import messages, options
from backupmeta.cli.options import Where
from backupmeta.cli.output import Target
from backupmeta.comparison.diff import CURRENT
from backupmeta.comparison.diff import diff as compare
from backupmeta.comparison.diff import history as backups_of
from backupmeta.errors import AnswerError
from backupmeta.findings import Severity
from backupmeta.render.differences import DIFFERENCES, HISTORIES
from backupmeta.render.formats import View


@click.command()
@click.argument("a", shell_complete=options.complete_target)
@click.argument("b", shell_complete=options.complete_target)
@click.option("--deep", is_flag=True, help="Read both archives through: compare members, and the dumps' tables.")
@click.option("--user", metavar="NAME", help="Only what belongs to NAME.")
@options.looking("--root")
@options.limiting
@options.formatted(DIFFERENCES)
@options.writing
def diff(
    a: str,
    b: str,
    *,
    where: Where,
    limits: Limits,
    format_name: str,
    target: Target,
    deep: bool,
    user: str | None,
) -> int:
    """Show what differs between A and B: fields, plugins, themes, lists.

    A and B are archives, record files, ids, archives' names; one of them may be 'current': the live install of the
    other. Of secrets it is told that they changed, never what they are.

    With --deep also members: added, removed, renamed (the same content under another name), changed by kind, size,
    mode, mtime, link target or SHA-256 of the content; and tables: added, removed, defined otherwise, their rows.

    Exit codes: 0 nothing differs, 1 something does, 2 something could not be read. Two backups of one install
    differ at least in their time.

    \b
    Examples:
      backupmeta diff app_…_2024-06-13_20-55-21.tar.gz app_…_2024-06-20_20-55-21.tar.gz
      backupmeta diff 1234567890abcdefghij12345 current --root /home/exampleu
      backupmeta diff before.tar.gz after.tar.gz --deep --format markdown -o changes.md
    """
    if a == b == CURRENT:
        raise click.UsageError("both are current; name a backup: an archive, a record file, or an id")
    if deep and CURRENT in {a, b}:
        raise click.UsageError("--deep needs two archives; a live install has none")
    try:
        difference = compare(a, b, where.search(limits), user=user, deep=deep)
    except AnswerError as error:
        messages.write_negative_answer(error)
        return 2
    target.write(DIFFERENCES[format_name].render(difference, View()), where.protected(a, b))
    grave = (finding for finding in difference.findings if finding.is_grave)
    return messages.report(grave, Severity.WARNING) or int(not difference.is_same)


@click.command()
@click.argument("install", shell_complete=options.complete_target)
@options.looking("--root")
@options.limiting
@options.formatted(HISTORIES)
@options.writing
def history(install: str, *, where: Where, limits: Limits, format_name: str, target: Target) -> int:
    """Show all backups of one INSTALL, oldest first, and what changed from each to the next.

    INSTALL is an install's id or record file, or a backup of it: an archive, a record file, an id, an archive's name.
    The last row is the live install, where there is one. Sizes are the archives', in bytes.

    Exit codes: 0 all were read, 2 one could not be.

    \b
    Examples:
      backupmeta history cavtwnyvhzk8cgw8ks4gcgoo4 --root /home/exampleu
      backupmeta history app_example-com_Blog_2024-06-13_20-55-21.tar.gz --json
    """
    try:
        backups = backups_of(install, where.search(limits))
    except AnswerError as error:
        messages.write_negative_answer(error)
        return 2
    target.write(HISTORIES[format_name].render(backups, View(target.width)), where.protected(install))
    return messages.report(backups.findings, Severity.ERROR)
