"""The commands ``view``, ``list`` and ``installs``, which answer as the server does; how any list is shown."""

import functools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter

import click

from backupmeta import library, rules
from backupmeta.archive.limits import Limits
from backupmeta.backup.inspection import Inspection
from backupmeta.cli import messages, options, output
from backupmeta.cli.options import Where
from backupmeta.errors import AnswerError
from backupmeta.findings import Finding, Severity
from backupmeta.render.backups import ANSWERS, BACKUPS, INSTALLS, ListRendering, ListView
from backupmeta.render.formats import Format, Formats, Trait
from backupmeta.search import Criteria, Period, Search, ordered


@click.command()
@click.argument("target", shell_complete=options.complete_target)
@options.looking("--root", in_catalog=True)
@click.option("--install", is_flag=True, help="TARGET is an install: answer as GET /installs/{id}.")
@click.option("--user", metavar="NAME", help="Answer only if NAME is the owner.")
@click.option("--allow-missing", is_flag=True, help="Answer from the record even if its archive is missing.")
@options.secretive
@options.with_provenance
@options.limiting
@options.formatted(ANSWERS)
def view(
    target: str,
    where: Where,
    limits: Limits,
    *,
    install: bool,
    user: str | None,
    allow_missing: bool,
    show_secrets: bool,
    provenance: bool,
    format_name: str,
) -> int:
    """Show one backup as the server would: GET /backups/{id}.

    TARGET is an archive, a record file, a backup's id, or an archive's name. An archive's home is found upwards
    from it. A negative answer (404, 403) is printed in the same envelope, with exit code 1.

    \b
    Examples:
      backupmeta view ~/application_backups/app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta view 1234567890abcdefghij12345 --sysroot /mnt/image --provenance
      backupmeta view --install cavtwnyvhzk8cgw8ks4gcgoo4 --root /home/exampleu
    """
    if provenance:
        options.need(Trait.WITH_PROVENANCE, ANSWERS, format_name, "--provenance")
    render, shown = ANSWERS[format_name].render, ListView(show_secrets=show_secrets, provenance=provenance)
    met: list[Finding] = []
    try:
        if where.catalog is not None:
            messages.write_age(where.catalog)
            subject = _in_catalog(
                where.catalog, target, where, met, install=install, user=user, allow_missing=allow_missing
            )
        elif install:
            subject = library.find_install(target, where.search(limits), user=user, findings=met)
        else:
            search = where.search(limits)
            subject = library.find_backup(target, search, user=user, allow_missing=allow_missing, findings=met)
    except AnswerError as error:
        output.write_all(render(error, shown))
        return messages.report(met, Severity.ERROR) or 1
    output.write_all(render(subject, shown))
    named = set(map(os.path.abspath, where.roots))
    on_the_way = (
        finding
        for finding in met
        if finding.hides_records
        or (finding.is_unread and named & {source.path for source in finding.evidence})
        or _is_altered(finding)
    )
    return messages.report((*on_the_way, *subject.findings), Severity.WARNING)


def _is_altered(finding: Finding) -> bool:
    """Return whether a finding is about the catalog that is answered from."""
    return finding.rule == rules.CATALOG_ALTERED


def _in_catalog(
    catalog: str,
    target: str,
    where: Where,
    met: list[Finding],
    *,
    install: bool,
    user: str | None,
    allow_missing: bool,
) -> Inspection:
    """Return what a catalog knows of a backup or install; who asks for a user has every account looked at.

    What of the catalog was altered is appended to ``met``.
    """
    from backupmeta.catalog import answers

    on_the_way: list[Finding] = []
    try:
        if install:
            search = answers.install_named(catalog, target, where.zone, user)
            return library.install_named(target, search, user=user, findings=on_the_way)
        name = target.rpartition("/")[2]
        search = answers.backup_named(catalog, name, where.zone, user)
        return library.backup_named(name, search, user=user, allow_missing=allow_missing, findings=on_the_way)
    finally:
        met.extend(filter(_is_altered, on_the_way))


