"""`diff`: what differs between two backups, or between a backup and the live install."""

from backupmeta.comparison import sides
from backupmeta.comparison.difference import Difference, Side
from backupmeta.comparison.fields import compared
from backupmeta.errors import UnreadableError
from backupmeta.findings import Finding
from backupmeta.search import EVERYWHERE, Search


def diff(a: str, b: str, search: Search = EVERYWHERE, *, user: str | None = None, deep: bool = False) -> Difference:
    """Return what differs between ``a`` and ``b``.

    Args:
        a: an archive, a record file, an id, an archive's name, or ``current``: the live install of the other side.
        b: the same.
        search: where to look for them, unless they are files.
        user: only what belongs to this owner.
        deep: whether the archives are walked: what differs in their members, and in the tables of their dumps.

    Raises:
        AnswerError: there is no such backup, no such live install, or ``user`` is not its owner.
        EvidenceError: a file can't be read, or ``deep`` is asked for and a side has no archive.
        ValueError: both are ``current``.
    """
    if a == b == sides.CURRENT:
        raise ValueError("both are current; name a backup")
    findings = list[Finding]()
    with sides.noting(findings):
        named = [_side(target, search, user, findings) for target in (a, b) if target != sides.CURRENT]
        if a == sides.CURRENT:
            named.insert(0, _current(named[0], search, findings))
        elif b == sides.CURRENT:
            named.append(_current(named[0], search, findings))
    one, other = named
    for side in named:
        findings += side.inspection.findings
    changes = compared(one.inspection, other.inspection)
    if not deep:
        return Difference(one, other, changes, None, tuple(dict.fromkeys(findings)))
    from backupmeta.comparison.contents import compared_contents
    from backupmeta.work.processes import few_processes

    contents = compared_contents((_walkable(one), _walkable(other)), search.limits, few_processes(2))
    return Difference(one, other, changes, contents, tuple(dict.fromkeys((*findings, *contents.findings))))


def _side(target: str, search: Search, user: str | None, findings: list[Finding]) -> Side:
    return Side(target, *sides.backup(target, search, user, findings))


def _current(other: Side, search: Search, findings: list[Finding]) -> Side:
    return Side(sides.CURRENT, sides.current(other.name, other.inspection, search, findings))


def _walkable(side: Side) -> Side:
    """Return a ``side`` that has an archive, or raise `UnreadableError`."""
    if side.place is None:
        raise UnreadableError(side.name, "has no archive here", "compare it without --deep, or name two archives")
    return side
