"""Checks of an archive against what its record lists: files, tables, the dump, sizes (FORMAT.md §2, §5).

Then of what a restore of the dump needs: what a plain one trips over elsewhere. Each of these tells once.

They hold for archives that were wholly read: what is not in the rest of a broken one may well have been there.
"""

import re
from collections.abc import Container, Iterator
from functools import partial
from math import inf
from typing import Final

from backupmeta.archive.dump import DumpState
from backupmeta.archive.limits import MIB
from backupmeta.archive.member import DUMP
from backupmeta.archive.statements import Spot
from backupmeta.checks.application import required
from backupmeta.checks.checked_backup import Check, CheckedBackup, text_of
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.provenance import Source, Witness, display
from backupmeta.words import counted

_error = partial(FindingRule, Group.CONTENTS, Severity.ERROR)
_warning = partial(FindingRule, Group.CONTENTS, Severity.WARNING)
_note = partial(FindingRule, Group.CONTENTS, Severity.NOTE)
_contradiction = partial(FindingRule, Group.CONTENTS, is_contradiction=True)
_restore_note = partial(FindingRule, Group.RESTORE, Severity.NOTE)
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


def files_missing(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield what the application or the policy requires, and the archive lacks."""
    for name in required(backup):
        if not backup.inventory.has(name.encode()):
            yield backup.differs(FILE_MISSING, "files", display(name), backup.archive_source)
    for name in backup.requirements.files:
        if not backup.inventory.has(name.encode()):
            yield Finding(FILE_MISSING, display(name), "the policy requires it", (backup.archive_source,))


FILE_UNLISTED: Final = _contradiction(
    Severity.WARNING, "file-unlisted", "a name at the archive's top is on none of the record's lists", _MORE
)


def files_unlisted(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the names at the archive's top that are on none of the record's lists."""
    if "files" not in backup.inspection.fields or not backup.has_readable_lists:
        return
    listed = (*map(backup.inside, (*backup.texts("files"), *backup.list_of(_ADDED_FILES))), *backup.excluded)
    tops = {name.encode().partition(b"/")[0] for name in listed}
    for name in backup.inventory.tops():
        if name not in tops:
            yield backup.differs(FILE_UNLISTED, "files", text_of(name), backup.member_source(name))


FILE_EXCLUDED: Final = _contradiction(
    Severity.WARNING,
    "file-excluded",
    "the record says that this was left out, and it is there",
    "see who packed it; it may be private",
)


def files_excluded(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield what the record says was left out, and was not."""
    for name in backup.texts("exclude_files"):
        inside = backup.inside(name).encode()
        if inside and backup.inventory.has(inside):
            yield backup.differs(FILE_EXCLUDED, "exclude_files", name, backup.member_source(inside))


DUMP_MISSING: Final = _error("dump-missing", "the record lists tables, and the archive holds no dump of them", _OTHER)


def dump_missing(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that there is no dump, where the record lists tables."""
    if _listed(backup) and backup.inventory.dump is None:
        yield backup.differs(DUMP_MISSING, "tables", "", backup.archive_source)


DUMP_EMPTY: Final = _error("dump-empty", "the database dump is empty", _OTHER)
DUMP_INCOMPLETE: Final = _error("dump-incomplete", "the database dump breaks off", _OTHER)
DUMP_END_UNKNOWN: Final = _note(
    "dump-end-unknown",
    "whether the database dump is whole can't be told",
    "compare its tables and rows with another backup's",
)


def dump_incomplete(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the dump is empty, does not end as it should, or that its end does not tell."""
    dump = backup.inventory.dump
    if dump is None or not (dump.size or _listed(backup)):
        return
    if dump.is_empty:
        yield Finding(DUMP_EMPTY, "", "", (backup.member_source(DUMP),))
    elif dump.state is DumpState.CUT:
        yield Finding(DUMP_INCOMPLETE, "", dump.reason, (backup.member_source(DUMP),))
    elif dump.state is DumpState.UNKNOWN:
        yield Finding(DUMP_END_UNKNOWN, "", dump.reason, (backup.member_source(DUMP),))


DUMP_NOT_SQL: Final = _error(
    "dump-not-sql",
    "text in the database dump is no SQL; a restore stops there",
    "look at that line; if it is a program's message, take it out, and see what the program could not dump",
)
DUMP_PADDED: Final = _warning(
    "dump-padded", "after the database dump's end stand NUL bytes", "see what wrote it; take them out before a restore"
)


def dump_foreign(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield what is no SQL in the dump, and what stands after its end."""
    dump = backup.inventory.dump
    if dump is not None and dump.foreign is not None:
        yield Finding(DUMP_NOT_SQL, "", _foreign(dump.foreign), (backup.dump_source(dump.foreign),))
    if dump is not None and dump.padding:
        yield Finding(DUMP_PADDED, "", counted(dump.padding, "byte"), (backup.member_source(DUMP),))


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


def tables_missing(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the tables and views that the record lists or the policy requires, and a whole dump lacks."""
    dump = backup.inventory.dump
    if dump is not None and dump.state is DumpState.CUT:
        return
    if dump is not None and dump.left_out:
        detail = f"the first {len(dump.tables):,} of {len(dump.tables) + dump.left_out:,}"
        yield Finding(TABLES_NOT_COMPARED, "", detail, (backup.member_source(DUMP),))
        return
    dumped = tables(backup)
    if dump is not None:
        yield from _listed_missing(backup, dumped)
    for name in backup.requirements.tables_with(backup.text("db_prefix")):
        if name not in dumped:
            yield Finding(TABLE_MISSING, name, "the policy requires it", (backup.member_source(DUMP),))


TABLES_UNKNOWN: Final = _error(
    "tables-unknown", "the record lists tables, and no table of the dump can be told", _OTHER
)


def _listed_missing(backup: CheckedBackup, dumped: Container[str]) -> Iterator[Finding]:
    listed = _listed(backup)
    if listed and not tables(backup):
        yield backup.differs(TABLES_UNKNOWN, "tables", "", backup.member_source(DUMP))
        return
    in_other_case = named_in_other_case(backup)
    for name, places in listed.items():
        if name not in dumped and name not in in_other_case:
            yield Finding(TABLE_MISSING, "tables", name, (*places, backup.member_source(DUMP)))


TABLE_EMPTY: Final = _warning("table-empty", "a table that no WordPress is without rows in has none", _OTHER)


def tables_empty(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the tables without rows that each WordPress has rows in; of several sites the main one's."""
    dump = backup.inventory.dump
    if dump is None or dump.state is DumpState.CUT or backup.text("application") != "wordpress":
        return
    if "db_prefix" not in backup.inspection.fields:
        return
    prefix = backup.text("db_prefix")
    wanted = {f"{prefix}{name}".lower() for name in _NEVER_EMPTY}
    for table in dump.tables:
        if table.kind == "table" and not table.inserts and table.text.lower() in wanted:
            yield Finding(TABLE_EMPTY, "", table.text, (backup.member_source(DUMP),))


TABLE_UNLISTED: Final = _contradiction(
    Severity.WARNING, "table-unlisted", "a table of the dump is on none of the record's lists", _MORE
)


def tables_unlisted(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the tables and views of the dump that are on none of the record's lists."""
    if "tables" not in backup.inspection.fields or not backup.has_readable_lists:
        return
    listed = {*_listed(backup), *named_in_other_case(backup).values()}
    for name in tables(backup):
        if name not in listed:
            yield backup.differs(TABLE_UNLISTED, "tables", name, backup.member_source(DUMP))


TABLE_PREFIX_DIFFERS: Final = _contradiction(
    Severity.ERROR,
    "table-prefix-differs",
    "no table of the dump begins with the record's prefix",
    "see whether the dump is another install's",
)


def prefix_differs(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the record's prefix is that of no table in the dump, not even in upper or lower case."""
    prefix, dumped = backup.text("db_prefix").lower(), tables(backup)
    if prefix and dumped and not any(name.lower().startswith(prefix) for name in dumped):
        detail = backup.text("db_prefix")
        yield backup.differs(TABLE_PREFIX_DIFFERS, "db_prefix", detail, backup.member_source(DUMP))


FILES_SIZE_DIFFERS: Final = _contradiction(
    Severity.WARNING,
    "files-size-differs",
    "the files take far more or far less room than the record says",
    "see what was added or is missing",
)
TABLES_SIZE_DIFFERS: Final = _contradiction(
    Severity.WARNING,
    "tables-size-differs",
    "the dump is far larger or far smaller than the record says",
    "see what was added or is missing",
)


def sizes_differ(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield sizes that are far from those that the record has; where files were left out or added, not of that side."""
    inventory = backup.inventory
    least = 0.0 if backup.excluded else _FILES_NEAR[0]
    most = inf if backup.list_of(_ADDED_FILES) else _FILES_NEAR[1]
    if (why := _far(backup, "cache_files", inventory.file_bytes, (least, most))) is not None:
        yield backup.differs(FILES_SIZE_DIFFERS, "cache_files", why, backup.archive_source)
    size = 0 if inventory.dump is None else inventory.dump.size
    if inventory.dump is not None and (why := _far(backup, "cache_tables", size, _TABLES_NEAR)) is not None:
        yield backup.differs(TABLES_SIZE_DIFFERS, "cache_tables", why, backup.member_source(DUMP))


def _far(backup: CheckedBackup, field: str, size: int, near: tuple[float, float]) -> str | None:
    """Return how far ``size`` bytes are from those in ``field`` of the record; None where they are ``near``."""
    recorded = backup.inspection.get(field)
    if not isinstance(recorded, int) or recorded <= 0 or abs(size - recorded) <= _NEGLIGIBLE:
        return None
    if backup.inspection.source(field).witness is Witness.INSTALL_RECORD:  # as it is now
        return None
    return None if near[0] <= size / recorded <= near[1] else f"{counted(size, 'byte')}, by the record {recorded:,}"


def _listed(backup: CheckedBackup) -> dict[str, tuple[Source, ...]]:
    """Return the names of the tables and views that the record lists, the added ones as well, and where it does."""
    added = dict.fromkeys(backup.list_of(_ADDED_TABLES), backup.key_sources(_ADDED_TABLES))
    return {**added, **dict.fromkeys(backup.texts("tables"), backup.field_sources("tables"))}


def tables(backup: CheckedBackup) -> dict[str, None]:
    """Return the names of the dump's tables and views, in its order."""
    dump = backup.inventory.dump
    return dict.fromkeys(table.text for table in dump.tables) if dump is not None else {}


def named_in_other_case(backup: CheckedBackup) -> dict[str, str]:
    """Return the listed names that differ from a table's, which no list has, in upper and lower case only."""
    listed, dumped = _listed(backup), tables(backup)
    others = {name.lower(): name for name in dumped if name not in listed}
    lowered = {name: name.lower() for name in listed if name not in dumped}
    return {name: others[low] for name, low in lowered.items() if low in others}


# --- what a restore of the dump needs ---------------------------------------------------------------------------------


RESTORE_COLLATION: Final = _restore_note(
    "restore-collation",
    "the dump uses a collation that only newer servers have; others refuse the statement",
    "restore into a server of the same kind and at least the same version, or replace the collation",
)


RESTORE_DEFINER: Final = _restore_note(
    "restore-definer",
    "views, routines, triggers or events of the dump work in the name of another user than the record's",
    "create that user first, or replace DEFINER; to set another user than oneself takes a privilege",
)


def definers(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield in whose names, other than the record's user's, something in the dump works."""
    dump, user = backup.inventory.dump, backup.text("db_user")
    others = {text_of(name): spot for name, spot in dump.definers.items()} if dump is not None and user else {}
    others.pop(user, None)
    others = {name: spot for name, spot in others.items() if name.upper() != "CURRENT_USER"}
    if others:
        name, first = next(iter(others.items()))
        more = f"; {len(others) - 1:,} more" if len(others) > 1 else ""
        yield backup.differs(RESTORE_DEFINER, "db_user", f"{name}, {_where(first)}{more}", backup.dump_source(first))


RESTORE_SANDBOX: Final = _restore_note(
    "restore-sandbox",
    "the dump begins with mariadb-dump's sandbox comment, which clients from before 2024 take for a command",
    "restore with a newer client, or leave that line out",
)


RESTORE_PACKET: Final = _restore_note(
    "restore-packet",
    "a statement of the dump is longer than the 16 MiB that MariaDB's server and all clients take by default",
    "raise max_allowed_packet for server and client; MySQL 8's server takes 64 MiB by default",
)


RESTORE_VIEW_ORDER: Final = _restore_note(
    "restore-view-order",
    "a view of the dump is created before something that it reads; the statement fails",
    "run the view's statement again at the end",
)


def statements_refused(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the statements of the dump that some servers or clients refuse: each kind once."""
    if (dump := backup.inventory.dump) is None:
        return
    for rule, spot in (
        (RESTORE_COLLATION, dump.collations),
        (RESTORE_SANDBOX, dump.sandbox),
        (RESTORE_VIEW_ORDER, dump.early_views),
    ):
        if spot is not None:
            name = f"{text_of(spot.text)}, " if rule is not RESTORE_SANDBOX else ""
            yield Finding(rule, "", f"{name}{_where(spot)}", (backup.dump_source(spot),))
    if (spot := dump.long_statements) is not None:
        more = f", the longest of {spot.times:,}" if spot.times > 1 else ""
        detail = f"{counted(spot.size, 'byte')} on line {spot.line:,}{more}"
        yield Finding(RESTORE_PACKET, "", detail, (backup.dump_source(spot),))


RESTORE_NAME_CASE: Final = _restore_note(
    "restore-name-case",
    "the dump's tables are named as in the record but for upper and lower case, which servers on Linux tell apart",
    "restore into a server with lower_case_table_names=1, or rename the tables or the prefix",
)


def name_case(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the prefix, or listed tables, differ from the dump's in upper and lower case only."""
    names, prefix = named_in_other_case(backup), backup.text("db_prefix")
    dumped = tables(backup)
    is_prefix = bool(dumped) and not any(name.startswith(prefix) for name in dumped)
    is_prefix = is_prefix and any(name.lower().startswith(prefix.lower()) for name in dumped)
    if not names and not is_prefix:
        return
    reasons = [f"the prefix {prefix}"] if is_prefix else []
    reasons += [f"{len(names):,} listed, the first {listed} for {name}" for listed, name in list(names.items())[:1]]
    places = (
        *(backup.field_sources("db_prefix") if is_prefix else ()),
        *(backup.field_sources("tables") if names else ()),
    )
    yield Finding(RESTORE_NAME_CASE, "", "; ".join(reasons), (*places, backup.member_source(DUMP)))


def _where(spot: Spot) -> str:
    """Return how often something was met, and where first: ``line 12``, ``3 times, first on line 12``."""
    return f"line {spot.line:,}" if spot.times == 1 else f"{spot.times:,} times, first on line {spot.line:,}"


CHECKS: Final[tuple[Check, ...]] = (
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

RESTORE_CHECKS: Final[tuple[Check, ...]] = (statements_refused, definers, name_case)
