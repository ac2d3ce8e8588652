"""A report as Markdown and as JSON.

Markdown reads well as text: tables of bounded length, the worst and the newest first (CommonMark with the tables of
GitHub Flavored Markdown, §4.10). What comes from evidence marks nothing up.

JSON is an object with the attributes of `Report`, and its `Summary`. Times are ISO 8601 in UTC, sizes are bytes; what
is not known is null. A path that is not UTF-8 has a twin, ``path_base64``, with its exact bytes. The rows know each
other by the catalog's numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from backupmeta import escapes
from backupmeta.catalog.database import Scan
from backupmeta.catalog.report import (
    AccountFindings,
    Report,
    ReportedAccount,
    ReportedArchive,
    ReportedBackup,
    ReportedFinding,
    ReportedGoneInstall,
    ReportedInstall,
)
from backupmeta.render import report_summary as summary
from backupmeta.render.formats import spaced
from backupmeta.render.report_summary import Fact, Kind, Sentence, shown
from backupmeta.words import minute, place, seen_at, size

MOST: Final = 100
"""How many rows of a table of Markdown are shown at most."""

_MOST_PLACES: Final = 10
"""How many places of evidence are shown of one finding."""

_WIDEST: Final = 60
"""Up to how many characters cells of Markdown are padded, so that columns stand below each other."""

_Cells = tuple[str, ...]


def places(finding: ReportedFinding, report: Report) -> Iterator[tuple[str, str]]:
    """Yield where a finding can be seen, each place who says so, and where: ``app_a.tar.gz » APP-META.INI, line 3``.

    Paths are shown below the folder of the account that it is about, where they lie there.
    """
    base = "" if finding.account is None else report.account_paths[finding.account]
    for source in finding.evidence[:_MOST_PLACES]:
        yield source.witness, seen_at(source, base)
    if (more := len(finding.evidence) - _MOST_PLACES) > 0:
        yield f"and {more:,} more", ""


# --- Markdown ---------------------------------------------------------------------------------------------------------


class _Section(NamedTuple):
    """A section: its title, sentences, the headings of its table, its rows, and what gives the cells of one."""

    title: str
    sentences: Iterable[Sentence]
    headings: _Cells = ()
    rows: Sequence[Any] = ()
    cells: Callable[[Any, Report], _Cells] = lambda row, _report: row


def markdown(report: Report) -> str:
    """Return ``report`` as Markdown."""
    first = [
        f"# {_text(summary.title(report))}",
        f"As of {_text(minute(report.as_of))}. All times are in UTC.",
    ]
    sections = [_section(section, report) for section in (*_front(report), *_annexes(report))]
    return escapes.inert("\n\n".join([*first, *sections]) + "\n")


def _front(report: Report) -> Iterator[_Section]:
    """Yield what a reader has to know first."""
    facts = ("what", "it is")
    yield _Section("What was asked", (), facts, list(map(_fact, summary.asked(report))))
    counts = [(tile.label, f"{tile.figure}: {_text('; '.join(tile.lines))}") for tile in summary.tiles(report.summary)]
    yield _Section("Over what", summary.covered(report), facts, [*map(_fact, summary.origin(report)), *counts])
    sentences = [Sentence(summary.verdict(report.summary)), *summary.found(report), *summary.other_kinds(report)]
    yield _Section("What was found", sentences, _KIND[:-1], summary.first_kinds(report), _kind)
    sentences = [*summary.contradicted(report), *summary.others(report)]
    yield _Section("What contradicts what", sentences, _CONTRADICTION, summary.gravest(report), _contradiction)
    yield _Section("What is missing", summary.missing(report))


def _annexes(report: Report) -> Iterator[_Section]:
    for key, (headings, cells) in _ANNEXES.items():
        rows = summary.kinds(report) if key == "kinds" else getattr(report, key)
        yield _Section(f"{summary.annex(key)}: {summary.ANNEXES[key]}", (), headings, rows, cells)


def _section(section: _Section, report: Report) -> str:
    """Return a section: its title, its sentences, its table, and how many rows are left out."""
    sentences = [_sentence(sentence) for sentence in section.sentences]
    rows = [_table(section, report)] if section.rows else []
    parts = [f"## {section.title}", *sentences, *rows]
    return "\n\n".join(parts if len(parts) > 1 else [*parts, "There are none."])


def _sentence(sentence: Sentence) -> str:
    references = ", ".join(map(summary.annex, sentence.annexes))
    return _text(sentence.text) + (f" ({references})" if references else "")


def _table(section: _Section, report: Report) -> str:
    rows = [section.headings, *(section.cells(row, report) for row in section.rows[:MOST])]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    more = len(section.rows) - MOST
    left = f"\n\n…and {more:,} more: in this report as a page (`--format html`) or JSON." if more > 0 else ""
    return "\n".join(lines) + left


def _fact(fact: Fact) -> _Cells:
    label, text = fact
    return label, _text(text)


def _kind(kind: Kind, _report: Report) -> _Cells:
    finding = kind.finding
    return (
        _text(finding.severity),
        f"{finding.times:,}",
        f"{kind.accounts:,}",
        _code(finding.id),
        _text(finding.sentence),
    )


def _advised_kind(kind: Kind, report: Report) -> _Cells:
    return *_kind(kind, report), _text(kind.finding.advice)


def _contradiction(finding: ReportedFinding, report: Report) -> _Cells:
    return _text(finding.severity), _name(finding.account, report), _text(summary.in_short(finding))


def _of_account(kind: AccountFindings, report: Report) -> _Cells:
    return _name(kind.account, report), _text(kind.severity), f"{kind.times:,}", _code(kind.id), _text(kind.message)


def _name(account: int | None, report: Report) -> str:
    return "" if account is None else _code(report.account_names[account])


def _finding(finding: ReportedFinding, report: Report) -> _Cells:
    evidence = (f"{_text(phrase)} {_code(path)}" for phrase, path in places(finding, report))
    return _text(finding.severity), _text(finding.message), _name(finding.account, report), ", ".join(evidence)


def _backup(backup: ReportedBackup, report: Report) -> _Cells:
    state = _joined(backup.state, backup.verdict)
    weight = "-" if backup.bytes is None else size(backup.bytes)
    return _text(minute(backup.time)), *_of_site(backup, report), state, weight


def _install(install: ReportedInstall, report: Report) -> _Cells:
    updated = _text(minute(install.updated))
    return *_of_site(install, report), updated, f"{install.backups:,}"


def _gone(install: ReportedGoneInstall, report: Report) -> _Cells:
    oldest, newest = _text(minute(install.oldest)), _text(minute(install.newest))
    return *_of_site(install, report), f"{install.backups:,}", oldest, newest, _code(install.archive)


def _account(account: ReportedAccount, _report: Report) -> _Cells:
    archives = f"{account.archives:,} of {size(account.bytes)}"
    return (
        _code(place(account.host, account.path)),
        _text(account.status),
        f"{account.installs:,}",
        f"{account.backups:,}",
        archives,
    )


def _archive(archive: ReportedArchive, report: Report) -> _Cells:
    verdict, written = _text(archive.verdict or ""), _text(minute(archive.modified))
    return _code(archive.sha256), verdict, written, _code(report.account_names[archive.account]), _code(archive.path)


def _scan(scan: Scan, _report: Report) -> _Cells:
    ended = "interrupted" if scan.ended is None else _text(minute(scan.ended))
    unread = "".join(f", not read: {_code(root)}" for root in scan.unread)
    return _text(minute(scan.began)), ended, ", ".join(map(_code, scan.roots)) + unread


def _of_site(row: ReportedBackup | ReportedInstall | ReportedGoneInstall, report: Report) -> _Cells:
    """Return the cells of a site: what it is, of which account, whose it is, and who administers it."""
    site = " ".join(filter(None, (_text(row.title or ""), _code(row.url))))
    software, account = _joined(row.application, row.version), _name(row.account, report)
    return site, software, account, _text(row.user or ""), _joined(row.login, row.email)


def _joined(*texts: str | None) -> str:
    return _text(" ".join(filter(None, texts)))


def _text(text: str) -> str:
    """Return text that marks nothing up, and that nobody makes a link of."""
    return escapes.markdown(shown(text))


def _code(text: str | None) -> str:
    """Return text as code; nothing for none."""
    return escapes.markdown_code(shown(text or ""))


_SEEN: Final = ("severity", "what was found", "account", "seen in")
_CONTRADICTION: Final = ("severity", "account", "what contradicts what")
_KIND: Final = ("severity", "times", "accounts", "finding", "what it says", "advice")
_BACKUP: Final = ("made", "site", "application", "account", "owner", "administrator", "state", "size")
_INSTALL: Final = ("site", "application", "account", "owner", "administrator", "updated", "backups")
_GONE: Final = ("site", "application", "account", "owner", "administrator", "backups", "oldest", "newest", "archive")
_ANNEXES: Final[Mapping[str, tuple[_Cells, Callable[[Any, Report], _Cells]]]] = {
    "kinds": (_KIND, _advised_kind),
    "account_findings": (("account", "severity", "times", "finding", "what the first says"), _of_account),
    "contradictions": (_SEEN, _finding),
    "findings": (_SEEN, _finding),
    "backups": (_BACKUP, _backup),
    "installs": (_INSTALL, _install),
    "gone_installs": (_GONE, _gone),
    "accounts": (("account", "status", "installs", "backups", "archives"), _account),
    "archives": (("SHA-256", "verdict", "written", "account", "archive"), _archive),
    "scans": (("began", "ended", "what was scanned"), _scan),
}
"""The annexes of Markdown, by the names of a report's attributes: their headings, and what gives the cells of a row."""


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
