"""Verifying: one pass over each archive, every check on what it collected, then on the account as a whole."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from itertools import chain
from operator import attrgetter
from time import time
from typing import Final, NamedTuple

from backupmeta import library, rules
from backupmeta.account.filename import begun_as, is_archive_name, is_of_backup
from backupmeta.account.home import Archive, Home, Pair, State, Surroundings, by_archive
from backupmeta.advice import next_step
from backupmeta.archive.limits import Allowance, Limits, OverAllowanceError
from backupmeta.archive.member import at
from backupmeta.archive.reader import Consumer, Pass
from backupmeta.backup.contradictions import Written
from backupmeta.backup.inspection import Inspection
from backupmeta.checks import rulebook, tampering
from backupmeta.checks.checked_backup import CheckedBackup, Inventory
from backupmeta.checks.policy import DEFAULT, Judged, Policy, Verdict, Verification, judge, verdict_of
from backupmeta.checks.retention import CheckedAccount, CheckedInstall, KeptBackup
from backupmeta.errors import (
    DamagedError,
    EvidenceError,
    LimitExceededError,
    NotAnArchiveError,
    NotRegularError,
    UnreadableError,
    told_of,
)
from backupmeta.evidence import EvidenceFile, Place
from backupmeta.findings import Finding, Findings, Severity
from backupmeta.provenance import Source, Witness, on_disk
from backupmeta.record.grammar import Document, pickled_in_clear
from backupmeta.search import EVERYWHERE, Search, require_sequence
from backupmeta.targets import archive_of, homes_of
from backupmeta.words import NANOSECONDS, counted
from backupmeta.work.orders import HERE, WORKER_ENDED, Watch, Work, Workers, results, spared

_ARCHIVE_AND_HOME: Final = 2
"""How many items there are where there is one archive: it, and its home."""

_MOMENT: Final = 60
"""How long ago, in seconds, a file was written to that may still be being written."""


class Case(NamedTuple):
    """An archive to verify, with all that its home tells: what another process needs.

    Attributes:
        place: where it lies.
        server_path: its path as the server saw it.
        pairs: the backups that it is the archive of, without the open file: it is read once for all of them.
        around: its home.
        zone: the server's time zone, where it is known.
        limits: what the archive may ask for.
        policy: what is asked for.
        now: the moment of judging, Unix seconds.
        is_backup: whether it is to be judged as a backup, whatever it is: it is to be unpacked as such.
    """

    place: Place
    server_path: str
    pairs: tuple[Pair, ...]
    around: Surroundings
    zone: tzinfo | None
    limits: Limits
    policy: Policy
    now: int
    is_backup: bool = False

    @property
    def pair(self) -> Pair:
        """The first of its backups."""
        return self.pairs[0]

    @property
    def source(self) -> Source:
        """The archive as a source."""
        return Source(Witness.ARCHIVE, self.server_path)

    @property
    def alone(self) -> "list[Case]":
        """The cases of the archive's backups, each without the others."""
        return [self._replace(pairs=(pair,)) for pair in self.pairs]

    def size(self) -> int:
        """Return how many bytes the archive has; 0 where it can't be read."""
        return _size(self.place.open)

    def judged(
        self, findings: Iterable[Finding], sha256: str | None = None, verdict: Verdict | None = None
    ) -> Verification:
        """Return the verification of the archive: its ``verdict``, or else that of its ``findings``, by the policy."""
        judgements = judge(findings, self.policy)
        verdict = verdict or verdict_of(judgements, self.policy)
        return Verification("archive", self.server_path, verdict, sha256, judgements, self.place.path)


class Outcome(NamedTuple):
    """What came out for an archive, as that of one backup.

    Attributes:
        verification: what was judged.
        kept: what its account has of it; None where nothing tells whose backup it is.
        is_final: whether reading it again would tell the same: the system did not refuse.
    """

    verification: Verification
    kept: KeptBackup | None
    is_final: bool = True


class Examination(NamedTuple):
    """What reading an archive to its end told of one backup.

    Attributes:
        outcome: what came out.
        inventory: what was collected of the archive.
        subject: what was judged; None where the archive is not to be judged, or no record tells of it.
    """

    outcome: Outcome
    inventory: Inventory
    subject: CheckedBackup | None = None


