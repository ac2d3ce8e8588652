"""Rows: what a home has, as the tables want it, without the numbers that only the catalog gives; and their cells.

A row of a backup depends on its own files alone; what the live install says of itself stands in the install's row.
Most backups of a fleet have a record that stands word for word in their archive: `RecordCells` makes their cells from
the record's values, by the `Program` of its keys. `cells_of` makes them of any other backup's inspection.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timezone, tzinfo
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import chain
from typing import Final, NamedTuple, cast

from backupmeta import __version__, library, rules
from backupmeta.account.filename import is_archive_name
from backupmeta.account.home import Home, Pair, Surroundings, is_id, orphaned
from backupmeta.account.layout import BACKUPS, CURRENT, PLACEHOLDER, Listing
from backupmeta.archive.limits import DEFAULT_LIMITS, GREATEST, Limits, OverAllowanceError, bounded
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.program import FieldStep, KeyStep, Program, compiled
from backupmeta.backup.resolve import ArchiveNameCheck, RecordedName, check_archive_name
from backupmeta.backup.witnesses import file_of, home_of
from backupmeta.catalog.remembered import Reader, Remembered, below
from backupmeta.catalog.schema import BACKUP_CELLS, BACKUP_FIELDS, INSTALL_FIELDS, Column, Type, exact_path, path_bytes
from backupmeta.checks.checked_backup import CheckedBackup, Inventory
from backupmeta.checks.policy import DEFAULT
from backupmeta.checks.rulebook import of_backup
from backupmeta.errors import EvidenceError, NoRecordError
from backupmeta.evidence import Signature
from backupmeta.findings import Finding
from backupmeta.masking import MASK, is_secret
from backupmeta.provenance import Witness, display, located
from backupmeta.record.fields import CUSTOM, FIELD, FIELDS, Default, Scope
from backupmeta.record.grammar import Document, Record
from backupmeta.record.values import Decoder, Value, text

Cell = str | int | bytes | None
Cells = tuple[Cell, ...]

_LIVE: Final = frozenset(field.name for field in FIELDS if field.scope is Scope.LIVE)
"""The fields that a live install tells, or nobody: here they stand in its own row."""
_MADE: Final = frozenset({"id", "file", "backup_filename"})
"""The fields that a file's name or a path may tell: no record that was masked."""
_LONGEST_REMEMBERED: Final = 4096  # bytes; real lists are shorter, and a record may hold a million


# --- rows -------------------------------------------------------------------------------------------------------------


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
    ctime_ns: int


class FindingRow(NamedTuple):
    """A row of the findings; as their table."""

    id: str
    severity: str
    subject: str
    detail: str
    message: str
    evidence: str


class ResolvedRow(NamedTuple):
    """A row of the installs or backups.

    Attributes:
        files: its record and its archive, as places among the files or as numbers; None for one that is missing.
        cells: its fields, and what stands beside.
        findings: what is odd about it.
    """

    files: tuple[int | None, ...]
    cells: Cells
    findings: tuple[FindingRow, ...] = ()


class Rows(NamedTuple):
    """All rows of an account.

    Attributes:
        files: its records and archives.
        installs: its installs.
        backups: its backups.
        findings: what is odd about the account itself.
    """

    files: list[FileRow]
    installs: list[ResolvedRow]
    backups: list[ResolvedRow]
    findings: tuple[FindingRow, ...]


class Walked(NamedTuple):
    """What came out for an archive.

    Attributes:
        path: its path below the account's.
        id: the id of the record that claims it, if any.
        verdict: pass, fail, unreadable or not judged.
        sha256: its digest, where all of it was read.
        findings: what was found.
        is_final: whether reading it again would tell the same: no disk failed, no process ended.
    """

    path: str
    id: str | None
    verdict: str
    sha256: str | None
    findings: tuple[FindingRow, ...]
    is_final: bool


def exact(row: FileRow) -> str:
    """Return the path of a file, bytes that are not UTF-8 as surrogates."""
    return exact_path(row.path, row.path_bytes)


def finding_row(finding: Finding) -> FindingRow:
    """Return the row of a finding."""
    texts = (display(finding.subject), display(finding.detail), display(finding.message))
    evidence = json.dumps([located(source) for source in finding.evidence], ensure_ascii=False)
    return FindingRow(finding.id, str(finding.severity), *texts, evidence)


# --- cells of any backup ----------------------------------------------------------------------------------------------


class Text(NamedTuple):
    """A value that many rows have: its digest, which stands for it in a row, and its JSON."""

    digest: bytes
    content: str


