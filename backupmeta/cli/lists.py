"""Lists of backups and installs: their options, and showing them in each format."""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from backupmeta.cli import options, output
from backupmeta.cli.options import IN_TIME, PRESENTING, Span, decorated

if TYPE_CHECKING:
    from decimal import Decimal

    from backupmeta.backup.inspection import Inspection
    from backupmeta.findings import Finding
    from backupmeta.render.backups import ListRendering, ListView
    from backupmeta.render.formats import Formats
    from backupmeta.search import Search


@dataclass(frozen=True)
class Listing:
    """What a list is asked for; the attributes are the options."""

    roots: tuple[str, ...]
    sysroot: str | None
    zone: tzinfo | None
    user: str | None
    application: str | None
    domain: str | None
    since: Span | None
    until: Span | None
    sort: str | None
    form: Literal["table", "json", "jsonl", "csv"]
    offset: int
    limit: int | None
    show_secrets: bool
    provenance: bool
    catalog: str | None = None
    code_of_nothing: int = 0

    @property
    def search(self) -> "Search":
        """Where to look."""
        if self.catalog is not None:
            from backupmeta.catalog.answers import InCatalog

            return InCatalog(zone=self.zone, catalog=self.catalog, user=self.user)
        from backupmeta.search import Search

        return Search(self.roots, self.sysroot, self.zone, user=self.user)

    def show(self, found: "Iterator[Inspection]", findings: "list[Finding]", formats: "Formats[ListRendering]") -> int:
        """Print the wanted rows of ``found``, then what could not be read; return the exit code."""
        rows = self._noting(_ordered(filter(self._wants, found), self.sort), findings)
        first = list(islice(rows, 1))
        output.write_all(formats[self.form].render(chain(first, rows), self._view(output.width())))
        return self._report(findings, has_rows=bool(first))

    def _view(self, width: int | None) -> "ListView":
        """Return how the rows are to be shown."""
        from backupmeta.render.backups import ListView

        return ListView(width, self.show_secrets, self.provenance, self.offset, self.limit)

    def _report(self, findings: "Iterable[Finding]", *, has_rows: bool) -> int:
        """Print what could not be read, and more where there are no rows: why that may be; return the exit code."""
        from backupmeta.vocabulary.kinds import Severity

        if not has_rows:
            output.complain(self._nothing)
            return output.report(findings, Severity.NOTE) or self.code_of_nothing
        return output.report((one for one in findings if one.is_grave), Severity.WARNING)

    @property
    def _nothing(self) -> str:
        """What to say where nothing was found."""
        filters = (self.user, self.application, self.domain, self.since, self.until)
        matching = " that matches" if self.code_of_nothing or any(one is not None for one in filters) else ""
        if self.roots or self.catalog:
            return f"nothing{matching} in {self.catalog or ', '.join(self.roots)}"
        where = f" of {self.sysroot}" if self.sysroot else ""
        return f"nothing{matching} in the conventional places{where}; name a ROOT"

    @property
    def is_stream(self) -> bool:
        """Whether the rows are shown one by one, all of them, as they come."""
        return self.form == "jsonl" and self.sort is None and self.limit is None and not self.offset

    def show_stream(self) -> int:
        """Print the wanted backups as they come, from two processes, then what could not be read."""
        from backupmeta.library import listed
        from backupmeta.render.backups import BACKUPS
        from backupmeta.work.processes import few_processes

        render, view = BACKUPS[self.form].render, self._view(None)

        def text(one: "Inspection", findings: "list[Finding]") -> str:
            if not self._wants(one):
                return ""
            self._note(one, findings)
            return "".join(render((one,), view))

        findings: list[Finding] = []
        texts = filter(None, listed(self.search, text, findings, few_processes(2)))
        first = list(islice(texts, 1))
        output.write_all(chain(first, texts))
        return self._report(sorted(set(findings), key=itemgetter(0, 1, 2)), has_rows=bool(first))

    def _noting(self, rows: "Iterable[Inspection]", findings: "list[Finding]") -> "Iterator[Inspection]":
        """Pass the ``rows`` on, noting what could not be read of each, and that its archive is not as it should be."""
        for one in rows:
            self._note(one, findings)
            yield one

    def _note(self, one: "Inspection", findings: "list[Finding]") -> None:
        findings.extend([_of_archive(one.path, finding) for finding in one.findings if finding.is_grave])

    def _wants(self, one: "Inspection") -> bool:
        texts = ((self.user, one.text("user")), (self.application, one.text("application")))
        if any(wanted is not None and wanted != text for wanted, text in texts):
            return False
        return self._wants_domain(one) and self._wants_time(one)

    def _wants_domain(self, one: "Inspection") -> bool:
        if self.domain is None:
            return True
        from urllib.parse import urlsplit

        wanted = self.domain.lower().removeprefix("www.")
        try:
            host = urlsplit(one.text("url")).hostname or ""
        except ValueError:
            host = ""
        return wanted in {one.text("url_domain").lower().removeprefix("www."), host.removeprefix("www.")}

    def _wants_time(self, one: "Inspection") -> bool:
        if self.since is None and self.until is None:
            return True
        value = one.get("backup_time" if one.kind == "backup" else "time_created")
        if value is None or value == "":
            return False
        seconds = int(str(value))
        return (self.since is None or self.since.first <= seconds) and (
            self.until is None or seconds <= self.until.last
        )


