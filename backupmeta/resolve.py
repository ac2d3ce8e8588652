"""Resolving: facts from all witnesses to one answer, which knows where each of its values comes from.

Precedence for a backup: backup record, embedded record, then, for fields that describe the live install only, the
install record; then the file name, then the documented default. What describes the install at the time of the backup
never comes from the live install, unless nothing else is readable; a finding says so then. Values that lose are kept.

Opens no file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timezone, tzinfo
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from backupmeta.account import filename
from backupmeta.account.filename import ArchiveName
from backupmeta.account.home import State
from backupmeta.evidence import join_seen
from backupmeta.findings import Finding
from backupmeta.masking import MASK, is_secret, mask_uris, masked
from backupmeta.provenance import Fact, Source, Witness, display
from backupmeta.record.document import Document
from backupmeta.record.fields import API_KEYS, CUSTOM, FIELD, FIELDS, Default, Field, Scope, Use, problem, use_of
from backupmeta.record.values import Value, items, text

if TYPE_CHECKING:
    from backupmeta.api.models import Backup, Install

_Derived = tuple[Value, Source]
_BY_DEFAULT: Final = Source(Witness.DEFAULT)
_INSTALL_FIELDS: Final = tuple(one for one in FIELDS if one.scope is not Scope.BACKUP)
_FIELDS_NOT_LIVE: Final = tuple(one for one in FIELDS if one.scope is not Scope.LIVE)
_LISTS: Final = frozenset(one.name for one in FIELDS if one.decode is items)
_HARMLESS: Final = frozenset(one.name for one in FIELDS if not one.secret and one.name not in _LISTS)
_CUSTOM_SCHEDULE: Final = frozenset({"autobk_daily", "autobk_weekly", "autobk_monthly"})


class Resolved(NamedTuple):
    """A value of the answer.

    Attributes:
        name: the field's.
        value: as on the wire, secrets in clear.
        source: where it comes from.
        losers: what other witnesses say instead.
    """

    name: str
    value: Value
    source: Source
    losers: tuple[Fact, ...] = ()

    def __repr__(self) -> str:
        return f"Resolved({self.name!r}, {shown(self.name, self.value)!r}, {self.source!r})"


def shown(name: str, value: Value) -> Value:
    """Return ``value`` of the field ``name`` as it may be shown: secrets and the userinfo of URIs masked."""
    if is_secret(name):
        return MASK if value else value
    if isinstance(value, str):
        return masked(name, value) if "://" in value else value
    if isinstance(value, list) and value and isinstance(value[0], str):
        return list(map(mask_uris, value)) if "://" in ",".join(value) else value
    return value


@dataclass(slots=True)
class Inspection:
    """What is known of one backup or install.

    Attributes:
        kind: ``backup`` or ``install``.
        state: what there is of a backup; None for an install.
        path: the archive, or else the record, as the server saw it.
        fields: the fields of the answer as on the wire, secrets in clear; in the order of the wire.
        origins: the record that each of them comes from, or else its source.
        conflicts: what other witnesses say instead.
        kept: every other key of its records, and those that could not be decoded, with the record that counts.
        findings: what is odd.
        archive_name: the parts of the archive's name, where it has one that follows the convention.
        utc_offset: the server's offset, which that name and ``backup_time`` imply together.
    """

    kind: Literal["backup", "install"]
    state: State | None
    path: str
    fields: dict[str, Value] = field(default_factory=dict)
    origins: dict[str, Document | Source] = field(default_factory=dict)
    conflicts: dict[str, tuple[Fact, ...]] = field(default_factory=dict)
    kept: dict[str, Document] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    archive_name: ArchiveName | None = None
    utc_offset: timezone | None = None

    def __repr__(self) -> str:
        return f"Inspection({self.kind!r}, {self.path!r}, {len(self.fields)} fields, {len(self.findings)} findings)"

    @property
    def values(self) -> dict[str, Resolved]:
        """The fields of the answer, each with its source and the values that lost."""
        return {
            name: Resolved(name, value, self._source(name), self.conflicts.get(name, ()))
            for name, value in self.fields.items()
        }

    def _source(self, name: str) -> Source:
        origin = self.origins[name]
        if isinstance(origin, Source):
            return origin
        known = FIELD.get(name)
        return origin.at(known.key if known is not None and known.key is not None else CUSTOM + name)

    @property
    def extra(self) -> dict[str, Fact]:
        """Every other key, and those that could not be decoded, with their raw values."""
        return {key: document.fact(key) for key, document in self.kept.items()}

    def get(self, name: str) -> Value:
        """Return the value of the field ``name``, in clear; None where it is absent or could not be decoded."""
        return self.fields.get(name)

    def text(self, name: str) -> str:
        """Return the field ``name`` as text, in clear; empty where it is none."""
        value = self.get(name)
        return value if isinstance(value, str) else ""

    def wire(self, *, show_secrets: bool = False) -> dict[str, Value]:
        """Return the fields as they stand in the server's answer."""
        if show_secrets:
            return dict(self.fields)
        hidden = [name for name, value in self.fields.items() if value.__class__ is str and "://" in value]
        hidden += [name for name in self.fields.keys() - _HARMLESS if is_secret(name) or name in _LISTS]
        return {**self.fields, **{name: shown(name, self.fields[name]) for name in hidden}}

    @property
    def answer(self) -> "Backup | Install":
        """The fields as a typed model, its secrets as ``SecretStr``."""
        from backupmeta.api.models import Backup, Install

        model = Backup if self.kind == "backup" else Install
        return model.model_validate(self.wire(show_secrets=True))


