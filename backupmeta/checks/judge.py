"""Judging: all checks on one subject, and the verdict by a policy."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from backupmeta.archive.member import is_at_root
from backupmeta.checks import account, application, contents, record, restore
from backupmeta.checks.account import Account
from backupmeta.checks.policy import Policy
from backupmeta.checks.subject import Subject
from backupmeta.checks.verdict import Judged, Verdict
from backupmeta.findings import Finding
from backupmeta.vocabulary.kinds import Severity
from backupmeta.vocabulary.table import FINDINGS

_SEVERITIES: Final = list(Severity)
_IDS: Final = list(FINDINGS)

ON_ANY: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = record.CHECKS
"""Checks of any archive that has a record."""

ON_WHOLE: Final = (*contents.CHECKS, *restore.CHECKS, *application.CHECKS)
"""Checks of archives that were wholly read: of a broken one nobody knows what else was in it."""


def of_backup(subject: Subject, *, is_whole: bool) -> Iterator[Finding]:
    """Yield what the checks find in one backup, whose archive was wholly read, or was not."""
    embedded = subject.survey.record
    is_judged = is_whole and (embedded is None or is_at_root(embedded.member))
    for check in (*ON_ANY, *ON_WHOLE) if is_judged else ON_ANY:
        yield from check(subject)


def of_account(subject: Account) -> Iterator[Finding]:
    """Yield what the checks find in an account."""
    for check in account.CHECKS:
        yield from check(subject)


def judged(findings: Iterable[Finding], policy: Policy) -> tuple[Judged, ...]:
    """Return the findings that ``policy`` asks for, the most severe first, else in the vocabulary's order."""
    asked = ((one, policy.severity(one.id)) for one in findings)
    kept = [Judged(one, severity) for one, severity in asked if severity is not None]
    return tuple(sorted(kept, key=lambda one: (_SEVERITIES.index(one.severity), _IDS.index(one.finding.id))))


def verdict(found: Iterable[Judged], policy: Policy) -> Verdict:
    """Return whether something is as severe as ``policy`` lets fail."""
    return Verdict.FAIL if any(policy.fails(one.severity) for one in found) else Verdict.PASS
