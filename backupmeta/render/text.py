"""Text for people: tables, explanations, listings. Nothing from evidence reaches a terminal as a control sequence."""

import io
from collections.abc import Iterable, Sequence
from typing import Final

from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.escapes import inert, printable
from backupmeta.explain import Step
from backupmeta.findings import Finding
from backupmeta.inspection import Inspection
from backupmeta.masking import MASK
from backupmeta.provenance import as_text, display
from backupmeta.render.json import utc

BACKUP_COLUMNS: Final = ("time (UTC)", "id", "user", "application", "version", "url", "title", "state", "archive")
INSTALL_COLUMNS: Final = ("created (UTC)", "id", "user", "application", "version", "url", "title", "backups", "path")
_LAST: Final = ("time (UTC)", "id")
_WHOLE: Final = frozenset({*_LAST, INSTALL_COLUMNS[0], "state"})
_FIRST_TO_GO: Final = ("archive", "path", "url", "application", "user", "backups", "version", "state", "title")
_ENOUGH: Final = 30
_GAP: Final = 2
_TYPES: Final = {
    "directory": "d",
    "symlink": "l",
    "hard link": "h",
    "character device": "c",
    "block device": "b",
    "fifo": "p",
    "file": "-",
}


def visible(text: str) -> str:
    """Return text from evidence fit to be shown: what isn't UTF-8 as U+FFFD, control characters escaped."""
    return printable(display(text))


def line(text: str) -> str:
    """Return text from evidence as a whole line."""
    return inert(visible(text) + "\n")


def backup_cells(one: Inspection) -> tuple[str, ...]:
    """Return the cells of a backup's row, as `BACKUP_COLUMNS`."""
    return (
        _time(one.text("backup_time")),
        *_shared_cells(one),
        str(one.state or ""),
        _shown(one, "backup_filename"),
    )


def install_cells(one: Inspection) -> tuple[str, ...]:
    """Return the cells of an install's row, as `INSTALL_COLUMNS`."""
    created, backups = one.get("time_created"), one.get("cache_numbackups")
    return (
        _time(str(created) if isinstance(created, int) else ""),
        *_shared_cells(one),
        "" if backups is None else str(backups),
        _shown(one, "path"),
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> str:
    """Return a table: drawn for a terminal of ``width`` columns, or, for None, tab-separated lines for a pipe.

    What a terminal has no room for is left out by whole columns, so that ids stay whole and can be copied.
    """
    shown = [list(columns), *([visible(cell) for cell in row] for row in rows)]
    return inert("".join("\t".join(row) + "\n" for row in shown) if width is None else _drawn(shown, width))


def _drawn(shown: list[list[str]], width: int) -> str:
    """Return a table, its columns' names first, as it is drawn for a terminal, whatever the environment says."""
    columns = shown[0]
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    kept = _fitting(columns, [max(map(len, cells)) for cells in zip(*shown, strict=True)], width)
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place in kept:
        drawn.add_column(columns[place], overflow="fold", no_wrap=columns[place] in _WHOLE and len(kept) > len(_LAST))
    for row in shown[1:]:
        drawn.add_row(*(Text(row[place]) for place in kept))
    target = io.StringIO()
    height = 25  # no matter here; without it, the environment decides on the width, too
    Console(file=target, width=width, height=height, highlight=False, force_terminal=False, _environ={}).print(drawn)
    return target.getvalue()


def _fitting(columns: Sequence[str], widths: Sequence[int], width: int) -> list[int]:
    """Return the places of the columns that have room in ``width``, each with what it needs, up to `_ENOUGH`."""
    kept = list(range(len(columns)))
    for name in _FIRST_TO_GO:
        if sum(min(widths[place], _ENOUGH) + _GAP for place in kept) <= width + _GAP:
            break
        kept = [place for place in kept if columns[place] != name]
    return kept


def members(found: Iterable[Member]) -> Iterable[str]:
    """Yield a line a member: type and mode, owner, size in bytes, time in UTC, name, target of a link.

    A member in whose name something is masked has its number besides, by which ``cat`` finds it.
    """
    for number, one in enumerate(found, 1):
        kind = _TYPES.get(one.kind, "?")
        time = (utc(one.mtime_ns // 1_000_000_000) or "?")[:19].replace("T", " ")
        owner = f"{one.owner.decode('utf-8', 'replace') or one.uid}/{one.group.decode('utf-8', 'replace') or one.gid}"
        link = f" -> {one.link.decode('utf-8', 'surrogateescape')}" if one.link else ""
        name = one.text + link
        shown = visible(f"{kind}{one.mode & 0o7777:04o} {owner:>11} {one.size:>12} {time} {name}")
        yield inert(f"{shown} (#{number})\n" if MASK in shown else f"{shown}\n")


def verdict(archive: Pass) -> str:
    """Return what came out of a pass over an archive, in one line: how it ended, how much was seen, its digests."""
    end = archive.end
    ended = "not walked" if end is None else f"{end.verdict}: {end.reason}" if end.reason else end.verdict
    digests = "".join(f", {name} {digest}" for name, digest in archive.digests.items())
    return (
        f"{display(archive.file.path)}: {ended}; {archive.seen:,} members, {archive.position:,} bytes inflated{digests}"
    )


def steps(explained: Iterable[Step]) -> Iterable[str]:
    """Yield a line a step: where, what stands there, what was made of it."""
    for one in explained:
        where = f"line {one.line}" if one.line else one.place
        shown = f"{where:>9}  {_cut(as_text(one.text)):<60}  {as_text(one.meaning)}"
        yield inert(printable(shown) + "\n")  # its secrets are masked, or were asked for


def finding(one: Finding) -> str:
    """Return a finding as one line: ``warning: title: … [name-title-differs]``."""
    return visible(f"{one.severity}: {one.message} [{one.id}]")


def _shared_cells(one: Inspection) -> tuple[str, ...]:
    return tuple(_shown(one, name) for name in ("id", "user", "application", "version", "url", "title"))


def _shown(one: Inspection, name: str) -> str:
    value = one.wire().get(name)
    return value if isinstance(value, str) else ""


def _time(seconds: str) -> str:
    return (utc(int(seconds)) or "")[:19].replace("T", " ") if seconds.removeprefix("-").isdecimal() else ""


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
