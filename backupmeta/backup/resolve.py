"""Resolving: the facts of all witnesses become one answer that knows where each of its values comes from.

Which record is believed is decided by the `Program` of the records' keys; it is run here over their values. Values that
lose are kept as conflicts, and what is odd becomes a finding. Opens no file.
"""

from collections.abc import Iterator, Sequence
from datetime import timezone, tzinfo
from typing import NamedTuple

from backupmeta import rules
from backupmeta.account import filename
from backupmeta.account.filename import ArchiveName
from backupmeta.account.home import State
from backupmeta.backup.contradictions import is_rewritten
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.program import CUSTOM_SCHEDULE, FieldStep, KeyStep, Program, Won, program
from backupmeta.backup.witnesses import BY_DEFAULT, Witnesses, copied, derived
from backupmeta.findings import Finding, FindingRule, Findings
from backupmeta.provenance import Source, Witness, as_text, base_name, shown_name
from backupmeta.record import grammar
from backupmeta.record.fields import Field, Use, problem, sides
from backupmeta.record.grammar import Document, Record
from backupmeta.record.values import Decoder
from backupmeta.secrets import closed, is_closed, mask_value
from backupmeta.words import seconds_in


class RecordedName(NamedTuple):
    """What a backup's record says of its archive's name, and of what the parts of that name stand for.

    Attributes:
        name: the archive's name or path; empty where it is not recorded.
        url: the site's address.
        title: the install's title.
        time: when the backup was made, Unix seconds.
    """

    name: str
    url: str | None
    title: str | None
    time: int | None


def backup(witnesses: Witnesses, state: State) -> Inspection:
    """Return what is known of a backup."""
    records = [record for record in (witnesses.backup, witnesses.embedded) if record is not None]
    path = witnesses.archive or (records[0].source.path if records else "")
    inspection = Inspection("backup", state, path)
    recorded = _resolve(inspection, witnesses, records, witnesses.install)
    name = check_archive_name(recorded, witnesses.archive, path, witnesses.zone)
    inspection.archive_name, inspection.utc_offset = name.parts, name.utc_offset
    inspection.findings.extend(name.findings)
    return inspection


def install(id_: str, record: Document, home: str | None, as_server: str | None, numbackups: int | None) -> Inspection:
    """Return what is known of an install; ``id_`` is its record's name."""
    witnesses = Witnesses(id_, None, None, record, None, home, as_server, numbackups, None)
    inspection = Inspection("install", None, record.source.path)
    _resolve(inspection, witnesses, [record], None)
    return inspection


def _resolve(
    inspection: Inspection, witnesses: Witnesses, records: list[Document], live: Document | None
) -> RecordedName:
    """Resolve every field from ``records``, the one that is believed first, and from the ``live`` install's.

    The fields are closed after it; what the archive's name is compared with is returned in clear.
    """
    for record in records:
        if not record.record.is_tidy:
            inspection.findings.extend(Findings.of(grammar.findings(record.record, record.source)))
    if len(records) > 1 and records[0].record is records[1].record:
        del records[1]
    own = [record.record for record in records]
    chosen = program(own, live and live.record, is_backup=inspection.kind == "backup")
    speaking = records if live is None else [*records, live]
    _Run(chosen, speaking, witnesses, inspection).run()
    if len(inspection.findings) > Findings.KEPT:  # a record with very many keys
        inspection.findings[:] = Findings.of(inspection.findings)
    recorded = _recorded_name(inspection)
    _close(inspection, chosen, speaking)
    return recorded


def _close(inspection: Inspection, program: Program, records: Sequence[Document]) -> None:
    """Close the fields that have something in them that a record masks, and what a path or name says."""
    fields = inspection.fields
    suspects = list(program.by_name)
    for won, record in zip(program.won, records, strict=True):
        suspects += [name for key in record.record.masked_keys for name in won.of_key.get(key, ())]
    values = [(name, closed(name, fields.get(name))) for name in suspects]
    hidden = {name: value for name, value in values if is_closed(value)}
    fields.update(hidden)
    inspection.closed_names = tuple(hidden)


