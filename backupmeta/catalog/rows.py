"""Rows: what a home has, as the tables want it, without the numbers that only the catalog gives.

A row of a backup depends on its own files alone; what the live install says of itself stands in the install's row.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timezone, tzinfo
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any, Final, NamedTuple

from backupmeta import library
from backupmeta.account.filename import is_archive_name
from backupmeta.account.home import PLACEHOLDER, RECORDS, Home, is_id
from backupmeta.account.listing import Listing
from backupmeta.catalog import store
from backupmeta.catalog.memory import Remembered
from backupmeta.catalog.reading import Forgetful
from backupmeta.catalog.tables import BACKUP_FIELDS, INSTALL_FIELDS, Column, Type
from backupmeta.errors import EvidenceError
from backupmeta.evidence import Signature
from backupmeta.findings import Finding
from backupmeta.inspection import Inspection, shown
from backupmeta.masking import MASK, is_secret, masked
from backupmeta.provenance import Source, Witness, display, located
from backupmeta.record.document import Document
from backupmeta.record.fields import CUSTOM, FIELD, FIELDS, Scope
from backupmeta.record.grammar import Record
from backupmeta.record.values import Value

Cell = str | int | bytes | None
Cells = tuple[Cell, ...]

_LIVE: Final = frozenset(one.name for one in FIELDS if one.scope is Scope.LIVE)
"""The fields that a live install tells, or nobody: here they stand in its own row."""
_GREATEST: Final = 2**63 - 1
_NOBODY: Final[Mapping[str, Document]] = {}


class FileRow(NamedTuple):
    """A row of the files; as their table."""

    path: str
    path_bytes: bytes | None
    kind: str
    size: int
    mtime_ns: int
    inode: int
    status: str
    sha256: str | None


class FindingRow(NamedTuple):
    """A row of the findings; as their table."""

    id: str
    severity: str
    subject: str
    detail: str
    message: str
    evidence: str


class InstallRow(NamedTuple):
    """A row of the installs: its record's place among the files, its fields, and its findings."""

    record_file: int
    cells: Cells
    findings: tuple[FindingRow, ...]


class BackupRow(NamedTuple):
    """A row of the backups: the places of its files, its state, its fields, and its findings."""

    record_file: int | None
    archive_file: int | None
    cells: Cells
    findings: tuple[FindingRow, ...]


class Rows(NamedTuple):
    """All rows of an account.

    Attributes:
        files: its records and archives.
        installs: its installs.
        backups: its backups.
        findings: what is odd about the account itself.
    """

    files: list[FileRow]
    installs: list[InstallRow]
    backups: list[BackupRow]
    findings: tuple[FindingRow, ...]


class Walked(NamedTuple):
    """What came out for an archive: its path below the account's, the verdict, its digest, what was found."""

    path: str
    verdict: str
    sha256: str | None
    findings: tuple[FindingRow, ...]


class Text(NamedTuple):
    """A value that many rows have: its digest, which stands for it in a row, and its JSON."""

    digest: bytes
    content: str


