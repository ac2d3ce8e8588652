"""Which backups or installs are asked for, by what is known of them, and in which order."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from backupmeta.backup.inspection import Inspection
from backupmeta.secrets import opened


class Period(NamedTuple):
    """From one moment to another, both of which belong to it; Unix seconds, UTC; None for no bound."""

    since: int | None = None
    until: int | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether any moment is left out."""
        return self.since is not None or self.until is not None

    def has(self, seconds: int) -> bool:
        """Tell whether a moment belongs to it."""
        return (self.since is None or self.since <= seconds) and (self.until is None or seconds <= self.until)


ALWAYS: Final[Period] = Period()


@dataclass(frozen=True)
class Criteria:
    """What has to hold of a backup or an install; None for anything.

    Attributes:
        user: its owner.
        application: its application, such as ``wordpress``.
        domain: its domain, with or without ``www.``.
        period: when it was made.
    """

    user: str | None = None
    application: str | None = None
    domain: str | None = None
    period: Period = ALWAYS

    @property
    def are_given(self) -> bool:
        """Whether anything is asked for."""
        return self.period.is_bounded or any(text is not None for text in (self.user, self.application, self.domain))

    def hold_of(self, subject: Inspection) -> bool:
        """Tell whether all hold of ``subject``."""
        return (
            self.user in {None, opened(subject.text("user"))}
            and self.application in {None, opened(subject.text("application"))}
            and self._domain_holds_of(subject)
            and self._period_holds_of(subject)
        )

    def _domain_holds_of(self, subject: Inspection) -> bool:
        if self.domain is None:
            return True
        try:
            host = urlsplit(opened(subject.text("url"))).hostname or ""
        except ValueError:
            host = ""
        wanted = self.domain.lower().removeprefix("www.")
        return wanted in {opened(subject.text("url_domain")).lower().removeprefix("www."), host.removeprefix("www.")}

    def _period_holds_of(self, subject: Inspection) -> bool:
        if not self.period.is_bounded:
            return True
        value = subject.get("backup_time" if subject.kind == "backup" else "time_created")
        return value is not None and value != "" and self.period.has(int(str(value)))


def ordered(subjects: Iterable[Inspection], key: str | None) -> Iterable[Inspection]:
    """Return ``subjects`` sorted by the field ``key``: with a ``-`` before it in descending order; for None unsorted.

    Numbers stand before text, and those without the field last.
    """
    if key is None:
        return subjects
    name = key.removeprefix("-")
    keyed = [(_value(subject, name), subject) for subject in subjects]
    present = sorted((pair for pair in keyed if pair[0] is not None), key=itemgetter(0), reverse=key.startswith("-"))
    return [subject for _, subject in present] + [subject for value, subject in keyed if value is None]


def _value(subject: Inspection, name: str) -> tuple[int, Decimal, str] | None:
    """Return what ``subject`` is sorted by; of a number, which may have any number of digits, its value."""
    value = subject.get(name)
    if value is None:
        return None
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and value.isascii()):
        return (0, Decimal(value), "")
    return (1, Decimal(), value if isinstance(value, str) else str(value))
