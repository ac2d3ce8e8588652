"""Where to look for accounts, and how: `Search`; what a target means there, and for whom it is answered; `Criteria`.

And `Protected`: what is evidence, where nothing is written, and from where no policy is taken. That is an image; of
each home its ``.appdata``, the folders of its archives, and the paths in its records; what was named to be read: a home
with records and all below it, a folder of archives, a file; and the files of a catalog. The folder that such places lie
in is none: a project may keep backups, and reports about them beside them. It is asked upwards, from the one place in
question: which of the folders above it are evidence?
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from backupmeta.account import places
from backupmeta.account.filename import is_archive_name
from backupmeta.account.home import Home
from backupmeta.account.layout import ARCHIVES, RECORDS
from backupmeta.account.roots import Root, conventional, named
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.backup.inspection import Inspection
from backupmeta.errors import (
    EvidenceError,
    OutputError,
    UnreadableError,
    nearest,
)
from backupmeta.evidence import identity_at, is_folder
from backupmeta.findings import Finding
from backupmeta.folders import upwards
from backupmeta.secrets import opened
from backupmeta.words import are, few

Row = TypeVar("Row")

_UNMOUNTED: Final = (
    "give --sysroot the folder that an image is mounted at; 'backupmeta help seized-disk' shows how it is mounted"
)


def require_sequence(values: object, name: str, spelling: str) -> None:
    """Raise `TypeError` where ``values``, so named, are a single path; ``spelling`` is how it is given."""
    if isinstance(values, str | bytes | os.PathLike):
        raise TypeError(f"{name} are a sequence of paths: {spelling.format(os.fspath(values))}")


@dataclass(frozen=True)
class Search:
    """Where to look, and how.

    Attributes:
        roots: homes, folders of homes, folders of archives, archives; none means the conventional places.
        sysroot: a mounted image: the conventional places are looked for below it.
        zone: the server's time zone, where it is known.
        limits: what a file may ask for.
        user: look only into the homes of this user: those of its name, or without any such, those whose paths tell
            nobody's. What an account's records say of their owner does not count. None for all homes.
    """

    roots: Sequence[str] = ()
    sysroot: str | None = None
    zone: tzinfo | None = None
    limits: Limits = DEFAULT_LIMITS
    user: str | None = None

    def __post_init__(self) -> None:
        """Raise `TypeError` where ``roots`` are one path: read letter by letter, they would be other places."""
        require_sequence(self.roots, "roots", "Search([{!r}])")

    @property
    def name(self) -> str:
        """What stands for where it looks, beside its roots."""
        return self.sysroot or "conventional places"

    @property
    def server_root(self) -> str:
        """The path on this machine of the root of the server whose conventional places it looks in."""
        return "/" if self.sysroot is None else os.path.abspath(self.sysroot)

    def on_disk(self, server_path: str) -> str:
        """Return the path on this machine of what the server saw at ``server_path``."""
        return server_path if self.sysroot is None else os.path.join(self.sysroot, server_path.lstrip("/"))

    def homes(self, findings: list[Finding]) -> Iterator[Home]:
        """Yield the homes, each open until the next one; append what was odd. Raises `UnreadableError` for a root."""
        yield from self.read(self.unread(findings), findings)

    def unread(self, findings: list[Finding]) -> Iterator[places.OpenedHome | Home]:
        """Yield all homes, whosever they are, none of them read. As `homes` otherwise."""
        return places.unread(self.places(), self.limits, findings)

    def read(self, opened: Iterable[places.OpenedHome | Home], findings: list[Finding]) -> Iterator[Home]:
        """Yield those of the homes that were ``opened`` that the user has, read."""
        return self.of_user(places.read(opened, self.limits, findings))

    def of_user(self, homes: Iterable[Home]) -> Iterator[Home]:
        """Yield those of the ``homes`` that the user has."""
        if (user := self.user) is None:
            yield from homes
            return
        for home in homes:
            is_own = places.belongs(home, user)
            if is_own or (is_own is None and not self._has_named):
                yield home

    @cached_property
    def _has_named(self) -> bool:
        """Whether a home is called as the user."""
        return any(name == self.user for name in self.names())

    def names(self) -> Iterator[str]:
        """Yield the names of all homes, whosever they are."""
        return places.names(self.places(), self.limits)

    def places(self) -> list[Root]:
        """Return the roots, or the conventional places. Raises `UnreadableError` where the sysroot is no folder."""
        if self.sysroot is not None and not is_folder(self.sysroot):
            raise UnreadableError(self.sysroot, "is no folder", _UNMOUNTED)
        return [named(root, self.sysroot) for root in self.roots] or conventional(self.sysroot)


EVERYWHERE: Final = Search()

# --- which backups and installs ---------------------------------------------------------------------------------------


class Period(NamedTuple):
    """From one moment to another, both of which belong to it; Unix seconds, UTC; None for no bound."""

    since: int | None = None
    until: int | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether any moment is left out."""
        return self.since is not None or self.until is not None

    def has(self, seconds: int) -> bool:
        """Return whether a moment belongs to it."""
        return (self.since is None or self.since <= seconds) and (self.until is None or seconds <= self.until)


