"""Asking a catalog for members of archives: by a pattern of their names, by digests of their contents.

An answer is a member as it is in consecutive backups of an install or site, in the order of the backups' times: from
the first backup that has it to the last one before a backup that has it otherwise, or not at all. A damaged archive in
which it was not seen tells nothing: it ends no answer.
"""

import json
import os
import re
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate, chain, groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from backupmeta.archive.digests import ALGORITHMS
from backupmeta.archive.member import shown
from backupmeta.catalog.database import Catalog
from backupmeta.catalog.queries import EVERYTHING, Condition, Query, conditions
from backupmeta.findings import Finding
from backupmeta.provenance import as_text
from backupmeta.search import is_of_domain

_WILD: Final = re.compile(r"[*?[]")
_SERIES_AT_HAND: Final = 1_000
_ACCOUNTS_AT_HAND: Final = 16
_ALWAYS: Final = "1"


class MemberQuery(NamedTuple):
    """What is asked of members.

    Attributes:
        names: one of these patterns, as SQLite's GLOB has them: ``*`` stands for any text, also for slashes; empty for
            any name.
        digests: one of these digests, by how they are counted; None for any content.
    """

    names: Sequence[str] = ()
    digests: Mapping[str, Iterable[bytes]] | None = None

    @property
    def is_given(self) -> bool:
        """Whether anything is asked of members."""
        return bool(self.names) or self.digests is not None


class Holder(NamedTuple):
    """A backup that has a member.

    Attributes:
        id: its id; empty without a record.
        time: when it was made, Unix seconds; None where nothing tells it.
        user: its owner.
        url: its site's address.
        archive: the archive's path.
        host: the host that the archive lies on; empty where all are reached from here.
    """

    id: str
    time: int | None
    user: str
    url: str
    archive: str
    host: str


class MemberMatch(NamedTuple):
    """A member, in consecutive backups in which it is the same.

    Attributes:
        name: the path that its name means, secrets masked; bytes that are not UTF-8 as surrogates.
        kind: what it is.
        size: the length of its content, in bytes.
        mode: permission bits.
        mtime_ns: when it was modified, nanoseconds since 1970, UTC.
        algorithm: how its content was digested: sha256, sha1 or md5.
        digest: the digest, in hexadecimal; empty for what is no file, or has not all of its content there.
        backups: how many backups have it so.
        first: the first of them.
        last: the last of them.
    """

    name: str
    kind: str
    size: int
    mode: int
    mtime_ns: int
    algorithm: str
    digest: str
    backups: int
    first: Holder
    last: Holder


class _Reading(NamedTuple):
    """An archive that is there, whose members are known; readings are in order by these fields."""

    time: int
    path: str
    number: int
    is_whole: bool
    is_asked: bool
    algorithm: str
    holder: Holder


class _Series(NamedTuple):
    """The readings of an install or site.

    Attributes:
        readings: the readings, in the order of their times.
        numbers: their numbers, sorted.
        places: their places in that order, by their numbers.
        breaks: how many archives before each place tell what they have not.
    """

    readings: Sequence[_Reading]
    numbers: Sequence[int]
    places: Mapping[int, int]
    breaks: Sequence[int]

    @classmethod
    def of(cls, readings: Iterable[_Reading]) -> "_Series":
        """Return the series that ``readings`` make."""
        ordered = sorted(readings)
        places = {reading.number: place for place, reading in enumerate(ordered)}
        return cls(ordered, sorted(places), places, [0, *accumulate(reading.is_whole for reading in ordered)])

    def stretches(self, spans: Iterable[tuple[int, int | None]]) -> Iterator[list[_Reading]]:
        """Yield the consecutive readings that lie in ``spans`` of numbers."""
        held = list[int]()
        for first, last in spans:
            end = len(self.numbers) if last is None else bisect_right(self.numbers, last)
            held += (self.places[number] for number in self.numbers[bisect_left(self.numbers, first) : end])
        stretch = list[_Reading]()
        before = -1
        for place in sorted(set(held)):
            if stretch and self.breaks[place] > self.breaks[before + 1]:
                yield stretch
                stretch = []
            stretch.append(self.readings[place])
            before = place
        if stretch:
            yield stretch


