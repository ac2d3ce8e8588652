"""Resolving: facts from all witnesses to one answer, which knows where each of its values comes from.

Precedence for a backup: backup record, embedded record, then, for fields that describe the live install only, the
install record; then the file name, then the documented default. What describes the install at the time of the backup
never comes from the live install, unless nothing else is readable; a finding says so then. Values that lose are kept.

Opens no file.
"""

from datetime import tzinfo

from backupmeta import rules
from backupmeta.account import filename
from backupmeta.account.home import PairState
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.program import CUSTOM_SCHEDULE, Plan, fields_of, plan, tells_snapshot
from backupmeta.backup.witnesses import ELSEWHERE, Witnesses, base_name, elsewhere
from backupmeta.findings import Finding, FindingRule, Findings
from backupmeta.masking import mask_text, masked
from backupmeta.provenance import Fact, Source, Witness, as_text
from backupmeta.record.document import Document
from backupmeta.record.fields import API_KEYS, CUSTOM, Field, Scope, Use, problem, use_of
from backupmeta.record.values import text

__all__ = ["Witnesses", "backup", "install"]


def backup(witnesses: Witnesses, state: PairState) -> Inspection:
    """Return what is known of a backup."""
    records = [one for one in (witnesses.backup, witnesses.embedded) if one is not None]
    path = witnesses.archive or (records[0].source.path if records else "")
    inspection = Inspection("backup", state, path)
    _Resolver(witnesses, inspection).run(records)
    compare_name(inspection, witnesses.archive, witnesses.zone)
    inspection.close()
    return inspection


def install(id_: str, record: Document, home: str | None, as_server: str | None, numbackups: int | None) -> Inspection:
    """Return what is known of an install; ``id_`` is its record's name."""
    witnesses = Witnesses(id_, None, None, record, None, home, as_server, numbackups, None)
    inspection = Inspection("install", None, record.source.path)
    _Resolver(witnesses, inspection).run([record])
    inspection.close()
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
            if not record.record.is_tidy:
                self._into.findings.extend(Findings.of(record.findings()))
        decided = plan(distinct[0], live, is_backup=self._is_backup) if len(distinct) == 1 else None
        if decided is None or not self._by_plan(decided, distinct[0], live):
            self._one_by_one(distinct, live)
        if len(self._into.findings) > Findings.KEPT:  # a record with very many keys
            self._into.findings[:] = Findings.of(self._into.findings)

    def _by_plan(self, decided: Plan, record: Document, live: Document | None) -> bool:
        """Take what a single ``record`` tells, most of it at once; return whether that can be done.

        It can't where a value is not what it should be: nothing is taken then.
        """
        into = self._into
        try:
            into.fields = decided.decode(record, live)
        except ValueError:
            return False
        into.origins = decided.origins(record, live)
        self._undecided(decided, record)
        if live is not None:
            self._contest(decided, record, live)
        into.kept.update((key, [record]) for key in decided.kept)
        for key, use in decided.odd:
            self._keep(record, key, use)
        return True

    def _undecided(self, decided: Plan, record: Document) -> None:
        """Take what the keys alone don't decide."""
        for one in decided.elsewhere:
            self._from_elsewhere(one)
        for one in decided.schedule:
            self._field(one, [record])
        for one in (*decided.elsewhere, *decided.schedule):
            if one.name not in self._into.origins:
                del self._into.fields[one.name]

    def _contest(self, decided: Plan, record: Document, live: Document) -> None:
        """Keep what the live install says otherwise."""
        ours, theirs = record.record.values, live.record.values
        for one in decided.contested:
            if one.key is not None and ours[one.key] != theirs[one.key]:
                self._disagree(one, one.key, record, (live.fact(one.key),))

    def _one_by_one(self, documents: list[Document], live: Document | None) -> None:
        """Ask all ``documents`` for each field, and the ``live`` install where it may speak."""
        if live is not None and not any(tells_snapshot(one.record.values) for one in documents):
            self._fall_back(live)
            documents = [*documents, live]
        with_live = [*documents, live] if live is not None and live not in documents else documents
        for one in fields_of(is_backup=self._is_backup):
            self._field(one, with_live if one.scope is Scope.LIVE else documents)
        self._others(documents)

    def _fall_back(self, live: Document) -> None:
        self._into.findings.append(
            Finding(rules.LIVE_VALUE_USED, "", "no record of the backup tells it", (live.source,))
        )

    def _field(self, one: Field, documents: list[Document]) -> None:
        if one.name in CUSTOM_SCHEDULE and self._into.get("autobk") != "custom":
            self._keep_unused(one.key or "", documents)
            return
        if not (one.key and self._from_records(one, one.key, documents)) and one.name in ELSEWHERE:
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
            self._into.findings.append(Finding(rules.SOURCES_DISAGREE, one.name, "", (winner.at(key), *against)))

    def _from_elsewhere(self, one: Field) -> None:
        if (derived := elsewhere(one, self._into, self._witnesses)) is not None:
            self._into.fields[one.name], self._into.origins[one.name] = derived

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
            self._into.findings.append(Finding(rules.SOURCES_DISAGREE, key, "", evidence))
        holding.append(document)

    def _keep(self, document: Document, key: str, use: Use) -> None:
        if use is not Use.OTHER:
            self._note(rules.RECORD_UNKNOWN_KEY if use is Use.UNKNOWN else rules.FIELD_COLLISION, key, document.at(key))
        if document.text(key) is None:
            self._note(rules.VALUE_NOT_UTF8, key, document.at(key))

    def _note(self, rule: FindingRule, subject: str, source: Source) -> None:
        self._into.findings.append(Finding(rule, subject, f"line {source.line}", (source,)))


def compare_name(inspection: Inspection, archive: str | None, zone: tzinfo | None) -> None:
    """Set the name's parts against the resolved values; what disagrees is a finding, never a failure."""
    recorded = inspection.text("backup_filename")
    name = base_name(archive) if archive else recorded
    shown = base_name(mask_text(archive)) if archive else masked("backup_filename", recorded)
    source = Source(Witness.FILE_NAME, archive or inspection.path)
    known = as_text(name)
    names = {"", known, masked("backup_filename", known)}  # a catalog's record has its secrets masked
    if archive and recorded not in names and filename.stem(recorded) != filename.stem(known):
        detail = f"recorded as {masked('backup_filename', recorded)}"
        inspection.findings.append(Finding(rules.ARCHIVE_RENAMED, shown, detail, (source,)))
    if not name:
        return
    parsed = inspection.archive_name = filename.parse(name)
    if parsed is None:
        inspection.findings.append(Finding(rules.NAME_UNCONVENTIONAL, shown, "", (source,)))
    if parsed is None or archive is None:
        return
    time = inspection.text("backup_time")
    seconds = int(time) if time else None
    inspection.utc_offset = filename.utc_offset(parsed, seconds) if seconds is not None else None
    url, title = (value if isinstance(value := inspection.get(name), str) else None for name in ("url", "title"))
    for one in filename.disagreements(parsed, url, title, seconds, zone):
        detail = one.detail if title is None or masked("title", title) == title else ""  # a slug hides no password
        inspection.findings.append(Finding(one.rule, "backup_filename", detail, (source,)))
