"""Which witnesses of one backup contradict each other, and by how much they may differ before they do.

The time that a backup record or embedded record gives is what the others are held against: it is the server's own.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import combinations
from typing import Final, NamedTuple

from backupmeta.events.event import Claim

_MICROSECOND: Final = timedelta(microseconds=1)


class Tolerance(NamedTuple):
    """How far from ``backup-time`` another witness may be.

    Attributes:
        before: how much earlier; None for any.
        after: how much later.
    """

    before: timedelta | None
    after: timedelta

    def allows(self, difference: int) -> bool:
        """Tell whether a witness may be ``difference`` later than ``backup-time``, in microseconds."""
        is_early = self.before is not None and difference < -(self.before // _MICROSECOND)
        return not is_early and difference <= self.after // _MICROSECOND


_CLOCKS: Final = timedelta(minutes=5)  # what clocks may differ (FORMAT.md §8, "Judging")
_A_RUN: Final = timedelta(days=1)  # no backup takes longer: what is later was packed, written or changed again

TOLERANCES: Final[Mapping[str, Tolerance]] = {
    "compressed": Tolerance(_CLOCKS, _A_RUN),
    "archive": Tolerance(_CLOCKS, _A_RUN),
    "newest-member": Tolerance(None, _A_RUN),  # a site may be as old as it likes
}
"""By kind of event.

Records must agree to the second: they hold the same text (FORMAT.md §4). So must the name, but for a UTC offset, and
for the minutes that names were late before April 2020 (§3): `backupmeta.account.filename` judges that.
"""


def contradicting(claims: Iterable[Claim]) -> dict[Claim, list[Claim]]:
    """Return who contradicts whom among the ``claims`` about one backup; names are not judged."""
    found: dict[Claim, list[Claim]] = {}
    for one, other in combinations(claims, 2):
        if _disagree(one, other):
            found.setdefault(one, []).append(other)
            found.setdefault(other, []).append(one)
    return found


def _disagree(one: Claim, other: Claim) -> bool:
    if one.kind == other.kind:
        return one.time != other.time
    if one.kind != "backed-up":
        one, other = other, one
    tolerance = TOLERANCES.get(other.kind)
    return one.kind == "backed-up" and tolerance is not None and not tolerance.allows(other.time - one.time)
