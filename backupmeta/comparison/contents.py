"""What differs in two archives: their members, and the tables of their dumps."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from backupmeta.archive.dump import Table
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import label
from backupmeta.comparison.difference import Side, What
from backupmeta.comparison.spool import Spool
from backupmeta.comparison.walking import End, Entry, Failure, Walking
from backupmeta.errors import EvidenceError
from backupmeta.findings import Finding
from backupmeta.words import counted
from backupmeta.work.orders import HERE, Workers, mixed_results

By = Literal["kind", "size", "mode", "mtime", "link", "content"]


class MemberChange(NamedTuple):
    """A member that differs; None where it is not there."""

    before: Entry | None
    after: Entry | None

    @property
    def either(self) -> Entry:
        """The member, in A or else in B."""
        return next(one for one in self if one is not None)

    @property
    def what(self) -> What:
        """What became of it: a file is renamed where another name has its content."""
        if self.before is not None and self.after is not None and self.before.name != self.after.name:
            return What.RENAMED
        return What.between(self.before, self.after)

    @property
    def by(self) -> tuple[By, ...]:
        """By what it differs, where it is on both sides; a content that is not known is none that differs."""
        if self.before is None or self.after is None:
            return ()
        old, new = self.before, self.after
        told: dict[By, bool] = {
            "kind": old.kind != new.kind,
            "size": old.size != new.size,
            "mode": old.mode != new.mode,
            "mtime": old.mtime_ns != new.mtime_ns,
            "link": old.link != new.link,
            "content": None not in {old.digest, new.digest} and old.digest != new.digest,
        }
        return tuple(name for name, differs in told.items() if differs)


class TableChange(NamedTuple):
    """A table or view that differs; None where it is not there."""

    before: Table | None
    after: Table | None

    @property
    def either(self) -> Table:
        """The table, in A or else in B."""
        return next(one for one in self if one is not None)

    @property
    def what(self) -> What:
        """What became of it."""
        return What.between(self.before, self.after)

    @property
    def is_redefined(self) -> bool:
        """Whether it is there on both sides, and defined otherwise."""
        if self.before is None or self.after is None:
            return False
        return (self.before.kind, self.before.digest) != (self.after.kind, self.after.digest)

    @property
    def lines(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """The lines of the definition that only A has, and those that only B has."""
        if self.before is None or self.after is None or not self.is_redefined:
            return (), ()
        old, new = (
            [line.strip().removesuffix(b",") for line in one.definition.splitlines()]
            for one in (self.before, self.after)
        )
        return tuple((Counter(old) - Counter(new)).elements()), tuple((Counter(new) - Counter(old)).elements())


class Contents:
    """What differs in two archives.

    Attributes:
        counts: how many members became what.
        tables: the tables and views that differ, in the order of their names.
        findings: what was odd about the archives.
    """

    def __init__(self, spool: Spool, tables: tuple[TableChange, ...], findings: tuple[Finding, ...]) -> None:
        """Compare the members in the ``spool``."""
        self._spool = spool
        self.counts = Counter({What(what): count for what, count in spool.compare().items()})
        self.tables = tables
        self.findings = findings

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.counts and not self.tables

    def members(self) -> Iterator[MemberChange]:
        """Yield the members that differ, in the order of their names in A, or else in B."""
        return (MemberChange(before, after) for before, after in self._spool.changed())


def compared_contents(sides: tuple[Side, Side], limits: Limits, workers: Workers = HERE) -> Contents:
    """Return what differs in the archives of the ``sides``, each of which one of the ``workers`` walks once.

    Raises `EvidenceError` where nothing of one can be read; what can be read of a damaged one is compared.
    """
    ends, spool = dict[int, End](), Spool()
    orders = [(number, side.place) for number, side in enumerate(sides) if side.place is not None]
    for (number, _), part in mixed_results(orders, Walking(limits), workers):
        if isinstance(part, Failure):
            raise EvidenceError(*part)
        if isinstance(part, End):
            ends[number] = part
        else:
            spool.take(number, part)
    findings = [one for number in sorted(ends) for one in _findings(ends[number], sides[number])]
    findings += _uncompared(spool)
    return Contents(spool, tuple(_tables(ends[0].tables, ends[1].tables)), tuple(findings))


def _uncompared(spool: Spool) -> Iterator[Finding]:
    """Yield that there are contents that were not compared, because they could not be read."""
    count, name = spool.uncompared()
    if count:
        yield Finding("member-not-compared", label(name), f"and {count - 1:,} more" if count > 1 else "")


def _findings(end: End, side: Side) -> Iterator[Finding]:
    """Yield what was odd about an archive; its path as the server saw it."""
    for one in end.findings:
        yield one._replace(evidence=tuple(at._replace(path=side.inspection.path) for at in one.evidence))
    if end.left_out:
        yield Finding("limit-exceeded", side.inspection.path, f"{counted(end.left_out, 'more table')} in the dump")


def _tables(before: Iterable[Table], after: Iterable[Table]) -> Iterator[TableChange]:
    """Yield the tables that differ."""
    old, new = ({one.name: one for one in tables} for tables in (before, after))
    for name in sorted(old.keys() | new.keys()):
        change = TableChange(old.get(name), new.get(name))
        is_there = change.before is not None and change.after is not None
        if not is_there or change.is_redefined or _rows(change.before) != _rows(change.after):
            yield change


def _rows(table: Table | None) -> int:
    return 0 if table is None else table.rows
