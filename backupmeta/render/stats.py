"""What is in a catalog, counted: tables for people, an object for machines. Sizes are in bytes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from backupmeta.catalog.database import Scan
from backupmeta.catalog.summary import (
    MOST,
    MOST_ACCOUNTS,
    MOST_SCANS,
    AccountSize,
    DatedBackup,
    Duplicates,
    Part,
    Summary,
)
from backupmeta.provenance import display, named
from backupmeta.render.export import moment
from backupmeta.render.json import pretty
from backupmeta.render.text import line, table

_Row = Sequence[str | int]

_SCAN: Final = ("scan", "began (UTC)", "ended (UTC)", "roots")
_AMOUNTS: Final = ("backups", "archives", "bytes")
_MOST_ROOTS: Final = 3
_UNKNOWN: Final = "?"


def as_text(catalog: str, found: Summary, width: int | None) -> str:
    """Return tables, drawn for a terminal of ``width`` columns, or tab-separated for None."""
    return "\n".join(
        line(title) + table(columns, _aligned(columns, rows, width), width)
        for title, columns, rows in _tables(catalog, found)
        if rows
    )


def _tables(catalog: str, found: Summary) -> Iterator[tuple[str, tuple[str, ...], Sequence[_Row]]]:
    """Yield each table: its title, its columns, its rows."""
    yield catalog, ("what", "there is"), list(_summary(found))
    yield f"Scans, the last {MOST_SCANS}", _SCAN, list(map(_scan, found.scans))
    largest = [(_place(one.host, one.path), one.archives, one.bytes) for one in found.largest]
    yield f"Accounts, the {MOST_ACCOUNTS} largest", ("account", "archives", "bytes"), largest
    for key, (names, parts) in _parted(found).items():
        which = f", as of {_short(found.now)} UTC" if key == "ages" else ""
        which += f", the {MOST:,} largest" if len(parts) == MOST else ""
        yield f"{key.capitalize()}{which}", (*names, *_AMOUNTS), list(map(_part, parts))
    yield "Findings", ("severity", "id", "count"), [(one.severity, one.id, one.times) for one in found.findings]


def _parted(found: Summary) -> dict[str, tuple[tuple[str, ...], tuple[Part, ...]]]:
    """Return how the backups are parted: by what they have in common, and the parts."""
    return {
        "applications": (("application",), found.applications),
        "versions": (("application", "version"), found.versions),
        "ages": (("age",), found.ages),
        "growth": (("month",), found.months),
    }


def _aligned(columns: tuple[str, ...], rows: Sequence[_Row], width: int | None) -> Iterator[list[str]]:
    """Yield the cells of ``rows``; on a terminal numbers end where their column ends."""
    told = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *told, strict=True)]
    for row, texts in zip(rows, told, strict=True):
        yield [
            text.rjust(most) if isinstance(cell, int) and width is not None else text
            for cell, text, most in zip(row, texts, widths, strict=True)
        ]


def _summary(found: Summary) -> Iterator[_Row]:
    yield "accounts", _counted(found.accounts)
    yield "installs", f"{found.installs:,}"
    yield "backups", _counted(found.backups)
    yield "archives", f"{found.archives:,} of {found.bytes:,} bytes"
    yield "oldest", _backup(found.oldest)
    yield "newest", _backup(found.newest)
    yield "orphans", f"{found.orphans.backups:,}, their archives {found.orphans.bytes:,} bytes"
    yield "duplicates", _duplicates(found.duplicates, found.archives)


def _counted(counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    return f"{sum(counts.values()):,}: {told}" if told else "0"


def _backup(one: DatedBackup | None) -> str:
    if one is None:
        return "none whose time is known"
    told = (_short(one.time), one.id, one.application, one.version, one.url, _place(one.host, one.account))
    return " ".join(filter(None, told))


def _place(host: str, path: str) -> str:
    return f"{host}:{display(path)}" if host else display(path)


def _duplicates(found: Duplicates | None, archives: int) -> str:
    if found is None:
        return "not known: no archive was scanned deep"
    told = f"{found.copies:,} copies of {found.contents:,} archives, {found.wasted_bytes:,} bytes"
    return told if found.digested == archives else f"{told}; {found.digested:,} archives were scanned deep"


def _scan(one: Scan) -> _Row:
    ended = _short(one.ended) if one.ended is not None else "interrupted"
    unread = f"; not read: {_few(one.unread)}" if one.unread else ""
    return str(one.number), _short(one.began), ended, _few(one.roots) + unread


def _few(roots: tuple[str, ...]) -> str:
    more = len(roots) - _MOST_ROOTS
    return ", ".join(roots[:_MOST_ROOTS]) + (f" and {more:,} more" if more > 0 else "")


def _part(one: Part) -> _Row:
    return *(_UNKNOWN if name is None else name for name in one.names), one.backups, one.archives, one.bytes


def _short(seconds: int) -> str:
    return moment(seconds)[:19].replace("T", " ")


def as_json(catalog: str, found: Summary) -> str:
    """Return the same as JSON; times are in UTC, what is not known is null."""
    described: dict[str, object] = {
        "catalog": display(catalog),
        "as_of": moment(found.now),
        "scans": list(map(_scan_object, found.scans)),
        "accounts": found.accounts,
        "installs": found.installs,
        "backups": found.backups,
        "archives": found.archives,
        "bytes": found.bytes,
        "oldest": _backup_object(found.oldest),
        "newest": _backup_object(found.newest),
        "orphans": _part_object((), found.orphans),
        "duplicates": None if found.duplicates is None else found.duplicates._asdict(),
        "largest_accounts": list(map(_account_object, found.largest)),
    }
    for key, (names, parts) in _parted(found).items():
        described[key] = [_part_object(names, one) for one in parts]
    return pretty({**described, "findings": [one._asdict() for one in found.findings]})


def _scan_object(one: Scan) -> dict[str, object]:
    ended = None if one.ended is None else moment(one.ended)
    return {
        "number": one.number,
        "roots": one.roots,
        "began": moment(one.began),
        "ended": ended,
        "unread": one.unread,
        "is_whole": one.is_whole,
    }


def _backup_object(one: DatedBackup | None) -> dict[str, object] | None:
    return None if one is None else {**one._asdict(), "time": moment(one.time), **named("account", one.account)}


def _account_object(one: AccountSize) -> dict[str, object]:
    return {"host": one.host, **named("path", one.path), "archives": one.archives, "bytes": one.bytes}


def _part_object(names: tuple[str, ...], one: Part) -> dict[str, object]:
    amounts = {"backups": one.backups, "archives": one.archives, "bytes": one.bytes}
    return {**dict(zip(names, one.names, strict=True)), **amounts}
