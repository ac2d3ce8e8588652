"""The records in an archive: which of them is the backup's own, and what is odd about its place (FORMAT.md §2).

The first record at the root counts, so that a head is one read; without any there, the first one deeper.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from backupmeta.archive.member import Member, is_at_root
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness

_KEPT: Final = 100
"""How many of an archive's records are remembered."""


class Placed(NamedTuple):
    """A record in an archive: its member, and its place among the members, from 0."""

    member: Member
    place: int


def remember(records: list[Placed], one: Placed) -> None:
    """Add ``one`` to the first ``records`` of an archive; the first one at the root is added in any case."""
    is_first = is_at_root(one.member) and not any(is_at_root(known.member) for known in records)
    if len(records) < _KEPT or is_first:
        records.append(one)


def own(records: Sequence[Placed]) -> Placed | None:
    """Return which of an archive's ``records``, in their order, is the backup's own; None where there is none."""
    return next((one for one in records if is_at_root(one.member)), records[0] if records else None)


def misplaced(records: Sequence[Placed], path: str) -> Iterator[Finding]:
    """Yield what is odd about the place of the backup's own record among all ``records`` of the archive at ``path``."""
    if (chosen := own(records)) is None:
        return
    roots = [one for one in records if is_at_root(one.member)]
    if not roots:
        yield Finding("record-not-at-root", "", "", (at(path, chosen.member),))
    if chosen.place:
        yield Finding("record-not-first", "", f"member {chosen.place + 1}", (at(path, chosen.member),))
    if len(roots) > 1:
        yield Finding("record-several", "", f"{len(roots):,}", tuple(at(path, one.member) for one in roots))
    if others := [one for one in records if one is not chosen and not is_at_root(one.member)]:
        yield Finding("record-deeper", "", f"{len(others):,}", tuple(at(path, one.member) for one in others))


def at(path: str, member: Member) -> Source:
    """Return the place of a record: in the archive at ``path``, the member."""
    return Source(Witness.EMBEDDED_RECORD, path, member.label)
