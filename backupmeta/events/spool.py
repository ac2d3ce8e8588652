"""`Spool`: events in, the same events out in the order of time, in memory that does not grow with their number.

They lie in a private temporary database of SQLite, without a name, which is gone when it is closed.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Self

from backupmeta.events.event import Claim, Event, File, Subject, nearest
from backupmeta.events.kinds import KINDS
from backupmeta.provenance import Source, Witness
from backupmeta.temporary import rows, telling

NAMED: Final = 20
"""How many further witnesses of an event are named; the rest is counted."""

_RANKS: Final = {kind: rank for rank, kind in enumerate(KINDS)}
_SORTED: Final = "SELECT * FROM event ORDER BY time, rank, alike, source"
_Row = tuple[int, int, str, str]
"""An event's time, its kind's place, what all its witnesses say alike, and one of them."""


class Spool:
    """Sorts events; use it as a context manager."""

    def __init__(self) -> None:
        with telling():
            self._database = sqlite3.connect("")
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("CREATE TABLE event (time INTEGER, rank INTEGER, alike TEXT, source TEXT)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def take(self, events: Iterable[Event]) -> None:
        """Take the ``events``. Raises `TemporaryFileError` where there is no room for them."""
        with telling():
            self._database.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", map(_row, events))

    def __iter__(self) -> Iterator[Event]:
        """Yield the events by time; one that several witnesses tell alike comes once.

        Raises `TemporaryFileError`.
        """
        for (_, _, alike), several in groupby(rows(self._database, _SORTED), key=itemgetter(0, 1, 2)):
            yield _event(alike, _sources(several))


def _sources(rows: Iterable[_Row]) -> tuple[list[Source], int]:
    """Return the first of the witnesses, and how many there are; one that was met twice is one."""
    first, count = list[Source](), 0
    for source, _ in groupby(row[3] for row in rows):
        count += 1
        if len(first) <= NAMED:
            first.append(_source(json.loads(source)))
    return first, count


def _row(event: Event) -> _Row:
    """Return an event as a row. JSON in ASCII holds numbers of any size, and names that aren't UTF-8."""
    kind, time, source = event.claim
    told = (kind, time, *event[1:6])
    shared = "" if KINDS[kind].is_shared else source
    return nearest(time), _RANKS[kind], json.dumps((*told, shared)), json.dumps(source)


def _event(alike: str, witnesses: tuple[list[Source], int]) -> Event:
    kind, time, message, subject, file, against, left_out, _ = json.loads(alike)
    (source, *also), count = witnesses
    return Event(
        Claim(kind, time, source),
        message,
        Subject(*subject),
        None if file is None else File(*file),
        tuple(Claim(one[0], one[1], _source(one[2])) for one in against),
        left_out,
        tuple(also),
        count,
    )


def _source(told: Any) -> Source:  # noqa: ANN401 - JSON
    witness, *place = told
    return Source(Witness(witness), *place)
