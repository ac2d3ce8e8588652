"""What is remembered of an account between scans: its files, its records without their secrets, its archives' heads.

It is kept as JSON, compressed. The next scan's `Reader` reads a home by it: what did not change is not opened. In an
answer from a catalog accounts are `recalled` from it: they stand in for those on disk, for any command.
"""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

import zstandard

from backupmeta import errors, rules
from backupmeta.account.home import Archive, Home, HomeReading, Pair, is_id
from backupmeta.account.layout import BACKUPS, CURRENT, below_home, is_outside, path_on_server
from backupmeta.account.places import FoundHome
from backupmeta.archive.compression import COMPRESSIONS
from backupmeta.archive.head import Head, head
from backupmeta.archive.identification import Beginning, beginning
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import Member
from backupmeta.catalog.database import Catalog, StoredMemory
from backupmeta.catalog.schema import exact_path
from backupmeta.errors import EvidenceError, UnreadableError
from backupmeta.evidence import Folder, Signature
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display, place_in
from backupmeta.record.grammar import Document, Record, parse, parse_masked, without_secrets
from backupmeta.search import Search

_BY_NAME: Final = {compression.name: compression for compression in COMPRESSIONS}
_LEVEL: Final = 3
_MOST_BYTES: Final = 4 * 1024 * 1024 * 1024
"""How much a memory may inflate to."""


Content = Record | Head | EvidenceError | Beginning
"""What was read of a file: a record, a head, why nothing was; or how it begins, where that is as no archive does."""


_UNKNOWN: Final = -1
"""The time of change of a file that an older program has remembered: it is read once more."""


class Remembered(NamedTuple):
    """A file: what it was like, and what was read of it."""

    signature: Signature
    content: Content

    @property
    def is_archive(self) -> bool:
        """Whether it was taken for an archive."""
        return isinstance(self.content, Head | EvidenceError)