class _Run:
    """Runs a program over the values of its records, into an inspection."""

    def __init__(
        self, program: Program, records: Sequence[Document], witnesses: Witnesses, inspection: Inspection
    ) -> None:
        self._program = program
        self._records = records
        self._witnesses = witnesses
        self._inspection = inspection
        self._undecodable: dict[str, ValueError] = {}

    def run(self) -> None:
        """Decode what the keys decide, at once, then take the steps that they leave open.

        Where a value can't be decoded every step is taken, so that findings stand in the order of the fields.
        """
        program, inspection = self._program, self._inspection
        if program.is_fallback:
            source = self._records[-1].source
            inspection.findings.append(
                Finding(rules.LIVE_VALUE_USED, "", "no record of the backup tells it", (source,))
            )
        inspection.fields = dict.fromkeys(program.names)
        self._decode()
        is_decoded = not self._undecodable and all(record.record.is_text for record in self._records)
        for step in program.open_steps if is_decoded else program.steps:
            if isinstance(step, FieldStep):
                self._field(step)
                continue
            if not is_decoded:
                inspection.kept.setdefault(step.key, [])  # its place; which records have it follows
            self._judge_key(step)
        kept, records = inspection.kept, self._records
        for key, holders in program.kept.items():
            kept[key] = [records[number] for number in holders]

    def _of(self, holders: Sequence[int]) -> list[Document]:
        return [self._records[number] for number in holders]

    def _decode(self) -> None:
        """Decode the fields in which the keys decide who is believed."""
        fields, origins = self._inspection.fields, self._inspection.origins
        for won, record in zip(self._program.won, self._records, strict=True):
            values = record.record.opened
            origins.update(dict.fromkeys(won.names, record))
            try:
                texts = map(bytes.decode, map(values.__getitem__, won.texts.values()))
                fields.update(zip(won.texts, texts, strict=True))
                for name, key, decode in won.decoded:
                    fields[name] = decode(values[key])
            except ValueError:
                self._decode_each(won, record)
        for name, default in self._program.defaults.items():
            fields[name] = copied(default)
        origins.update(dict.fromkeys(self._program.defaults, BY_DEFAULT))

    def _decode_each(self, won: Won, record: Document) -> None:
        """Decode the fields that a record wins, one of which at least can't be."""
        texts = [(name, key, bytes.decode) for name, key in won.texts.items()]
        for name, key, decode in (*texts, *won.decoded):
            self._decode_field(name, record.record.opened[key], decode)

    def _decode_field(self, name: str, raw: bytes, decode: Decoder) -> None:
        try:
            self._inspection.fields[name] = decode(raw)
        except ValueError as error:
            self._inspection.fields[name] = None
            self._undecodable[name] = error

    def _field(self, step: FieldStep) -> None:
        """Take what values decide of a field."""
        field, inspection = step.field, self._inspection
        if not step.holders:
            self._derive(field)
        elif field.name in CUSTOM_SCHEDULE and inspection.get("autobk") != "custom":
            inspection.kept[field.key or ""] = self._of(step.holders)
            del inspection.fields[field.name]
        else:
            self._contest(step)
            if field.name in CUSTOM_SCHEDULE:
                winner = inspection.origins[field.name] = self._records[step.holders[0]]
                self._decode_field(field.name, winner.record.opened[field.key or ""], field.decode)
            if field.name in self._undecodable:
                self._keep_undecodable(step)

    def _derive(self, field: Field) -> None:
        value = derived(field, self._inspection, self._witnesses)
        if value is not None:
            self._inspection.fields[field.name], self._inspection.origins[field.name] = value
        else:
            self._inspection.fields.pop(field.name, None)

    def _contest(self, step: FieldStep) -> None:
        """Keep what other records say of a field; between two records of the backup it is a finding.

        It is none against the live install, which may well have moved on.
        """
        field, key = step.field, step.field.key or ""
        winner, *others = self._of(step.holders)
        value = winner.record.opened[key]
        losers = [other for other in others if other.record.opened[key] != value]
        if not losers:
            return
        self._inspection.conflicts[field.name] = tuple([loser.fact(key) for loser in losers])
        against = [other for other in others if other.source.witness is not Witness.INSTALL_RECORD]
        if field.name != "autobk_schedule":  # one key, two fields: the finding is about ``autobk``
            self._disagree(field.name, key, winner, against)

    def _disagree(self, subject: str, key: str, winner: Document, others: Sequence[Document]) -> None:
        """Say which of the ``others`` have another value of ``key`` than the believed record; the name takes a side."""
        against = [other for other in others if other.record.opened[key] != winner.record.opened[key]]
        if against:
            is_edited = not all(_is_rewritten(key, winner.record, other.record) for other in against)
            records = [winner, *against]
            facts = [record.fact(key) for record in records]
            named = [record.fact(key) for record in records if self._is_named(key, record.record.opened[key])]
            if len(named) == 1:
                facts += [named[0]._replace(source=Source(Witness.FILE_NAME, self._witnesses.archive or ""))]
            detail = sides(key, ((fact.raw, fact.source.witness) for fact in facts))
            rule = rules.SOURCES_DISAGREE if is_edited else rules.RECORD_REWRITTEN
            evidence = tuple([fact.source for fact in facts])
            self._inspection.findings.append(Finding(rule, subject, detail, evidence))

    def _is_named(self, key: str, value: bytes) -> bool:
        """Return whether the archive's name tells this ``value`` of a record's ``key``: a title, an address, a time."""
        name, text = filename.parse(base_name(self._witnesses.archive or "")), value.decode("utf-8", "surrogateescape")
        if name is None or key not in {"title", "url", "backup-time"}:
            return False
        if key == "backup-time":
            seconds = seconds_in(text)
            return isinstance(seconds, int) and not any(
                filename.disagreements(name, None, None, seconds, self._witnesses.zone)
            )
        url, title = (text, None) if key == "url" else (None, text)
        return not any(filename.disagreements(name, url, title, None))

    def _keep_undecodable(self, step: FieldStep) -> None:
        """Keep the raw value of a field, and say so once for each key."""
        key, record = step.field.key or "", self._records[step.holders[0]]
        if key not in self._inspection.kept:
            self._inspection.kept[key] = [record]
            self._note(problem(self._undecodable[step.field.name]), step.field.name, record.at(key))

    def _judge_key(self, step: KeyStep) -> None:
        """Say what is odd about a key that is no field, in the record that has it first, and who contradicts it."""
        key, record, first = step.key, self._records[step.holder], self._records[step.first]
        if step.holder != step.first:
            self._disagree(key, key, first, [record])
            return
        if step.use is not Use.OTHER:
            self._note(
                rules.RECORD_UNKNOWN_KEY if step.use is Use.UNKNOWN else rules.FIELD_COLLISION, key, record.at(key)
            )
        if record.opened(key) is None:
            self._note(rules.VALUE_NOT_UTF8, key, record.at(key))

    def _note(self, rule: FindingRule, subject: str, source: Source) -> None:
        self._inspection.findings.append(Finding(rule, subject, f"line {source.line}", (source,)))


