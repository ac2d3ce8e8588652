"""What came out of a scan: a few lines for people, an object for machines."""

from typing import Final

from backupmeta.catalog.accounts import ScanResult
from backupmeta.catalog.database import Age
from backupmeta.provenance import display
from backupmeta.render.json import pretty, utc
from backupmeta.render.text import line

_WORDS: Final = {"all_files": "files", "all_installs": "installs", "all_backups": "backups"}
_CHANGES: Final = ("new", "changed", "moved", "returned", "vanished")


def as_text(path: str, tally: ScanResult, seconds: float, *, is_whole: bool) -> str:
    """Return what came out of scanning into the catalog at ``path`` within ``seconds``, to its end or not."""
    aside = _counted(
        {"unchanged": tally.unchanged, "unreadable": tally.unreadable, "vanished since": tally.vanished}, " (", ")"
    )
    read = f"; {tally.archives:,} archives of {_size(tally.bytes)} in those that were read" if tally.archives else ""
    lines = [f"{tally.accounts:,} accounts{aside}{read}"]
    lines += [f"{_WORDS[table]}: {told}" for table in _WORDS if (told := _counted(_changes(tally, table)))]
    lines += [f"verified: {tally.walked:,} archives"] if tally.walked else []
    lines += [f"not read: {root}: {reason}" for root, reason in tally.unread.items()]
    lines.append(f"{path}: {seconds:,.1f} s{'' if is_whole else ', interrupted'}")
    return "".join(map(line, lines))


def as_json(path: str, tally: ScanResult, seconds: float, *, is_whole: bool) -> str:
    """Return the same as JSON; sizes in bytes."""
    described = {
        "catalog": display(path),
        "is_whole": is_whole and not tally.unread,
        "seconds": round(seconds, 3),
        "accounts": tally.accounts,
        "unchanged": tally.unchanged,
        "unreadable": tally.unreadable,
        "vanished": tally.vanished,
        "archives_read": tally.archives,
        "archives_verified": tally.walked,
        "bytes": tally.bytes,
        "changes": {word: _changes(tally, table) for table, word in _WORDS.items()},
        "unread": {display(root): reason for root, reason in tally.unread.items()},
    }
    return pretty(described)


def progress(tally: ScanResult, seconds: float) -> dict[str, int | float]:
    """Return how far a scan is after so many ``seconds``; sizes in bytes, the rate in archives a second."""
    rate = tally.archives / seconds if seconds else 0.0
    return {
        "accounts": tally.accounts,
        "unchanged": tally.unchanged,
        "archives": tally.archives,
        "verified": tally.walked,
        "bytes": tally.bytes,
        "seconds": round(seconds, 3),
        "rate": round(rate, 1),
    }


def progress_line(tally: ScanResult, seconds: float) -> str:
    """Return the same in words."""
    return (
        f"{tally.accounts:,} accounts, {tally.unchanged:,} of them unchanged; {tally.archives:,} archives, "
        f"{_size(tally.bytes)}, {tally.walked:,} verified; {seconds:,.0f} s"
    )


def age_line(catalog: str, age: Age, now: int) -> str:
    """Return how old a catalog is at the moment ``now``, Unix seconds."""
    older = "" if age.oldest == age.newest else f"; some accounts as of {_minute(age.oldest)}"
    ended = "" if age.is_whole else "; that scan was interrupted"
    return f"{catalog}: as of {_minute(age.newest)} UTC, {_ago(now - age.newest)} ago{older}{ended}"


def _minute(seconds: int) -> str:
    return (utc(seconds) or "")[:16].replace("T", " ")


def _ago(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds:,} seconds"


def archives_line(tally: ScanResult, seconds: float) -> str:
    """Return how much was read, and how fast, for a bar of accounts."""
    rate = tally.archives / seconds if seconds else 0.0
    if tally.walked:
        return f"accounts, {tally.archives:,} archives, {tally.walked:,} verified"
    return f"accounts, {tally.archives:,} archives, {_size(tally.bytes)}, {rate:,.0f} a second"


def _changes(tally: ScanResult, table: str) -> dict[str, int]:
    return {change: tally.changes[table, change] for change in _CHANGES if tally.changes[table, change]}


def _counted(counts: dict[str, int], before: str = "", behind: str = "") -> str:
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    return f"{before}{told}{behind}" if told else ""


def _size(count: int) -> str:
    """Return so many bytes in words, in powers of 1000."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - the next unit
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
