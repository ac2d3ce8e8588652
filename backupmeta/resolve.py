"""Resolving: facts from all witnesses to one answer, which knows where each of its values comes from.

Precedence for a backup: backup record, embedded record, then, for fields that describe the live install only, the
install record; then the file name, then the documented default. What describes the install at the time of the backup
never comes from the live install, unless nothing else is readable; a finding says so then. Values that lose are kept.

Opens no file.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from backupmeta.account import filename
from backupmeta.account.home import State
from backupmeta.evidence import join_seen
from backupmeta.findings import Finding
from backupmeta.inspection import Inspection
from backupmeta.provenance import Fact, Source, Witness, display
from backupmeta.record.document import Document
from backupmeta.record.fields import API_KEYS, CUSTOM, FIELDS, Default, Field, Scope, Use, problem, use_of
from backupmeta.record.grammar import REMEMBERED
from backupmeta.record.values import Decoder, Value, text

_Derived = tuple[Value, Source]
_BY_DEFAULT: Final = Source(Witness.DEFAULT)
_INSTALL_FIELDS: Final = tuple(one for one in FIELDS if one.scope is not Scope.BACKUP)
_CUSTOM_SCHEDULE: Final = frozenset({"autobk_daily", "autobk_weekly", "autobk_monthly"})


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
        live = None if live in distinct else live
        if not (len(distinct) == 1 and self._by_plan(distinct[0], live)):
            self._one_by_one(distinct, live)

    def _by_plan(self, record: Document, live: Document | None) -> bool:
        """Take what a single ``record`` tells, most of it at once; return whether that could be done.

        It can't be where a value is not to be decoded: nothing was taken then.
        """
        if (plan := _plan_for(record, live, is_backup=self._is_backup)) is None:
            return False
        into = self._into
        try:
            into.fields = plan.decode(record, live)
        except ValueError:
            return False
        into.origins = plan.origins(record, live)
        for one in plan.asked:
            self._field(one, [record] if live is None or one.scope is not Scope.LIVE else [record, live])
            if one.name not in into.origins:
                del into.fields[one.name]
        into.kept.update((key, [record]) for key in plan.kept)
        for key, use in plan.odd:
            self._keep(record, key, use)
        return True

    def _one_by_one(self, documents: list[Document], live: Document | None) -> None:
        """Ask all ``documents`` for each field, and the ``live`` install where it may speak."""
        if live is not None and not any(_tells_snapshot(one.record.values) for one in documents):
            self._fall_back(live)
            documents, live = [*documents, live], None
        with_live = documents if live is None else [*documents, live]
        for one in FIELDS if self._is_backup else _INSTALL_FIELDS:
            self._field(one, with_live if one.scope is Scope.LIVE else documents)
        self._others(documents)

    def _fall_back(self, live: Document) -> None:
        self._into.findings.append(Finding("live-value-used", "", "no record of the backup tells it", (live.source,)))

    def _field(self, one: Field, documents: list[Document]) -> None:
        if one.name in _CUSTOM_SCHEDULE and self._into.get("autobk") != "custom":
            self._keep_unused(one.key or "", documents)
            return
        if not (one.key and self._from_records(one, one.key, documents)) and one.name in _ELSEWHERE:
            self._from_elsewhere(one)

    def _keep_unused(self, key: str, documents: list[Document]) -> None:
        if holding := [document for document in documents if key in document.record.values]:
            self._into.kept[key] = holding

    def _from_records(self, one: Field, key: str, documents: list[Document]) -> bool:
        """Take what the first of the ``documents`` says that has the ``key``; keep the others' other words."""
        holding = [document for document in documents if key in document.record.values]
        if not holding:
            return False
        raw = holding[0].record.values[key]
        if losers := tuple(other.fact(key) for other in holding[1:] if other.record.values[key] != raw):
            self._disagree(one, key, holding[0], losers)
        self._into.origins[one.name] = holding[0]
        try:
            self._into.fields[one.name] = one.decode(raw)
        except ValueError as error:
            self._into.fields[one.name] = None
            self._undecodable(one.name, key, holding[0], error)
        return True

    def _undecodable(self, name: str, key: str, document: Document, error: ValueError) -> None:
        if key not in self._into.kept:
            self._into.kept[key] = [document]
            self._note(problem(error), name, document.at(key))

    def _disagree(self, one: Field, key: str, winner: Document, losers: tuple[Fact, ...]) -> None:
        """Keep what lost; it is a finding between two records of the backup: a live install may well have moved on."""
        self._into.conflicts[one.name] = losers
        against = [fact.source for fact in losers if fact.source.witness is not Witness.INSTALL_RECORD]
        if against and one.name != "autobk_schedule":
            self._into.findings.append(Finding("sources-disagree", one.name, "", (winner.at(key), *against)))

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
                elif use is not Use.CUSTOM:
                    self._keep_or_compare(document, key, use)

    def _keep_or_compare(self, document: Document, key: str, use: Use) -> None:
        """Keep the first record's word; another one's is a conflict."""
        holding = self._into.kept.setdefault(key, [])
        if not holding:
            self._keep(document, key, use)
        elif holding[0].record.values[key] != document.record.values[key]:
            evidence = (holding[0].at(key), document.at(key))
            self._into.findings.append(Finding("sources-disagree", key, "", evidence))
        holding.append(document)

    def _keep(self, document: Document, key: str, use: Use) -> None:
        if use is not Use.OTHER:
            self._note("record-unknown-key" if use is Use.UNKNOWN else "field-collision", key, document.at(key))
        if document.text(key) is None:
            self._note("value-not-utf8", key, document.at(key))

    def _note(self, finding: str, subject: str, source: Source) -> None:
        self._into.findings.append(Finding(finding, subject, f"line {source.line}", (source,)))


