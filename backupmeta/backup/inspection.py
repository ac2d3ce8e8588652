"""What is known of one backup or install: its fields, where each comes from, what was kept beside, what is odd."""

import base64
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from backupmeta.account.filename import ArchiveName
from backupmeta.account.home import State
from backupmeta.evidence import Place
from backupmeta.findings import Finding
from backupmeta.provenance import Fact, Source, display, located, named
from backupmeta.record.fields import CUSTOM, FIELD, Field
from backupmeta.record.grammar import Document
from backupmeta.record.values import Value
from backupmeta.secrets import closed, is_closed, opened, plain
from backupmeta.words import instant_of, moment, seconds_in

if TYPE_CHECKING:
    from backupmeta.api.models import Backup, Install
    from backupmeta.json_answers import GoneInstallJson
    from backupmeta.json_types import EvidenceJson, ProvenanceJson


class Resolved(NamedTuple):
    """A value of the answer.

    Attributes:
        name: the field's.
        value: as on the wire, closed where a secret is in it.
        source: where it comes from.
        losers: what other witnesses say instead.
    """

    name: str
    value: Value
    source: Source
    losers: tuple[Fact, ...] = ()


def decoded(field: Field, fact: Fact) -> Value:
    """Return what a ``fact`` says of a ``field``, closed as the field is. Raises `ValueError` as its decoder."""
    return closed(field.name, field.decode(opened(fact.raw)))


@dataclass(slots=True)
class Inspection:
    """What is known of one backup or install.

    Attributes:
        kind: ``backup`` or ``install``.
        state: what there is of a backup; None for an install.
        server_path: the archive, or else the record, as the server saw it.
        account: the home, or the folder of archives, that it lies in, as the server saw it.
        path: its path on this machine.
        archive: where its archive lies on this machine; None where it is not here.
        fields: the fields of the answer as on the wire and in its order; once they are resolved, secrets are closed.
        origins: the record that each of them comes from, or else its source.
        conflicts: what other witnesses say instead.
        kept: every other key of its records, and those that could not be decoded, with the records that have them.
        findings: what is odd.
        archive_name: the parts of the archive's name, where it has one that follows the convention.
        utc_offset: the server's offset, which that name and ``backup_time`` imply together.
        closed_names: the fields that are closed.
    """

    kind: Literal["backup", "install"]
    state: State | None
    server_path: str
    account: str = ""
    path: str = ""
    archive: Place | None = attribute(default=None, compare=False)
    fields: dict[str, Value] = attribute(default_factory=dict)
    origins: dict[str, Document | Source] = attribute(default_factory=dict)
    conflicts: dict[str, tuple[Fact, ...]] = attribute(default_factory=dict)
    kept: dict[str, list[Document]] = attribute(default_factory=dict)
    findings: list[Finding] = attribute(default_factory=list)
    archive_name: ArchiveName | None = None
    utc_offset: timezone | None = None
    closed_names: tuple[str, ...] = attribute(default=(), init=False, compare=False)

    def __repr__(self) -> str:
        path = display(self.server_path)
        return f"Inspection({self.kind!r}, {path!r}, {len(self.fields)} fields, {len(self.findings)} findings)"

    @property
    def is_unread(self) -> bool:
        """Whether nothing of it could be read; its findings say why."""
        return not self.fields and any(finding.is_unread for finding in self.findings)

    @property
    def values(self) -> dict[str, Resolved]:
        """The fields of the answer, each with its source and the values that lost."""
        return {
            name: Resolved(name, value, self.source(name), self.conflicts.get(name, ()))
            for name, value in self.fields.items()
        }

    def source(self, name: str) -> Source:
        """Return where the field ``name`` comes from. Raises `KeyError` for an absent one."""
        origin = self.origins[name]
        if isinstance(origin, Source):
            return origin
        known = FIELD.get(name)
        return origin.at(known.key if known is not None and known.key is not None else CUSTOM + name)

    @property
    def extra(self) -> dict[str, Fact]:
        """Every other key, and those that could not be decoded, with their raw values."""
        return {key: documents[0].fact(key) for key, documents in self.kept.items()}

    def get(self, name: str) -> Value:
        """Return the value of the field ``name``; None where it is absent or could not be decoded."""
        return self.fields.get(name)

    def text(self, name: str) -> str:
        """Return the field ``name`` as text; empty where it is none."""
        value = self.get(name)
        return value if isinstance(value, str) else ""

    def instant(self, name: str) -> datetime | None:
        """Return the time in the field ``name``, in UTC; None where it tells none, or one that no calendar has."""
        seconds = seconds_in(str(self.get(name)))
        return instant_of(seconds) if isinstance(seconds, int) else None

    def seconds(self, name: str) -> int | None:
        """Return the field ``name``, which is a time, in Unix seconds; None where it is absent or undecodable."""
        value = self.get(name)
        return int(value) if isinstance(value, int | str) else None

    def wire(self, *, show_secrets: bool = False) -> dict[str, Value]:
        """Return the fields as they stand in the server's answer."""
        form = opened if show_secrets else plain
        fields = self.fields.copy()
        for name in self.closed_names:
            fields[name] = form(fields[name])
        return fields

    def to_json(self, *, provenance: bool = False, show_secrets: bool = False) -> dict[str, object]:
        """Return its fields for JSON, as an entry of the server's list; where they come from beside them, if wanted."""
        fields: dict[str, object] = {**self.wire(show_secrets=show_secrets)}
        return fields | ({"provenance": self.provenance(show_secrets=show_secrets)} if provenance else {})

    @property
    def evidence(self) -> "EvidenceJson":
        """Where it lies, for JSON: the account, the file's path on this machine, and its path as the server saw it."""
        places = {"account": self.account, "local_path": self.path, "server_path": self.server_path}
        described = {key: shown for name, place in places.items() for key, shown in named(name, place).items()}
        return cast("EvidenceJson", described)

    def provenance(self, *, show_secrets: bool = False) -> "ProvenanceJson":
        """Return for JSON where each value comes from, what else was said, what was kept beside, and every finding."""
        described: dict[str, object] = {"evidence": self.evidence}
        if self.state is not None:
            described["state"] = str(self.state)
        if (name := self.archive_name) is not None:
            described["archive_name"] = {
                "host": display(name.host),
                "title": display(name.title),
                "local_time": name.local_time.isoformat(),
                "utc_offset": _offset(self.utc_offset),
            }
        ids = dict[str, list[str]]()
        for finding in self.findings:
            ids.setdefault(finding.subject, []).append(finding.id)
        described["fields"] = {
            name: _field(resolved, ids.get(name, []), show_secrets=show_secrets)
            for name, resolved in self.values.items()
        }
        described["extra"] = dict(_extra(key, holding, show_secrets=show_secrets) for key, holding in self.kept.items())
        described["findings"] = [finding.to_json() for finding in self.findings]
        return cast("ProvenanceJson", described)

    @property
    def answer(self) -> "Backup | Install":
        """The fields as a typed model, its secrets as ``SecretStr``."""
        from backupmeta.api.models import Backup, Install

        model = Backup if self.kind == "backup" else Install
        return model.model_validate(self.wire(show_secrets=True))


