"""The commands that compare: ``diff`` and ``history``."""

from collections.abc import Callable
from datetime import tzinfo
from typing import TYPE_CHECKING, Literal

import click

from backupmeta.cli import options, output
from backupmeta.cli.options import decorated

if TYPE_CHECKING:
    from backupmeta.archive.limits import Limits

Form = Literal["text", "json", "markdown"]


def comparing(command: Callable[..., int]) -> Callable[..., int]:
    """Add what says where to look, and how to show what differs."""
    return decorated(
        command,
        (
            click.option(
                "--root",
                "roots",
                multiple=True,
                metavar="DIR",
                help="Where to look: a home, a folder of homes or of archives. Repeatable; "
                "default: the conventional places.",
            ),
            options.searching,
            options.limiting,
            click.option(
                "--format",
                "form",
                type=click.Choice(["text", "json", "markdown"]),
                default="text",
                show_default=True,
                help="How to show it.",
            ),
            click.option("--json", "form", flag_value="json", help="The same as --format json."),
            click.option(
                "-o", "--output", "target_file", metavar="FILE", help="Write to FILE, once all is done, not to stdout."
            ),
        ),
    )


@click.command()
@click.argument("a", shell_complete=options.complete_target)
@click.argument("b", shell_complete=options.complete_target)
@click.option("--deep", is_flag=True, help="Read both archives through: compare members, and the dumps' tables.")
@click.option("--user", metavar="NAME", help="Only what belongs to NAME.")
@comparing
def diff(
    a: str,
    b: str,
    *,
    roots: tuple[str, ...],
    sysroot: str | None,
    zone: tzinfo | None,
    limits: "Limits",
    form: Form,
    target_file: str | None,
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
    from backupmeta.account.protected import Protected
    from backupmeta.comparison.diff import diff as compare
    from backupmeta.comparison.sides import CURRENT
    from backupmeta.errors import AnswerError
    from backupmeta.findings import Severity
    from backupmeta.render.differences import DIFFERENCES
    from backupmeta.render.formats import View
    from backupmeta.search import Search

    if a == b == CURRENT:
        raise click.UsageError("both are current; name a backup: an archive, a record file, or an id")
    if deep and CURRENT in {a, b}:
        raise click.UsageError("--deep needs two archives; a live install has none")
    try:
        found = compare(a, b, Search(roots, sysroot, zone, limits), user=user, deep=deep)
    except AnswerError as error:
        output.complain_of_answer(error)
        return 2
    with output.opened(target_file, Protected((a, b, *roots), sysroot)) as write:
        for part in DIFFERENCES[form].render(found, View()):
            write(part)
    grave = (one for one in found.findings if one.is_grave)
    return output.report(grave, Severity.WARNING) or int(not found.is_same)


@click.command()
@click.argument("install", shell_complete=options.complete_target)
@comparing
def history(
    install: str,
    *,
    roots: tuple[str, ...],
    sysroot: str | None,
    zone: tzinfo | None,
    limits: "Limits",
    form: Form,
    target_file: str | None,
) -> int:
    """Show all backups of one INSTALL, oldest first, and what changed from each to the next.

    INSTALL is an install's id or record file, or a backup of it: an archive, a record file, an id, an archive's name.
    The last row is the live install, where there is one. Sizes are the archives', in bytes.

    Exit codes: 0 all were read, 2 one could not be.

    \b
    Examples:
      backupmeta history cavtwnyvhzk8cgw8ks4gcgoo4 --root /home/exampleu
      backupmeta history app_example-com_Blog_2024-06-13_20-55-21.tar.gz --json
    """
    from backupmeta.account.protected import Protected
    from backupmeta.comparison.history import history as tell
    from backupmeta.errors import AnswerError
    from backupmeta.findings import Severity
    from backupmeta.render.differences import HISTORIES
    from backupmeta.render.formats import View
    from backupmeta.search import Search

    try:
        found = tell(install, Search(roots, sysroot, zone, limits))
    except AnswerError as error:
        output.complain_of_answer(error)
        return 2
    with output.opened(target_file, Protected((install, *roots), sysroot)) as write:
        for part in HISTORIES[form].render(found, View(output.width() if target_file in {None, "-"} else None)):
            write(part)
    return output.report(found.findings, Severity.ERROR)
