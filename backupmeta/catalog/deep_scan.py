"""The deep scan: archives that no scan has read to their end are read and verified, and their members kept.

`recorded` lets what came out of that stand in for reading them again.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache, partial
from typing import Final, NamedTuple

from backupmeta import library, rules
from backupmeta.account.filename import is_archive_name, parse
from backupmeta.account.home import Archive, Home, HomeReading, by_archive
from backupmeta.account.places import FoundHome, OpenedHome
from backupmeta.archive.head import Head
from backupmeta.archive.identification import Beginning
from backupmeta.archive.limits import Limits
from backupmeta.catalog import schema
from backupmeta.catalog.database import Catalog, StoredMemory
from backupmeta.catalog.member_lists import MemberList, MemberLists
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.remembered import Memory, Remembered, below, recall
from backupmeta.catalog.rows import FindingRow, Walked, finding_row
from backupmeta.catalog.writer import Writer
from backupmeta.checks import record, rulebook
from backupmeta.checks.checked_backup import CheckedBackup, Inventory
from backupmeta.checks.policy import DEFAULT, Policy, Verdict
from backupmeta.checks.retention import KeptBackup
from backupmeta.comparison.walks import MAY_LACK
from backupmeta.errors import CatalogError, EvidenceError, LimitExceededError, Mistake, PolicyError
from backupmeta.evidence import Folder, Signature, join_server_path
from backupmeta.findings import Finding, FindingRule
from backupmeta.provenance import Source, Witness
from backupmeta.record.grammar import Document, parse_masked
from backupmeta.search import Search
from backupmeta.verification import Case, Item, Outcome, Run, case_of, outcomes_of
from backupmeta.work.orders import Watch, Work

_MOST_ARCHIVES: Final = 16
_MOST_BYTES: Final = 256 * 1024 * 1024
"""How many archives, of how many bytes, an order has; one archive may be larger."""
_MOST_ORDERS: Final = 16
"""How many orders an account has where it has very many archives: each of them reads the account's records."""


class Portion(NamedTuple):
    """Archives of an account to walk.

    Attributes:
        number: the account's number in the catalog.
        account: where it is.
        archives: the signatures of the archives, by their paths below the account's.
        files: the archives' numbers in the catalog, by the same paths.
        origins: what each of them is of, by the same paths: an install, a site, or itself. Those of one come together.
        host: the host that the account lies on; empty where everybody reaches it.
        unnamed: the paths of the account's archives whose names do not say so: no other file is opened to see that.
        is_over: whether these archives are not read, for the account asks for too much.
    """

    number: int
    account: FoundHome
    archives: Mapping[str, Signature]
    files: Mapping[str, int]
    origins: Mapping[str, str]
    host: str
    unnamed: frozenset[str] = frozenset()
    is_over: bool = False

    def unread(self, rule: FindingRule, reason: str) -> list[Walked]:
        """Return why none of the archives was read."""
        return [
            Walked(path, None, str(Verdict.UNREADABLE), None, (self._finding(rule, path, reason),), is_final=False)
            for path in self.archives
        ]

    def _finding(self, rule: FindingRule, path: str, reason: str) -> FindingRow:
        source = Source(Witness.ARCHIVE, join_server_path(self.account.server_path, path))
        return finding_row(Finding(rule, "", reason, (source,)))


class WalkedPart(NamedTuple):
    """A part of what comes of an order: what came out for archives, and their members, which come first."""

    walked: Sequence[Walked]
    members: Sequence[MemberList] = ()


