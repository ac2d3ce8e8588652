"""A report as Markdown and as JSON, and what its page says of it, too: its scope, its figures, where it comes from.

Markdown reads well as text: tables of bounded length, the worst and the newest first (CommonMark with the tables of
GitHub Flavored Markdown, §4.10). What comes from evidence marks nothing up.

JSON is an object with the attributes of `Report`, and its `Summary`. Times are ISO 8601 in UTC, sizes are bytes; what
is not known is null. A path that is not UTF-8 has a twin, ``path_base64``, with its exact bytes. The rows know each
other by the catalog's numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from backupmeta import escapes
from backupmeta.catalog.case import Case
from backupmeta.catalog.database import Scan
from backupmeta.catalog.report import (
    Report,
    ReportedAccount,
    ReportedArchive,
    ReportedBackup,
    ReportedFinding,
    ReportedGoneInstall,
    ReportedInstall,
)
from backupmeta.catalog.summary import FindingCount, Summary
from backupmeta.render.formats import spaced
from backupmeta.words import amounts, are, counted, counts_of, day, few, minute, seen_at, size, visible

LONGEST: Final = 2_000
"""How many characters of a text are shown; a hostile record may have a million."""

MOST: Final = 100
"""How many rows of a table of Markdown are shown at most."""

_MOST_PLACES: Final = 10
"""How many places of evidence are shown of one finding."""

_MOST_ROOTS: Final = 3
_WIDEST: Final = 60
"""Up to how many characters cells of Markdown are padded, so that columns stand below each other."""

_Paths = Mapping[int, str]
"""The accounts' paths, by number."""
_Cells = tuple[str, ...]


# --- words of a report ------------------------------------------------------------------------------------------------


def shown(text: str) -> str:
    """Return text from evidence as a report shows it: cut where it is very long, no control character, no command."""
    kept = escapes.inert(visible(text[:LONGEST]))
    return kept if len(text) <= LONGEST else f"{kept}… ({counted(len(text), 'character')})"


def places(finding: ReportedFinding, base: str | None) -> Iterator[tuple[str, str]]:
    """Yield where a finding can be seen, each place who says so, and where: ``app_a.tar.gz » APP-META.INI, line 3``.

    Paths are shown below the folder ``base`` of the account that it is about, where they lie there.
    """
    for source in finding.evidence[:_MOST_PLACES]:
        yield source.witness, seen_at(source, base or "")
    if (more := len(finding.evidence) - _MOST_PLACES) > 0:
        yield f"and {more:,} more", ""


# --- its front --------------------------------------------------------------------------------------------------------


class Tile(NamedTuple):
    """A figure of the summary: what it counts, the figure, and lines below."""

    label: str
    figure: str
    lines: tuple[str, ...]


def title(report: Report) -> str:
    """Return the report's title: the one that it was given, else what it is about."""
    return shown(report.case.title) if report.case.title else f"Backups of {scope(report)}"


def scope(report: Report) -> str:
    """Return what the report is about."""
    return few(tuple(map(shown, report.scans[0].roots)), _MOST_ROOTS) or "this machine"


def verdict(counts: Summary) -> str:
    """Return what was found, in a sentence or two."""
    severities = counts_of(counts.severities)
    findings = f"Findings: {severities}." if severities else "Nothing was found that somebody should know."
    verdicts = amounts(counts.verdicts)
    return f"{findings} " + (f"Archives that were read to their end: {verdicts}." if verdicts else depth(counts))


def contradicted(counts: Summary) -> str:
    """Return how often evidence contradicts itself, in a sentence."""
    if severities := counts_of(counts.contradictions):
        return f"Evidence contradicts itself: {severities}; Contradictions below has both sides of each."
    return "No evidence contradicts itself, as far as it was read."


def depth(counts: Summary) -> str:
    """Return of how many archives all was read."""
    if not counts.archives:
        return "There is no archive."
    if not counts.digested:
        return "No archive was read to its end, so digests are not known: 'backupmeta scan --deep' takes them."
    if counts.digested == counts.archives:
        return "All archives were read to their end."
    return f"{counts.digested:,} of {counted(counts.archives, 'archive')} were read to their end."