class Household(NamedTuple):
    """An account, to be judged once its archives are verified.

    Attributes:
        server_path: its path, as the server saw it.
        path: its path on this machine.
        is_home: whether it is a home, and not just a folder of archives.
        is_whole: whether all of its archives were asked for.
        findings: what was odd about it.
        installs: its live installs, by id; None where it has no records, or is not judged as a whole.
        live: the ids of all of these, also where a record can't be read; None where they don't tell what is gone.
        absent: its backups that have no archive here.
    """

    server_path: str
    path: str
    is_home: bool
    is_whole: bool
    findings: tuple[Finding, ...]
    installs: Mapping[str, CheckedInstall] | None
    live: frozenset[str] | None
    absent: tuple[KeptBackup, ...]


Item = Case | Household | Verification
"""What has an outcome: an archive, to be read; an account, judged by its archives; and what is judged already."""

Homes = Callable[[list[Finding]], Iterator[Home]]
"""Yields homes, each open until the next one, and appends what was odd."""

Run = Callable[[Iterable[Item]], Iterable[tuple[Item, Sequence[Outcome]]]]
"""Verifies the archives among items, in this process or in others; yields each item, in order, with its outcomes."""


def case_of(
    home: Home, archive: Archive, pairs: Iterable[Pair], *, zone: tzinfo | None, policy: Policy, now: int
) -> Case:
    """Return the case of an ``archive`` of ``home``, which belongs to each of some ``pairs``; see `Case`."""
    closed = tuple(pair._replace(archive=None) for pair in pairs)
    return Case(archive.place, archive.server_path, closed, home.surroundings, zone, home.limits, policy, now)


def outcomes_of(case: Case, watch: Watch | None = None, consumers: Sequence[Consumer] = ()) -> list[Outcome]:
    """Verify one archive, as that of each of its backups; ``watch`` is told how many bytes each read gave.

    The ``consumers`` take in contents on the way. What can't be read at all is an outcome, too; nothing is raised but
    for errors in this program.
    """
    try:
        with case.place.open() as file:
            file.watch = watch
            return outcomes_in(case, file, consumers)
    except EvidenceError as error:
        return [_failed(single, error) for single in case.alone]


def outcomes_in(case: Case, file: EvidenceFile, consumers: Sequence[Consumer] = ()) -> list[Outcome]:
    """Verify the open ``file`` of ``case``: see `outcomes_of`."""
    try:
        with told_of(case.place.path):
            return [examination.outcome for examination in examined(case, file, consumers)]
    except EvidenceError as error:
        return [_failed(single, error) for single in case.alone]


def _failed(case: Case, error: EvidenceError) -> Outcome:
    """Return what comes out for an archive of which nothing can be read."""
    unreadable = _not_judged(case, library.trouble(error, case.pair.record, case.place))
    if isinstance(error, DamagedError | LimitExceededError):  # it is an archive, and judged: not whole
        if begun_as(case.place.name) is not None:
            return _set_aside(case, _growing(case), [judgement.finding for judgement in unreadable.judged])
        unreadable = replace(unreadable, verdict=verdict_of(unreadable.judged, case.policy))
    return Outcome(unreadable, _of_record(case), is_final=not isinstance(error, UnreadableError | NotRegularError))


def case_at(target: str, search: Search, policy: Policy, now: int, findings: list[Finding]) -> Case:
    """Return the case of the archive that ``target`` means; append to ``findings`` what is not read of its account.

    Raises `EvidenceError`.
    """
    place, case = archive_of(target, search), None
    for item in _items(search, policy, now, (target,)):
        if isinstance(item, Case):
            case = item._replace(is_backup=True) if item.place.path == place.path else case
            continue
        odd = item.findings if isinstance(item, Household) else (judged.finding for judged in item.judged)
        findings += (finding for finding in odd if finding.is_unread or finding.hides_records)
        if case is not None:
            return case
    if not findings:
        raise NotAnArchiveError(target, "no archive", "give the path of an archive")
    error = UnreadableError(target, "its account can't be read")
    for finding in findings:
        error.add_note(finding.message)
    raise error


class Verifying(Work[Item, list[Outcome]]):
    """Verifying archives; nothing is done for other items, which only keep their places among them."""

    def do(self, order: Item | None, watch: Watch) -> Iterator[list[Outcome]]:
        """Yield what comes out for an archive."""
        yield outcomes_of(order, watch) if isinstance(order, Case) else []

    def pickled(self, order: Item) -> bytes:
        """Return the case as it goes to a process: with the secrets of its records, which are compared there."""
        return pickled_in_clear(order if isinstance(order, Case) else None)

    def given_up(self, order: Item) -> Iterator[list[Outcome]]:
        """Yield that no process survives reading the archive."""
        reason = Finding(rules.ARCHIVE_UNREADABLE, "", WORKER_ENDED)
        cases = order.alone if isinstance(order, Case) else ()
        yield [Outcome(_not_judged(case, reason), _of_record(case), is_final=False) for case in cases]


