"""How lists of backups and of installs are shown, by ``list``, ``installs`` and ``find`` alike."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter

import click

from backupmeta import library
from backupmeta.backup.criteria import Criteria, ordered
from backupmeta.backup.inspection import Inspection
from backupmeta.cli import messages, options, output
from backupmeta.findings import Finding, Severity
from backupmeta.render.backups import ListRendering, ListView
from backupmeta.render.formats import Format, Formats, Trait
from backupmeta.search import Search


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
    return [_of_archive(row.path, finding) for finding in row.findings if finding.is_grave]


def _of_archive(path: str, finding: Finding) -> Finding:
    if path in finding.subject:
        return finding
    return finding._replace(subject=": ".join(filter(None, (path, finding.subject))))