def _of_archive(path: str, finding: "Finding") -> "Finding":
    """Return a finding about the backup at ``path`` with that in its subject."""
    return (
        finding
        if path in finding.subject
        else finding._replace(subject=": ".join(filter(None, (path, finding.subject))))
    )


def listing(command: Callable[[Listing], int]) -> Callable[..., int]:
    """Give a command the roots and options of a list, as one `Listing`."""

    @functools.wraps(command)
    def run(**given: Any) -> int:  # noqa: ANN401 - click gives what the options below say
        asked = Listing(**{**given, "form": given["form"] or "table"})
        if asked.provenance and asked.form in {"table", "csv"}:
            raise click.UsageError("--provenance needs --json or --jsonl")
        if asked.catalog is not None:
            beside = {"ROOT": asked.roots, "--sysroot": asked.sysroot, "--show-secrets": asked.show_secrets}
            options.refuse_beside_catalog(beside)
            output.tell_age(asked.catalog)
        return command(asked)

    return decorated(run, _OPTIONS)


_OPTIONS: Final = (
    click.argument("roots", nargs=-1, metavar="[ROOT]..."),
    options.searching,
    options.cataloged,
    click.option("--user", metavar="NAME", help="Only those of this owner, in homes that may be theirs."),
    click.option("--application", metavar="APP", help="Only those of this application, such as wordpress."),
    click.option("--domain", metavar="DOMAIN", help="Only those of this domain."),
    *IN_TIME,
    *PRESENTING,
    options.showing,
)


def _ordered(rows: "Iterable[Inspection]", sort: str | None) -> "Iterable[Inspection]":
    """Return the rows sorted by a field, numbers before text and absent ones last; as they come for None."""
    if sort is None:
        return rows
    name = sort.removeprefix("-")
    keyed = [(_sort_key(one, name), one) for one in rows]
    present = sorted((pair for pair in keyed if pair[0] is not None), key=itemgetter(0), reverse=sort.startswith("-"))
    return [one for _, one in present] + [one for key, one in keyed if key is None]


def _sort_key(one: "Inspection", name: str) -> "tuple[int, Decimal, str] | None":
    """Return what a row is sorted by; of a number, which may have any number of digits, its value."""
    from decimal import Decimal

    value = one.get(name)
    if value is None:
        return None
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and value.isascii()):
        return (0, Decimal(value), "")
    return (1, Decimal(), value if isinstance(value, str) else str(value))
