"""Whether the records of a home belong to it, and to one another, by the homes and the times that they tell."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from backupmeta import rules
from backupmeta.findings import Finding
from backupmeta.provenance import Source
from backupmeta.record.grammar import Document
from backupmeta.words import counted, recorded_dated

NUMBERED_HOME: Final = re.compile(r"home[0-9]*")
"""What the folder is called that has the homes (FORMAT.md §1)."""
_HOME: Final = re.compile(r"/home[0-9]*/[^/]+")
_SHOWN: Final = 20
"""How many records are named as evidence."""
_TOLD: Final = 3
"""How many times are told that others say."""


def account_name(home: str) -> str | None:
    r"""Return whose home it is, by its path, as the server saw it or on this machine; None where that does not tell.

    >>> account_name("/mnt/image/home2/anna"), account_name("/var/www/vhosts/example.com")
    ('anna', None)
    """
    folder, _, name = home.replace("\\", "/").rstrip("/").rpartition("/")
    return name if NUMBERED_HOME.fullmatch(folder.rpartition("/")[2]) else None


def contradictions(home: str, installs: Mapping[str, Document], backups: Mapping[str, Document]) -> Iterator[Finding]:
    """Yield what the records of a ``home``, a path as the server saw it, contradict: its name, or one another."""
    yield from _of_other_homes(home, (*installs.values(), *backups.values()))
    yield from _of_installing(installs, backups.values())


def _of_other_homes(home: str, records: Iterable[Document]) -> Iterator[Finding]:
    """Yield each home of another account that records say their sites lie in; one on another disk is the same."""
    own, others = account_name(home), dict[str, list[Source]]()
    for record in records if own is not None else ():
        named = _HOME.match(record.opened("path") or "")
        if named is not None and account_name(named[0]) != own:
            others.setdefault(named[0], []).append(record.at("path"))
    for other, places in others.items():
        yield Finding(rules.HOME_DIFFERS, other, counted(len(places), "record"), tuple(places[:_SHOWN]))


def _of_installing(installs: Mapping[str, Document], backups: Iterable[Document]) -> Iterator[Finding]:
    """Yield each install whose record and backups' records do not agree on when it was installed."""
    others = dict[str, list[Document]]()
    for record in backups:
        install = installs.get(record.opened("backup-install") or "")
        if install is not None and len({_time(install), _time(record)} - {""}) > 1:
            others.setdefault(record.opened("backup-install") or "", []).append(record)
    for id_, records in others.items():
        detail = "; ".join(_sides(installs[id_], records))
        places = tuple(record.at("time") for record in (installs[id_], *records[:_SHOWN]))
        yield Finding(rules.INSTALL_TIME_DIFFERS, id_, detail, places)


def _time(record: Document) -> str:
    """Return when the site of a ``record`` was installed, as it stands there; empty where that was never set."""
    time = record.text("time")
    return "" if time == "0" else time


def _sides(install: Document, backups: Iterable[Document]) -> Iterator[str]:
    """Yield who says which time."""
    yield f"{recorded_dated(_time(install))}: install record"
    for time, number in Counter(map(_time, backups)).most_common(_TOLD):
        yield f"{recorded_dated(time)}: {counted(number, 'backup record')}"
