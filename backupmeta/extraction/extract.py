"""Extracting an archive: one pass that reads it, judges it and writes its files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from backupmeta import verification
from backupmeta.checks.verdict import Verdict, Verification
from backupmeta.extraction import tree
from backupmeta.extraction.unpacking import Fate, MemberResult, Selection, Unpacking
from backupmeta.verification import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How an archive is extracted.

    Attributes:
        folder: where to; it may not be there, or is empty.
        selection: which members.
        is_over: whether it is there, and its files are replaced one by one.
        is_synced: whether all is on the disk before it gets its name.
        has_owners: whether files get the owners that the archive names.
        keeps_partial: whether what could be had is kept where something could not.
    """

    folder: str
    selection: Selection
    is_over: bool = False
    is_synced: bool = True
    has_owners: bool = False
    keeps_partial: bool = False


class Extraction(NamedTuple):
    """What came out.

    Attributes:
        folder: where to.
        is_kept: whether it is there.
        counts: how many members had each fate.
        narrowed: how many have fewer permissions than in the archive.
        missing: the names that were asked for and that no member has.
        has_dump: whether the archive has a dump that was asked for.
        verification: what the archive is judged to be.
    """

    folder: str
    is_kept: bool
    counts: dict[Fate, int]
    narrowed: int
    missing: Sequence[bytes]
    has_dump: bool
    verification: Verification

    @property
    def is_whole(self) -> bool:
        """Whether the archive could be read to its end, and was not changed meanwhile."""
        is_judged = self.verification.verdict in {Verdict.PASS, Verdict.FAIL}
        return is_judged and not any(judged.finding.is_unread for judged in self.verification.judged)

    @property
    def has_refused(self) -> bool:
        """Whether something that was asked for is not there."""
        return bool(self.counts[Fate.REFUSED] or self.counts[Fate.INCOMPLETE] or self.missing)


def extract(
    case: Case,
    order: Order,
    report: Callable[[MemberResult], object],
    *,
    dump: Callable[[bytes], object] | None = None,
    watch: Callable[[int], object] | None = None,
) -> Extraction:
    """Extract the archive of ``case``, judged in the same pass; ``report`` what became of each member.

    Without `Order.keeps_partial` the folder gets its name only if all that was asked for is in it, and the archive was
    read to its end. ``dump`` takes in the bytes of the database dump, ``watch`` how many bytes each read gave.

    Raises `EvidenceError` where the archive can't be read, `OutputError` where the folder can't be written.
    """
    with case.place.open() as file, _opened(order) as (filled, keep):
        file.watch = watch
        unpacking = Unpacking(
            filled,
            order.selection,
            case.limits,
            report,
            dump=dump,
            has_owners=order.has_owners,
            keeps_partial=order.keeps_partial,
        )
        judgement = verification.examined(case, file, [unpacking]).verification
        unpacking.finish()
        extraction = Extraction(
            order.folder,
            order.is_over or order.keeps_partial,
            unpacking.counts,
            unpacking.narrowed,
            order.selection.missing,
            unpacking.has_dump,
            judgement,
        )
        extraction = extraction._replace(
            is_kept=extraction.is_kept or (extraction.is_whole and not extraction.has_refused)
        )
        if extraction.is_kept and keep is not None:
            keep()
    return extraction


@contextmanager
def _opened(order: Order) -> Iterator[tuple[tree.Tree, tree.Keep | None]]:
    """Give the tree that is filled, and what gives it its name, if it is new."""
    if order.is_over:
        with tree.over(order.folder, is_synced=order.is_synced) as filled:
            yield filled, None
        return
    with tree.new(order.folder, is_synced=order.is_synced) as (filled, keep):
        yield filled, keep
