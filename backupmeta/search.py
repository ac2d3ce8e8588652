"""`Search`: where to look for accounts, and how."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from backupmeta.account import places
from backupmeta.account.home import Home
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.errors import UnreadableError
from backupmeta.evidence import is_folder
from backupmeta.findings import Finding


@dataclass(frozen=True)
class Search:
    """Where to look, and how.

    Attributes:
        roots: homes, folders of homes, folders of archives, archives; none means the conventional places.
        sysroot: a mounted image: the conventional places are looked for below it.
        zone: the server's time zone, where it is known.
        limits: what a file may ask for.
        user: look only into the homes of this user: those of its name, or without any such, those whose paths tell
            nobody's. What an account's records say of their owner does not count. None for all homes.
    """

    roots: Sequence[str] = ()
    sysroot: str | None = None
    zone: tzinfo | None = None
    limits: Limits = DEFAULT_LIMITS
    user: str | None = None

    @property
    def name(self) -> str:
        """What stands for where it looks, beside its roots."""
        return self.sysroot or "conventional places"

    @property
    def server_root(self) -> str:
        """The path on this machine of the root of the server whose conventional places it looks in."""
        return "/" if self.sysroot is None else os.path.abspath(self.sysroot)

    def homes(self, findings: list[Finding]) -> Iterator[Home]:
        """Yield the homes, each open until the next one; append what was odd. Raises `UnreadableError` for a root."""
        yield from self.of_user(places.homes(self.places(), self.limits, findings))

    def of_user(self, homes: Iterable[Home]) -> Iterator[Home]:
        """Yield those of the ``homes`` that the user has."""
        if (user := self.user) is None:
            yield from homes
            return
        has_named: bool | None = None
        for home in homes:
            is_own = places.belongs(home, user)
            if is_own is None:
                has_named = any(name == user for name in self.names()) if has_named is None else has_named
                is_own = not has_named
            if is_own:
                yield home

    def names(self) -> Iterator[str]:
        """Yield the names of all homes, whosever they are."""
        return places.names(self.places(), self.limits)

    def places(self) -> list[places.Root]:
        """Return the roots, or the conventional places. Raises `UnreadableError` where the sysroot is no folder."""
        named = [places.Root(root) for root in self.roots]
        if self.sysroot is not None and not is_folder(self.sysroot):
            raise UnreadableError(self.sysroot, "is no folder", "give --sysroot the folder that an image is mounted at")
        if self.sysroot is not None or not named:
            named += places.conventional(self.sysroot)
        return named


EVERYWHERE: Final = Search()
