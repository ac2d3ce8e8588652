"""What is known of backups and installs where a search looks: `list_backups`, `list_installs`, `inspect_archive`, ….

Everything is typed; nothing prints, nothing exits.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from itertools import chain
from operator import itemgetter
from typing import Literal, NamedTuple, TypeAlias

from backupmeta import rules
from backupmeta.account import places
from backupmeta.account.filename import is_of_backup
from backupmeta.account.home import Archive, Home, Pair, Surroundings, orphaned
from backupmeta.archive.limits import Limits, OverAllowanceError
from backupmeta.backup import resolve
from backupmeta.backup.contradictions import SECOND, Making, Written
from backupmeta.backup.inspection import GoneInstall, Inspection
from backupmeta.backup.witnesses import Witnesses
from backupmeta.errors import (
    DamagedError,
    EvidenceError,
    LimitExceededError,
    NoRecordError,
    UnreadableError,
    told_of,
)
from backupmeta.evidence import Place, open_named
from backupmeta.findings import Finding, FindingRule
from backupmeta.provenance import Fact, Source, Witness, on_disk
from backupmeta.record.grammar import Document, document
from backupmeta.search import EVERYWHERE, Criteria, Search
from backupmeta.words import NANOSECONDS, seconds_in
from backupmeta.work.orders import WORKER_ENDED


def inspect_archive(path: str, search: Search = EVERYWHERE) -> Inspection:
    """Return what is known of the backup in the archive at ``path``; its home is looked for upwards from it.

    Raises:
        EvidenceError: it can't be opened or read, it is no archive, or its record is damaged, missing or over a limit.
    """
    open_named(path).close()
    with places.home_of_archive(path, search.limits, search.sysroot) as home:
        inspection = inspect_with_file(home, home.pairs()[0], search)
        inspection.findings.extend(odd for odd in home.findings if odd.hides_records or odd.is_unread)
        return inspection


def list_backups(
    search: Search = EVERYWHERE, findings: list[Finding] | None = None, *, is_strict: bool = False
) -> Iterator[Inspection]:
    """Yield the backups, home by home, oldest first in each.

    What can't be read is never passed over. It is yielded, in its place, as an `Inspection` that `is_unread`: a backup,
    or a folder in which there may be some. With ``findings`` it is appended to these instead, as all is that was odd on
    the way. Where the list ``is_strict`` it raises `UnreadableError`, as a root does that can't be read.
    """
    return _with_unread(search, "backup", lambda notes: _backups(search, notes), findings, is_strict=is_strict)


def _backups(search: Search, notes: list[Finding]) -> Iterator[Inspection]:
    for home, pair in each_backup(search, notes):
        yield from inspected(home, pair, search, notes)


def _with_unread(
    search: Search,
    kind: Literal["backup", "install"],
    listing: Callable[[list[Finding]], Iterator[Inspection]],
    findings: list[Finding] | None,
    *,
    is_strict: bool,
) -> Iterator[Inspection]:
    """Yield what a ``listing`` yields, and what it could not read as the caller chose: see `list_backups`."""
    if findings is not None and not is_strict:
        yield from listing(findings)
        return
    notes = list[Finding]()
    for inspection in chain(listing(notes), [None]):
        unread = [finding for finding in notes if finding.is_unread]
        if unread and is_strict:
            raise UnreadableError(_path_of(unread[0]), unread[0].message)
        for finding in unread:
            path = _path_of(finding)
            yield Inspection(kind, None, path, path=search.on_disk(path), findings=[finding])
        if findings is not None:
            findings.extend(notes)
        notes.clear()
        if inspection is not None:
            yield inspection


def _path_of(finding: Finding) -> str:
    return next((source.path for source in finding.evidence), finding.subject)


def each_backup(search: Search, findings: list[Finding]) -> Iterator[tuple[Home, Pair]]:
    """Yield the backups, each with its open home; append what was odd."""
    for home in search.homes(findings):
        for pair in home.pairs():
            yield home, pair
        findings.extend(home.findings)


def given_up(subject: str) -> Finding:
    """Return the finding that no process survives reading something."""
    return Finding(rules.ARCHIVE_UNREADABLE, subject, WORKER_ENDED, on_disk(subject))


def inspected(home: Home, pair: Pair, search: Search, findings: list[Finding]) -> Iterator[Inspection]:
    """Yield what is known of a backup, or append to ``findings`` why nothing is."""
    try:
        with told_of(pair.archive.server_path if pair.archive else home.folder.server_path):
            inspection = inspect_at_home(home, pair, search.zone)
        yield inspection
    except OverAllowanceError:
        return  # the home tells it once
    except EvidenceError as error:
        findings.extend((*pair.findings, unreadable(pair, error)))


def list_installs(
    search: Search = EVERYWHERE, findings: list[Finding] | None = None, *, is_strict: bool = False
) -> Iterator[Inspection]:
    """Yield the installs, home by home, by id. As `list_backups` otherwise."""
    return _with_unread(search, "install", lambda notes: _installs(search, notes), findings, is_strict=is_strict)


def _installs(search: Search, notes: list[Finding]) -> Iterator[Inspection]:
    for home in search.homes(notes):
        for id_ in sorted(home.installs):
            try:
                with told_of(home.installs[id_].source.path):
                    inspection = inspect_install(home, id_)
                inspection.findings += [
                    odd for odd in home.findings if odd.is_doubt and odd.is_seen_at(inspection.server_path)
                ]
            except EvidenceError as error:
                where = (Source(Witness.INSTALL_RECORD, error.path),)
                notes.append(Finding(rules.RECORD_UNREADABLE, id_, error.reason, where))
            else:
                yield inspection
        notes.extend(home.findings)


class _Orphan(NamedTuple):
    """A backup whose install is gone, by what the newest one is told: its time, its id, its archive or record."""

    time: int
    id: str
    path: str
    pair: Pair


def list_gone_installs(search: Search = EVERYWHERE, findings: list[Finding] | None = None) -> Iterator[GoneInstall]:
    """Yield the installs that are gone, but have backups, home by home, by id. As `list_backups` otherwise."""
    notes: list[Finding] = [] if findings is None else findings
    for home in search.homes(notes):
        gone = dict[str, list[_Orphan]]()
        for pair in home.pairs() if home.live is not None else ():
            for backup in inspected(home, pair, search, notes):
                if any(finding.rule == rules.BACKUP_ORPHANED for finding in backup.findings):
                    made = backup.seconds("backup_time")
                    orphan = _Orphan(-1 if made is None else made, backup.text("id"), pair.server_path, pair)
                    gone.setdefault(backup.text("backup_install"), []).append(orphan)
        for id_ in sorted(gone):
            yield from _gone(home, id_, gone[id_], search)
        notes.extend(home.findings)


def _gone(home: Home, id_: str, orphans: Sequence[_Orphan], search: Search) -> Iterator[GoneInstall]:
    """Yield an install of ``home`` that is gone, by its backups."""
    pair = max(orphans, key=itemgetter(0, 1, 2)).pair
    times = [orphan.time for orphan in orphans if orphan.time >= 0]
    for newest in inspected(home, pair, search, []):
        archive = pair.archive and pair.archive.place.path
        yield GoneInstall(
            id_,
            home.folder.path,
            newest,
            archive,
            len(orphans),
            min(times, default=None),
            max(times, default=None),
        )


Listing: TypeAlias = Callable[[Search, list[Finding]], Iterator[Inspection]]
"""Lists what there is where a search looks, and appends what could not be read."""


def unknown(search: Search, criteria: Criteria, listing: Listing = list_backups) -> Iterator[str]:
    """Yield, for each of the ``criteria`` that nothing has which is listed, a sentence that says what there is."""
    everybody = replace(search, user=None)
    with suppress(EvidenceError):  # it is told by who looked for it
        yield from criteria.unknown(listing(everybody, []), everybody.names())


def embedded_install(home: Home, pair: Pair) -> str | None:
    """Return the id of the install that an archive's own record names; None where there is none."""
    if pair.archive is None:
        return None
    try:
        head = home.read_head(pair.archive)
        return document(_embedded(pair.archive), head.record, home.limits).opened("backup-install")
    except EvidenceError:
        return None  # what can't be read answers to no id; `list` reports it