_OF_NEWEST: Final = ("application", "version", "url", "title", "user", "path")
"""What is told of a gone install's newest backup, beside its place and time."""


@dataclass(frozen=True, slots=True)
class GoneInstall:
    """An install that is gone: none of its account's records in ``.appdata/current`` is its own; what its backups tell.

    Attributes:
        id: its id.
        account: the path of its account on this machine.
        newest: the newest of its backups.
        archive: the path of that one's archive on this machine; None where it is not there.
        backups: how many there are.
        first_backup_time: when the oldest of them was made, Unix seconds; None where no record tells any's time.
        last_backup_time: when the newest one was.
    """

    id: str
    account: str
    newest: Inspection
    archive: str | None
    backups: int
    first_backup_time: int | None
    last_backup_time: int | None

    @property
    def last_backup(self) -> str:
        """The id of the newest backup; empty where there is none."""
        return self.newest.text("id")

    def to_json(self) -> "GoneInstallJson":
        """Return it for JSON: times are ISO 8601 in UTC."""
        described: dict[str, object] = {**named("id", self.id), **named("account", self.account)}
        for name in _OF_NEWEST:
            described |= named(name, self.newest.text(name))
        described["backups"] = self.backups
        times = {"first_backup_time": self.first_backup_time, "last_backup_time": self.last_backup_time}
        described |= {key: None if time is None else moment(time) for key, time in times.items()}
        described |= named("last_backup", self.last_backup)
        archive = {"archive": None} if self.archive is None else named("archive", self.archive)
        return cast("GoneInstallJson", {**described, **archive})


# --- provenance -------------------------------------------------------------------------------------------------------


def _offset(zone: timezone | None) -> str | None:
    return None if zone is None else datetime(2000, 1, 1, tzinfo=zone).isoformat()[-6:]


def _field(resolved: Resolved, ids: list[str], *, show_secrets: bool) -> dict[str, object]:
    described: dict[str, object] = {"source": located(resolved.source)}
    if resolved.losers:
        described["conflicts"] = [_loser(resolved.name, fact, show_secrets=show_secrets) for fact in resolved.losers]
    if ids:
        described["findings"] = ids
    return described


def _loser(name: str, fact: Fact, *, show_secrets: bool) -> dict[str, object]:
    """Return a value that lost, decoded like the one that won where it can be."""
    described = _raw(fact, show_secrets=show_secrets)
    if (known := FIELD.get(name)) is not None:
        with suppress(ValueError):
            value = decoded(known, fact)
            described = {"value": (opened if show_secrets else plain)(value)}
    return {**described, "source": located(fact.source)}


def _raw(fact: Fact, *, show_secrets: bool) -> dict[str, object]:
    """Return a raw value: its text, and its bytes where they are not UTF-8 and no secret."""
    raw = opened(fact.raw) if show_secrets else fact.raw
    text = raw.decode("utf-8", "replace")
    described: dict[str, object] = {"value": text}
    if not is_closed(raw) and raw.decode("utf-8", "surrogateescape") != text:
        described["base64"] = base64.b64encode(raw).decode("ascii")
    return described


def _extra(field: str, holding: list[Document], *, show_secrets: bool) -> tuple[str, dict[str, object]]:
    """Return a key and what is kept of it; bytes of a key that aren't UTF-8 as ``\\xff``, exactly in base64."""
    exact = field.encode("utf-8", "surrogateescape")
    key = exact.decode("utf-8", "backslashreplace")
    shown_key = key if show_secrets else display(key)
    described: dict[str, object] = {}
    if shown_key == key != field:
        described["key_base64"] = base64.b64encode(exact).decode("ascii")
    first, *others = (document.fact(field) for document in holding)
    facts = [first, *(other for other in others if other.raw != first.raw)]
    kept, *losers = ({**_raw(fact, show_secrets=show_secrets), "source": located(fact.source)} for fact in facts)
    return shown_key, {**described, **kept, **({"conflicts": losers} if losers else {})}
