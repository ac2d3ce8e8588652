"""Checks of an archive against what its record lists: files, tables, the dump, sizes (FORMAT.md §2, §5).

They hold for archives that were wholly read: what is not in the rest of a broken one may well have been there.
"""

import re
from collections.abc import Callable, Container, Iterator
from functools import partial
from math import inf
from typing import Final

from backupmeta.archive.dump import State
from backupmeta.archive.limits import MIB
from backupmeta.archive.names import DUMP
from backupmeta.archive.statements import Spot
from backupmeta.checks.application import required
from backupmeta.checks.checked_backup import CheckedBackup, text_of
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.provenance import Source, Witness, display
from backupmeta.words import counted

_error = partial(FindingRule, Group.CONTENTS, Severity.ERROR)
_warning = partial(FindingRule, Group.CONTENTS, Severity.WARNING)
_note = partial(FindingRule, Group.CONTENTS, Severity.NOTE)
_OTHER: Final = "don't restore from this backup alone; look for another one"
_MORE: Final = "see whether it belongs to the application; a restore from the record's lists would leave it out"


_ADDED_FILES: Final = "list-backup-files"
_ADDED_TABLES: Final = "list-backup-tables"

_FILES_NEAR: Final = (0.5, 2.0)
"""How many times ``cache-files`` the files may be; the server counted them some time before the backup."""

_TABLES_NEAR: Final = (0.02, 4.0)
"""How many times ``cache-tables`` the dump may be: that counts pages and indexes, and a dump escapes bytes."""

_NEVER_EMPTY: Final = ("options", "users")
"""Tables, after their prefix, in which each WordPress has rows."""

_FORMATS: Final = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "compressed by gzip",
    b"PK\x03\x04": "a zip file",
    b"SQLite format 3": "an SQLite database",
}
"""What a dump is instead of one, by its first bytes."""

_FIRST_WORD: Final = re.compile(rb"[A-Za-z<!?/-]{1,20}:?")
_NEGLIGIBLE: Final = MIB
"""A difference that tells nothing, in bytes: a fresh site's tables are mostly empty pages."""


FILE_MISSING: Final = _error("file-missing", "a file or folder that has to be there is not in the archive", _OTHER)