@dataclass(frozen=True)
class Presentation:
    """How a list is to be shown.

    Attributes:
        format: its format.
        sort: the field it is sorted by, with a ``-`` before it in descending order; None for as it comes.
        view: which rows are shown, and how much of them.
    """

    format: Format[ListRendering]
    sort: str | None
    view: ListView

    @property
    def is_stream(self) -> bool:
        """Whether all rows are shown as they come, each by itself, so that several processes can render them."""
        is_whole = self.view.limit is None and not self.view.offset
        return Trait.ROW_BY_ROW in self.format.traits and self.sort is None and is_whole

    def show(self, rows: Iterable[Inspection], criteria: Criteria, findings: list[Finding]) -> bool:
        """Print those of the ``rows`` of which the ``criteria`` hold; return whether there are any.

        What could not be read of each is appended to ``findings``.
        """
        wanted = _noting(ordered(filter(criteria.hold_of, rows), self.sort), findings)
        first = list(islice(wanted, 1))
        output.write_all(self.format.render(chain(first, wanted), self.view))
        return bool(first)

    def show_stream(self, search: Search, criteria: Criteria, findings: list[Finding]) -> bool:
        """Print what `show` prints of all backups where ``search`` looks, with two processes."""
        from backupmeta.work.processes import few_processes

        def text(backup: Inspection, findings: list[Finding]) -> str:
            if not criteria.hold_of(backup):
                return ""
            findings.extend(_grave_findings(backup))
            return "".join(self.format.render((backup,), self.view))

        met: list[Finding] = []
        texts = filter(None, library.listed(search, text, met, few_processes(2)))
        first = list(islice(texts, 1))
        output.write_all(chain(first, texts))
        findings.extend(sorted(set(met), key=itemgetter(0, 1, 2)))
        return bool(first)


def presenting(table: Formats[ListRendering]) -> options.Decorator:
    """Add what says how a list is shown; the command has a parameter ``presentation``, a `Presentation`."""

    def decorate(command: options.Command) -> options.Command:
        @functools.wraps(command)
        def run(
            *,
            format_name: str,
            sort: str | None,
            offset: int,
            limit: int | None,
            provenance: bool,
            **others: object,
        ) -> int:
            if provenance:
                options.need(Trait.WITH_PROVENANCE, table, format_name, "--provenance")
            view = ListView(output.width(), bool(others.pop("show_secrets", False)), provenance, offset, limit)
            return command(presentation=Presentation(table[format_name], sort, view), **others)

        return options.group(
            click.option(
                "--sort", type=options.SortKey(), metavar="FIELD", help="Sort by a field; -FIELD for descending."
            ),
            options.formatted(table),
            click.option("--offset", type=options.COUNT, default=0, show_default=True, help="Leave out so many first."),
            click.option("--limit", type=options.COUNT, help="Show at most so many; --json: 50, as the server."),
            options.with_provenance,
        )(run)

    return decorate


def report_of_rows(findings: Iterable[Finding]) -> int:
    """Print what of the shown backups and accounts could not be read, or is in doubt; return the exit code."""
    return messages.report((finding for finding in findings if finding.is_grave), Severity.WARNING)


def report_of_nothing(line: str, findings: Iterable[Finding]) -> int:
    """Print that there are no rows, and all that may be the reason; return the exit code."""
    messages.write_line(line)
    return messages.report(findings, Severity.NOTE)


def _noting(rows: Iterable[Inspection], findings: list[Finding]) -> Iterator[Inspection]:
    """Pass the ``rows`` on, noting what could not be read of each, and that its archive is not as it should be."""
    for row in rows:
        findings.extend(_grave_findings(row))
        yield row


def _grave_findings(row: Inspection) -> list[Finding]:
    """Return the grave findings about a row, the path of which stands in their subjects."""
    return [finding.at_path(row.path) for finding in row.findings if finding.is_grave]


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
@presenting(BACKUPS)
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
@presenting(INSTALLS)
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
        return report_of_rows(findings)
    advice = "" if where.roots or where.catalog else "; name a ROOT"
    matching = " that matches" if criteria.are_given else ""
    return report_of_nothing(f"nothing{matching} in {where.name}{advice}", findings)
