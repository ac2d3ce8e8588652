"""The commands ``view``, ``list`` and ``installs``, which answer as the server does."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import itemgetter
from typing import Final, Generic, TypeVar

import click

from backupmeta import library, listing, rules, targets
from backupmeta.backup.inspection import GoneInstall, Inspection
from backupmeta.cli import completion, messages, options
from backupmeta.cli.options import Where
from backupmeta.cli.output import Destination
from backupmeta.cli.progress_bar import rows_bar
from backupmeta.errors import AnswerError
from backupmeta.findings import Finding, Findings, Severity
from backupmeta.render.backups import ANSWERS, BACKUPS, GONE, INSTALLS, ListRendering, ListView
from backupmeta.render.formats import Format, Formats, Trait
from backupmeta.search import Criteria, Protected, Search, ordered


@click.command()
@click.argument("target", shell_complete=completion.target)
@options.owned("; what is another's is answered with 403")
@click.option("--allow-missing", is_flag=True, help="Answer from the record even if its archive is missing.")
@options.looking("--root", in_catalog=True)
@options.collected("shown", ListView)
@options.secretive
@options.with_provenance
@options.answering(ANSWERS)
@options.quiet
def view(
    target: str,
    where: Where,
    *,
    user: str | None,
    allow_missing: bool,
    shown: ListView,
    format_name: str,
    destination: Destination,
) -> int:
    """Show one backup as the server would: GET /backups/{id}; or one install: GET /installs/{id}.

    TARGET is an archive, a record file, an id, an archive's name, or a path as the server of --sysroot saw it. An
    archive's home is found upwards from it. An id that no backup answers to is that of an install. A negative answer
    (404, 403) is printed in the same envelope, with exit code 1.

    \b
    Examples:
      backupmeta view ~/application_backups/app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta view 1234567890abcdefghij12345 --sysroot /mnt/image --provenance
      backupmeta view cavtwnyvhzk8cgw8ks4gcgoo4 --root /home/exampleu
    """
    if shown.provenance:
        options.need(Trait.WITH_PROVENANCE, ANSWERS, format_name, "--provenance")
    findings: list[Finding] = []
    answer: Inspection | AnswerError
    try:
        answer = _subject(where, target, user, findings, allow_missing=allow_missing)
    except AnswerError as error:
        answer = error
    destination.write(ANSWERS[format_name].render(answer, shown), where.protected(target))
    altered = [finding for finding in findings if finding.rule == rules.CATALOG_ALTERED]
    if isinstance(answer, AnswerError):
        messages.write_notes(answer)
        return messages.report(altered if where.catalog else findings, Severity.ERROR) or 1
    named = set(map(os.path.abspath, where.roots))
    odd = (
        finding
        for finding in findings
        if finding.hides_records or (finding.is_unread and any(source.path in named for source in finding.evidence))
    )
    own = (finding.at_path(answer.server_path) for finding in answer.findings)
    return messages.report((*(altered if where.catalog else odd), *own), Severity.WARNING)


def _subject(
    where: Where, target: str, user: str | None, findings: list[Finding], *, allow_missing: bool
) -> Inspection:
    """Return the backup or install that is meant; in a catalog, who asks for a user has every account looked at."""
    if where.catalog is None:
        return targets.find_subject(target, where.search(), user=user, allow_missing=allow_missing, findings=findings)
    from backupmeta.catalog import remembered

    messages.write_age(where.catalog)
    name = target.rpartition("/")[2]
    search = remembered.named(where.catalog, name, where.zone, user)
    return targets.subject_named(name, search, targets.Matches(user, findings), allow_missing=allow_missing)


# --- lists ------------------------------------------------------------------------------------------------------------


Row = TypeVar("Row")


@dataclass(frozen=True)
class Presentation(Generic[Row]):
    """How a list is to be shown.

    Attributes:
        format: its format.
        sort: the field it is sorted by, with a ``-`` before it in descending order; None for as it comes.
        view: which rows are shown, and how much of them.
        destination: where it is written.
        row: what a row is called.
    """

    format: Format[ListRendering[Row]]
    sort: str | None
    view: ListView
    destination: Destination
    row: str

    @property
    def is_stream(self) -> bool:
        """Whether all rows are shown as they come, each by itself, so that several processes can render them."""
        is_whole = self.view.limit is None and not self.view.offset
        return Trait.ROW_BY_ROW in self.format.traits and self.sort is None and is_whole

    def show(
        self,
        rows: Iterable[Row],
        criteria: Criteria,
        findings: list[Finding],
        of: Callable[[Row], Inspection],
        protected: Protected,
    ) -> bool:
        """Write those of the ``rows`` of which the ``criteria`` hold; return whether there are any.

        ``of`` gives what is known of a row: by it rows are chosen and sorted, and what could not be read of it, or
        contradicts what, is appended to ``findings``.
        """
        with rows_bar(self.row) as bar:
            chosen = (row for row in bar.counting(rows) if criteria.hold_of(of(row)))
            wanted = _noting(ordered(chosen, self.sort, of), of, findings)
            first = list(islice(wanted, 1))
            parts = self.format.render(chain(first, wanted), self.view)
            self.destination.write(bar.making_way(parts), protected)
        return bool(first)


def _noting(rows: Iterable[Row], of: Callable[[Row], Inspection], findings: list[Finding]) -> Iterator[Row]:
    for row in rows:
        findings.extend(_doubts(of(row)))
        yield row


def itself(row: Inspection) -> Inspection:
    """Return the ``row``: of lists of what is known already."""
    return row


def _show_stream(
    presentation: Presentation[Inspection],
    search: Search,
    criteria: Criteria,
    findings: list[Finding],
    protected: Protected,
) -> bool:
    """Print what `Presentation.show` prints of all backups where ``search`` looks, with two processes."""
    from backupmeta.work.processes import few_processes

    def text(backup: Inspection, findings: list[Finding]) -> str:
        if not criteria.hold_of(backup):
            return ""
        findings.extend(_doubts(backup))
        return "".join(presentation.format.render((backup,), presentation.view))

    met: list[Finding] = []
    with rows_bar(presentation.row) as bar:
        texts = filter(None, bar.counting(listing.listed(search, text, met, few_processes(2))))
        first = list(islice(texts, 1))
        presentation.destination.write(bar.making_way(chain(first, texts)), protected)
    findings.extend(sorted(set(met), key=itemgetter(0, 1, 2)))
    return bool(first)


def _doubts(row: Inspection) -> list[Finding]:
    """Return the errors and warnings about a row, the path of which stands in their subjects."""
    return [finding.at_path(row.server_path) for finding in row.findings if finding.is_doubt]


def presenting(table: Formats[ListRendering[Inspection]], row: str) -> options.Decorator:
    """Add how a list is shown, a line each ``row``; the command has a parameter ``presentation``, a `Presentation`."""

    def presentation(
        format_name: str, sort: str | None, view: ListView, destination: Destination
    ) -> Presentation[Inspection]:
        if view.provenance:
            options.need(Trait.WITH_PROVENANCE, table, format_name, "--provenance")
        shown = replace(view, width=destination.width, note=messages.write_remark)
        return Presentation(table[format_name], sort, shown, destination, row)

    return options.collected(
        "presentation",
        presentation,
        options.collected("view", ListView),
        options.with_provenance,
        click.option(
            "--sort",
            type=options.sort_key,
            metavar="FIELD",
            shell_complete=completion.field,
            help="Sort by a field; -FIELD for descending.",
        ),
        click.option("--offset", type=options.count, metavar="N", default="0", help="Leave out the first N rows."),
        click.option(
            "--limit", type=options.count, metavar="N", help="Show at most N rows; --json: 50, as the server."
        ),
        options.answering(table),
        options.progressing,
        options.quiet,
    )


choosing: Final = options.collected(
    "criteria",
    Criteria,
    options.owned(", in homes that may be theirs"),
    click.option(
        "--application",
        metavar="APP",
        shell_complete=completion.in_catalog("application"),
        help="Only those of this application, such as wordpress, in any case.",
    ),
    options.in_time,
    options.of_domain,
)
"""Add what chooses in a list; the command has a parameter ``criteria``, `Criteria`."""


def report_rows(findings: Iterable[Finding], nothing: Iterable[str], *, has_rows: bool, has_criteria: bool) -> int:
    """Print what of the rows is in doubt; or that there is ``nothing``, and all that may be why.

    Return the exit code: 1 where nothing is as it was asked for.
    """
    if has_rows:
        return messages.report(Findings.of(dict.fromkeys(findings)), Severity.WARNING)
    for line in nothing:
        messages.write_line(line)
    return messages.report(findings, Severity.NOTE) or int(has_criteria)


def _nothing(
    where: Where, search: Search, criteria: Criteria, listing: library.Listing, word: str = "nothing"
) -> Iterator[str]:
    """Yield that there is nothing, and what there is instead of what was asked for."""
    advice = "" if where.roots or where.catalog or criteria.are_given else "; name a ROOT"
    nothing = f"{word}{' that matches' if criteria.are_given else ''} in {where.name}{advice}"
    yield "; ".join([nothing, *where.obstacles])
    if criteria.are_given:
        yield from library.unknown(search, criteria, listing)


@click.command("list")
@choosing
@options.looking("ROOT", in_catalog=True)
@options.secretive
@presenting(BACKUPS, "backup")
def list_backups(where: Where, criteria: Criteria, presentation: Presentation[Inspection]) -> int:
    """List the backups at and below each ROOT.

    A ROOT is a home, a folder of homes, a folder of archives, or one archive; any other folder is searched
    downwards for these. Without one, this machine's conventional places are searched (/home/*, /var/www/vhosts/*).

    \b
    Examples:
      backupmeta list /home --application wordpress --since 2024-01-01
      backupmeta list --sysroot /mnt/image --jsonl > backups.jsonl
    """
    findings: list[Finding] = []
    search, protected = where.search(criteria.user), where.protected()
    if presentation.is_stream:
        has_rows = _show_stream(presentation, search, criteria, findings, protected)
    else:
        has_rows = presentation.show(library.list_backups(search, findings), criteria, findings, itself, protected)
    nothing = _nothing(where, search, criteria, library.list_backups)
    return report_rows(findings, nothing, has_rows=has_rows, has_criteria=criteria.are_given)


@click.command()
@choosing
@click.option("--gone", is_flag=True, help="Those that are gone instead: backups name them, and no record has them.")
@options.looking("ROOT", in_catalog=True)
@options.secretive
@presenting(INSTALLS, "install")
def installs(where: Where, criteria: Criteria, presentation: Presentation[Inspection], *, gone: bool) -> int:
    """List the installs at and below each ROOT, from their records in .appdata/current.

    With --gone, list those that only their backups tell of, as the newest backup of each does: how many there are, from
    when until when, and where the newest one's archive lies. All that is chosen and sorted by is that backup's.

    Exit code 0; 1 where nothing is as it was asked for; 2 where something could not be read.

    \b
    Examples:
      backupmeta installs /home --sort -time_created
      backupmeta installs /home/exampleu --json
      backupmeta installs --gone --sysroot /mnt/image
    """
    search, protected, findings = where.search(criteria.user), where.protected(), list[Finding]()
    if gone:
        listed = library.list_gone_installs(search, findings)
        has_rows = _of_gone(presentation).show(listed, criteria, findings, _newest, protected)
        nothing = _nothing(where, search, criteria, _newest_of_gone, "no install is known to be gone")
    else:
        has_rows = presentation.show(library.list_installs(search, findings), criteria, findings, itself, protected)
        nothing = _nothing(where, search, criteria, library.list_installs)
    return report_rows(findings, nothing, has_rows=has_rows, has_criteria=criteria.are_given)


def _of_gone(presentation: Presentation[Inspection]) -> Presentation[GoneInstall]:
    """Return how installs that are gone are shown where live ones would be shown so. Raises `click.UsageError`."""
    view = presentation.view
    for option, is_given in {"--provenance": view.provenance, "--show-secrets": view.show_secrets}.items():
        if is_given:
            raise click.UsageError(f"{option} does not go with --gone: give it to view, with the last backup's archive")
    return Presentation(
        GONE[presentation.format.name], presentation.sort, view, presentation.destination, presentation.row
    )


def _newest(install: GoneInstall) -> Inspection:
    return install.newest


def _newest_of_gone(search: Search, findings: list[Finding]) -> Iterator[Inspection]:
    return map(_newest, library.list_gone_installs(search, findings))