def run_by(workers: Workers) -> Run:
    """Return what has archives verified by the ``workers``; a single one, and its home, in this process."""

    def run(items: Iterable[Item]) -> Iterator[tuple[Item, list[Outcome]]]:
        orders, chosen = spared(items, workers, _ARCHIVE_AND_HOME)
        return results(orders, Verifying(), chosen)

    return run


RUN_HERE: Final = run_by(HERE)
"""Verifies cases in this process, one after the other."""


def verify(
    search: Search = EVERYWHERE,
    policy: Policy = DEFAULT,
    now: int | None = None,
    run: Run = RUN_HERE,
    targets: Sequence[str] = (),
) -> Iterator[Verification]:
    """Yield what comes out for every archive that ``search`` finds and, after its archives, for every account.

    A root that can't be read is a verification, too.

    Args:
        search: where to look.
        policy: what is asked for.
        now: the moment of judging, Unix seconds; None for the clock's.
        run: what verifies the archives.
        targets: what alone is judged of what there is: see `backupmeta.targets.homes_of`; without any, all.
    """
    require_sequence(targets, "targets", "verify(targets=[{!r}])")
    now = int(time()) if now is None else now
    kept = list[KeptBackup]()
    for item, outcomes in run(_items(search, policy, now, targets)):
        if isinstance(item, Household):
            yield from _of_account(item, kept, policy, now)
            kept.clear()
        elif isinstance(item, Verification):
            yield item
        for outcome in outcomes:
            yield outcome.verification
            kept += [] if outcome.kept is None else [outcome.kept]


def size(search: Search, targets: Sequence[str] = ()) -> int:
    """Return how many bytes the archives have that ``search`` finds, or that ``targets`` mean; 0 for what is unread."""
    total = 0
    for _, homes in _each_root(search, targets):
        with suppress(EvidenceError):
            for home in homes([]):
                total += sum(_size(pair.archive.open) for pair in home.pairs() if pair.archive is not None)
    return total


def _size(opened: Callable[[], EvidenceFile]) -> int:
    """Return how many bytes an archive has; 0 where it can't be read."""
    with suppress(EvidenceError), opened() as file:
        return file.size
    return 0


def _of_account(account: Household, kept: Iterable[KeptBackup], policy: Policy, now: int) -> Iterator[Verification]:
    """Yield what comes out for an account whose archives were verified; ``kept`` is what it has of them."""
    findings = account.findings
    if account.is_whole:
        backups = sorted((*kept, *account.absent), key=attrgetter("path"))
        checked = CheckedAccount(account.installs, backups, policy.requirements, now, account.live)
        findings += tuple(rulebook.of_account(checked))
    if findings or (account.is_home and account.is_whole):
        yield replace(_of_folder(account.server_path, findings, policy), path=account.path)


def _of_folder(name: str, findings: Iterable[Finding], policy: Policy) -> Verification:
    """Return the verification of an account, or of a folder; unreadable where something in it is, archives aside."""
    judgements = judge(findings, policy)
    is_unread = any(judgement.finding.is_unread for judgement in judgements)
    verdict = Verdict.UNREADABLE if is_unread else verdict_of(judgements, policy)
    return Verification("account", name, verdict, None, judgements, name)


# --- what there is ----------------------------------------------------------------------------------------------------


def _items(search: Search, policy: Policy, now: int, targets: Sequence[str] = ()) -> Iterator[Item]:
    """Yield what each of the ``targets`` means, or else what there is below each root, home by home."""
    for name, homes in _each_root(search, targets):
        findings: list[Finding] = []
        try:
            for home in homes(findings):
                yield from _of_home(home, search, policy, now)
        except EvidenceError as error:
            advice = next_step(error) or "give the path of an archive, a home, or a folder of them"
            detail = "; ".join([error.reason, *getattr(error, "__notes__", ()), advice])
            yield _unreadable(name, [Finding(rules.ARCHIVE_UNREADABLE, "", detail, on_disk(name))], policy)
        if findings:
            yield _of_folder(name, findings, policy)