class RowMaker:
    """Makes the rows of accounts.

    Attributes:
        shared: the values that many rows have, by their digests.
    """

    def __init__(self, zone: tzinfo | None) -> None:
        """Begin; ``zone`` is the server's time zone, where it is known."""
        self.shared: dict[bytes, str] = {}
        self._zone = zone

    def rows(self, home: Home, reading: Forgetful, listing: Listing) -> Rows:
        """Return the rows of ``home``, whose files were read by ``reading``, and listed before in ``listing``."""
        files = [
            row
            for path, signature in {**listing.files, **_unlisted(reading, listing)}.items()
            if (home.wanted is None or path in reading.files) and (row := _file(path, signature, reading))
        ]
        places = {exact(row): place for place, row in enumerate(files)}
        odd: list[Finding] = []
        backups = list(self._backups(home, reading, places, odd))
        installs = [self._install(home, id_, places) for id_ in sorted(home.installs)]
        return Rows(files, installs, backups, tuple(map(finding_row, chain(home.findings, odd))))

    def _backups(
        self, home: Home, reading: Forgetful, places: Mapping[str, int], odd: list[Finding]
    ) -> Iterator[BackupRow]:
        around = home.surroundings._replace(installs=_NOBODY)
        for pair in home.pairs():
            try:
                found = library.inspect_backup(home, pair, around, self._zone)
            except EvidenceError as error:
                odd += (*pair.findings, library.unreadable(pair, error))
                continue
            record = places.get(f"{RECORDS}/backups/{pair.id}")
            archive = places.get(reading.below(pair.archive.folder, pair.archive.name)) if pair.archive else None
            head = (str(found.state), _seconds(found.utc_offset))
            yield BackupRow(record, archive, head + self._cells(found, _BACKUP), _findings(found))

    def _install(self, home: Home, id_: str, places: Mapping[str, int]) -> InstallRow:
        found = library.inspect_install(home, id_)
        return InstallRow(places[f"{RECORDS}/current/{id_}"], self._cells(found, _INSTALL), _findings(found))

    def _cells(self, found: Inspection, shape: "_Shape") -> Cells:
        """Return the cells of the fields, then what stands beside them."""
        fields, origins = found.fields, found.origins
        cells: list[Any] = [fields.get(name) for name in shape.names]  # fields' values first, then cells
        for place in shape.numbers:
            cells[place] = _number(cells[place])
        for place, name in shape.live:
            if origins.get(name).__class__ is not Document:
                cells[place] = None
        for place, name, key in shape.shared:
            if cells[place] is not None:
                cells[place] = self._shared(name, fields[name], origins[name], key)
        for place in shape.secrets:
            cells[place] = cells[place] and MASK
        custom = {name: fields[name] for name in fields if name not in FIELD}
        beside = (_json_of(custom) if custom else _EMPTY, _extra(found.kept), _origins(found))
        return (*cells, *map(self._key, beside))

    def _shared(self, name: str, value: Value, origin: Document | Source, key: str) -> bytes:
        if isinstance(origin, Document):
            return self._key(_list(name, origin.record.values[key]))
        return self._key(_json_of(value))

    def _key(self, text: Text) -> bytes:
        self.shared[text.digest] = text.content
        return text.digest