def _is_rewritten(key: str, first: Record, second: Record) -> bool:
    """Return whether a rename or a migration of the account explains that two records differ in ``key``."""
    values, owners = ([record.opened.get(name, b"") for record in (first, second)] for name in (key, "owner"))
    return is_rewritten(key, values, owners)


class ArchiveNameCheck(NamedTuple):
    """What an archive's name says beside its record.

    Attributes:
        parts: the parts of a name that follows the convention.
        utc_offset: the server's offset, which the name and the recorded time imply together.
        findings: where the two disagree.
    """

    parts: ArchiveName | None
    utc_offset: timezone | None
    findings: list[Finding]


def _recorded_name(inspection: Inspection) -> RecordedName:
    url, title = (value if isinstance(value := inspection.get(name), str) else None for name in ("url", "title"))
    return RecordedName(inspection.text("backup_filename"), url, title, inspection.seconds("backup_time"))


def check_archive_name(recorded: RecordedName, archive: str | None, path: str, zone: tzinfo | None) -> ArchiveNameCheck:
    """Compare the parts of the name of an ``archive`` with the record; what disagrees is a finding, never a failure.

    ``archive`` is its path, or None where it is missing; the finding names the ``path`` of the record then.
    """
    name = base_name(archive) if archive else recorded.name
    if not name:
        return ArchiveNameCheck(None, None, [])
    source = Source(Witness.FILE_NAME, archive or path)
    parts = filename.parse(name)
    findings = list(_renamed(recorded.name, archive, source)) if archive else []
    if parts is None:
        shown = shown_name(archive) if archive else name
        findings.append(Finding(rules.NAME_UNCONVENTIONAL, shown, "", (source,)))
    if parts is None or archive is None:
        return ArchiveNameCheck(parts, None, findings)
    for rule, contradiction in filename.disagreements(parts, recorded.url, recorded.title, recorded.time, zone):
        has_secret = recorded.title is not None and mask_value(recorded.title) != recorded.title
        detail = "" if has_secret else contradiction  # a slug hides no password
        findings.append(Finding(rule, "backup_filename", detail, (source,)))
    offset = filename.utc_offset(parts, recorded.time) if recorded.time is not None else None
    return ArchiveNameCheck(parts, offset, findings)


def _renamed(recorded: str, archive: str, source: Source) -> Iterator[Finding]:
    """Yield the finding that the record has another name for the ``archive`` than the disk."""
    known = as_text(base_name(archive))
    if recorded in {"", known} or filename.stem(recorded) == filename.stem(known):
        return
    if recorded != mask_value(known):  # a catalog's record has its secrets masked
        yield Finding(rules.ARCHIVE_RENAMED, shown_name(archive), f"recorded as {recorded}", (source,))