_Decoded = tuple[str, str, Decoder]


class _Plan(NamedTuple):
    """Who tells which field where a single record speaks, and perhaps the live install: their keys alone decide it.

    Attributes:
        names: the fields, in the order of the wire, custom ones last.
        texts: the texts that the record tells, and their keys.
        decoded: what else it tells: name, key, decoder.
        live: what only the live install tells.
        defaults: what nobody tells.
        asked: what takes more: where both speak, or something else than a record may; it may be absent in the end.
        kept: the record's other keys.
        odd: those of them that are told.
    """

    names: tuple[str, ...]
    texts: Mapping[str, str]
    decoded: tuple[_Decoded, ...]
    live: tuple[_Decoded, ...]
    defaults: Mapping[str, str]
    asked: tuple[Field, ...]
    kept: tuple[str, ...]
    odd: tuple[tuple[str, Use], ...]

    def decode(self, record: Document, live: Document | None) -> dict[str, Value]:
        """Return the fields, those to be ``asked`` as None. Raises `ValueError` where a value can't be decoded."""
        raw = record.record.values
        fields = dict[str, Value].fromkeys(self.names)
        fields.update(zip(self.texts, map(bytes.decode, map(raw.__getitem__, self.texts.values())), strict=True))
        fields.update((name, decode(raw[key])) for name, key, decode in self.decoded)
        if live is not None:
            fields.update((name, decode(live.record.values[key])) for name, key, decode in self.live)
        fields.update(self.defaults)
        b"\n".join(map(raw.__getitem__, self.kept)).decode()  # what is kept has to be text, too
        return fields

    def origins(self, record: Document, live: Document | None) -> dict[str, Document | Source]:
        """Return where the fields come from that are not to be ``asked``."""
        origins = dict[str, Document | Source].fromkeys(self.texts, record)
        origins.update((name, record) for name, _, _ in self.decoded)
        if live is not None:
            origins.update((name, live) for name, _, _ in self.live)
        origins.update(dict.fromkeys(self.defaults, _BY_DEFAULT))
        return origins


def _plan_for(record: Document, live: Document | None, *, is_backup: bool) -> _Plan | None:
    """Return the plan for records with such keys; None where it is the live install that tells of the backup."""
    if max(len(one.record.content) for one in (record, live) if one is not None) > REMEMBERED:
        return None
    return _plan(tuple(record.record.values), None if live is None else tuple(live.record.values), is_backup)


@lru_cache(maxsize=512)
def _plan(keys: tuple[str, ...], live: tuple[str, ...] | None, is_backup: bool) -> _Plan | None:  # noqa: FBT001
    if live is not None and not _tells_snapshot(keys):
        return None
    fields = {one.name: one for one in (FIELDS if is_backup else _INSTALL_FIELDS)}
    own = {name for name, one in fields.items() if one.key in frozenset(keys)}
    lives = {name for name, one in fields.items() if one.scope is Scope.LIVE and one.key in frozenset(live or ())}
    silent = fields.keys() - own - lives
    asked = own & (lives | _CUSTOM_SCHEDULE) | silent & (_ELSEWHERE - _DEFAULTS.keys())
    custom = {key.removeprefix(CUSTOM): key for key in keys if use_of(key) is Use.CUSTOM}
    kept = {key: use for key in keys if (use := use_of(key)) not in {Use.FIELD, Use.CUSTOM}}
    decoded = [(one.name, one.key or "", one.decode) for one in fields.values() if one.name not in asked]
    return _Plan(
        names=(*(name for name in fields if name in own | lives | asked | silent & _DEFAULTS.keys()), *custom),
        texts={name: key for name, key, decode in decoded if name in own and decode is text} | custom,
        decoded=tuple(one for one in decoded if one[0] in own and one[2] is not text),
        live=tuple(one for one in decoded if one[0] in lives),
        defaults={name: default for name, default in _DEFAULTS.items() if name in silent},
        asked=tuple(one for one in fields.values() if one.name in asked),
        kept=tuple(kept),
        odd=tuple((key, use) for key, use in kept.items() if use is not Use.OTHER),
    )


def _tells_snapshot(keys: Collection[str]) -> bool:
    """Tell whether a record with these ``keys`` says anything about the install at the time of the backup."""
    return any(one.key in keys for one in FIELDS if one.scope is Scope.SNAPSHOT)


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

_DEFAULTS: Final[Mapping[str, str]] = {
    one.name: one.default.value
    for one in FIELDS
    if one.default is not None and one.default.application is None and isinstance(one.default.value, str)
}
"""The texts that hold where nobody tells them, whatever the application."""


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _compare_name(inspection: Inspection, archive: str | None, zone: tzinfo | None) -> None:
    """Set the name's parts against the resolved values; what disagrees is a finding, never a failure."""
    recorded = inspection.text("backup_filename")
    name = _base(archive) if archive else recorded
    source = Source(Witness.FILE_NAME, archive or inspection.path)
    if archive and recorded not in {"", display(name)} and filename.stem(recorded) != filename.stem(display(name)):
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