class _Shape(NamedTuple):
    """Where in a row of fields is what."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    shared: tuple[tuple[int, str, str], ...]
    secrets: tuple[int, ...]
    live: tuple[tuple[int, str], ...]


def _shape(columns: Sequence[Column], told_alone: frozenset[str]) -> _Shape:
    """Return the shape of ``columns``; of those ``told_alone`` only what a record of its own tells counts."""
    numbers = {Type.INTEGER, Type.TIME, Type.FLAG}
    return _Shape(
        tuple(one.name for one in columns),
        tuple(place for place, one in enumerate(columns) if one.type in numbers),
        tuple(
            (place, one.name, FIELD[one.name].key or "") for place, one in enumerate(columns) if one.type is Type.SHARED
        ),
        tuple(place for place, one in enumerate(columns) if is_secret(one.name)),
        tuple((place, one.name) for place, one in enumerate(columns) if one.name in told_alone),
    )


_BACKUP: Final = _shape(BACKUP_FIELDS, _LIVE)
_INSTALL: Final = _shape(INSTALL_FIELDS, frozenset({"cache_numbackups"}))  # unless its record tells it: see the view


def _number(value: Value) -> int | None:
    """Return a number as the catalog holds it; None for one beyond 64 bits, which the memory has exactly."""
    if value is None or value == "":
        return None
    number = int(value)  # type: ignore[arg-type]  # digits, a number or a flag
    return number if -_GREATEST <= number <= _GREATEST else None


def _seconds(offset: timezone | None) -> int | None:
    return None if offset is None else int(offset.utcoffset(None).total_seconds())


@lru_cache(maxsize=4096)
def _list(name: str, raw: bytes) -> Text:
    """Return the list that a record has in ``raw`` for the field ``name``."""
    return _json_of(shown(name, FIELD[name].decode(raw)))


def _json_of(value: object) -> Text:
    return _text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


@lru_cache(maxsize=4096)
def _text(content: str) -> Text:
    return Text(blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest(), content)


_EMPTY: Final = _json_of({})


def _extra(kept: Mapping[str, list[Document]]) -> Text:
    """Return every other key with what the first record says of it."""
    return _extra_of(tuple((key, holding[0].record.values[key]) for key, holding in kept.items()))


@lru_cache(maxsize=4096)
def _extra_of(kept: tuple[tuple[str, bytes], ...]) -> Text:
    texts = ((key, raw.decode("utf-8", "replace")) for key, raw in kept)
    return _json_of({display(key): masked(key, text) for key, text in texts})


def _origins(found: Inspection) -> Text:
    """Return the witness and the line of each field."""
    origins = found.origins
    main = next((one for one in origins.values() if isinstance(one, Document)), None)
    others = {name: one for name, one in origins.items() if one is not main}
    if main is None or not main.record.is_tidy or any(isinstance(one, Document) for one in others.values()):
        return _json_of({name: [str(place.witness), place.line] for name in origins for place in [found.source(name)]})
    witnesses = tuple([(name, str(one[0])) for name, one in others.items()])
    return _origins_of(tuple(origins), main.source.witness, tuple(main.record.values), witnesses)


@lru_cache(maxsize=1024)
def _origins_of(
    names: tuple[str, ...], main: Witness, keys: tuple[str, ...], others: tuple[tuple[str, str], ...]
) -> Text:
    """Return the witness and the line of each field, where one record with a key in each line tells most of them."""
    lines, without_line = {key: line for line, key in enumerate(keys, 1)}, dict(others)
    return _json_of(
        {
            name: [without_line[name], None] if name in without_line else [str(main), lines[_key_of(name)]]
            for name in names
        }
    )


def _key_of(name: str) -> str:
    known = FIELD.get(name)
    return known.key if known is not None and known.key is not None else CUSTOM + name


def _unlisted(reading: Forgetful, listing: Listing) -> dict[str, Signature]:
    """Return the signatures of files that came after the listing."""
    return {path: one.signature for path, one in reading.files.items() if path not in listing.files}


def _file(path: str, signature: Signature, reading: Forgetful) -> FileRow | None:
    """Return the row of a file; None for what is neither a record nor an archive."""
    folder, _, name = path.rpartition("/")
    kind = _KINDS.get(folder, Witness.ARCHIVE)
    if name == PLACEHOLDER or (kind is Witness.ARCHIVE and not is_archive_name(name)):
        return None
    found = reading.files.get(path)
    given = display(path)
    exact = None if given == path else path.encode("utf-8", "surrogateescape")
    return FileRow(given, exact, str(kind), *signature, _status(kind, name, found), reading.digests.get(path))


_KINDS: Final = {f"{RECORDS}/current": Witness.INSTALL_RECORD, f"{RECORDS}/backups": Witness.BACKUP_RECORD}


def _status(kind: Witness, name: str, found: Remembered | None) -> str:
    if kind is not Witness.ARCHIVE and not is_id(name):
        return "record-name-malformed"
    if kind is not Witness.ARCHIVE:
        return "read" if found is not None and isinstance(found.found, Record) else "record-unreadable"
    if found is None:
        return "archive-unreadable"
    return library.trouble(found.found) if isinstance(found.found, EvidenceError) else "read"


def exact(row: FileRow) -> str:
    """Return the path of a file, bytes that are not UTF-8 as surrogates."""
    return store.exact(row.path, row.path_bytes)


def _findings(found: Inspection) -> tuple[FindingRow, ...]:
    return tuple(map(finding_row, found.findings))


def finding_row(one: Finding) -> FindingRow:
    """Return the row of a finding."""
    texts = (display(one.subject), display(one.detail), display(one.message))
    places = (place if place.line is None else place._replace(offset=None) for place in one.evidence)
    evidence = json.dumps([located(place) for place in places], ensure_ascii=False)  # offsets told a secret's length
    return FindingRow(one.id, str(one.severity), *texts, evidence)