class Witnesses(NamedTuple):
    """Everything that speaks for one backup.

    Attributes:
        id: the backup record's name, or None.
        backup: the backup record.
        embedded: the archive's own record.
        install: the record of the live install.
        archive: the archive's path as the server saw it, or None where there is none.
        home: the home's path on this machine or as the server saw it, or None.
        as_server: the home's path as the server saw it, where that is known.
        numbackups: how many backup records the home has for the install, or None.
        zone: the server's time zone, where a person named it.
    """

    id: str | None
    backup: Document | None
    embedded: Document | None
    install: Document | None
    archive: str | None
    home: str | None
    as_server: str | None
    numbackups: int | None
    zone: tzinfo | None


def backup(witnesses: Witnesses, state: State) -> Inspection:
    """Return what is known of a backup."""
    records = [one for one in (witnesses.backup, witnesses.embedded) if one is not None]
    path = witnesses.archive or (records[0].source.path if records else "")
    inspection = Inspection("backup", state, path)
    _Resolver(witnesses, inspection).run(records)
    _compare_name(inspection, witnesses.archive, witnesses.zone)
    return inspection


def install(id_: str, record: Document, home: str | None, as_server: str | None, numbackups: int | None) -> Inspection:
    """Return what is known of an install; ``id_`` is its record's name."""
    witnesses = Witnesses(id_, None, None, record, None, home, as_server, numbackups, None)
    inspection = Inspection("install", None, record.source.path)
    _Resolver(witnesses, inspection).run([record])
    return inspection