class Shelf:
    """Collects the values that many rows have, each once.

    Attributes:
        values: the values, as JSON, by their digests.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, str] = {}

    def key(self, text: Text) -> bytes:
        """Return what stands for ``text`` in a row."""
        self.values[text.digest] = text.content
        return text.digest


def cells_of(inspection: Inspection, shelf: Shelf) -> Cells:
    """Return the cells of the fields of an ``inspection``, and those beside; put what many rows have on ``shelf``."""
    columns, fields = BACKUP_FIELDS if inspection.kind == "backup" else INSTALL_FIELDS, inspection.fields
    cells = [_cell_of(column, inspection, shelf) for column in columns]
    custom = {name: fields[name] for name in fields if name not in FIELD}
    kept = tuple((key, holding[0].record.values[key]) for key, holding in inspection.kept.items())
    return (*cells, *map(shelf.key, (json_of(custom) if custom else EMPTY, extra(kept), _origins(inspection))))


def _cell_of(column: Column, inspection: Inspection, shelf: Shelf) -> Cell:
    """Return the cell of a field."""
    name = column.name
    if (value := inspection.fields.get(name)) is None:
        return None
    origin = inspection.origins[name]
    if not isinstance(origin, Document) and name in _TOLD_ALONE[inspection.kind]:
        return None
    if column.type in _NUMERIC:
        return number(value)
    if column.type is Type.SHARED:
        raw = origin.record.values[FIELD[name].key or ""] if isinstance(origin, Document) else None
        return shelf.key(json_of(value) if raw is None else list_of(name, raw))
    if name in _MADE and isinstance(value, str) and not isinstance(origin, Document):
        return display(value)
    return cast("Cell", value)  # a text, a number or a flag


_NUMERIC: Final = frozenset({Type.INTEGER, Type.TIME, Type.FLAG})
_TOLD_ALONE: Final = {"backup": _LIVE, "install": frozenset({"cache_numbackups"})}
"""The fields of which only what a record of its own tells counts; see the view installs."""


def number(value: Value | Cell) -> int | None:
    """Return a number as the catalog holds it; None for one beyond 64 bits, which the memory has exactly."""
    if value is None or value == "":
        return None
    number = int(value)  # type: ignore[arg-type]  # digits, a number or a flag
    return number if -GREATEST <= number <= GREATEST else None


def seconds(offset: timezone | None) -> int | None:
    """Return an offset from UTC in seconds."""
    return None if offset is None else int(offset.utcoffset(None).total_seconds())


def list_of(name: str, raw: bytes) -> Text:
    """Return the list that a record has in ``raw`` for the field ``name``."""
    return (_remembered_list if len(raw) <= _LONGEST_REMEMBERED else _list_of)(name, raw)


def _list_of(name: str, raw: bytes) -> Text:
    return json_of(FIELD[name].decode(raw))


_remembered_list = lru_cache(maxsize=4096)(_list_of)


def json_of(value: object) -> Text:
    """Return ``value`` as JSON."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Text(blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest(), content)


EMPTY: Final = json_of({})


def extra(kept: Iterable[tuple[str, bytes]]) -> Text:
    """Return all other keys with what the first record says of them."""
    return json_of({display(key): raw.decode("utf-8", "replace") for key, raw in kept})


def _origins(inspection: Inspection) -> Text:
    """Return the witness and the line of each field."""
    origins = inspection.origins
    main = next((origin for origin in origins.values() if isinstance(origin, Document)), None)
    others = {name: origin for name, origin in origins.items() if origin is not main}
    if main is None or not main.record.is_tidy or any(isinstance(origin, Document) for origin in others.values()):
        sources = {name: inspection.source(name) for name in _on_the_wire({**inspection.fields, **origins})}
        return json_of({name: [str(source.witness), source.line] for name, source in sources.items()})
    witnesses = tuple([(name, str(origin[0])) for name, origin in others.items()])
    described = _remembered_origins if main.record.is_usual else _origins_of
    return described(tuple(origins), main.source.witness, tuple(main.record.values), witnesses)


def _origins_of(
    names: tuple[str, ...], main: Witness, keys: tuple[str, ...], others: tuple[tuple[str, str], ...]
) -> Text:
    """Return the witness and the line of each field, where one record with a key in each line tells most of them."""
    lines, without_line = {key: line for line, key in enumerate(keys, 1)}, dict(others)
    return json_of(
        {
            name: [without_line[name], None] if name in without_line else [str(main), lines[_key_of(name)]]
            for name in _on_the_wire(names)
        }
    )


_remembered_origins = lru_cache(maxsize=1024)(_origins_of)


