"""What a scan did, how old a catalog is, and what is in it, counted: for people, and as objects for programs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from backupmeta.catalog.database import Age, Scan
from backupmeta.catalog.progress import CHANGES, KINDS, ScanResult
from backupmeta.catalog.summary import (
    AMOUNTS,
    KEYS,
    MOST,
    MOST_ACCOUNTS,
    MOST_SCANS,
    PARTED,
    DatedBackup,
    Duplicates,
    Part,
    Summary,
)
from backupmeta.provenance import display
from backupmeta.render.formats import Format, Formats, Rendering, View, any_view, pretty, table
from backupmeta.words import ago, amounts, are, clock, counted, counts_of, few, line, minute, place, size

if TYPE_CHECKING:
    from backupmeta.json_answers import ProgressJson, ScanJson, StatsJson

_SCAN_COLUMNS: Final = ("scan", "began (UTC)", "ended (UTC)", "roots")
_MOST_ROOTS: Final = 3
_UNKNOWN: Final = "?"
_Row = Sequence[str | int]


# --- a scan -----------------------------------------------------------------------------------------------------------


class Scanned(NamedTuple):
    """What came out of a scan.

    Attributes:
        catalog: the catalog's path.
        tally: what was done.
        seconds: within how many seconds.
        is_whole: whether it came to its end.
    """

    catalog: str
    tally: ScanResult
    seconds: float
    is_whole: bool


def scan_text(scanned: Scanned) -> Iterator[str]:
    """Yield a few lines for people."""
    tally = scanned.tally
    yield line(_accounts(tally))
    for kind, word in KINDS.items():
        if changes := amounts(tally.changes_of(kind)):
            yield line(f"{word}: {changes}")
    if tally.walked:
        yield line(f"verified: {counted(tally.walked, 'archive')}")
    yield from (line(f"not read: {root}: {reason}") for root, reason in tally.unread.items())
    yield line(f"{scanned.catalog}: {scanned.seconds:,.1f} s{'' if scanned.is_whole else ', interrupted'}")


def _accounts(tally: ScanResult) -> str:
    aside = {"unchanged": tally.unchanged, "unreadable": tally.unreadable, "vanished since": tally.vanished}
    among = f" ({amounts(aside)})" if any(aside.values()) else ""
    archives = f"{counted(tally.archives, 'archive')} of {size(tally.bytes)} in those that were read"
    return f"{counted(tally.accounts, 'account')}{among}{f'; {archives}' if tally.archives else ''}"


def change_line(tally: ScanResult, words: Collection[str]) -> str:
    """Return how much of what is there of which ``words``: ``vanished: 1 file, 1 backup``; empty where nothing is."""
    phrases = []
    for change in filter(words.__contains__, CHANGES):
        counts = {word.removesuffix("s"): tally.changes[kind, change] for kind, word in KINDS.items()}
        if of_change := counts_of({"account": tally.vanished if change == "vanished" else 0, **counts}):
            phrases.append(f"{change}: {of_change}")
    return "; ".join(phrases)


def scan_json(scanned: Scanned) -> Iterator[str]:
    """Yield the same as JSON; sizes in bytes."""
    tally = scanned.tally
    described: ScanJson = {
        "catalog": display(scanned.catalog),
        "is_whole": scanned.is_whole and not tally.unread,
        "seconds": round(scanned.seconds, 3),
        **tally.to_json(),
    }
    yield pretty(described)


def progress(tally: ScanResult, seconds: float) -> "ProgressJson":
    """Return how far a scan is after so many ``seconds``; sizes in bytes, the rate in archives a second."""
    return {
        "accounts": tally.accounts,
        "unchanged": tally.unchanged,
        "archives": tally.archives,
        "verified": tally.walked,
        "bytes": tally.bytes,
        "seconds": round(seconds, 3),
        "rate": round(_rate(tally, seconds), 1),
    }


def progress_line(tally: ScanResult, seconds: float) -> str:
    """Return the same in words."""
    accounts, archives = counted(tally.accounts, "account"), counted(tally.archives, "archive")
    read = f"{archives}, {size(tally.bytes)}, {tally.walked:,} verified"
    return f"{accounts}, {tally.unchanged:,} of them unchanged; {read}; {seconds:,.0f} s"


def archives_line(tally: ScanResult, seconds: float) -> str:
    """Return how much was read, and how fast, for a bar of accounts."""
    archives = f"accounts, {counted(tally.archives, 'archive')}"
    if tally.walked:
        return f"{archives}, {tally.walked:,} verified"
    return f"{archives}, {size(tally.bytes)}, {_rate(tally, seconds):,.0f} a second"


def _rate(tally: ScanResult, seconds: float) -> float:
    return tally.archives / seconds if seconds else 0.0


# --- a catalog --------------------------------------------------------------------------------------------------------


def age_line(catalog: str, age: Age, now: int) -> str:
    """Return how old a catalog is at the moment ``now``, Unix seconds."""
    older = "" if age.oldest == age.newest else f"; some accounts as of {minute(age.oldest)}"
    ended = "" if age.is_whole else "; that scan was interrupted"
    return f"{catalog}: as of {minute(age.newest)} UTC, {ago(now - age.newest)} ago{older}{ended}"


class Contents(NamedTuple):
    """What is in a catalog: its path, and the counts."""

    catalog: str
    stats: Summary


def stats_tables(contents: Contents, view: View) -> Iterator[str]:
    """Yield tables."""
    between = ""
    for title, columns, rows in _tables(contents):
        if rows:
            yield between + line(title)
            yield from table(columns, rows, view)
            between = "\n"


def _tables(contents: Contents) -> Iterator[tuple[str, tuple[str, ...], Sequence[_Row]]]:
    """Yield each table: its title, its columns, its rows."""
    stats = contents.stats
    yield contents.catalog, ("what", "there is"), list(_summary(stats))
    yield f"Scans, the last {MOST_SCANS}", _SCAN_COLUMNS, list(map(_scan, stats.scans))
    largest = [(place(account.host, account.path), account.archives, account.bytes) for account in stats.largest]
    yield f"Accounts, the {MOST_ACCOUNTS} largest", ("account", "archives", "bytes"), largest
    for key, names in PARTED.items():
        parts = getattr(stats, key)
        which = f", as of {clock(stats.now)} UTC" if key == "ages" else ""
        which += f", the {MOST:,} largest" if len(parts) == MOST else ""
        yield f"{KEYS.get(key, key).capitalize()}{which}", (*names, *AMOUNTS), list(map(_part, parts))
    findings = [(finding.severity, finding.id, finding.times) for finding in stats.findings]
    yield "Findings", ("severity", "id", "count"), findings


def _summary(stats: Summary) -> Iterator[_Row]:
    yield "accounts", _in_all(stats.accounts)
    gone = stats.gone_installs
    yield "installs", f"{stats.installs:,}" + (f"; {gone:,} more {are(gone)} gone" if gone else "")
    yield "backups", _in_all(stats.backups)
    yield "archives", f"{stats.archives:,} of {counted(stats.bytes, 'byte')}"
    yield "oldest", _backup(stats.oldest)
    yield "newest", _backup(stats.newest)
    yield "orphans", f"{stats.orphans.backups:,}, their archives {counted(stats.orphans.bytes, 'byte')}"
    yield "duplicates", _duplicates(stats.duplicates, stats.archives)


def _in_all(counts: Mapping[str, int]) -> str:
    return f"{sum(counts.values()):,}: {amounts(counts)}" if any(counts.values()) else "0"


def _backup(backup: DatedBackup | None) -> str:
    if backup is None:
        return "none whose time is known"
    where = place(backup.host, backup.account)
    words = (clock(backup.time), backup.id, backup.application, backup.version, backup.url, where)
    return " ".join(filter(None, words))


def _duplicates(duplicates: Duplicates | None, archives: int) -> str:
    if duplicates is None:
        return "not known: no archive was scanned deep"
    copies, contents = counted(duplicates.copies, "copy", "copies"), counted(duplicates.contents, "archive")
    wasted = f"{copies} of {contents}, {counted(duplicates.wasted_bytes, 'byte')}"
    deep = counted(duplicates.digested, "archive was", "archives were")
    return wasted if duplicates.digested == archives else f"{wasted}; {deep} scanned deep"


def _scan(scan: Scan) -> _Row:
    ended = clock(scan.ended) if scan.ended is not None else "interrupted"
    unread = f"; not read: {few(scan.unread, _MOST_ROOTS)}" if scan.unread else ""
    return str(scan.number), clock(scan.began), ended, few(scan.roots, _MOST_ROOTS) + unread


def _part(part: Part) -> _Row:
    names = (_UNKNOWN if name is None else name for name in part.names)
    return *names, part.backups, part.archives, part.bytes


def stats_json(contents: Contents) -> Iterator[str]:
    """Yield the same as JSON; times are in UTC, what is not known is null."""
    described: StatsJson = {"catalog": display(contents.catalog), **contents.stats.to_json()}
    yield pretty(described)


# --- formats ----------------------------------------------------------------------------------------------------------

SCANS: Final[Formats[Rendering[Scanned]]] = Formats(
    Format("text", "lines for people", any_view(scan_text)),
    Format("json", "one object", any_view(scan_json)),
)
"""The formats of what came out of a scan."""

STATS: Final[Formats[Rendering[Contents]]] = Formats(
    Format("text", "tables for people", stats_tables),
    Format("json", "one object", any_view(stats_json)),
)
"""The formats of what is in a catalog."""