def inspect_backup(home: Home, pair: Pair, around: Surroundings, zone: tzinfo | None) -> Inspection:
    """Return what is known of one backup of ``home``, which tells ``around`` of it; ``zone`` is the server's, if known.

    Raises `EvidenceError` where nothing is.
    """
    embedded, findings = _read_embedded(home, pair)
    archive = pair.archive.server_path if pair.archive else None
    inspection = resolved(pair, archive, embedded, around, zone)
    inspection.findings[:0] = (*pair.findings, *findings)
    if pair.archive is not None:
        inspection.archive = pair.archive.place
    return _at_home(inspection, home)


def _at_home(inspection: Inspection, home: Home) -> Inspection:
    """Return the ``inspection``, which knows where on this machine its ``home`` is, and its own file."""
    inspection.account = home.folder.server_path
    inspection.path = home.file_at(inspection.server_path) if inspection.archive is None else inspection.archive.path
    return inspection


def inspect_at_home(home: Home, pair: Pair, zone: tzinfo | None) -> Inspection:
    """Return what is known of a backup of ``home``, which tells whether its install is gone, and what else was read.

    As `inspect_backup` otherwise.
    """
    inspection = inspect_backup(home, pair, home.surroundings, zone)
    if of_whole := home.findings_of_whole(pair):
        known = {finding.id for finding in of_whole}
        inspection.findings = [*(odd for odd in inspection.findings if odd.id not in known), *of_whole]
    inspection.findings += orphaned(pair.server_path, inspection.text("backup_install"), home.live)
    return inspection