ALWAYS: Final[Period] = Period()


class _Filter(NamedTuple):
    """How a word of `Criteria` is compared.

    Attributes:
        spelled: the spelling that is compared.
        texts: what a backup or an install has of it.
    """

    spelled: Callable[[str], str]
    texts: Callable[[Inspection], Iterable[str]]


def _domain(name: str) -> str:
    return name.casefold().removeprefix("www.")


def _domains(url_domain: str, url: str) -> Iterator[str]:
    yield url_domain
    with suppress(ValueError):
        yield urlsplit(url).hostname or ""


def is_of_domain(domain: str, url_domain: str | None, url: str | None) -> bool:
    """Return whether a backup with this field ``url_domain`` and this ``url`` is of a ``domain``, as for `Criteria`."""
    return _domain(domain) in map(_domain, _domains(url_domain or "", url or ""))


_FILTERS: Final[Mapping[str, _Filter]] = {
    "user": _Filter(str, lambda subject: [subject.text("user")]),
    "application": _Filter(str.casefold, lambda subject: [subject.text("application")]),
    "domain": _Filter(_domain, lambda subject: _domains(subject.text("url_domain"), opened(subject.text("url")))),
}
"""What is compared as words. Users differ by case, as the system's do; applications and domains do not."""


@dataclass(frozen=True)
class Criteria:
    """What has to hold of a backup or an install; None for anything.

    Attributes:
        user: its owner.
        application: its application, such as ``wordpress``, in any case.
        domain: its domain, in any case, with or without ``www.``.
        period: when it was made.
    """

    user: str | None = None
    application: str | None = None
    domain: str | None = None
    period: Period = ALWAYS

    @cached_property
    def _words(self) -> Mapping[str, str]:
        """The words that are asked for, as they are compared."""
        given = {"user": self.user, "application": self.application, "domain": self.domain}
        return {name: _FILTERS[name].spelled(word) for name, word in given.items() if word is not None}

    @property
    def are_given(self) -> bool:
        """Whether anything is asked for."""
        return self.period.is_bounded or bool(self._words)

    def hold_of(self, subject: Inspection) -> bool:
        """Return whether all hold of ``subject``."""
        return all(self._holds_of(subject, name) for name in self._words) and self._period_holds_of(subject)

    def _holds_of(self, subject: Inspection, name: str) -> bool:
        spelled, texts = _FILTERS[name]
        return any(spelled(opened(text)) == self._words[name] for text in texts(subject))

    def _period_holds_of(self, subject: Inspection) -> bool:
        seconds = subject.seconds("backup_time" if subject.kind == "backup" else "time_created")
        return not self.period.is_bounded or (seconds is not None and self.period.has(seconds))

    def unknown(self, subjects: Iterable[Inspection], users: Iterable[str]) -> Iterator[str]:
        """Yield a sentence for each word that none of the ``subjects`` has: what there is instead.

        ``users`` are known beside the subjects' owners.
        """
        known = {name: Known(name, word) for name, word in self._words.items()}
        if "user" in known:
            known["user"].take(users)
        for subject in subjects:
            for name, words in known.items():
                spelled, texts = _FILTERS[name]
                words.take(map(spelled, texts(subject)))
        return chain.from_iterable(words.sentences for words in known.values())


_MOST_KNOWN: Final = 1000
_LONGEST_KNOWN: Final = 100
"""How many different words are remembered, and of which length: names of users and hosts are shorter."""
_KNOWN_SHOWN: Final = 10
_COMPARED: Final = re.compile("[<>=]")


class Known:
    """What there is of a kind, beside a word that may be none of it."""

    def __init__(self, kind: str, word: str, words: Iterable[str] = ()) -> None:
        """Begin with ``words``; ``kind`` is what they are, a singular noun."""
        self._kind = kind
        self._word = word
        self._words = set[str]()
        self.take(words)

    def take(self, words: Iterable[str]) -> None:
        """Take in what else there is."""
        for word in words:
            if word == self._word or (word and len(word) <= _LONGEST_KNOWN and len(self._words) < _MOST_KNOWN):
                self._words.add(word)

    @property
    def sentences(self) -> Iterator[str]:
        """A sentence that says what there is, unless the word is one of these."""
        if self._words and self._word not in self._words:
            near = nearest(self._word, self._words)
            hint = "" if near is None else f"did you mean {near!r}? "
            if _COMPARED.search(self._word):
                hint = "versions are compared by 'backupmeta find'; "
            there = few(sorted(self._words), _KNOWN_SHOWN)
            yield f"no {self._kind} is called {self._word!r}; {hint}there {are(len(self._words))} {there}"


def ordered(rows: Iterable[Row], key: str | None, of: Callable[[Row], Inspection]) -> Iterable[Row]:
    """Return ``rows`` sorted by the field ``key`` ``of`` each: with a ``-`` before it in descending order.

    For None they are unsorted. Numbers stand before text, and those without the field last.
    """
    if key is None:
        return rows
    name = key.removeprefix("-")
    keyed = [(_value(of(row), name), row) for row in rows]
    present = sorted((pair for pair in keyed if pair[0] is not None), key=itemgetter(0), reverse=key.startswith("-"))
    return [row for _, row in present] + [row for value, row in keyed if value is None]