def files_missing(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield what the application or the policy requires, and the archive lacks."""
    for name in required(subject):
        if not subject.inventory.has(name.encode()):
            yield subject.differs(FILE_MISSING, "files", display(name), _archive(subject))
    for name in subject.requirements.files:
        if not subject.inventory.has(name.encode()):
            yield Finding(FILE_MISSING, display(name), "the policy requires it", (_archive(subject),))


FILE_UNLISTED: Final = _warning("file-unlisted", "a name at the archive's top is on none of the record's lists", _MORE)


def files_unlisted(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield the names at the archive's top that are on none of the record's lists."""
    if "files" not in subject.inspection.fields or not subject.has_readable_lists:
        return
    listed = (*map(subject.inside, (*subject.texts("files"), *subject.also(_ADDED_FILES))), *subject.excluded)
    tops = {name.encode().partition(b"/")[0] for name in listed}
    for name in subject.inventory.tops():
        if name not in tops:
            yield subject.differs(FILE_UNLISTED, "files", text_of(name), subject.seen(name))


FILE_EXCLUDED: Final = _warning(
    "file-excluded", "the record says that this was left out, and it is there", "see who packed it; it may be private"
)


def files_excluded(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield what the record says was left out, and was not."""
    for name in subject.texts("exclude_files"):
        inside = subject.inside(name).encode()
        if inside and subject.inventory.has(inside):
            yield subject.differs(FILE_EXCLUDED, "exclude_files", name, subject.seen(inside))


DUMP_MISSING: Final = _error("dump-missing", "the record lists tables, and the archive holds no dump of them", _OTHER)


def dump_missing(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield that there is no dump, where the record lists tables."""
    if _listed(subject) and subject.inventory.dump is None:
        yield subject.differs(DUMP_MISSING, "tables", "", _archive(subject))


DUMP_EMPTY: Final = _error("dump-empty", "the database dump is empty", _OTHER)
DUMP_INCOMPLETE: Final = _error("dump-incomplete", "the database dump breaks off", _OTHER)
DUMP_END_UNKNOWN: Final = _note(
    "dump-end-unknown",
    "whether the database dump is whole can't be told",
    "compare its tables and rows with another backup's",
)


def dump_incomplete(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield that the dump is empty, does not end as it should, or that its end does not tell."""
    dump = subject.inventory.dump
    if dump is None or not (dump.size or _listed(subject)):
        return
    if dump.is_empty:
        yield Finding(DUMP_EMPTY, "", "", (subject.seen(DUMP),))
    elif dump.state is State.CUT:
        yield Finding(DUMP_INCOMPLETE, "", dump.reason, (subject.seen(DUMP),))
    elif dump.state is State.UNKNOWN:
        yield Finding(DUMP_END_UNKNOWN, "", dump.reason, (subject.seen(DUMP),))


DUMP_NOT_SQL: Final = _error(
    "dump-not-sql",
    "text in the database dump is no SQL; a restore stops there",
    "look at that line; if it is a program's message, take it out, and see what the program could not dump",
)
DUMP_PADDED: Final = _warning(
    "dump-padded", "after the database dump's end stand NUL bytes", "see what wrote it; take them out before a restore"
)


def dump_foreign(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield what is no SQL in the dump, and what stands after its end."""
    dump = subject.inventory.dump
    if dump is not None and dump.foreign is not None:
        yield Finding(DUMP_NOT_SQL, "", _foreign(dump.foreign), (subject.in_dump(dump.foreign),))
    if dump is not None and dump.padding:
        yield Finding(DUMP_PADDED, "", counted(dump.padding, "byte"), (subject.seen(DUMP),))


def _foreign(spot: Spot) -> str:
    """Return where text is no SQL and what it is; of its words the first alone: the rest may hold anything."""
    for sign, name in _FORMATS.items():
        if spot.text.startswith(sign):
            return f"line {spot.line:,}: it is {name}"
    word = _FIRST_WORD.match(spot.text)
    begins = f", which begins with '{word[0].decode()}'" if word else ""
    return f"line {spot.line:,}{begins}"


TABLE_MISSING: Final = _error("table-missing", "a table that has to be there is not in the dump", _OTHER)
TABLES_NOT_COMPARED: Final = _warning(
    "tables-not-compared", "the dump has more tables than are compared", "look for the listed ones by hand"
)


def tables_missing(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield the tables and views that the record lists or the policy requires, and a whole dump lacks."""
    dump = subject.inventory.dump
    if dump is not None and dump.state is State.CUT:
        return
    if dump is not None and dump.left_out:
        detail = f"the first {len(dump.tables):,} of {len(dump.tables) + dump.left_out:,}"
        yield Finding(TABLES_NOT_COMPARED, "", detail, (subject.seen(DUMP),))
        return
    dumped = tables(subject)
    if dump is not None:
        yield from _listed_missing(subject, dumped)
    for name in subject.requirements.tables_with(subject.text("db_prefix")):
        if name not in dumped:
            yield Finding(TABLE_MISSING, name, "the policy requires it", (subject.seen(DUMP),))


TABLES_UNKNOWN: Final = _error(
    "tables-unknown", "the record lists tables, and no table of the dump can be told", _OTHER
)


def _listed_missing(subject: CheckedBackup, dumped: Container[str]) -> Iterator[Finding]:
    listed = _listed(subject)
    if listed and not tables(subject):
        yield subject.differs(TABLES_UNKNOWN, "tables", "", subject.seen(DUMP))
        return
    in_other_case = named_in_other_case(subject)
    for name, places in listed.items():
        if name not in dumped and name not in in_other_case:
            yield Finding(TABLE_MISSING, "tables", name, (*places, subject.seen(DUMP)))


TABLE_EMPTY: Final = _warning("table-empty", "a table that no WordPress is without rows in has none", _OTHER)


def tables_empty(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield the tables without rows that each WordPress has rows in; of several sites the main one's."""
    dump = subject.inventory.dump
    if dump is None or dump.state is State.CUT or subject.text("application") != "wordpress":
        return
    if "db_prefix" not in subject.inspection.fields:
        return
    prefix = subject.text("db_prefix")
    wanted = {f"{prefix}{name}".lower() for name in _NEVER_EMPTY}
    for table in dump.tables:
        if table.kind == "table" and not table.inserts and text_of(table.name).lower() in wanted:
            yield Finding(TABLE_EMPTY, "", text_of(table.name), (subject.seen(DUMP),))


TABLE_UNLISTED: Final = _warning("table-unlisted", "a table of the dump is on none of the record's lists", _MORE)


def tables_unlisted(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield the tables and views of the dump that are on none of the record's lists."""
    if "tables" not in subject.inspection.fields or not subject.has_readable_lists:
        return
    listed = {*_listed(subject), *named_in_other_case(subject).values()}
    for name in tables(subject):
        if name not in listed:
            yield subject.differs(TABLE_UNLISTED, "tables", name, subject.seen(DUMP))


TABLE_PREFIX_DIFFERS: Final = _error(
    "table-prefix-differs",
    "no table of the dump begins with the record's prefix",
    "see whether the dump is another install's",
)


def prefix_differs(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield that the record's prefix is that of no table in the dump, not even in upper or lower case."""
    prefix, dumped = subject.text("db_prefix").lower(), tables(subject)
    if prefix and dumped and not any(name.lower().startswith(prefix) for name in dumped):
        detail = subject.text("db_prefix")
        yield subject.differs(TABLE_PREFIX_DIFFERS, "db_prefix", detail, subject.seen(DUMP))


FILES_SIZE_DIFFERS: Final = _warning(
    "files-size-differs",
    "the files take far more or far less room than the record says",
    "see what was added or is missing",
)
TABLES_SIZE_DIFFERS: Final = _warning(
    "tables-size-differs",
    "the dump is far larger or far smaller than the record says",
    "see what was added or is missing",
)


def sizes_differ(subject: CheckedBackup) -> Iterator[Finding]:
    """Yield sizes that are far from those that the record has; where files were left out or added, not of that side."""
    inventory = subject.inventory
    least = 0.0 if subject.excluded else _FILES_NEAR[0]
    most = inf if subject.also(_ADDED_FILES) else _FILES_NEAR[1]
    if (why := _far(subject, "cache_files", inventory.file_bytes, (least, most))) is not None:
        yield subject.differs(FILES_SIZE_DIFFERS, "cache_files", why, _archive(subject))
    size = 0 if inventory.dump is None else inventory.dump.size
    if inventory.dump is not None and (why := _far(subject, "cache_tables", size, _TABLES_NEAR)) is not None:
        yield subject.differs(TABLES_SIZE_DIFFERS, "cache_tables", why, subject.seen(DUMP))


def _far(subject: CheckedBackup, field: str, size: int, near: tuple[float, float]) -> str | None:
    """Return how far ``size`` bytes are from those in ``field`` of the record; None where they are ``near``."""
    recorded = subject.inspection.get(field)
    if not isinstance(recorded, int) or recorded <= 0 or abs(size - recorded) <= _NEGLIGIBLE:
        return None
    if subject.inspection.source(field).witness is Witness.INSTALL_RECORD:  # as it is now
        return None
    return None if near[0] <= size / recorded <= near[1] else f"{counted(size, 'byte')}, by the record {recorded:,}"


def _listed(subject: CheckedBackup) -> dict[str, tuple[Source, ...]]:
    """Return the names of the tables and views that the record lists, the added ones as well, and where it does."""
    added = dict.fromkeys(subject.also(_ADDED_TABLES), subject.told_also(_ADDED_TABLES))
    return {**added, **dict.fromkeys(subject.texts("tables"), subject.told("tables"))}


def tables(subject: CheckedBackup) -> dict[str, None]:
    """Return the names of the dump's tables and views, in its order."""
    dump = subject.inventory.dump
    return dict.fromkeys(text_of(table.name) for table in dump.tables) if dump is not None else {}


def named_in_other_case(subject: CheckedBackup) -> dict[str, str]:
    """Return the listed names that differ from a table's, which no list has, in upper and lower case only."""
    listed, dumped = _listed(subject), tables(subject)
    others = {name.lower(): name for name in dumped if name not in listed}
    lowered = {name: name.lower() for name in listed if name not in dumped}
    return {name: others[low] for name, low in lowered.items() if low in others}


def _archive(subject: CheckedBackup) -> Source:
    return Source(Witness.ARCHIVE, subject.path)


CHECKS: Final[tuple[Callable[[CheckedBackup], Iterator[Finding]], ...]] = (
    files_missing,
    files_unlisted,
    files_excluded,
    dump_missing,
    dump_incomplete,
    dump_foreign,
    tables_missing,
    tables_empty,
    tables_unlisted,
    prefix_differs,
    sizes_differ,
)
