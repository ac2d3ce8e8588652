"""Checks of an archive for what was done to it after its backup: by the moments that its witnesses tell (FORMAT.md §8).

A later file or gzip time alone is no finding: copying, recompressing and a checkout leave one. Only a member that is
younger than the backup can be one, beyond what `backupmeta.backup.contradictions` allows.

They hold for archives that were wholly read: of a broken one nobody knows whether most members are younger.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from backupmeta import rules
from backupmeta.archive.member import label
from backupmeta.backup.contradictions import SECOND, Making, Written
from backupmeta.checks import application, completeness
from backupmeta.checks.checked_backup import Check, CheckedBackup, Younger
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.provenance import Source, Witness, display
from backupmeta.record.fields import sides
from backupmeta.words import NANOSECONDS, counted, dated, seconds_in

_error = partial(FindingRule, Group.WITNESSES, Severity.ERROR, is_contradiction=True)
_warning = partial(FindingRule, Group.WITNESSES, Severity.WARNING, is_contradiction=True)
_note = partial(FindingRule, Group.WITNESSES, Severity.NOTE, is_contradiction=True)
_COMPARE: Final = (
    "compare it with the backup before it: 'backupmeta diff --deep'; 'history --member' names the last without a file"
)

ARCHIVE_ALTERED: Final = _error(
    "archive-altered", "the archive was changed after its backup, as two independent signs say", _COMPARE
)
MEMBER_YOUNGER: Final = _warning(
    "member-younger", "the member is younger than the backup, and than the file that holds it", _COMPARE
)
MEMBERS_IN_FUTURE: Final = _note(
    "members-in-future",
    "most members are younger than the backup",
    "see whether the server's clock was wrong then, or all of it was packed anew",
)

_NAMED: Final = 3
"""How many younger members are evidence."""

_CONTRADICTING: Final[tuple[Check, ...]] = (
    completeness.files_unlisted,
    application.version_differs,
    application.extensions_differ,
    application.config_differs,
)
"""What tells that contents contradict the record."""


def members_younger(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the members that are younger than the backup, in one finding, as severe as there are signs.

    A file that was written with the member in it is later than the member: where its time is not later than the
    backup's own, it is a lie.
    """
    began, written = max(map(_seconds, _said(backup, "backup_time")), default=0), backup.written
    if written is None or began <= 0:
        return
    making = Making.of(began * SECOND, written)
    if (younger := backup.inventory.younger(_nanoseconds(making.latest("member")))) is None:
        return
    made = f"{dated(began)}: {', '.join(_witnesses(backup, began))}"
    if younger.are_most:
        yield _finding(backup, MEMBERS_IN_FUTURE, younger.files, made)
        return
    later = dict(_later(making, written, younger))
    signs = [*(f"{dated(time // SECOND)}: {witness}" for witness, time in later.items()), *_contradicted(backup)]
    files = [file for file in younger.files if file[0] <= _packed_until(making, later.values())] or younger.files
    yield _finding(backup, ARCHIVE_ALTERED if signs else MEMBER_YOUNGER, files, made, signs)


def _finding(
    backup: CheckedBackup,
    rule: FindingRule,
    files: Sequence[tuple[int, bytes]],
    made: str,
    signs: Sequence[str] = (),
) -> Finding:
    """Return the finding about ``files``, the newest first: who says when the backup was ``made``, who does not."""
    (time, name), *others = files
    more = f" and {counted(len(others), 'member')} more" if others else ""
    detail = "; ".join([made, f"{dated(time // NANOSECONDS)}: this member{more}", *signs])
    members = (backup.member_source(name) for _, name in files[:_NAMED])
    places = (*members, *backup.field_sources("backup_time"), Source(Witness.FILE_SYSTEM, backup.path))
    return Finding(rule, display(label(name)), detail, places)


def _seconds(said: tuple[bytes, Witness]) -> int:
    """Return the ``backup-time`` that a record has, Unix seconds; 0 for what is no time, and for what is no record.

    Of records that disagree, which is a finding of its own, the latest counts.
    """
    value, witness = said
    seconds = seconds_in(value.decode("ascii", "replace"))
    return seconds if isinstance(seconds, int) and witness is not Witness.FILE_NAME else 0


def _witnesses(backup: CheckedBackup, began: int) -> dict[Witness, None]:
    """Return who says that the backup was made at ``began``, Unix seconds: records, and the name where that agrees."""
    said, embedded = list(_said(backup, "backup_time")), backup.inventory.record
    believed, _ = said[0]
    if embedded is not None and b"backup-time=" + believed in embedded.content:
        said.append((believed, Witness.EMBEDDED_RECORD))
    if backup.inspection.utc_offset is not None:
        said.append((believed, Witness.FILE_NAME))
    return {witness: None for value, witness in said if seconds_in(value.decode("ascii", "replace")) == began}


def _later(making: Making, written: Written, younger: Younger) -> Iterator[tuple[str, int]]:
    """Yield what says that the archive was written after its backup, at a moment when a younger file was there.

    What is younger than that, too, has a time that is wrong: a camera's, or that of whoever uploaded it.
    """
    moments = {"archive": ("the archive's file", written.time), "compressed": ("its gzip header", written.compressed)}
    for kind, (witness, time) in moments.items():
        if time is not None and time > making.latest(kind) and younger.files[-1][0] <= _packed_until(making, [time]):
            yield witness, time


def _packed_until(making: Making, moments: Iterable[int]) -> int:
    """Return the latest time, in nanoseconds, that a file can have that was packed at one of these ``moments``."""
    return max((_nanoseconds(making._replace(ended=moment).latest("member")) for moment in moments), default=0)


def _nanoseconds(microseconds: int) -> int:
    return microseconds * (NANOSECONDS // SECOND)


def _contradicted(backup: CheckedBackup) -> Iterator[str]:
    """Yield that contents of the archive contradict the record, and by which findings."""
    if ids := dict.fromkeys(finding.id for check in _CONTRADICTING for finding in check(backup)):
        yield f"its contents contradict the record: {', '.join(ids)}"


def weighed(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield what resolving met; where records disagree about what contents tell, these stand on a side, too."""
    for finding in backup.inspection.findings:
        is_of_field = finding.rule is rules.SOURCES_DISAGREE and finding.subject in backup.inspection.conflicts
        contents = application.told_by_contents(backup) if is_of_field else {}
        if finding.subject in contents:
            value, name = contents[finding.subject]
            said = [*_said(backup, finding.subject), (value.encode(), label(name))]
            evidence = (*finding.evidence, backup.member_source(name))
            yield finding._replace(detail=sides(finding.subject, said), evidence=evidence)
        else:
            yield finding


def _said(backup: CheckedBackup, field: str) -> Iterator[tuple[bytes, Witness]]:
    """Yield what records say of a field, the believed one first, and which record does; nothing where none has it."""
    for place in backup.field_sources(field):
        yield backup.inspection.text(field).encode(), place.witness
    for fact in backup.inspection.conflicts.get(field, ()):
        yield fact.raw, fact.source.witness


CHECKS: Final[tuple[Check, ...]] = (members_younger,)