def _on_the_wire(names: Iterable[str]) -> list[str]:
    """Return the ``names`` of fields in the order of the server's answer; custom fields come last."""
    return sorted(names, key=lambda name: _PLACES.get(name, len(_PLACES)))


def _key_of(name: str) -> str:
    known = FIELD.get(name)
    return known.key if known is not None and known.key is not None else CUSTOM + name


# --- cells of a usual backup ------------------------------------------------------------------------------------------

_PLACES: Final = {column.name: place for place, column in enumerate(BACKUP_FIELDS)}
_ID, _FILE, _PATH, _USER, _INSTALL = (_PLACES[name] for name in ("id", "file", "path", "user", "backup_install"))
_FILENAME, _URL, _TITLE = (_PLACES[name] for name in ("backup_filename", "url", "title"))
_DERIVED: Final = {"id": Witness.FILE_NAME, "cache_numbackups": Witness.FILE_SYSTEM, "file": Witness.DERIVED}
"""The fields that no record has and `RecordCells` knows, and the witness of each, in the order of the wire."""


_Make = Callable[[bytes], Cell | Text]


class _Columns(NamedTuple):
    """Which key of a record becomes which cell, by the program of its keys.

    Attributes:
        cells: by key: the places of its cells, and what makes a cell of the value; a `Text` where many rows share it.
        constant: the cells that hold a documented default, by place; the others are None.
        custom: by key: the fields that have no column.
        kept: the keys that are no fields.
        origins: the witness and the line of each field.
    """

    cells: Mapping[str, tuple[tuple[int, _Make], ...]]
    constant: tuple[Cell, ...]
    custom: Mapping[str, str]
    kept: frozenset[str]
    origins: Text


class _Filled(NamedTuple):
    """Cells, and the values that they were made of."""

    columns: _Columns
    values: Mapping[str, bytes]
    cells: list[Cell]


class RecordCells:
    """Makes the cells of backups whose record stands word for word in their archive, each line of it a key."""

    def __init__(self, shelf: Shelf, zone: tzinfo | None) -> None:
        """Put what many rows have on the ``shelf``; ``zone`` is the server's time zone, where it is known."""
        self._shelf = shelf
        self._zone = zone
        self._last: _Filled | None = None

    def of(self, home: Home, pair: Pair, around: Surroundings) -> tuple[Cells, tuple[Finding, ...]] | None:
        """Return the cells of a backup, and what is odd about it; None where it has to be resolved.

        That is where its records differ, the text of one is odd, the keys leave something open, or a value can't be
        decoded. ``around`` is what its home tells, without the live installs.
        """
        record, archive = pair.record, pair.archive
        if record is None or archive is None or around.server_path is None or not record.record.is_tidy:
            return None
        columns = _columns(tuple(record.record.values)) if record.record.is_usual else None
        try:
            if columns is None or (head := home.read_head(archive)).record != record.record.content:
                return None
            cells = self._filled(columns, record.record.values)
        except (EvidenceError, ValueError):  # it can't be read, or a value can't be decoded
            return None
        cells[_ID], cells[_FILE] = pair.id, _record_path(cells, around)
        if cells[_FILE] is None:
            return None
        name = self._check_name(cells, record.record.values, archive.server_path)
        row = (str(pair.state), seconds(name.utc_offset), *cells, self._shelf.key(columns.origins))
        return row, (*pair.findings, *head.findings, *name.findings)

    def _filled(self, columns: _Columns, values: Mapping[str, bytes]) -> list[Cell]:
        """Return the cells that the record's ``values`` tell. Raises `ValueError` for one that can't be decoded.

        One after the other, an account's records share most of their values: those are not decoded again.
        """
        before = self._last
        if before is not None and before.columns is columns:
            cells, known = before.cells.copy(), before.values
            changed = [key for key, value in values.items() if value is not known[key]]
        else:
            cells, changed = [*columns.constant, None, None], list(values)
        for key in changed:
            for place, make in columns.cells.get(key, ()):
                cell = make(values[key])
                cells[place] = self._shelf.key(cell) if isinstance(cell, Text) else cell
        if cells[-1] is None or any(key in columns.kept or key in columns.custom for key in changed):
            cells[-2:] = self._beside(columns, values)
        self._last = _Filled(columns, values, cells)
        return cells.copy()

    def _beside(self, columns: _Columns, values: Mapping[str, bytes]) -> tuple[bytes, bytes]:
        """Return what stands beside the fields. Raises `ValueError` for what is no text, which is a finding."""
        kept = tuple((key, value) for key, value in values.items() if key in columns.kept)
        for _, value in kept:
            value.decode()
        custom = {columns.custom[key]: value.decode() for key, value in values.items() if key in columns.custom}
        return self._shelf.key(json_of(custom)), self._shelf.key(extra(kept))

    def _check_name(self, cells: list[Cell], values: Mapping[str, bytes], archive: str) -> ArchiveNameCheck:
        name, url, title = (cast("str | None", cells[place]) for place in (_FILENAME, _URL, _TITLE))
        time = values.get("backup-time")
        recorded = RecordedName(name or "", url, title, int(time) if time else None)
        return check_archive_name(recorded, archive, archive, self._zone)