def origin(report: Report) -> Iterator[tuple[str, str]]:
    """Yield where the report comes from: what it is called, and what it is."""
    yield from described(report.case)
    older = "" if report.oldest == report.as_of else f"; some accounts as of {minute(report.oldest)} UTC"
    yield "Written", f"{minute(report.written)} UTC by backupmeta {report.version}"
    yield "Command", report.command
    yield "Catalog", "none: what is told was scanned for this report" if report.catalog is None else report.catalog
    if report.catalog_sha256 is not None:
        yield "SHA-256 of the catalog", report.catalog_sha256
    yield "As of", f"{minute(report.as_of)} UTC{older}"


def described(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what a report is written for: what it is called, and what was given; its title is the report's."""
    facts = [("Case", case.number), ("Examiner", case.examiner), *(("Remark", remark) for remark in case.remarks)]
    facts.append(("Digest of the image, as given", case.evidence_digest))
    yield from ((label, text) for label, text in facts if text is not None)


def tiles(counts: Summary) -> Iterator[Tile]:
    """Yield how much there is of what."""
    yield Tile("Accounts", f"{sum(counts.accounts.values()):,}", (amounts(counts.accounts, "none"),))
    gone = counts.gone_installs
    lost = (f"{gone:,} more {are(gone)} gone",) if gone else ()
    yield Tile("Installs", f"{counts.installs:,}", ("live now", *lost))
    orphaned = counts.orphans.backups
    orphans = (f"{orphaned:,} of installs that are gone",) if orphaned else ()
    yield Tile("Backups", f"{sum(counts.backups.values()):,}", (amounts(counts.backups, "none"), *orphans))
    copies, wasted = _spare(counts)
    spare = (f"{counted(copies, 'copy', 'copies')} of others, {size(wasted)}",) if copies else ()
    yield Tile("Archives", size(counts.bytes), (f"in {counted(counts.archives, 'file')}", *spare))
    oldest, newest = (day(backup and backup.time) for backup in (counts.oldest, counts.newest))
    yield Tile("Oldest backup", oldest, (f"newest {newest}",))
    yield Tile("Findings", f"{sum(counts.severities.values()):,}", (counts_of(counts.severities, "none"),))


def _spare(counts: Summary) -> tuple[int, int]:
    """Return how many archives could be spared, and how large these are; no digest tells of any without a deep scan."""
    return (counts.duplicates.copies, counts.duplicates.wasted_bytes) if counts.duplicates else (0, 0)


# --- Markdown ---------------------------------------------------------------------------------------------------------


class _Section(NamedTuple):
    """A section: its title, the headings of its table, its rows, and what gives the cells of one."""

    title: str
    headings: _Cells
    rows: Sequence[Any]
    cells: Callable[[Any, _Paths], _Cells] = lambda row, _paths: row


def markdown(report: Report) -> str:
    """Return ``report`` as Markdown."""
    first = [
        f"# {_text(title(report))}",
        f"As of {_text(minute(report.as_of))}. All times are in UTC.",
        _text(verdict(report.summary)),
        _text(contradicted(report.summary)),
    ]
    sections = [_section(section, report.account_paths) for section in _sections(report) if section.rows]
    return escapes.inert("\n\n".join([*first, *sections]) + "\n")


def _sections(report: Report) -> Iterator[_Section]:
    counts = [(tile.label, tile.figure, _text("; ".join(tile.lines))) for tile in tiles(report.summary)]
    yield _Section("Summary", ("what", "there is", "of it"), counts)
    kinds = ("severity", "times", "finding", "what it says", "advice")
    yield _Section("What was found", kinds, report.summary.findings, _kind)
    seen = ("severity", "what was found", "account", "seen in")
    yield _Section("Contradictions", seen, report.contradictions, _finding)
    yield _Section("Findings", seen, report.findings, _finding)
    backups = ("made", "site", "application", "account", "state", "size")
    yield _Section("Backups", backups, report.backups, _backup)
    yield _Section("Installs", ("site", "application", "account", "updated", "backups"), report.installs, _install)
    gone = ("site", "application", "account", "backups", "oldest", "newest", "newest archive")
    yield _Section("Sites that are gone", gone, report.gone_installs, _gone)
    yield _Section("Accounts", ("account", "status", "installs", "backups", "archives"), report.accounts, _account)
    digested = [archive for archive in report.archives if archive.sha256 is not None]
    yield _Section("Digests", ("SHA-256", "verdict", "account", "archive"), digested, _digest)
    yield _Section("Scans", ("began", "ended", "what was scanned"), report.scans, _scan)
    yield _Section("Origin", ("what", "it is"), [(label, _text(text)) for label, text in origin(report)])


def _section(section: _Section, paths: _Paths) -> str:
    """Return a section: its title, its table, and how many rows are left out."""
    rows = [section.headings, *(section.cells(row, paths) for row in section.rows[:MOST])]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    more = len(section.rows) - MOST
    left = f"\n\n…and {more:,} more: in this report as a page (`--format html`) or JSON." if more > 0 else ""
    return f"## {section.title}\n\n" + "\n".join(lines) + left


def _kind(kind: FindingCount, _paths: _Paths) -> _Cells:
    return _text(kind.severity), f"{kind.times:,}", _code(kind.id), _text(kind.sentence), _text(kind.advice)


def _finding(finding: ReportedFinding, paths: _Paths) -> _Cells:
    base = None if finding.account is None else paths[finding.account]
    evidence = (f"{_text(phrase)} {_code(path)}" for phrase, path in places(finding, base))
    return _text(finding.severity), _text(finding.message), _code(base), ", ".join(evidence)


def _backup(backup: ReportedBackup, paths: _Paths) -> _Cells:
    state = _joined(backup.state, backup.verdict)
    weight = "-" if backup.bytes is None else size(backup.bytes)
    return _text(minute(backup.time)), _site(backup), _software(backup), _code(paths[backup.account]), state, weight


def _install(install: ReportedInstall, paths: _Paths) -> _Cells:
    updated = _text(minute(install.updated))
    return _site(install), _software(install), _code(paths[install.account]), updated, f"{install.backups:,}"


def _gone(install: ReportedGoneInstall, paths: _Paths) -> _Cells:
    oldest, newest = _text(minute(install.oldest)), _text(minute(install.newest))
    site, account = (_site(install), _software(install)), _code(paths[install.account])
    return *site, account, f"{install.backups:,}", oldest, newest, _code(install.archive)


def _account(account: ReportedAccount, _paths: _Paths) -> _Cells:
    archives = f"{account.archives:,} of {size(account.bytes)}"
    return _code(account.path), _text(account.status), f"{account.installs:,}", f"{account.backups:,}", archives


def _digest(archive: ReportedArchive, paths: _Paths) -> _Cells:
    return _code(archive.sha256), _text(archive.verdict or ""), _code(paths[archive.account]), _code(archive.path)


def _scan(scan: Scan, _paths: _Paths) -> _Cells:
    ended = "interrupted" if scan.ended is None else _text(minute(scan.ended))
    unread = "".join(f", not read: {_code(root)}" for root in scan.unread)
    return _text(minute(scan.began)), ended, ", ".join(map(_code, scan.roots)) + unread


def _site(row: ReportedBackup | ReportedInstall | ReportedGoneInstall) -> str:
    return " ".join(filter(None, (_text(row.title or ""), _code(row.url))))


def _software(row: ReportedBackup | ReportedInstall | ReportedGoneInstall) -> str:
    return _joined(row.application, row.version)


def _joined(*texts: str | None) -> str:
    return _text(" ".join(filter(None, texts)))


def _text(text: str) -> str:
    """Return text that marks nothing up, and that nobody makes a link of."""
    return escapes.markdown(shown(text))


def _code(text: str | None) -> str:
    """Return text as code; nothing for none."""
    return escapes.markdown_code(shown(text or ""))


# --- JSON -------------------------------------------------------------------------------------------------------------


def report_json(report: Report) -> str:
    """Return ``report`` as JSON, a line a row."""
    parts = [
        f"{spaced(key)}: {_rows(value) if isinstance(value, Iterator) else spaced(value)}"
        for key, value in report.json_members()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _rows(rows: Iterable[object]) -> str:
    lines = ",\n".join(f"  {spaced(row)}" for row in rows)
    return f"[\n{lines}\n]" if lines else "[]"
