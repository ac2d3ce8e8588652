"""A timeline, event by event: text for people, JSONL for Timesketch, log2timeline's CSV, a body file for mactime.

A time that a format can't hold becomes the nearest one that it can; the message has the time itself.
"""

import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from backupmeta.backup.contradictions import SECOND
from backupmeta.escapes import inert
from backupmeta.events.claims import KINDS, Claim, Event, File, moment, nearest
from backupmeta.render.formats import Format, Formats, Trait, View, any_view, compact, csv_line, json_list
from backupmeta.words import clock, cut, line, said_by, seen_at, visible

L2T_COLUMNS: Final = (
    "date time timezone MACB source sourcetype type user host short desc version filename inode notes format extra"
).split()
"""The columns of log2timeline's CSV, in their order (forensics.wiki, "l2t_csv"; plaso's output module ``l2tcsv``)."""

_KIND_WIDTH: Final = max(map(len, KINDS))
_SHORT: Final = 80
_NO_VALUE: Final = "-"
UNSET: Final = ("-1", "0")
"""What may stand in a body file for a time that an event has none of: -1, which mactime leaves out while it lists 0 as
the year 0000; or 0, which plaso leaves out while it lists -1 as a second of 1969."""
_MACB: Final = {"M": "M...", "B": "...B"}
_BODY_TIMES: Final = "AMCB"
"""The order of a body file's times: accessed, modified, changed, born."""


@dataclass(frozen=True, slots=True)
class TimelineView(View):
    """How a timeline is to be shown.

    Attributes:
        unset: what stands in a body file for a time that an event has none of, one of `UNSET`.
    """

    unset: str = UNSET[0]


def as_text(events: Iterable[Event]) -> Iterator[str]:
    """Yield a line an event, and below it a line for each witness who contradicts.

    Time in UTC, kind, message, who says so::

        2024-06-13 20:55:21  backed-up      wordpress 6.5.4 at https://… backed up  [backup record, /home/…/b1…, line 9]
                             !              contradicted by Compression Time (Gzip Header) 2024-06-15 …
    """
    for event in events:
        more = f" and {event.witnesses - 1:,} more" if event.witnesses > 1 else ""
        text = f"{_clock(event.time)}  {event.kind:<{_KIND_WIDTH}}  {event.message}  [{said_by(event.source)}{more}]"
        yield line(text)
        for claim in event.contradicted_by:
            yield line(f"{'':19}  {'!':<{_KIND_WIDTH}}  contradicted by {_claim_text(claim)}")


def as_jsonl(events: Iterable[Event]) -> Iterator[str]:
    """Yield one JSON object a line, as Timesketch imports it ("Import timeline from JSONL or CSV").

    ``message``, ``datetime`` and ``timestamp_desc`` are what it requires, ``timestamp`` is microseconds since 1970,
    ``tag`` is what it shows as labels; all else is ours, flat, but for lists of witnesses.
    """
    for event in events:
        yield compact(event.to_json()) + "\n"


def as_json(events: Iterable[Event]) -> Iterator[str]:
    """Yield an array of the objects of `as_jsonl`, a line each."""
    yield from json_list("", (event.to_json() for event in events))
    yield "\n"


def as_l2t_csv(events: Iterable[Event]) -> Iterator[str]:
    """Yield the header, then a row an event (RFC 4180), with `L2T_COLUMNS`; what is not known is ``-``, as in plaso."""
    yield csv_line(L2T_COLUMNS, end="\n")
    for event in events:
        yield inert(csv_line([visible(cell) or _NO_VALUE for cell in _l2t_cells(event)], end="\n"))


def as_body(events: Iterable[Event], unset: str = UNSET[0]) -> Iterator[str]:
    """Yield a line an event in the body file format of The Sleuth Kit 3 (wiki.sleuthkit.org, "Body file").

    MD5, name, inode, mode, owner, group, size in bytes, then four times in seconds, of which an event has one::

        0|/home/exampleu/.appdata/backups/b1…, line 9 [Backup Time] wordpress … backed up|0|-|0|0|0|-1|-1|-1|1718312121

    The others are ``unset``. ``|``, which ends a field, and ``%`` are percent-encoded,
    which mactime undoes. Earlier times than 1970 become 0, which mactime prints as no time.
    """
    for event in events:
        times = [unset] * len(_BODY_TIMES)
        times[_BODY_TIMES.index(KINDS[event.kind].macb)] = str(max(nearest(event.time) // SECOND, 0))
        file = event.file or File(0)
        mode = _NO_VALUE if file.mode is None else stat.filemode(file.mode)
        name = visible(f"{seen_at(event.source)} [{KINDS[event.kind].timestamp_desc}] {_message(event)}")
        name = name.replace("%", "%25").replace("|", "%7C")
        yield inert("|".join(map(str, (0, name, file.inode, mode, file.uid, file.gid, file.size, *times))) + "\n")


def _l2t_cells(event: Event) -> Iterator[str]:
    """Yield the cells of an event's row, as `L2T_COLUMNS`."""
    kind, subject, time = KINDS[event.kind], event.subject, moment(event.time)
    inode = event.file.inode if event.file is not None else 0
    yield from (f"{time.month:02}/{time.day:02}/{time.year:04}", f"{time:%H:%M:%S}", "UTC", _MACB[kind.macb])
    yield from ("FILE" if event.file is not None else "LOG", f"Installatron {event.source.witness}")
    yield from (kind.timestamp_desc, subject.user, _NO_VALUE, cut(event.message, _SHORT), event.message)
    yield from ("2", event.source.path, str(inode or _NO_VALUE))
    yield "; ".join(f"contradicted by {_claim_text(claim)}" for claim in event.contradicted_by)
    yield "backupmeta"
    known = {
        **subject._asdict(),
        "member": event.source.member,
        "line": event.source.line,
        "witnesses": event.witnesses,
    }
    yield "; ".join(f"{key}: {value}" for key, value in known.items() if value and key != "user")


def _message(event: Event) -> str:
    """Return the message, how many others say so, and who contradicts it: a body file has no other place for that."""
    more = f" ({event.witnesses:,} witnesses)" if event.witnesses > 1 else ""
    return "; contradicted by ".join((event.message + more, *map(_claim_text, event.contradicted_by)))


def _claim_text(claim: Claim) -> str:
    """Return what another witness says: ``Backup Time 2024-06-13 20:55:21 UTC (embedded record, /home/…)``."""
    return f"{KINDS[claim.kind].timestamp_desc} {_clock(claim.time)} UTC ({said_by(claim.source)})"


def _clock(time: int) -> str:
    """Return a time in UTC, to the second."""
    return clock(nearest(time) // SECOND)


# --- formats ----------------------------------------------------------------------------------------------------------

TIMELINES: Final[Formats[Callable[[Iterable[Event], TimelineView], Iterable[str]]]] = Formats(
    Format("text", "lines for people", any_view(as_text)),
    Format("jsonl", "one JSON object a line, as Timesketch imports it", any_view(as_jsonl)),
    Format("json", "an array of the same objects", any_view(as_json)),
    Format("l2tcsv", "log2timeline's CSV", any_view(as_l2t_csv)),
    Format(
        "bodyfile",
        "a body file of The Sleuth Kit 3, for mactime",
        lambda events, view: as_body(events, view.unset),
        Trait.WITH_UNSET_TIMES,
    ),
)
"""The formats of a timeline."""
