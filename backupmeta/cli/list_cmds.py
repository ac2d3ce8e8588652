"""The commands ``list`` and ``installs``."""

import functools

import click

from backupmeta import library
from backupmeta.backup.criteria import Criteria, Period
from backupmeta.cli import lists, options
from backupmeta.cli.lists import Presentation
from backupmeta.cli.options import Where
from backupmeta.findings import Finding
from backupmeta.render.backups import BACKUPS, INSTALLS


def choosing(command: options.Command) -> options.Command:
    """Add what chooses in a list; the command has a parameter ``criteria``, `Criteria`."""

    @functools.wraps(command)
    def run(
        *,
        user: str | None,
        application: str | None,
        domain: str | None,
        since: int | None,
        until: int | None,
        **others: object,
    ) -> int:
        return command(criteria=Criteria(user, application, domain, Period(since, until)), **others)

    return options.group(
        click.option("--user", metavar="NAME", help="Only those of this owner, in homes that may be theirs."),
        click.option("--application", metavar="APP", help="Only those of this application, such as wordpress."),
        click.option("--domain", metavar="DOMAIN", help="Only those of this domain."),
        options.in_time,
    )(run)


@click.command("list")
@options.looking("ROOT", in_catalog=True)
@choosing
@lists.presenting(BACKUPS)
@options.secretive
def list_backups(where: Where, criteria: Criteria, presentation: Presentation) -> int:
    """List the backups at and below each ROOT.

    A ROOT is a home, a folder of homes, a folder of archives, or one archive; any other folder is searched
    downwards for these. Without one, this machine's conventional places are searched (/home/*, /var/www/vhosts/*).

    \b
    Examples:
      backupmeta list /home --application wordpress --since 2024-01-01
      backupmeta list --sysroot /mnt/image --jsonl > backups.jsonl
    """
    findings: list[Finding] = []
    search = where.search(user=criteria.user)
    if presentation.is_stream:
        has_rows = presentation.show_stream(search, criteria, findings)
    else:
        has_rows = presentation.show(library.list_backups(search, findings), criteria, findings)
    return _exit_code(where, criteria, findings, has_rows=has_rows)


@click.command()
@options.looking("ROOT", in_catalog=True)
@choosing
@lists.presenting(INSTALLS)
@options.secretive
def installs(where: Where, criteria: Criteria, presentation: Presentation) -> int:
    """List the installs at and below each ROOT, from their records in .appdata/current.

    \b
    Examples:
      backupmeta installs /home --sort -time_created
      backupmeta installs /home/exampleu --json
    """
    findings: list[Finding] = []
    listed = library.list_installs(where.search(user=criteria.user), findings)
    has_rows = presentation.show(listed, criteria, findings)
    return _exit_code(where, criteria, findings, has_rows=has_rows)


def _exit_code(where: Where, criteria: Criteria, findings: list[Finding], *, has_rows: bool) -> int:
    """Print what the list leaves out, or why there are no rows; return the exit code."""
    if has_rows:
        return lists.report_of_rows(findings)
    advice = "" if where.roots or where.catalog else "; name a ROOT"
    matching = " that matches" if criteria.are_given else ""
    return lists.report_of_nothing(f"nothing{matching} in {where.name}{advice}", findings)
