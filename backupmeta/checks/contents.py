"""Checks of an archive against what its record lists: files, tables, the dump, sizes (FORMAT.md §2, §5).

They hold for archives that were wholly read: what is not in the rest of a broken one may well have been there.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import Final

from backupmeta.archive.limits import MIB
from backupmeta.archive.names import DUMP
from backupmeta.checks.application import required
from backupmeta.checks.subject import Subject, text_of
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display

_ADDED_FILES: Final = "list-backup-files"
_ADDED_TABLES: Final = "list-backup-tables"

_FILES_NEAR: Final = (0.5, 2.0)
"""How many times ``cache-files`` the files may be; the server counted them some time before the backup."""

_TABLES_NEAR: Final = (0.02, 4.0)
"""How many times ``cache-tables`` the dump may be: that counts pages and indexes, and a dump escapes bytes."""

_NEGLIGIBLE: Final = MIB
"""A difference that tells nothing, in bytes: a fresh site's tables are mostly empty pages."""


def files_missing(subject: Subject) -> Iterator[Finding]:
    """Yield what the application or the policy requires, and the archive lacks."""
    for name in required(subject):
        if not subject.survey.has(name.encode()):
            yield subject.differs("file-missing", "files", display(name), _archive(subject))
    for name in subject.policy.requirements.files:
        if not subject.survey.has(name.encode()):
            yield Finding("file-missing", display(name), "the policy requires it", (_archive(subject),))


def files_unlisted(subject: Subject) -> Iterator[Finding]:
    """Yield the names at the archive's top that are on none of the record's lists."""
    if "files" not in subject.inspection.fields or not subject.has_readable_lists:
        return
    listed = (*map(subject.inside, (*subject.texts("files"), *subject.also(_ADDED_FILES))), *subject.excluded)
    tops = {name.encode().partition(b"/")[0] for name in listed}
    for name in subject.survey.tops():
        if name not in tops:
            yield subject.differs("file-unlisted", "files", text_of(name), subject.seen(name))


def files_excluded(subject: Subject) -> Iterator[Finding]:
    """Yield what the record says was left out, and was not."""
    for name in subject.texts("exclude_files"):
        inside = subject.inside(name).encode()
        if inside and subject.survey.has(inside):
            yield subject.differs("file-excluded", "exclude_files", name, subject.seen(inside))


def dump_missing(subject: Subject) -> Iterator[Finding]:
    """Yield that there is no dump, where the record lists tables."""
    if _listed(subject) and subject.survey.dump is None:
        yield subject.differs("dump-missing", "tables", "", _archive(subject))


def dump_incomplete(subject: Subject) -> Iterator[Finding]:
    """Yield that the dump does not end as it should."""
    dump = subject.survey.dump
    if dump is not None and dump.is_complete is False and (dump.size or _listed(subject)):
        yield Finding("dump-incomplete", "", "its last line is not the last of a dump", (subject.seen(DUMP),))


def tables_missing(subject: Subject) -> Iterator[Finding]:
    """Yield the tables and views that the record lists or the policy requires, and a whole dump lacks."""
    dump = subject.survey.dump
    if dump is not None and dump.is_complete is False:
        return
    if dump is not None and dump.left_out:
        detail = f"the first {len(dump.tables):,} of {len(dump.tables) + dump.left_out:,}"
        yield Finding("tables-not-compared", "", detail, (subject.seen(DUMP),))
        return
    found = _tables(subject)
    for name, places in _listed(subject).items() if dump is not None else ():
        if name not in found:
            yield Finding("table-missing", "tables", name, (*places, subject.seen(DUMP)))
    for name in subject.policy.requirements.tables_with(subject.inspection.text("db_prefix")):
        if name not in found:
            yield Finding("table-missing", name, "the policy requires it", (subject.seen(DUMP),))


def tables_unlisted(subject: Subject) -> Iterator[Finding]:
    """Yield the tables and views of the dump that are on none of the record's lists."""
    if "tables" not in subject.inspection.fields or not subject.has_readable_lists:
        return
    listed = _listed(subject)
    for name in _tables(subject):
        if name not in listed:
            yield subject.differs("table-unlisted", "tables", name, subject.seen(DUMP))


def prefix_differs(subject: Subject) -> Iterator[Finding]:
    """Yield that the record's prefix is that of no table in the dump."""
    prefix, tables = subject.inspection.text("db_prefix"), _tables(subject)
    if prefix and tables and not any(name.startswith(prefix) for name in tables):
        yield subject.differs("table-prefix-differs", "db_prefix", prefix, subject.seen(DUMP))


def sizes_differ(subject: Subject) -> Iterator[Finding]:
    """Yield sizes that are far from those that the record has; where files were left out or added, not of that side."""
    survey = subject.survey
    least = 0.0 if subject.excluded else _FILES_NEAR[0]
    most = inf if subject.also(_ADDED_FILES) else _FILES_NEAR[1]
    if (why := _far(subject, "cache_files", survey.file_bytes, (least, most))) is not None:
        yield subject.differs("files-size-differs", "cache_files", why, _archive(subject))
    if survey.dump is not None and (why := _far(subject, "cache_tables", survey.dump.size, _TABLES_NEAR)) is not None:
        yield subject.differs("tables-size-differs", "cache_tables", why, subject.seen(DUMP))


def _far(subject: Subject, field: str, found: int, near: tuple[float, float]) -> str | None:
    """Return how far ``found`` bytes are from those in ``field`` of the record; None where they are ``near``."""
    told = subject.inspection.get(field)
    if not isinstance(told, int) or told <= 0 or abs(found - told) <= _NEGLIGIBLE:
        return None
    if subject.inspection.source(field).witness is Witness.INSTALL_RECORD:  # as it is now
        return None
    return None if near[0] <= found / told <= near[1] else f"{found:,} bytes, by the record {told:,}"


def _listed(subject: Subject) -> dict[str, tuple[Source, ...]]:
    """Return the names of the tables and views that the record lists, the added ones as well, and where it does."""
    added = dict.fromkeys(subject.also(_ADDED_TABLES), subject.told_also(_ADDED_TABLES))
    return {**added, **dict.fromkeys(subject.texts("tables"), subject.told("tables"))}


def _tables(subject: Subject) -> dict[str, None]:
    """Return the names of the dump's tables and views, in its order."""
    dump = subject.survey.dump
    return dict.fromkeys(text_of(one.name) for one in (() if dump is None else dump.tables))


def _archive(subject: Subject) -> Source:
    return Source(Witness.ARCHIVE, subject.path)


CHECKS: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    files_missing,
    files_unlisted,
    files_excluded,
    dump_missing,
    dump_incomplete,
    tables_missing,
    tables_unlisted,
    prefix_differs,
    sizes_differ,
)
