"""Every rule that a finding can be of, and every check of a backup and of an account."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from backupmeta import rules
from backupmeta.checks import application, completeness, record, retention, tampering
from backupmeta.checks.checked_backup import Check, CheckedBackup
from backupmeta.checks.retention import CheckedAccount
from backupmeta.findings import Finding, FindingRule, Group

_ORDER: Final = list(Group)
_MODULES: Final = (rules, record, tampering, completeness, application, retention)
_RULES: Final = [
    rule for rule in chain.from_iterable(vars(module).values() for module in _MODULES) if isinstance(rule, FindingRule)
]

FINDINGS: Final = {rule.id: rule for rule in sorted(_RULES, key=lambda rule: _ORDER.index(rule.group))}
"""By id, in the order in which a backup is judged."""


def is_contradiction(id_: str) -> bool:
    """Return whether findings of an id say that evidence contradicts itself; of one that is not known here, False."""
    return id_ in FINDINGS and FINDINGS[id_].is_contradiction


def position(id_: str) -> int:
    """Return where the rule of an id stands in `FINDINGS`; of one that is not known here, after all others."""
    return _POSITIONS.get(id_, len(_POSITIONS))


_POSITIONS: Final = {id_: number for number, id_ in enumerate(FINDINGS)}

ON_ANY: Final[tuple[Check, ...]] = record.CHECKS
"""Checks of any archive that has a record."""

ON_WHOLE: Final = (
    *tampering.CHECKS,
    *completeness.CHECKS,
    *completeness.RESTORE_CHECKS,
    *application.CHECKS,
)
"""Checks of archives that were wholly read: of a broken one nobody knows what else was in it."""


def of_backup(backup: CheckedBackup, own: Sequence[Check] = (), *, is_whole: bool) -> Iterator[Finding]:
    """Yield what the checks, and the caller's ``own``, find in one backup, which was wholly read, or was not."""
    embedded = backup.inventory.record
    is_judged = is_whole and (embedded is None or embedded.member.is_at_root)
    for check in (*ON_ANY, *ON_WHOLE, *own) if is_judged else ON_ANY:
        yield from check(backup)


def of_account(account: CheckedAccount) -> Iterator[Finding]:
    """Yield what the checks find in an account."""
    for check in retention.CHECKS:
        yield from check(account)