_FIELDS: Final = (
    "v.version, r.series, r.first, r.last, n.path, n.path_bytes, v.kind, v.size, v.mode, v.mtime_ns, v.digest"
)
_OF_ACCOUNTS: Final = """
LEFT JOIN readings g ON g.reading = (SELECT min(o.reading) FROM readings o WHERE o.series = r.series)
LEFT JOIN accounts a ON a.account = g.account
"""
_IN_ORDER: Final = "v.version, a.path, a.host, g.origin, r.series, r.first"
_NAMED: Final = f"""
SELECT {_FIELDS} FROM member_names n
CROSS JOIN member_versions v ON v.name = n.name CROSS JOIN member_runs r ON r.version = v.version {_OF_ACCOUNTS}
WHERE ({{}}) ORDER BY n.path, n.name, {_IN_ORDER}
"""
_DIGESTED: Final = f"""
SELECT {_FIELDS} FROM asked_digests d
CROSS JOIN member_versions v ON v.digest = d.digest CROSS JOIN member_names n ON n.name = v.name
CROSS JOIN member_runs r ON r.version = v.version {_OF_ACCOUNTS}
WHERE ({{}}) ORDER BY d.digest, {_IN_ORDER}
"""
_READINGS: Final = """
SELECT g.reading, g.account, g.is_whole, g.algorithm, f.file, f.path, a.path, a.host
FROM readings g JOIN all_files f USING (file) JOIN accounts a ON a.account = g.account
WHERE g.series = ? AND g.until IS NULL AND f.until IS NULL AND a.status <> 'vanished'
"""
_BACKUPS: Final = """
SELECT b.archive_file, b.id, b.backup_time, b.user, b.url, {} FROM all_backups b
WHERE b.account = ? AND b.until IS NULL AND b.archive_file IS NOT NULL ORDER BY b.id DESC, b.backup DESC
"""
_UNKNOWN: Final = """
SELECT count(*) FILTER (WHERE g.reading IS NULL), min(a.path || '/' || f.path) FILTER (WHERE g.reading IS NULL),
  count(*) FILTER (WHERE g.is_whole = 0), min(a.path || '/' || f.path) FILTER (WHERE g.is_whole = 0)
FROM all_files f JOIN accounts a USING (account) LEFT JOIN all_backups b ON b.archive_file = f.file AND b.until IS NULL
LEFT JOIN readings g ON g.file = f.file AND g.until IS NULL AND g.algorithm IN (SELECT value FROM json_each(?))
WHERE f.until IS NULL AND f.kind = 'archive' AND f.status <> 'passed over' AND a.status <> 'vanished' AND {}
"""


class Unknown(NamedTuple):
    """The archives of which a catalog does not know all members.

    Attributes:
        unread: how many were not scanned with members, or with other digests than are asked for.
        unread_path: the path of one of them.
        damaged: how many are damaged: they may have others.
        damaged_path: the path of one of them.
    """

    unread: int
    unread_path: str | None
    damaged: int
    damaged_path: str | None


@contextmanager
def member_search(
    catalog: str,
    members: MemberQuery,
    query: Query = EVERYTHING,
    domain: str | None = None,
    findings: list[Finding] | None = None,
) -> Iterator["MemberSearch"]:
    """Give a search for ``members`` in backups of ``catalog`` that answer the ``query`` and are of this ``domain``.

    All that it tells is of one moment. What is not as it was scanned is left out, and appended to ``findings``. Raises
    `CatalogError`; without ``findings`` also for that.
    """
    with Catalog.checked(catalog, findings) as opened:
        yield MemberSearch(opened.connection, members, _condition(opened.connection, query, domain))


def _condition(connection: sqlite3.Connection, query: Query, domain: str | None) -> Condition:
    """Return what holds of the backups that are asked for, as one condition."""
    given = list(conditions(connection, query))
    if domain is not None:
        connection.create_function("is_of_domain", 3, is_of_domain, deterministic=True)
        given.append(Condition("is_of_domain(?, b.url_domain, b.url)", (domain,)))
    arguments = tuple(chain.from_iterable(condition.arguments for condition in given))
    return Condition(" AND ".join(condition.sql for condition in given) or _ALWAYS, arguments)