@dataclass(frozen=True)
class Walking(Work[Portion, WalkedPart]):
    """Reading archives to their ends.

    Attributes:
        limits: what a file may ask for.
        zone: the server's time zone, where it is known.
        now: the moment of judging, Unix seconds.
        algorithm: how their members are digested; None where these are not kept.
    """

    limits: Limits
    zone: tzinfo | None
    now: int
    algorithm: str | None = None

    def do(self, order: Portion, watch: Watch) -> Iterator[WalkedPart]:
        """Walk the archives. What is not as it was scanned has no outcome: the next scan will tell."""
        if order.is_over:
            error = LimitExceededError(order.account.path, "account_bytes", self.limits.account_bytes)
            yield WalkedPart(order.unread(rules.LIMIT_EXCEEDED, error.reason))
            return
        account = order.account
        try:
            with (
                account.open() as folder,
                OpenedHome(folder, folder.entries(self.limits.folder_entries), account.as_server, account.is_home).home(
                    self.limits, _Knowing(folder, order.unnamed)
                ) as home,
            ):
                yield from self._of_home(order, home, watch)
        except EvidenceError:
            yield WalkedPart(())

    def divided(self, order: Portion) -> list[Portion]:
        """Return an order for each archive."""
        if len(order.archives) == 1:
            return []
        return [order._replace(archives={path: signature}) for path, signature in order.archives.items()]

    def given_up(self, order: Portion) -> Iterator[WalkedPart]:
        """Yield that no process survives reading the archives."""
        yield WalkedPart(order.unread(rules.ARCHIVE_UNREADABLE, "the process that read it ended"))

    def host(self, order: Portion) -> str:
        """Return the host that the account lies on."""
        return order.host

    def _of_home(self, order: Portion, home: Home, watch: Watch) -> Iterator[WalkedPart]:
        """Yield what comes out for the archives of a home; before that, parts of long lists of members."""
        lists = None if self.algorithm is None else MemberLists(self.algorithm, self.limits)
        walked, members = list[Walked](), list[MemberList]()
        for path, case in self._cases(order, home):
            collectors = [] if lists is None else [lists.begin()]
            outcomes = outcomes_of(case, watch, collectors)
            walked += (_walked(path, pair.id, outcome) for pair, outcome in zip(case.pairs, outcomes, strict=True))
            if lists is None or not all(outcome.is_final for outcome in outcomes):
                continue
            for part in lists.parts(path, order.origins[path], collectors[0], is_whole=_have_all(outcomes)):
                members.append(part)
                if not part.is_last:
                    yield WalkedPart((), tuple(members))
                    members.clear()
        yield WalkedPart(walked, members)

    def _cases(self, order: Portion, home: Home) -> Iterator[tuple[str, Case]]:
        """Yield the archives that are as they were when they were scanned."""
        claims = {
            below(home.folder, archive.folder, archive.name): (archive, pairs)
            for archive, pairs in by_archive(home.pairs()).items()
        }
        for path, signature in order.archives.items():
            archive, pairs = claims.get(path, (None, ()))
            if archive is not None and _is_as_it_was(archive, signature):
                yield path, case_of(home, archive, pairs, zone=self.zone, policy=DEFAULT, now=self.now)


def _is_as_it_was(archive: Archive, signature: Signature) -> bool:
    """Return whether an archive has this ``signature``; of one that can't be opened, verifying it tells why."""
    with suppress(EvidenceError), archive.open() as file:
        return file.signature == signature
    return True


def _walked(path: str, id_: str | None, outcome: Outcome) -> Walked:
    verification = outcome.verification
    findings = tuple(finding_row(judged.finding) for judged in verification.judged)
    return Walked(path, id_, str(verification.verdict), verification.sha256, findings, outcome.is_final)


def _have_all(outcomes: Iterable[Outcome]) -> bool:
    """Return whether all members of an archive came, by what came out for it."""
    verifications = [outcome.verification for outcome in outcomes]
    findings = [judged.finding for verification in verifications for judged in verification.judged]
    is_read = all(verification.sha256 is not None for verification in verifications)
    return is_read and not any(finding.is_unread or finding.rule in MAY_LACK for finding in findings)