@lru_cache(maxsize=256)
def _columns(keys: tuple[str, ...]) -> _Columns | None:
    """Return which of a record's ``keys`` becomes which cell; None where they leave too much open."""
    decided = compiled((keys,), None, is_backup=True)
    if not all(_is_derived(step) for step in decided.open_steps):
        return None
    (won,) = decided.won
    cells: dict[str, tuple[tuple[int, _Make], ...]] = {}
    for name, key, decode in (*((name, key, text) for name, key in won.texts.items()), *won.decoded):
        if name in _PLACES:
            cells[key] = (*cells.get(key, ()), (_PLACES[name], _maker(BACKUP_FIELDS[_PLACES[name]], decode)))
    return _Columns(
        cells=cells,
        constant=_constant(decided.defaults),
        custom={key: name for name, key in won.texts.items() if name not in _PLACES},
        kept=frozenset(decided.kept),
        origins=_origins_by(decided, keys),
    )


def _is_derived(step: FieldStep | KeyStep) -> bool:
    return isinstance(step, FieldStep) and not step.holders and step.field.name in _DERIVED


def _constant(defaults: Mapping[str, Default]) -> tuple[Cell, ...]:
    """Return the cells of the documented ``defaults``; what describes the live install stands in its own row."""
    cells: list[Cell] = [None] * len(BACKUP_FIELDS)
    for name, default in defaults.items():
        if name not in _LIVE:
            cells[_PLACES[name]] = default.value if isinstance(default.value, str) else None
    return tuple(cells)


def _origins_by(decided: Program, keys: tuple[str, ...]) -> Text:
    """Return the witness and the line of each field that a program takes from a backup record, or from elsewhere."""
    derived = [step.field.name for step in decided.open_steps if isinstance(step, FieldStep)]
    elsewhere = {name: str(Witness.DEFAULT) for name in decided.defaults} | {n: str(_DERIVED[n]) for n in derived}
    names = (*decided.won[0].names, *elsewhere)
    return _origins_of(names, Witness.BACKUP_RECORD, keys, tuple(elsewhere.items()))


def _maker(column: Column, decode: Decoder) -> _Make:
    """Return what makes the cell of a field."""
    if column.type is Type.SHARED:
        return partial(list_of, column.name)
    if is_secret(column.name):
        return lambda raw: MASK if raw.decode() else ""
    if decode is text:
        return bytes.decode
    if column.type in _NUMERIC:
        return lambda raw: number(decode(raw))
    return lambda raw: cast("Cell", decode(raw))


def _record_path(cells: list[Cell], around: Surroundings) -> str | None:
    """Return the cell of the field ``file``."""
    home = around.as_server or home_of(str(cells[_PATH] or ""), str(cells[_USER] or "")) or around.server_path
    path = file_of(home, str(cells[_INSTALL] or ""))
    return None if path is None else display(path)


# --- rows of an account -----------------------------------------------------------------------------------------------

_NOBODY: Final[Mapping[str, Document]] = {}
_OF_INSTALL: Final = [column.name for column in BACKUP_CELLS].index("backup_install")
"""Which cell of a backup has the id of its install."""
_EDITION: Final = 2
"""It rises where the same evidence gets other rows, so that a scan makes them anew."""