class _Resolver:
    """Fills one inspection."""

    def __init__(self, witnesses: Witnesses, inspection: Inspection) -> None:
        self._witnesses = witnesses
        self._into = inspection
        self._is_backup = inspection.kind == "backup"

    def run(self, records: list[Document]) -> None:
        """Resolve every field from ``records``, the first of them the one that is believed first."""
        live = self._witnesses.install if self._is_backup else None
        distinct = records[:1] if len(records) > 1 and records[0].record is records[1].record else records
        for record in records:
            self._into.findings.extend(record.findings())
        if live is not None and not any(_tells_snapshot(record) for record in distinct):
            self._fall_back(live)
            distinct = [*distinct, live]
        with_live = [*distinct, live] if live is not None and live not in distinct else distinct
        self._known(FIELDS if self._is_backup else _INSTALL_FIELDS, distinct, with_live)
        self._others(distinct)

    def _known(self, fields: tuple[Field, ...], documents: list[Document], with_live: list[Document]) -> None:
        """Take the fields of the key table: most of them at once, where a single record speaks for them."""
        into, first = self._into, documents[0]
        if len(documents) == 1:
            into.fields = _decoded(first, fields if len(with_live) == 1 else _FIELDS_NOT_LIVE)
            into.origins = dict.fromkeys(into.fields, first)
        for one in fields:
            name, key, _, _, scope, _ = one
            if name not in into.fields:
                speaking = with_live if scope is Scope.LIVE else documents
                if len(speaking) == 1 and key not in first.record.values and name not in _ELSEWHERE:
                    continue
                self._field(one, speaking)
        into.fields = {one.name: into.fields[one.name] for one in fields if one.name in into.fields}

    def _fall_back(self, live: Document) -> None:
        self._into.findings.append(Finding("live-value-used", "", "no record of the backup tells it", (live.source,)))

    def _field(self, one: Field, documents: list[Document]) -> None:
        if one.name in _CUSTOM_SCHEDULE and self._into.get("autobk") != "custom":
            self._into.kept.update(dict.fromkeys({one.key or ""} & documents[0].record.values.keys(), documents[0]))
            return
        if not (one.key and self._from_records(one, one.key, documents)) and one.name in _ELSEWHERE:
            self._from_elsewhere(one)

    def _from_records(self, one: Field, key: str, documents: list[Document]) -> bool:
        """Take what the first of the ``documents`` says that has the ``key``; keep the others' other words."""
        holding = [document for document in documents if key in document.record.values]
        if not holding:
            return False
        raw = holding[0].record.values[key]
        if losers := tuple(other.fact(key) for other in holding[1:] if other.record.values[key] != raw):
            self._disagree(one, holding[0].at(key), losers)
        self._into.origins[one.name] = holding[0]
        try:
            self._into.fields[one.name] = one.decode(raw)
        except ValueError as error:
            self._into.fields[one.name] = None
            self._undecodable(one.name, key, holding[0], error)
        return True

    def _undecodable(self, name: str, key: str, document: Document, error: ValueError) -> None:
        if key not in self._into.kept:
            self._into.kept[key] = document
            self._note(problem(error), name, document.at(key))

    def _disagree(self, one: Field, winner: Source, losers: tuple[Fact, ...]) -> None:
        """Keep what lost; it is a finding between two records of the backup: a live install may well have moved on."""
        self._into.conflicts[one.name] = losers
        against = [fact.source for fact in losers if fact.source.witness is not Witness.INSTALL_RECORD]
        if against and one.name != "autobk_schedule":
            self._into.findings.append(Finding("sources-disagree", one.name, "", (winner, *against)))

    def _from_elsewhere(self, one: Field) -> None:
        derive = _DERIVED.get(one.name)
        derived = derive(self._into, self._witnesses) if derive else self._default(one)
        if derived is not None:
            self._into.fields[one.name], self._into.origins[one.name] = derived

    def _default(self, one: Field) -> _Derived | None:
        if one.default is None or not _applies(one.default, self._into.text("application")):
            return None
        value = one.default.value
        return (value if isinstance(value, str) else list(value)), _BY_DEFAULT

    def _others(self, documents: list[Document]) -> None:
        """Take the custom fields, and keep every other key as it stands."""
        for document in documents:
            for key in document.record.values:
                if key in API_KEYS:
                    continue
                use = use_of(key)
                if use is Use.CUSTOM and (name := key.removeprefix(CUSTOM)) not in self._into.fields:
                    self._field(Field(name, key, text, ""), documents)
                elif use is not Use.CUSTOM and key not in self._into.kept:
                    self._keep(document, key, use)

    def _keep(self, document: Document, key: str, use: Use) -> None:
        self._into.kept[key] = document
        if use is not Use.OTHER:
            self._note("record-unknown-key" if use is Use.UNKNOWN else "field-collision", key, document.at(key))
        if document.text(key) is None:
            self._note("value-not-utf8", key, document.at(key))

    def _note(self, finding: str, subject: str, source: Source) -> None:
        self._into.findings.append(Finding(finding, subject, f"line {source.line}", (source,)))


def _decoded(document: Document, fields: tuple[Field, ...]) -> dict[str, Value]:
    """Return what ``document`` says of the ``fields``; nothing where a value can't be decoded: each is asked then."""
    values = document.record.values
    try:
        return {
            name: decode(values[key])
            for name, key, decode, *_ in fields
            if key in values and name not in _CUSTOM_SCHEDULE
        }
    except ValueError:
        return {}


def _tells_snapshot(record: Document) -> bool:
    """Tell whether a record says anything about the install at the time of the backup."""
    return any(one.key in record.record.values for one in FIELDS if one.scope is Scope.SNAPSHOT)


