"""The content of one member, as a consumer of a walk: the record, a file to `cat`."""

from collections.abc import Callable

from backupmeta.archive.member import Member, plain


class Content:
    """Hands on the content of the first plain file of a name, piece by piece, up to a bound.

    Attributes:
        member: the member, once it was met.
        missing: how many of its bytes were not handed on: they are not in the archive, or beyond the bound.
    """

    def __init__(self, name: bytes, hand_on: Callable[[bytes], object], most: int | None = None) -> None:
        """Wait for the member ``name`` (a ``./`` before it does not count); hand on at most ``most`` bytes of it."""
        self._name = plain(name)
        self._hand_on = hand_on
        self._most = most
        self._given = 0
        self.member: Member | None = None
        self.missing = 0

    def wants(self, member: Member) -> bool:
        """Tell whether ``member`` is the one."""
        is_it = self.member is None and member.kind == "file" and plain(member.name) == self._name
        if is_it and not member.is_sparse:
            self.member = member
            return True
        return False

    def take(self, piece: bytes) -> None:
        """Hand on the next bytes."""
        room = len(piece) if self._most is None else self._most - self._given
        if room > 0:
            self._hand_on(piece[:room])
        self._given += min(len(piece), max(room, 0))

    def close(self, missing: int) -> None:  # noqa: ARG002 - what was handed on tells it, too
        """Count what is missing."""
        self.missing = 0 if self.member is None else self.member.stored - self._given