@dataclass(slots=True)
class Memory:
    """What is remembered of an account.

    Attributes:
        server_path: its path as the server saw it.
        as_server: the same, where that is known.
        is_home: whether it is a home, and not just a folder of archives.
        has_records: whether it has an ``.appdata``.
        files: its records and archives, and what was no archive, by their paths from its folder on.
        findings: what was odd about the account itself.
    """

    server_path: str
    as_server: str | None
    is_home: bool
    has_records: bool
    files: dict[str, Remembered] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def account(self, path: str) -> FoundHome:
        """Return the account, which lies at ``path``."""
        return FoundHome(path, self.server_path, self.as_server, None, self.is_home)

    def to_bytes(self) -> bytes:
        """Return it as it is kept."""
        records: dict[bytes, int] = {}
        described = {
            "account": [self.server_path, self.as_server, self.is_home, self.has_records],
            "files": {
                path: [*file.signature, _described(file.content, records)] for path, file in sorted(self.files.items())
            },
            "records": [record.decode("utf-8", "surrogateescape") for record in records],
            "findings": list(map(_finding, self.findings)),
        }
        return zstandard.ZstdCompressor(_LEVEL).compress(json.dumps(described, separators=(",", ":")).encode())

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the memory in ``content``. Raises `ValueError` where it is none."""
        try:
            text = zstandard.ZstdDecompressor().decompress(content, max_output_size=_MOST_BYTES)
            described = json.loads(text)
            records = [record.encode("utf-8", "surrogateescape") for record in described["records"]]
            files = {
                path: Remembered(_signature(*signature), _content(path, entry, records))
                for path, (*signature, entry) in described["files"].items()
            }
            server_path, as_server, is_home, has_records = described["account"]
            return cls(
                server_path, as_server, is_home, has_records, files, list(map(_finding_of, described["findings"]))
            )
        except (zstandard.ZstdError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise ValueError("not what is remembered of an account") from error


def _signature(size: int, mtime_ns: int, inode: int, ctime_ns: int = _UNKNOWN) -> Signature:
    return Signature(size, mtime_ns, inode, ctime_ns)


def recall(catalog: str, stored: StoredMemory) -> Memory:
    """Return the memory that the ``catalog`` has of an account. Raises `CatalogError` where it is none."""
    try:
        return Memory.from_bytes(stored.content)
    except ValueError as error:
        raise errors.CatalogError(catalog, f"{stored.path}: {error}", "scan again, into a new file") from error


def _described(content: Content, records: dict[bytes, int]) -> object:
    """Return what was read of a file; a record as its number among the different ``records``."""
    if isinstance(content, Beginning):
        return {"begins": str(content)}
    if isinstance(content, Record):
        return records.setdefault(content.content, len(records))
    if isinstance(content, EvidenceError):
        return {"error": type(content).__name__, **_attributes(content)}
    member = content.member
    return {
        "record": records.setdefault(content.record, len(records)),
        "member": [member.name.decode("utf-8", "surrogateescape"), member.offset, member.size, member.mtime_ns],
        "place": content.place,
        "compression": content.compression.name,
        "findings": list(map(_finding, content.findings)),
    }


def _content(path: str, described: int | Mapping[str, Any], records: list[bytes]) -> Content:
    """Return what was read of the file at ``path``. Raises `TypeError` for what no memory has."""
    if isinstance(described, int):
        return parse_masked(records[described])
    if "begins" in described:
        return Beginning(described["begins"])
    if "error" in described:
        return _error(described)
    name, offset, size, mtime_ns = described["member"]
    exact = name.encode("utf-8", "surrogateescape")
    member = Member(exact, "file", size, mtime_ns, 0, 0, 0, b"", b"", b"", offset, size)
    findings = tuple(map(_finding_of, described["findings"]))
    compression = _BY_NAME[described["compression"]]
    return Head(path, compression, 0, 0, member, described["place"], records[described["record"]], findings)


def _attributes(error: EvidenceError) -> Mapping[str, object]:
    return {name: value for name, value in vars(error).items() if isinstance(value, str | int | None)}


def _error(described: Mapping[str, Any]) -> EvidenceError:
    """Return the error that reading a file raised."""
    kind = getattr(errors, described["error"], EvidenceError)
    error: EvidenceError = EvidenceError.__new__(kind if issubclass(kind, EvidenceError) else EvidenceError)
    EvidenceError.__init__(error, described["path"], described["reason"])
    known = ["reason", "advice", *_ATTRIBUTES.get(kind, ())]
    vars(error).update({name: described[name] for name in known})
    return error


_ATTRIBUTES: Final = {
    errors.DamagedError: ("offset", "verdict"),
    errors.LimitExceededError: ("limit", "bound", "actual"),
}
"""What errors of these classes have beside their path, reason and advice."""


def _finding(finding: Finding) -> list[object]:
    return [finding.id, finding.subject, finding.detail, [list(source) for source in finding.evidence]]


def _finding_of(described: Iterable[Any]) -> Finding:
    from backupmeta.checks.rulebook import FINDINGS

    id_, subject, detail, evidence = described
    return Finding(
        FINDINGS[id_], subject, detail, tuple(Source(Witness(witness), *place) for witness, *place in evidence)
    )


_FILENAME: Final = "backup-filename"
_OTHERWISE: Final = (UnreadableError, errors.LimitExceededError)
"""Why a file was not read that may be read the next time: the system refused, or a limit that can be raised did."""

_NOWHERE: Final = Signature(0, 0, 0, 0)
_NO_FILES: Final[Mapping[str, Remembered]] = {}


class Reader(HomeReading):
    """Reads what lies in a home, without its secrets.

    Attributes:
        files: what was read or remembered, by its path below the base.
        digests: the SHA-256 of the records that were read, in hexadecimal, by their paths.
        is_sure: whether everything could be read, and was as it was listed.
        copies: how many copies of a record are kept: by the home, as it was read, and what its rows are made of.
    """

    copies = 2

    def __init__(self, base: Folder, files: Mapping[str, Remembered] = _NO_FILES) -> None:
        """Begin with what is remembered of the ``files`` below the folder ``base``; `reread` then reads."""
        self.files: dict[str, Remembered] = dict(files)
        self.digests: dict[str, str] = {}
        self.is_sure: bool = True
        self._home = base
        self._listed: Mapping[str, Signature] = {}
        self._remembered: Mapping[str, Remembered] = _NO_FILES
        self._read: dict[bytes, Record] = {}
        self._anew: set[str] = set()

    def reread(self, listed: Mapping[str, Signature]) -> "Reader":
        """Return a reader of the same folder that knows what this one has read, and what was ``listed`` since."""
        anew, torn = Reader(self._home), self.torn
        anew.digests = self.digests
        anew._listed, anew._remembered = listed, {path: file for path, file in self.files.items() if path not in torn}
        return anew

    @property
    def torn(self) -> frozenset[str]:
        """The files of backups of which one file was read, or is gone, while another one is only remembered.

        Whether a record's secrets and its archive's are the same shows only where both are read at once.
        """
        if not self._remembered:
            return frozenset()
        changed = (path for path, file in self._remembered.items() if file.signature != self._listed.get(path))
        named = {path: _names(path, file.content) for path, file in self.files.items()}
        dirty = {name for path in self._anew for name in named.get(path, ())}
        dirty.update(name for path in changed for name in _names(path, self._remembered[path].content))
        kept = {name for path, names in named.items() if path not in self._anew for name in names}
        torn = _joined(dirty & kept, named.values())
        return frozenset(path for path, names in named.items() if names & torn)

    def record(self, folder: Folder, name: str, limits: Limits) -> Record:
        """Return the record ``name`` of ``folder``, its secrets masked. Raises `EvidenceError`."""
        path = below(self._home, folder, name)
        known = self._unchanged(path)
        if isinstance(known, EvidenceError):
            raise known
        if isinstance(known, Record):
            return known
        try:
            with folder.open_file(name) as file:
                content, signature = file.read_whole("record_bytes", limits.record_bytes), file.signature
            self._check(path, signature)
            record = self._parsed(folder.child(name), content, limits)
        except EvidenceError as error:
            self._refuse(path, error)
            raise
        self.files[path] = Remembered(signature, record.masked)
        self._anew.add(path)
        self.digests[path] = sha256(content).hexdigest()
        self._read.setdefault(record.opened.get(_FILENAME, b""), record)
        return record.masked

    def head(self, archive: Archive, limits: Limits) -> Head:
        """Return the head of an archive, its record's secrets masked. Raises `EvidenceError`."""
        path = below(self._home, archive.folder, archive.name)
        known = self._known(path)
        if isinstance(known, Head):
            return known
        if isinstance(known, EvidenceError):
            raise known
        try:
            with archive.open() as file:
                self._check(path, file.signature)
                content = head(file, limits, archive.server_path)
                content = content._replace(record=self._masked(archive, content.record))
                self.files[path] = Remembered(file.signature, content)
        except EvidenceError as error:
            self._refuse(path, error)
            raise
        self._anew.add(path)
        return content

    def beginning(self, folder: Folder, name: str, limits: Limits) -> Beginning:
        """Return how a file begins; what was taken for an archive begins as one. Raises `EvidenceError`."""
        path = below(self._home, folder, name)
        known = self._known(path)
        if known is not None:
            return known if isinstance(known, Beginning) else Beginning.TAR
        try:
            with folder.open_file(name) as file:
                self._check(path, file.signature)
                content = beginning(file, limits)
                if content is not Beginning.TAR:
                    self.files[path] = Remembered(file.signature, content)
        except UnreadableError:
            self.is_sure = False
            raise
        return content

    def _masked(self, archive: Archive, content: bytes) -> bytes:
        """Return an archive's record without its secrets; masks differ where they differ from the backup record's."""
        read = self._read.get(_bytes(archive.name))
        if read is not None and read.is_of(content):
            return read.content
        record = parse(content)
        read = read or self._read.get(record.opened.get(_FILENAME, b""))
        return without_secrets(record, read.opened).content if read else record.content

    def _known(self, path: str) -> Content | None:
        """Return what was read of the file at ``path``, now or before; None where it has to be read."""
        return self.files[path].content if path in self.files else self._unchanged(path)

    def _unchanged(self, path: str) -> Content | None:
        """Return what is remembered of the file at ``path``, if it is as it was."""
        known = self._remembered.get(path)
        if known is None or known.signature != self._listed.get(path) or isinstance(known.content, _OTHERWISE):
            return None
        self.files[path] = known
        return known.content

    def _check(self, path: str, signature: Signature) -> None:
        """Compare a file with what was listed."""
        if signature != self._listed.get(path):
            self.is_sure = False

    def _refuse(self, path: str, error: EvidenceError) -> None:
        """Remember why the file at ``path`` can't be read."""
        if isinstance(error, UnreadableError):  # that may be otherwise the next time
            self.is_sure = False
        self.files[path] = Remembered(self._listed.get(path, _NOWHERE), error)
        self._anew.add(path)


