"""The front of a report: what it is about, what was found, how much there is, and where all of it comes from."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from backupmeta.catalog.summary import DatedBackup, Summary
from backupmeta.render.report.words import counted, minute, shown, size
from backupmeta.report.model import Report

_MOST_ROOTS: Final = 3


class Tile(NamedTuple):
    """A figure of the summary: what it counts, the figure, and lines below."""

    label: str
    figure: str
    lines: tuple[str, ...]


def scope(report: Report) -> str:
    """Return what the report is about, for its title."""
    roots = report.scans[0].roots
    more = f" and {len(roots) - _MOST_ROOTS:,} more" if len(roots) > _MOST_ROOTS else ""
    return ", ".join(map(shown, roots[:_MOST_ROOTS])) + more if roots else "this machine"


def verdict(counts: Summary) -> str:
    """Return what was found, in a sentence or two."""
    met = severities(counts)
    found = f"Findings: {met}." if met else "Nothing was found that somebody should know."
    judged = ", ".join(f"{times:,} {word}" for word, times in counts.verdicts.items() if times)
    return f"{found} Archives that were read to their end: {judged}." if judged else f"{found} {depth(counts)}"


def severities(counts: Summary) -> str:
    """Return how many findings are how severe; nothing where there is none."""
    return ", ".join(counted(times, word) for word, times in counts.severities.items() if times)


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
    older = "" if report.oldest == report.as_of else f"; some accounts as of {minute(report.oldest)} UTC"
    yield "Written", f"{minute(report.written)} UTC by backupmeta {report.version}"
    yield "Command", report.command
    yield "Catalog", "none: what is told was scanned for this report" if report.catalog is None else report.catalog
    yield "As of", f"{minute(report.as_of)} UTC{older}"


def tiles(counts: Summary) -> Iterator[Tile]:
    """Yield how much there is of what."""
    yield Tile("Accounts", f"{sum(counts.accounts.values()):,}", _parts(counts.accounts))
    yield Tile("Installs", f"{counts.installs:,}", ("live now",))
    orphans = (f"{counts.orphans.backups:,} of installs that are gone",) if counts.orphans.backups else ()
    yield Tile("Backups", f"{sum(counts.backups.values()):,}", (*_parts(counts.backups), *orphans))
    spare, waste = (counts.duplicates.copies, counts.duplicates.wasted_bytes) if counts.duplicates else (0, 0)
    copies = (
        (f"{counted(spare, 'copy') if spare == 1 else f'{spare:,} copies'} of others, {size(waste)}",) if spare else ()
    )
    yield Tile("Archives", size(counts.bytes), (f"in {counted(counts.archives, 'file')}", *copies))
    yield Tile("Oldest backup", _day(counts.oldest), (f"newest {_day(counts.newest)}",))
    yield Tile("Findings", f"{sum(counts.severities.values()):,}", (severities(counts) or "none",))


def _day(backup: DatedBackup | None) -> str:
    return minute(None if backup is None else backup.time)[:10]


def _parts(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return how many there are of what; of what there is nothing, nothing."""
    return (", ".join(f"{times:,} {word}" for word, times in counts.items() if times) or "none",)