class _Knowing(HomeReading):
    """Reads what lies in a home from the disk; which files are archives is known."""

    def __init__(self, home: Folder, unnamed: frozenset[str]) -> None:
        self._home = home
        self._unnamed = unnamed

    def beginning(self, folder: Folder, name: str, _limits: Limits, /) -> Beginning:
        """Return that a file begins as a tar does, if it is known to, else that nothing is known of it."""
        return Beginning.TAR if below(self._home, folder, name) in self._unnamed else Beginning.OTHER


def _unnamed(remembered: Memory) -> frozenset[str]:
    """Return the paths of an account's archives whose names do not say so."""
    archives = (path for path, file in remembered.files.items() if file.is_archive)
    return frozenset(path for path in archives if not is_archive_name(os.path.basename(path)))


def portions(catalog: Catalog, search: Search, scan: int, algorithm: str | None) -> Iterator[Portion]:
    """Yield the archives that the scan of this number found, and no scan has read to their end, account by account.

    Nor with members digested by ``algorithm``, where that is asked for.
    """
    last = 0
    while accounts := list(catalog.memories(_WITH_UNWALKED, (last, scan, algorithm or "", algorithm or ""))):
        last = accounts[-1].account
        for stored in accounts:
            with suppress(ValueError):  # of a damaged catalog: the account is read anew the next time it changes
                yield from _portions_of(catalog, search, stored, algorithm)


def _portions_of(catalog: Catalog, search: Search, stored: StoredMemory, algorithm: str | None) -> Iterator[Portion]:
    """Yield the archives of an account. Raises `ValueError` where its memory is none."""
    remembered = Memory.from_bytes(stored.content)
    account = remembered.account(stored.path)._replace(server=search.server_root)
    unnamed = _unnamed(remembered)
    for archives, is_over in _divided(_unwalked(catalog, stored.account, algorithm), search.limits.account_bytes):
        there = [archive for archive in archives if archive.path in remembered.files]
        yield Portion(
            stored.account,
            account,
            {archive.path: remembered.files[archive.path].signature for archive in there},
            {archive.path: archive.file for archive in there},
            {archive.path: archive.origin for archive in there},
            stored.host,
            unnamed,
            is_over,
        )


class _Unwalked(NamedTuple):
    """An archive to walk; in the order in which they are walked."""

    origin: str
    time: int
    file: int
    path: str
    size: int


def _unwalked(catalog: Catalog, account: int, algorithm: str | None) -> list[_Unwalked]:
    """Return the archives of an account that are to be walked: those of an install one after the other, by time."""
    backups = {file: (install, time) for file, install, time in catalog.connection.execute(_BACKUPS, (account,))}
    unwalked = list[_Unwalked]()
    for file, name, path_bytes, size in catalog.connection.execute(
        _UNWALKED, (account, algorithm or "", algorithm or "")
    ):
        path, (install, time) = schema.exact_path(name, path_bytes), backups.get(file, (None, None))
        unwalked.append(_Unwalked(install or _site(name), time or 0, file, path, size))
    return sorted(unwalked)


def _site(path: str) -> str:
    """Return what tells the site of an archive that is of no known install: its name, without the time in it."""
    name = parse(path.rpartition("/")[2])
    return f"{name.host} {name.title}" if name is not None else path