def below(home: Folder, folder: Folder, name: str) -> str:
    """Return the path of the file ``name`` in ``folder``, from ``home`` on; of one outside as the server saw it."""
    if folder.path != home.path and not folder.path.startswith(f"{home.path}{os.sep}"):
        return below_home(home.server_path, folder.server_child(name))
    return f"{folder.path[len(home.path) + 1 :]}/{name}".removeprefix("/").replace(os.sep, "/")


def _joined(names: Collection[bytes], groups: Iterable[frozenset[bytes]]) -> set[bytes]:
    """Return the ``names`` and all that ``groups`` of names join with them: a renamed archive joins two."""
    by_name: dict[bytes, list[frozenset[bytes]]] = {}
    for group in groups:
        for name in group:
            by_name.setdefault(name, []).append(group)
    joined, ahead = set(names), list(names)
    while ahead:
        more = {name for group in by_name.pop(ahead.pop(), ()) for name in group} - joined
        joined |= more
        ahead += more
    return joined


def _names(path: str, content: Content) -> frozenset[bytes]:
    """Return the names of archives by which a file belongs to a backup: what its record claims, and its own."""
    if isinstance(content, Beginning):
        return frozenset()
    if isinstance(content, Record):
        return frozenset({content.values.get(_FILENAME, b"")}) - {b""}
    own = _bytes(path.rpartition("/")[2])
    if isinstance(content, Head):
        return frozenset({own, parse_masked(content.record).values.get(_FILENAME, b"")}) - {b""}
    return frozenset({own})


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