def inspect_with_file(home: Home, pair: Pair, search: Search) -> Inspection:
    """Return what is known of a backup, and in its conflicts when its archive's file was written, where that is odd.

    Copying does that, too: it is no finding.
    """
    inspection = inspect_at_home(home, pair, search.zone)
    made, archive = seconds_in(inspection.text("backup_time")), pair.archive
    signature = archive and archive.folder.signature(archive.name)
    if archive is None or signature is None or not isinstance(made, int):
        return inspection
    written = Written(signature.size, signature.mtime_ns // (NANOSECONDS // SECOND), None)
    if not Making.of(made * SECOND, written).allows("archive", written.time):
        source = Source(Witness.FILE_SYSTEM, archive.server_path)
        fact = Fact("backup-time", str(written.time // SECOND).encode(), source)
        inspection.conflicts["backup_time"] = (*inspection.conflicts.get("backup_time", ()), fact)
    return inspection


def resolved(
    pair: Pair, archive: str | None, embedded: Document | None, around: Surroundings, zone: tzinfo | None
) -> Inspection:
    """Return what the records of a backup tell, and the name of its ``archive``, as the server saw it.

    ``embedded`` is the archive's own record; ``around`` is the home, ``zone`` the server's, where it is known.
    """
    spoken = pair.record or embedded
    install_id = (spoken and spoken.opened("backup-install")) or ""
    witnesses = Witnesses(
        id=pair.id,
        backup=pair.record,
        embedded=embedded,
        install=around.installs.get(install_id),
        archive=archive,
        home=around.server_path,
        as_server=around.as_server,
        numbackups=around.backups_of(install_id),
        zone=zone,
    )
    return resolve.backup(witnesses, pair.state)


def _read_embedded(home: Home, pair: Pair) -> tuple[Document | None, tuple[Finding, ...]]:
    """Return the archive's own record, and what was odd; raise only where there is no other record to answer from."""
    if pair.archive is None:
        return None, ()
    source = _embedded(pair.archive)
    try:
        head = home.read_head(pair.archive)
        source = source._replace(member=head.member.text)
        return own_record(source, head.record, pair.record, home.limits), head.findings
    except OverAllowanceError:
        if pair.record is None:
            raise
        return None, ()  # the home tells it once
    except EvidenceError as error:
        if pair.record is None:
            raise
        odd = trouble(error, pair.record, pair.archive.place)
        return None, (odd._replace(subject=pair.archive.name, evidence=(source,)),)


def own_record(source: Source, content: bytes, known: Document | None, limits: Limits) -> Document:
    """Return an archive's record, which stands at ``source``; a ``known`` one of the same bytes is not parsed again.

    Raises `LimitExceededError`.
    """
    if known is not None and known.record.is_of(content):
        return Document(source, known.record)
    return document(source, content, limits)


def _embedded(archive: Archive) -> Source:
    return Source(Witness.EMBEDDED_RECORD, archive.server_path)


def trouble(error: EvidenceError, record: Document | None, place: Place) -> Finding:
    """Return the finding that an ``error`` of an archive is; the account's ``record`` may speak for it.

    That a record is missing says all.
    """
    if isinstance(error, NoRecordError):
        return Finding(without_record(record, place))
    return Finding(unread(error), "", error.particulars)


def unread(error: EvidenceError) -> FindingRule:
    """Return the rule of the finding that a file can't be read, or not to its end."""
    if isinstance(error, DamagedError):
        return rules.ARCHIVE_TRUNCATED if error.verdict == "truncated" else rules.ARCHIVE_DAMAGED
    return rules.LIMIT_EXCEEDED if isinstance(error, LimitExceededError) else rules.ARCHIVE_UNREADABLE


def without_record(record: Document | None, place: Place) -> FindingRule:
    """Return the rule of the finding that an archive holds no record: a backup that lost it, or no backup at all.

    The account's ``record`` may speak for it; what a person named is meant to be a backup.
    """
    if record is not None:
        return rules.RECORD_NOT_EMBEDDED
    return rules.RECORD_MISSING if place.is_named or is_of_backup(place.name) else rules.ARCHIVE_FOREIGN


def unreadable(pair: Pair, error: EvidenceError) -> Finding:
    """Return the finding about an archive that no record speaks for and that can't be read."""
    if pair.archive is None:
        return Finding(unread(error), error.path, error.particulars, on_disk(error.path))
    path = pair.archive.server_path
    return trouble(error, pair.record, pair.archive.place)._replace(subject=path, evidence=on_disk(path))


def inspect_install(home: Home, id_: str) -> Inspection:
    """Return what is known of the live install ``id_`` of ``home``."""
    record, folder = home.installs[id_], home.folder.server_path
    installed = resolve.install(id_, record, folder, home.as_server, home.surroundings.backups_of(id_))
    return _at_home(installed, home)