class RowBuilder:
    """Makes the rows of accounts.

    Attributes:
        shelf: the values that many rows have.
        dependencies: what rows depend on beside the evidence.
    """

    def __init__(self, zone: tzinfo | None, limits: Limits = DEFAULT_LIMITS) -> None:
        """Begin; ``zone`` is the server's time zone, where it is known, ``limits`` what a file may ask for."""
        self.shelf: Shelf = Shelf()
        asked = "" if limits == DEFAULT_LIMITS else f" {limits}"
        self.dependencies: str = f"{__version__} {_EDITION} {zone}{asked}"
        self._zone = zone
        self._records = RecordCells(self.shelf, zone)

    def rows(self, home: Home, reading: Reader, listing: Listing) -> Rows:
        """Return the rows of ``home``, whose files ``reading`` reads, and were listed before in ``listing``."""
        odd: list[Finding] = []
        backups = list(self._backups(home, odd))  # first: this reads the archives' heads
        files = list(_files(home, reading, listing))
        positions = {exact(row): position for position, row in enumerate(files)}
        return Rows(
            files,
            [self._install(home, id_, positions) for id_ in sorted(home.installs)],
            [
                ResolvedRow((positions.get(record), positions.get(archive)), cells, findings)
                for record, archive, cells, findings in backups
            ],
            tuple(map(finding_row, chain(home.findings, odd))),
        )

    def _backups(self, home: Home, odd: list[Finding]) -> Iterator[tuple[str, str, Cells, tuple[FindingRow, ...]]]:
        """Yield where the record and the archive of each backup would be, its cells, and what is odd about it."""
        around = home.surroundings._replace(installs=_NOBODY)
        for pair in home.pairs():
            archive = below(home.folder, pair.archive.folder, pair.archive.name) if pair.archive else ""
            try:
                record = f"{BACKUPS}/{pair.id}" if pair.record else ""
                cells, findings = self._backup(home, pair, around)
                gone = orphaned(pair.server_path, str(cells[_OF_INSTALL] or ""), home.live)
                yield record, archive, cells, (*findings, *map(finding_row, gone))
            except OverAllowanceError:  # the home tells it once
                continue
            except EvidenceError as error:
                odd += (*pair.findings, library.unreadable(pair, error))

    def _backup(self, home: Home, pair: Pair, around: Surroundings) -> tuple[Cells, tuple[FindingRow, ...]]:
        """Return the cells of a backup, and what is odd about it. Raises `EvidenceError` where nothing is known."""
        if (known := self._records.of(home, pair, around)) is not None:
            cells, findings = known
            return cells, tuple(map(finding_row, findings)) if findings else ()
        inspection = library.inspect_backup(home, pair, around, self._zone)
        cells = (str(inspection.state), seconds(inspection.utc_offset), *cells_of(inspection, self.shelf))
        if pair.archive is None:  # no deep scan will judge it; that a time lies ahead, a scan can't say
            subject = CheckedBackup(
                inspection.server_path, inspection, Inventory(home.limits), DEFAULT.requirements, GREATEST
            )
            inspection.findings += of_backup(subject, is_whole=False)
        return cells, tuple(map(finding_row, inspection.findings))

    def _install(self, home: Home, id_: str, positions: Mapping[str, int]) -> ResolvedRow:
        inspection = library.inspect_install(home, id_)
        findings = tuple(map(finding_row, inspection.findings))
        return ResolvedRow((positions[f"{CURRENT}/{id_}"],), cells_of(inspection, self.shelf), findings)


def _files(home: Home, reading: Reader, listing: Listing) -> Iterator[FileRow]:
    """Yield the rows of the records and archives; what was opened is as it was then, not as it was listed."""
    opened = {path: file.signature for path, file in reading.files.items()}
    for path, signature in {**listing.files, **opened}.items():
        if (home.wanted is None or path in opened) and (row := _file_row(path, signature, reading)) is not None:
            yield row


def _file_row(path: str, signature: Signature, reading: Reader) -> FileRow | None:
    """Return the row of a file; None for what is neither a record nor an archive."""
    folder, _, name = path.rpartition("/")
    kind = _KINDS.get(folder, Witness.ARCHIVE)
    remembered = reading.files.get(path)
    is_archive = is_archive_name(name) or (remembered is not None and remembered.is_archive)
    if name == PLACEHOLDER or (kind is Witness.ARCHIVE and not is_archive):
        return None
    # a time may be after 2262
    size, mtime_ns, inode, ctime_ns = map(bounded, signature)
    status = _status(kind, name, remembered)
    digest = reading.digests.get(path)
    return FileRow(display(path), path_bytes(path), str(kind), size, mtime_ns, inode, status, digest, ctime_ns)


_KINDS: Final = {CURRENT: Witness.INSTALL_RECORD, BACKUPS: Witness.BACKUP_RECORD}


def _status(kind: Witness, name: str, remembered: Remembered | None) -> str:
    content = None if remembered is None else remembered.content
    if kind is Witness.ARCHIVE:
        if isinstance(content, EvidenceError) and not isinstance(content, NoRecordError):
            return library.unread(content).id
        return "passed over" if content is None else "read"
    if not is_id(name):
        return rules.RECORD_NAME_MALFORMED.id
    return "read" if isinstance(content, Record) else rules.RECORD_UNREADABLE.id