# --- answers ----------------------------------------------------------------------------------------------------------

_CLOSED: Final = -1
"""The descriptor of a folder that is not opened."""


@dataclass(frozen=True)
class InCatalog(Search):
    """Where to look, and how: in a catalog, instead of on disk.

    Attributes:
        catalog: the catalog's path.
        wanted: SQL that selects the numbers of the accounts to look at, and its arguments; all, where it is empty.
    """

    catalog: str = ""
    wanted: tuple[str, Sequence[str | int]] = ("", ())

    @property
    def name(self) -> str:
        """What stands for where it looks."""
        return self.catalog

    def unread(self, findings: list[Finding]) -> Iterator[Home]:
        """Yield the homes as they were when they were scanned; append what could not be read. Raises `CatalogError`."""
        select, arguments = self.wanted
        which = f"status <> 'vanished' AND account IN ({select})" if select else "status <> 'vanished'"
        with Catalog.checked(self.catalog, findings) as catalog:
            findings += catalog.findings(_ON_THE_WAY)
            for stored in catalog.memories(f"{which} ORDER BY path, host", arguments):
                yield recalled(catalog, stored, self.limits)

    def names(self) -> Iterator[str]:
        """Yield the names of all homes, whosever they are."""
        with Catalog.unchecked(self.catalog) as catalog:
            yield from catalog.names()


_ON_THE_WAY: Final = "backup IS NULL AND install IS NULL AND (account IS NULL OR id = 'folder-unreadable')"


_OF_WHOLE: Final = """
SELECT f.path, f.path_bytes, b.id, n.id, n.subject, n.detail, n.evidence FROM findings n
JOIN all_files f ON f.file = n.file LEFT JOIN all_backups b ON b.backup = n.backup
WHERE n.account = ? ORDER BY n.finding IS NULL, n.finding
"""


class _Recalling(HomeReading):
    """Reads what lies in a home from what is remembered of it, and has what a deep scan found."""

    def __init__(self, catalog: Catalog, remembered: Memory, home: "Recalled") -> None:
        self._catalog = catalog
        self._remembered = remembered
        self._home = home

    def of_whole(self, pair: Pair, /) -> tuple[Finding, ...]:
        """Return what a deep scan has found, but for what depends on the moment and the zone of judging."""
        from backupmeta.checks.record import TIME_IN_FUTURE

        if pair.archive is None:
            return ()
        of_now = {TIME_IN_FUTURE, rules.ARCHIVE_RECENT, rules.NAME_TIME_DIFFERS}
        found = self._by_path.get(below(self._home, pair.archive.folder, pair.archive.name), [])
        ids = {pair.id, None}
        return tuple(each for id_, each in found if (id_ in ids or pair.id is None) and each.rule not in of_now)

    @cached_property
    def _by_path(self) -> dict[str, list[tuple[str | None, Finding]]]:
        """What was found about archives, by their paths, each with the id of its backup; None where it is of none."""
        from backupmeta.checks.rulebook import FINDINGS

        found = dict[str, list[tuple[str | None, Finding]]]()
        rows = self._catalog.connection.execute(_OF_WHOLE, (self._home.account,))
        for path, path_bytes, backup, id_, subject, detail, places in rows:
            if id_ not in FINDINGS:  # another version's: a report has it
                continue
            finding = Finding(FINDINGS[id_], subject, detail, tuple(map(place_in, json.loads(places))))
            found.setdefault(exact_path(path, path_bytes), []).append((backup, finding))
        return found

    def record(self, folder: Folder, name: str, _limits: Limits, /) -> Record:
        raise errors.NotRegularError(folder.child(name), "is in a catalog")

    def head(self, archive: Archive, _limits: Limits, /) -> Head:
        """Return what is remembered of an archive's head, or raise what is remembered."""
        content = self._remembered.files[below(self._home, archive.folder, archive.name)].content
        if isinstance(content, EvidenceError):
            raise content
        if not isinstance(content, Head):
            raise errors.NotRegularError(archive.server_path, "is no archive")
        return content

    def beginning(self, folder: Folder, name: str, _limits: Limits, /) -> Beginning:
        raise errors.NotRegularError(folder.child(name), "is in a catalog")


