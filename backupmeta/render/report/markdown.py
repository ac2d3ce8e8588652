"""A report as Markdown that reads well as text: tables of bounded length, the worst and the newest first.

CommonMark with the tables of GitHub Flavored Markdown (§4.10). What comes from evidence marks nothing up.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from backupmeta import escapes
from backupmeta.catalog.database import Scan
from backupmeta.catalog.summary import FindingCount, Summary
from backupmeta.render.report.front import Tile, origin, scope, tiles, verdict
from backupmeta.render.report.words import minute, places, shown, size
from backupmeta.report.model import Account, Archive, Backup, Found, Install, Report

MOST: Final = 100
"""How many rows of a table are told at most."""

_WIDEST: Final = 60
"""Up to how many characters cells are padded, so that columns stand below each other."""

_Paths = Mapping[int, str]
"""The accounts' paths, by number."""
_Cells = tuple[str, ...]


class _Section(NamedTuple):
    """A section: its title, its rows, the headings of their table, and what gives the cells of a row."""

    title: str
    rows: Sequence[Any]
    headings: _Cells
    cells: Callable[[Any, _Paths], _Cells]


def markdown(report: Report) -> str:
    """Return ``report`` as Markdown."""
    counts = report.summary
    first = [
        f"# Backups of {_text(scope(report))}",
        f"As of {_text(minute(report.as_of))}. All times are in UTC.",
        _text(verdict(counts)),
    ]
    told = [_told(one, report.account_paths) for one in _sections(report, counts) if one.rows]
    return escapes.inert("\n\n".join([*first, *told]) + "\n")


def _sections(report: Report, counts: Summary) -> tuple[_Section, ...]:
    digested = [one for one in report.archives if one.sha256 is not None]
    return (
        _Section("Summary", list(tiles(counts)), ("what", "there is", "of it"), _tile),
        _Section("What was found", counts.findings, ("severity", "times", "finding", "what it says", "advice"), _kind),
        _Section("Findings", report.findings, ("severity", "what was found", "account", "seen in"), _finding),
        _Section("Backups", report.backups, ("made", "site", "application", "account", "state", "size"), _backup),
        _Section("Installs", report.installs, ("site", "application", "account", "updated", "backups"), _install),
        _Section("Accounts", report.accounts, ("account", "status", "installs", "backups", "archives"), _account),
        _Section("Digests", digested, ("SHA-256", "verdict", "account", "archive"), _digest),
        _Section("Scans", report.scans, ("began", "ended", "what was scanned"), _scan),
        _Section("Origin", list(origin(report)), ("what", "it is"), _origin),
    )


def _told(one: _Section, paths: _Paths) -> str:
    """Return a section: its title, its table, and how many rows are left out."""
    rows = [one.headings, *(one.cells(row, paths) for row in one.rows[:MOST])]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    more = len(one.rows) - MOST
    left = f"\n\n…and {more:,} more: in this report as a page (`--format html`) or JSON." if more > 0 else ""
    return f"## {one.title}\n\n" + "\n".join(lines) + left


# ---- rows


def _tile(one: Tile, _paths: _Paths) -> _Cells:
    return one.label, one.figure, _text("; ".join(one.lines))


def _kind(one: FindingCount, _paths: _Paths) -> _Cells:
    return _text(one.severity), f"{one.times:,}", _code(one.id), _text(one.sentence), _text(one.advice)


def _finding(one: Found, paths: _Paths) -> _Cells:
    base = None if one.account is None else paths[one.account]
    seen = (f"{_text(phrase)} {_code(path)}" for phrase, path in places(one, base))
    return _text(one.severity), _text(one.message), _code(base), ", ".join(seen)


def _backup(one: Backup, paths: _Paths) -> _Cells:
    told = " ".join(filter(None, (one.application, one.version)))
    state = " ".join(filter(None, (one.state, one.verdict)))
    weight = "-" if one.bytes is None else size(one.bytes)
    return _text(minute(one.time)), _site(one), _text(told), _code(paths[one.account]), _text(state), weight


def _install(one: Install, paths: _Paths) -> _Cells:
    told = " ".join(filter(None, (one.application, one.version)))
    return _site(one), _text(told), _code(paths[one.account]), _text(minute(one.updated)), f"{one.backups:,}"


def _account(one: Account, _paths: _Paths) -> _Cells:
    archives = f"{one.archives:,} of {size(one.bytes)}"
    return _code(one.path), _text(one.status), f"{one.installs:,}", f"{one.backups:,}", archives


def _digest(one: Archive, paths: _Paths) -> _Cells:
    return _code(one.sha256), _text(one.verdict or ""), _code(paths[one.account]), _code(one.path)


def _scan(one: Scan, _paths: _Paths) -> _Cells:
    ended = "interrupted" if one.ended is None else _text(minute(one.ended))
    unread = "".join(f", not read: {_code(root)}" for root in one.unread)
    return _text(minute(one.began)), ended, ", ".join(map(_code, one.roots)) + unread


def _origin(one: tuple[str, str], _paths: _Paths) -> _Cells:
    label, told = one
    return label, _text(told)


def _site(one: Backup | Install) -> str:
    return " ".join(filter(None, (_text(one.title or ""), _code(one.url))))


# ---- text


def _text(text: str) -> str:
    """Return text that marks nothing up, and that nobody makes a link of."""
    return escapes.markdown(shown(text))


def _code(text: str | None) -> str:
    """Return text as code; nothing for none."""
    return escapes.markdown_code(shown(text or ""))