def _divided(archives: Sequence[_Unwalked], most_bytes: int) -> Iterator[tuple[list[_Unwalked], bool]]:
    """Yield the ``archives`` of an account in portions, and whether they are more than may be read of it."""
    portion, size, total = list[_Unwalked](), 0, 0
    most = max(_MOST_ARCHIVES, -(-len(archives) // _MOST_ORDERS))
    for archive in archives:
        is_full = len(portion) == most or size + archive.size > _MOST_BYTES
        if portion and (is_full or (total <= most_bytes < total + archive.size)):
            yield portion, total > most_bytes
            portion, size = [], 0
        portion.append(archive)
        size, total = size + archive.size, total + archive.size
    if portion:
        yield portion, total > most_bytes


def take(portion: Portion, part: WalkedPart, algorithm: str | None, writer: Writer, result: ScanResult) -> None:
    """Write what came out of an order, its members digested by ``algorithm``, and count it."""
    for members in part.members:
        writer.take_members(
            portion.number, portion.files[members.path], portion.origins[members.path], algorithm or "", members
        )
    for outcome in part.walked:
        result.walked += outcome.is_final
        if not outcome.is_final:
            server_path = join_server_path(portion.account.server_path, outcome.path)
            result.note_trouble(server_path, "can't be read to its end")
        writer.take_walked(portion.number, portion.files[outcome.path], outcome)
    writer.flush()


_IS_UNWALKED: Final = """f.until IS NULL AND f.kind = 'archive' AND (f.walked IS NULL OR (? <> '' AND NOT EXISTS (
  SELECT 1 FROM readings r WHERE r.file = f.file AND r.until IS NULL AND r.algorithm = ?)))"""
_WITH_UNWALKED: Final = f"""
account > ? AND last_scan = ? AND status = 'present' AND EXISTS (
  SELECT 1 FROM all_files f WHERE f.account = a.account AND {_IS_UNWALKED})
ORDER BY account LIMIT 100
"""
_UNWALKED: Final = f"SELECT file, path, path_bytes, size FROM all_files f WHERE account = ? AND {_IS_UNWALKED}"
_BACKUPS: Final = """
SELECT archive_file, backup_install, backup_time FROM all_backups
WHERE account = ? AND until IS NULL AND archive_file IS NOT NULL ORDER BY backup DESC
"""


_OF_NOW: Final = frozenset({record.TIME_IN_FUTURE, rules.ARCHIVE_RECENT, rules.NAME_TIME_DIFFERS})
"""What depends on the moment of judging, and on the zone; it is judged anew where there is a record."""

_WITHOUT_VERDICT: Final = """
SELECT a.path || '/' || f.path FROM all_files f JOIN accounts a USING (account)
WHERE f.kind = 'archive' AND f.until IS NULL AND f.verdict IS NULL AND f.status <> 'passed over'
  AND a.status <> 'vanished' ORDER BY f.file LIMIT 1
"""
_VERDICTS: Final = """
SELECT f.path, f.path_bytes, b.id, f.file, f.verdict, f.sha256, b.backup, b.backup_install, b.backup_time
FROM all_files f LEFT JOIN all_backups b ON b.account = f.account AND b.archive_file = f.file AND b.until IS NULL
WHERE f.account = ? AND f.until IS NULL AND f.kind = 'archive'
"""


def recorded(catalog: str, policy: Policy) -> Run:
    """Return what gives the outcomes that a deep scan has written to ``catalog``, to be judged by ``policy``.

    Raises:
        CatalogError: it is none, or has an archive that no scan has walked.
        PolicyError: the policy asks for what only the archives themselves tell.
    """
    _refuse(policy)
    with Catalog.unchecked(catalog) as opened:
        if (unwalked := opened.connection.execute(_WITHOUT_VERDICT).fetchone()) is not None:
            advice = "scan it again with --deep, or verify the archives without --catalog"
            raise CatalogError(catalog, f"{unwalked[0]} was not read to its end", advice)

    def run(items: Iterable[Item]) -> Iterator[tuple[Item, list[Outcome]]]:
        with Catalog.unchecked(catalog) as opened:
            account_of = lru_cache(maxsize=1)(partial(_recorded_account, opened))  # cases come account by account
            for item in items:
                cases = item.alone if isinstance(item, Case) else []
                accounts = ((account_of(_account_number(case)), case) for case in cases)
                yield item, [_outcome(opened, *account.archive(case), case) for account, case in accounts]

    return run


def _refuse(policy: Policy) -> None:
    needs = policy.requirements
    asked: dict[str, object] = {"require.files": needs.files, "require.tables": needs.tables}
    asked |= {"versions": needs.versions, "checks": policy.checks}
    advice = "verify those, without --catalog"
    if mistakes := tuple(
        Mistake(key, "is told by the archives alone", advice) for key, value in asked.items() if value
    ):
        raise PolicyError("", mistakes)


class _Recorded(NamedTuple):
    """What the catalog has of an archive, as that of one backup."""

    account: int
    file: int
    verdict: str
    sha256: str | None
    backup: int | None
    install: str | None
    time: int | None


class _RecordedAccount(NamedTuple):
    """An account: its path, its archives by their paths and backups' ids, what is remembered of it."""

    base: str
    archives: Mapping[tuple[str, str | None], _Recorded]
    remembered: Memory

    def archive(self, case: Case) -> tuple[_Recorded, Document | None]:
        """Return what there is of the archive of ``case``, which a recalled home gave, and its own record."""
        path = os.path.relpath(case.place.path, self.base).replace(os.sep, "/")
        recorded = self.archives.get((path, case.pair.id)) or self.archives[path, None]
        return recorded, _embedded(case, self.remembered.files.get(path))


def _account_number(case: Case) -> int:
    """Return the number of the account that a recalled home gave to ``case``."""
    return case.place.identity[0] if case.place.identity is not None else 0


def _recorded_account(catalog: Catalog, number: int) -> _RecordedAccount:
    stored, archives = catalog.memory(number), dict[tuple[str, str | None], _Recorded]()
    for path, path_bytes, id_, *columns in catalog.connection.execute(_VERDICTS, (number,)):
        recorded, exact = _Recorded(number, *columns), schema.exact_path(path, path_bytes)
        archives |= {(exact, id_): recorded, (exact, None): recorded}
    return _RecordedAccount(stored.path, archives, recall(catalog.path, stored))


def _embedded(case: Case, remembered: Remembered | None) -> Document | None:
    """Return the archive's own record, where its backup has no other."""
    if case.pair.record is not None or remembered is None or not isinstance(remembered.content, Head):
        return None
    head = remembered.content
    return Document(Source(Witness.EMBEDDED_RECORD, case.server_path, head.member.text), parse_masked(head.record))


def _outcome(catalog: Catalog, archive: _Recorded, embedded: Document | None, case: Case) -> Outcome:
    """Return what a deep scan found of an archive, judged by the policy of now."""
    findings = list(_findings(catalog, archive))
    kept = KeptBackup(case.server_path, archive.install or "", archive.time, archive.sha256)
    if archive.verdict == Verdict.NOT_JUDGED:
        kept = kept._replace(time=None, sha256=None, is_whole=False)
        return Outcome(case.judged(findings, verdict=Verdict.NOT_JUDGED), kept)
    if case.pair.record is not None or embedded is not None:
        findings = [finding for finding in findings if finding.rule not in _OF_NOW]
        findings += _anew(case, embedded, {finding.id for finding in findings})
    is_whole = archive.sha256 is not None and not any(finding.is_unread for finding in findings)
    verdict = Verdict.UNREADABLE if archive.verdict == Verdict.UNREADABLE else None
    return Outcome(case.judged(findings, archive.sha256, verdict), kept._replace(is_whole=is_whole))


def _findings(catalog: Catalog, archive: _Recorded) -> Iterator[Finding]:
    about = archive.account, archive.file, archive.backup
    yield from catalog.findings("account = ? AND file = ? AND backup IS ?", about)


def _anew(case: Case, embedded: Document | None, known: set[str]) -> Iterator[Finding]:
    """Yield what the moment, the zone and the policy of now find in the record, beside what is ``known``."""
    inspection = library.resolved(case.pair, case.server_path, embedded, case.around, case.zone)
    subject = CheckedBackup(case.server_path, inspection, Inventory(case.limits), case.policy.requirements, case.now)
    of_now = (finding for finding in inspection.findings if finding.rule in _OF_NOW)
    yield from (
        finding for finding in (*of_now, *rulebook.of_backup(subject, is_whole=False)) if finding.id not in known
    )