def _applies(default: Default, application: str) -> bool:
    return default.application is None or default.application == application


def _id(inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    if witnesses.id is not None:
        record = witnesses.backup or witnesses.install
        return witnesses.id, Source(Witness.FILE_NAME, record.source.path if record else "")
    origin = inspection.origins.get("backup_install")
    if origin is None or not (install := inspection.text("backup_install")):
        return None
    source = origin if isinstance(origin, Source) else origin.source
    inspection.findings.append(Finding("id-from-install", "id", "", (source,)))
    return install, source


def _file(inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    install_id = inspection.text("backup_install" if inspection.kind == "backup" else "id")
    home = witnesses.as_server or _home_of(_record_text(witnesses, "path"), _record_text(witnesses, "owner"))
    home = home or witnesses.home
    if not install_id or not home:
        return None
    path = home
    for name in (".appdata", "current", install_id):
        path = join_seen(path, name)
    return display(path), Source(Witness.DERIVED, path)


def _record_text(witnesses: Witnesses, key: str) -> str:
    for document in (witnesses.backup, witnesses.embedded, witnesses.install):
        if document is not None and (text := document.text(key)):
            return text
    return ""


_PLESK: Final = (("/var/www/vhosts/", "/"), ("c:\\inetpub\\vhosts\\", "\\"))


def _home_of(path: str, owner: str) -> str | None:
    r"""Return the home that an install's ``path`` lies in: ``/home2/<owner>``, ``/var/www/vhosts/<domain>``."""
    for base, separator in _PLESK:
        if path.lower().startswith(base) and (domain := path[len(base) :].split(separator, maxsplit=1)[0]):
            return path[: len(base)] + domain
    parts = path.split("/")
    if owner and owner in parts[2:4] and path.startswith("/"):
        return "/".join(parts[: parts.index(owner, 2) + 1])
    return None


def _count(_inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    if witnesses.numbackups is None:
        return None
    path = join_seen(join_seen(witnesses.home or "", ".appdata"), "backups")
    return witnesses.numbackups, Source(Witness.FILE_SYSTEM, path)


def _archive_name(_inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    if witnesses.archive is None:
        return None
    return display(_base(witnesses.archive)), Source(Witness.FILE_NAME, witnesses.archive)


def _time_of_name(inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    name = filename.parse(_base(witnesses.archive)) if witnesses.archive else None
    if name is None or witnesses.zone is None:
        return None
    source = Source(Witness.FILE_NAME, witnesses.archive or "")
    if filename.is_ambiguous(name, witnesses.zone):
        inspection.findings.append(Finding("zone-ambiguous", "backup_time", f"{name.local_time}", (source,)))
    return str(filename.unix_time(name, witnesses.zone)), source


_DERIVED: Final[Mapping[str, Callable[[Inspection, Witnesses], _Derived | None]]] = {
    "backup_filename": _archive_name,
    "backup_time": _time_of_name,
    "cache_numbackups": _count,
    "file": _file,
    "id": _id,
}


_ELSEWHERE: Final = frozenset(_DERIVED) | {one.name for one in FIELDS if one.default is not None}
"""The fields that something else than a record can tell."""


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _compare_name(inspection: Inspection, archive: str | None, zone: tzinfo | None) -> None:
    """Set the name's parts against the resolved values; what disagrees is a finding, never a failure."""
    recorded = inspection.text("backup_filename")
    name = _base(archive) if archive else recorded
    source = Source(Witness.FILE_NAME, archive or inspection.path)
    if archive and recorded and filename.stem(recorded) != filename.stem(display(name)):
        inspection.findings.append(Finding("archive-renamed", name, f"recorded as {recorded}", (source,)))
    if not name:
        return
    parsed = inspection.archive_name = filename.parse(name)
    if parsed is None:
        inspection.findings.append(Finding("name-unconventional", name, "", (source,)))
    if parsed is None or archive is None:
        return
    time = inspection.text("backup_time")
    seconds = int(time) if time else None
    inspection.utc_offset = filename.utc_offset(parsed, seconds) if seconds is not None else None
    url, title = (value if isinstance(value := inspection.get(name), str) else None for name in ("url", "title"))
    for one in filename.disagreements(parsed, url, title, seconds, zone):
        inspection.findings.append(Finding(one.finding, "backup_filename", one.detail, (source,)))