def _value(subject: Inspection, name: str) -> tuple[int, Decimal, str] | None:
    """Return what ``subject`` is sorted by; of a number, which may have any number of digits, its value."""
    value = subject.get(name)
    if value is None:
        return None
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and value.isascii()):
        return (0, Decimal(value), "")
    return (1, Decimal(), value if isinstance(value, str) else str(value))


# --- where nothing is written ----------------------------------------------------------------------------------------


CATALOG_FILES: Final = ("", "-wal", "-shm", "-journal", "-scan")
"""What the names of a catalog's files end with."""


class Protected(NamedTuple):
    """What is evidence, of what a command reads.

    Attributes:
        named: files and folders that are read; what is no path is passed over.
        sysroot: the image that is read.
        catalog: the catalog that is read.
        site: a folder all of which is read.
    """

    named: tuple[str, ...] = ()
    sysroot: str | None = None
    catalog: str | None = None
    site: str | None = None

    def refuse(self, path: str, named: str) -> None:
        """Raise `OutputError` where a file at ``path``, so ``named``, would be evidence or take the place of it."""
        if places.is_evidence(path):
            raise OutputError(named, "is an archive or a record; it would be overwritten", _ADVICE)
        if self.holds(path):
            raise OutputError(named, "lies among what is read, where nothing is written", _ADVICE)

    def holds(self, path: str) -> bool:
        """Return whether what is at ``path``, or would be there, is evidence: as it is named, or where links lead."""
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        return any(self._holds(spelling) for spelling in dict.fromkeys((real, os.path.realpath(path))))

    def _holds(self, path: str) -> bool:
        files = set(self._files())
        if path in files or identity_at(path) in set(map(identity_at, files)) - {None}:
            return True
        folders = list(upwards(path))
        whole = {identity_at(folder) for folder in (self.sysroot, self.site) if folder is not None} - {None}
        return (
            any(_is_always(folder) for folder in folders)
            or not whole.isdisjoint(map(identity_at, folders))
            or any(_has_records(folder) or _has_archives(folder) for folder in self._below_roots(folders))
            or _is_of_home(folders)
        )

    def _below_roots(self, folders: list[str]) -> list[str]:
        """Return those of the ``folders``, each in the next one, that are read, or lie in one that is."""
        roots = self._roots()
        top = max((number for number, folder in enumerate(folders, 1) if identity_at(folder) in roots), default=0)
        return folders[:top]

    def _files(self) -> Iterator[str]:
        """Yield the paths of files that are read, without links: also of those of a catalog that are not there now."""
        yield from (os.path.realpath(path) for path in self.named if os.path.isfile(path))
        if self.catalog is not None:
            for name in {os.path.abspath(self.catalog), os.path.realpath(self.catalog)}:
                folder = os.path.realpath(os.path.dirname(name))
                beside = os.path.join(folder, os.path.basename(name))
                yield from (f"{beside}{end}" for end in CATALOG_FILES)

    def _roots(self) -> set[tuple[int, int] | None]:
        """Return the folders that are read, and the homes that what is read lies in."""
        there = [path for path in self.named if os.path.exists(path)]
        folders = [path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path)) for path in there]
        homes = [home for folder in folders if (home := places.folder_of_home(os.path.abspath(folder))) is not None]
        return {identity_at(path) for path in (*filter(os.path.isdir, there), *homes)} - {None}


NOTHING_PROTECTED: Final = Protected()
"""What is evidence wherever it lies, and nothing else."""

_ADVICE: Final = "name a file in another folder"


def _is_always(path: str) -> bool:
    """Return whether a folder is a home's own for records or archives, by its name."""
    return os.path.basename(path) in {RECORDS, ARCHIVES}


def _has_records(path: str) -> bool:
    return os.path.lexists(os.path.join(path, RECORDS))


def _has_archives(path: str) -> bool:
    """Return whether there are archives in a folder, by their names."""
    try:
        with os.scandir(path) as entries:
            return any(is_archive_name(entry.name) for entry in entries)
    except (OSError, ValueError):
        return False


def _is_of_home(folders: list[str]) -> bool:
    """Return whether one of the ``folders``, each in the next one, is of a home that is among them.

    It is where it has archives, as a folder of another name for them, or where a record names it.
    """
    number = next((number for number, numbered in enumerate(folders) if _has_records(numbered)), 0)
    inner, home = folders[:number], folders[number]
    if not inner:
        return False
    return _has_archives(inner[-1]) or not _recorded(home).isdisjoint(map(identity_at, inner))


def _recorded(path: str) -> set[tuple[int, int] | None]:
    """Return the folders that the records of the home at ``path`` are about."""
    try:
        with places.home_above(path, DEFAULT_LIMITS) as home:
            records = (*home.installs.values(), *home.backups.values())
            return {identity_at(record.opened("path") or "") for record in records} - {None}
    except EvidenceError:
        return set()