def _each_root(search: Search, targets: Sequence[str]) -> Iterator[tuple[str, Homes]]:
    """Yield the name of each root or target, and its homes: what can't be read at one keeps nothing from the others."""
    for target in targets:
        yield target, partial(homes_of, target, search)
    for root in () if targets else search.roots:
        yield root, replace(search, roots=(root,)).homes
    if not targets and not search.roots:
        yield search.name, search.homes


def _of_home(home: Home, search: Search, policy: Policy, now: int) -> Iterator[Item]:
    """Yield the archives of a home, then the home itself."""
    findings, absent, pairs = list[Finding](), list[KeptBackup](), home.pairs()
    sharing, allowance = by_archive(pairs), Allowance(search.limits)
    for pair in pairs:
        if pair.archive is not None:
            if sharers := sharing.pop(pair.archive, None):  # the first of the backups that have this archive
                case = partial(case_of, home, pairs=sharers, zone=search.zone, policy=policy, now=now)
                yield from _case_or_not(case, pair.archive, policy, allowance)
            continue
        inspection = library.resolved(pair, None, None, home.surroundings, search.zone)
        subject = CheckedBackup(inspection.server_path, inspection, Inventory(search.limits), policy.requirements, now)
        findings.extend((*pair.findings, *inspection.findings, *rulebook.of_backup(subject, is_whole=False)))
        absent.append(_kept(inspection, inspection.server_path, None, is_whole=pair.state is State.REMOTE))
    findings += home.findings
    is_whole, installs = home.wanted is None, None
    if home.has_records and is_whole:
        installs = {id_: CheckedInstall.of(library.inspect_install(home, id_)) for id_ in home.installs}
    server_path, path = home.folder.server_path, home.folder.path
    yield Household(server_path, path, home.is_home, is_whole, tuple(findings), installs, home.live, tuple(absent))


def _case_or_not(
    case: Callable[[Archive], Case], archive: Archive, policy: Policy, allowance: Allowance
) -> Iterator[Case | Verification]:
    """Yield the ``case`` of an archive; or that it is not read, where its account asks for too much.

    Where its folder does not tell any more which one it is, that nothing is known.
    """
    try:
        order = case(archive)
    except EvidenceError as error:
        where = (Source(Witness.ARCHIVE, archive.server_path),)
        unreadable = Finding(rules.ARCHIVE_UNREADABLE, "", error.reason, where)
        yield replace(_unreadable(archive.server_path, [unreadable], policy), path=archive.folder.child(archive.name))
        return
    with suppress(EvidenceError):
        signature = archive.folder.signature(archive.name)
        allowance.take_archive(0 if signature is None else signature.size)
    try:
        allowance.ask(archive.server_path)
    except OverAllowanceError as error:
        yield from (_not_judged(single, Finding(rules.LIMIT_EXCEEDED, "", error.particulars)) for single in order.alone)
    else:
        yield order


# --- one archive ------------------------------------------------------------------------------------------------------


def examined(case: Case, file: EvidenceFile, consumers: Sequence[Consumer] = ()) -> list[Examination]:
    """Read the archive ``file`` once, and return what it tells as that of each of its backups.

    The ``consumers`` take in contents on the way. Raises `EvidenceError`.
    """
    inventory = Inventory(case.limits, (name.encode() for name in case.policy.requirements.files))
    written = Written.of(file)
    passed = Pass(file, case.limits, consumers=[inventory, *consumers])
    deque(passed, maxlen=0)
    return [_examination(single, passed, inventory, written) for single in case.alone]


def _examination(case: Case, passed: Pass, inventory: Inventory, written: Written) -> Examination:
    """Judge an archive that was read, as that of one backup."""
    of_pass = (finding.in_file(case.server_path) for finding in passed.findings())
    findings = Findings.of(chain(case.pair.findings, of_pass, _of_file(passed, case)))
    is_whole = not any(finding.is_unread for finding in findings)
    if (why := _not_to_judge(case, passed, inventory, is_whole=is_whole)) is not None:
        return Examination(_set_aside(case, why, findings), inventory)
    embedded = _embedded(inventory, case, findings)
    sha256 = passed.digests.get("sha256")
    kept, subject = KeptBackup(case.server_path, "", None, sha256, is_whole=False), None
    if embedded is not None or case.pair.record is not None:
        inspection = library.resolved(case.pair, case.server_path, embedded, case.around, case.zone)
        subject = CheckedBackup(case.server_path, inspection, inventory, case.policy.requirements, case.now, written)
        for finding in chain(
            tampering.weighed(subject), rulebook.of_backup(subject, case.policy.checks, is_whole=is_whole)
        ):
            findings.add(finding)
        kept = _kept(inspection, case.server_path, sha256, is_whole=is_whole)
    if is_whole and inventory.record is None:
        rule = rules.RECORD_MISSING if case.pair.record is None else rules.RECORD_NOT_EMBEDDED
        findings.add(Finding(rule, "", "", (case.source,)))
    return Examination(Outcome(case.judged(findings, sha256), kept), inventory, subject)