class Recalled(Folder):
    """A folder as a catalog has it: of the account of this number; what lies in it can't be opened."""

    def __init__(self, account: int, path: str, server_path: str | None = None) -> None:
        """Recall the folder at ``path``, which the server saw at ``server_path``."""
        super().__init__(path, path if server_path is None else server_path, _CLOSED)
        self.account: int = account
        self.remembered: dict[str, Signature] = {}

    @property
    def identity(self) -> tuple[int, int]:
        """The number of its account: there is no device and no inode."""
        return self.account, _CLOSED

    def signature(self, name: str) -> Signature | None:
        """Return what told the archive ``name`` from what it may become, when it was scanned."""
        return self.remembered.get(name)

    def below(self, path: str) -> "Recalled":
        """Return the folder at ``path`` from it on."""
        folder = self
        if is_outside(path):
            server_path = path_on_server(self.server_path, path)
            return Recalled(self.account, os.path.normpath(self.child(path)), server_path)
        for step in path.split("/") if path else ():
            folder = Recalled(self.account, folder.child(step), folder.server_child(step))
        return folder


def recalled(catalog: Catalog, stored: StoredMemory, limits: Limits) -> Home:
    """Return the home that is ``stored`` in a catalog. Raises `CatalogError` where that is no memory."""
    remembered = recall(catalog.path, stored)
    folder = Recalled(stored.account, stored.path, remembered.server_path)
    home = Home(folder, remembered.as_server, limits, _Recalling(catalog, remembered, folder))
    home.is_home, home.has_records = remembered.is_home, remembered.has_records
    home.findings = list(remembered.findings)
    home.installs = dict(_documents(folder, remembered, CURRENT, Witness.INSTALL_RECORD))
    home.backups = dict(_documents(folder, remembered, BACKUPS, Witness.BACKUP_RECORD))
    for name, file in remembered.files.items():
        parent, _, archive = name.rpartition("/")
        if parent not in {CURRENT, BACKUPS} and not isinstance(file.content, Beginning):
            holding = folder.below(parent)
            holding.remembered[archive] = file.signature
            home.add(Archive(archive, holding))
    return home


def _documents(home: Recalled, remembered: Memory, path_below: str, witness: Witness) -> Iterator[tuple[str, Document]]:
    """Yield the records in a folder of ``home``, by their names."""
    folder = home.below(path_below)
    for path, file in remembered.files.items():
        parent, _, name = path.rpartition("/")
        if parent == path_below and is_id(name) and isinstance(file.content, Record):
            yield name, Document(Source(witness, folder.server_child(name)), file.content)


_NAMED: Final = """
SELECT account FROM all_backups WHERE until IS NULL AND (id = ? OR backup_filename = ?)
UNION SELECT account FROM all_files WHERE until IS NULL AND kind = 'archive' AND (path = ? OR path LIKE '%/' || ?)
UNION SELECT account FROM all_installs WHERE until IS NULL AND id = ?
"""


def named(catalog: str, name: str, zone: tzinfo | None, user: str | None) -> InCatalog:
    """Return a search in the accounts that have a backup or install of this id or archive's ``name``.

    In all accounts where a ``user`` is asked for: who that is, any of them may tell.
    """
    wanted = ("", ()) if user else (_NAMED, (display(name),) * 5)
    return InCatalog(catalog=catalog, zone=zone, wanted=wanted)