def _naming(patterns: Iterable[str]) -> tuple[str, list[str]]:
    """Return the SQL that chooses among names, and its arguments."""
    paths = [as_text(shown(os.fsencode(pattern)).decode("utf-8", "surrogateescape")) for pattern in patterns]
    wild = [path.replace("[!", "[^") for path in paths if _WILD.search(path)]
    alternatives = ["n.path = ?"] * len(paths) + ["n.path GLOB ?"] * len(wild)
    return " OR ".join(alternatives) or "1", paths + wild


class MemberSearch:
    """A search for members in an open catalog; what it has read lately is at hand."""

    def __init__(self, connection: sqlite3.Connection, members: MemberQuery, condition: Condition) -> None:
        self._connection = connection
        self._members = members
        self._condition = condition
        self._series = lru_cache(_SERIES_AT_HAND)(self._read_series)
        self._backups = lru_cache(_ACCOUNTS_AT_HAND)(self._read_backups)

    def matches(self) -> Iterator[MemberMatch]:
        """Yield the members, in the order of their names, or else of their digests.

        Each comes with all consecutive backups that have it so, if one of these backups is asked for.
        """
        (where, names), select = _naming(self._members.names), _NAMED
        if self._members.digests is not None:
            self._connection.execute("CREATE TEMP TABLE asked_digests (digest BLOB PRIMARY KEY) WITHOUT ROWID")
            digests = ((digest,) for of_kind in self._members.digests.values() for digest in of_kind)
            self._connection.executemany("INSERT OR IGNORE INTO asked_digests (digest) VALUES (?)", digests)
            select = _DIGESTED
        rows = self._connection.execute(select.format(where), names)
        for (_, series), spans in groupby(rows, itemgetter(0, 1)):
            yield from self._matches_in(series, list(spans))

    def unknown(self) -> Unknown:
        """Return of which archives the catalog does not know all members that are asked for."""
        algorithms = ALGORITHMS if self._members.digests is None else self._members.digests
        arguments = (json.dumps([*algorithms]), *self._condition.arguments)
        return Unknown(*self._connection.execute(_UNKNOWN.format(self._condition.sql), arguments).fetchone())

    def _matches_in(self, series: int, rows: Sequence[Sequence[Any]]) -> Iterator[MemberMatch]:
        """Yield a member of some archives of ``series``, of which the ``rows`` tell in which readings it is."""
        path, path_bytes, kind, size, mode, mtime_ns, digest = rows[0][4:]
        name = path if path_bytes is None else path_bytes.decode("utf-8", "surrogateescape")
        text = "" if digest is None else digest.hex()
        for stretch in self._series(series).stretches((row[2], row[3]) for row in rows):
            if any(reading.is_asked for reading in stretch):
                ends, algorithm = (stretch[0].holder, stretch[-1].holder), stretch[0].algorithm
                yield MemberMatch(name, kind, size, mode, mtime_ns, algorithm, text, len(stretch), *ends)

    def _read_series(self, series: int) -> _Series:
        readings = list[_Reading]()
        for number, account, is_whole, algorithm, file, path, home, host in self._connection.execute(
            _READINGS, (series,)
        ):
            backup, is_asked = self._backups(account).get(file, (("", None, "", ""), self._condition.sql == _ALWAYS))
            holder = Holder(*backup, f"{home}/{path}", host)
            readings.append(_Reading(holder.time or 0, path, number, bool(is_whole), bool(is_asked), algorithm, holder))
        return _Series.of(readings)

    def _read_backups(self, account: int) -> dict[int, tuple[tuple[str, int | None, str, str], bool]]:
        """Return the backups of an account by their archives, and whether each is asked for; of several the first."""
        rows = self._connection.execute(_BACKUPS.format(self._condition.sql), (*self._condition.arguments, account))
        return {file: ((id_ or "", time, user or "", url or ""), asked) for file, id_, time, user, url, asked in rows}