def _of_file(passed: Pass, case: Case) -> Iterator[Finding]:
    """Yield whether the file is being written, or was written to a moment ago and is not whole."""
    if begun_as(case.place.name) is not None:
        yield _growing(case)
        return
    age = case.now - passed.file.signature.mtime_ns // NANOSECONDS
    if 0 <= age < _MOMENT and any(finding.is_unread for finding in passed.findings()):
        yield Finding(rules.ARCHIVE_RECENT, "", "", on_disk(case.server_path))


def _growing(case: Case, detail: str = "by its name") -> Finding:
    return Finding(rules.ARCHIVE_GROWING, "", detail, on_disk(case.server_path))


def _not_to_judge(case: Case, passed: Pass, inventory: Inventory, *, is_whole: bool) -> Finding | None:
    """Return why an archive is not judged; None where it is.

    It changed while it was read; its name says that it is being written, and it is not whole; or it is no backup: it
    holds no record, no other speaks for it, nor does its name. Where that is an archive's, it has to be whole for that.
    """
    if passed.file.has_changed():
        return _growing(case, "it changed while it was read")
    if begun_as(case.place.name) is not None and not is_whole:
        return _growing(case)
    if case.is_backup or case.pair.record is not None or inventory.record is not None or is_of_backup(case.place.name):
        return None
    if not is_archive_name(case.place.name):
        return Finding(rules.ARCHIVE_NOT_JUDGED, "", "", (case.source,))
    return Finding(rules.ARCHIVE_FOREIGN, "", "", (case.source,)) if is_whole else None


def _set_aside(case: Case, why: Finding, findings: Iterable[Finding]) -> Outcome:
    """Return that an archive is not judged, and ``why``; of what was found otherwise the ids."""
    others = sorted({finding.id for finding in findings if finding.severity is not Severity.NOTE})
    more = [f"found so far: {', '.join(others)}"] if others else []
    detail = "; ".join([why.detail, *more] if why.detail else more)
    return Outcome(case.judged([why._replace(detail=detail)], verdict=Verdict.NOT_JUDGED), _of_record(case))


def _embedded(inventory: Inventory, case: Case, findings: Findings) -> Document | None:
    """Return the archive's own record; None where there is none that is whole, and why in ``findings``."""
    if inventory.record is None:
        return None
    source, content = at(case.server_path, inventory.record.member), inventory.record.content
    if len(content) > case.limits.record_bytes:
        detail = f"a record of more than {counted(case.limits.record_bytes, 'byte')}"
        findings.add(Finding(rules.LIMIT_EXCEEDED, "", detail, (source,)))
        return None
    if inventory.record.missing:
        return None
    try:
        return library.own_record(source, content, case.pair.record, case.limits)
    except EvidenceError as error:
        findings.add(Finding(rules.LIMIT_EXCEEDED, "", error.reason, (source,)))
        return None


def _kept(inspection: Inspection, path: str, sha256: str | None, *, is_whole: bool) -> KeptBackup:
    return KeptBackup(path, inspection.text("backup_install"), inspection.seconds("backup_time"), sha256, is_whole)


def _of_record(case: Case) -> KeptBackup | None:
    """Return what the account has of a backup whose archive can't be read: what its record tells; None without one."""
    install = case.pair.record and case.pair.record.opened("backup-install")
    return KeptBackup(case.server_path, install, None, None, is_whole=False) if install else None


def _not_judged(case: Case, reason: Finding) -> Verification:
    """Return the verification of an archive that can't be read."""
    findings = [*case.pair.findings, reason._replace(evidence=(case.source,))]
    return replace(_unreadable(case.server_path, findings, case.policy), path=case.place.path)


def _unreadable(name: str, findings: Sequence[Finding], policy: Policy) -> Verification:
    """Return the verification of something that can't be read; the reason, which comes last, can't be ignored."""
    *others, reason = findings
    judgements = (Judged(reason, reason.severity), *judge(others, policy))
    return Verification("archive", name, Verdict.UNREADABLE, None, judgements, name)
