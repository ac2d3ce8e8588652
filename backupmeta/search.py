"""`Search`: where to look for accounts, and how."""

import os
from collections.abc import Iterator, Sequence
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
    """

    roots: Sequence[str] = ()
    sysroot: str | None = None
    zone: tzinfo | None = None
    limits: Limits = DEFAULT_LIMITS

    @property
    def name(self) -> str:
        """What stands for where it looks, beside its roots."""
        return self.sysroot or "conventional places"

    @property
    def server_root(self) -> str:
        """The path on this machine of the root of the server whose conventional places it looks in."""
        return "/" if self.sysroot is None else os.path.abspath(self.sysroot)  # noqa: PTH100

    def homes(self, findings: list[Finding]) -> Iterator[Home]:
        """Yield the homes, each open until the next one; append what was odd. Raises `UnreadableError` for a root."""
        yield from places.homes(self.places(), self.limits, findings)

    def places(self) -> list[places.Root]:
        """Return the roots, or the conventional places. Raises `UnreadableError` where the sysroot is no folder."""
        named = [places.Root(root) for root in self.roots]
        if self.sysroot is not None and not is_folder(self.sysroot):
            raise UnreadableError(self.sysroot, "is no folder", "give --sysroot the folder that an image is mounted at")
        if self.sysroot is not None or not named:
            named += places.conventional(self.sysroot)
        return named


EVERYWHERE: Final = Search()
