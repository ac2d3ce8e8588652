"""Discovering accounts: here, as a scan goes on; or on the hosts of a cluster, each in roots of its own."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from backupmeta.account import places
from backupmeta.account.places import Found
from backupmeta.errors import EvidenceError, UnreadableError
from backupmeta.findings import Finding
from backupmeta.search import Search


class Below(NamedTuple):
    """What lies below a root.

    Attributes:
        root: the root's path.
        found: the accounts.
        findings: what was odd on the way to them.
        reason: why it could not be read to its end; empty where it could.
    """

    root: str
    found: tuple[Found, ...]
    findings: tuple[Finding, ...]
    reason: str

    def accounts(self, findings: list[Finding]) -> Iterator[Found]:
        """Yield the accounts; append what was odd to ``findings``. Raises `UnreadableError` behind the last one."""
        yield from self.found
        findings += self.findings
        if self.reason:
            raise UnreadableError(self.root, self.reason)


class Discovery(NamedTuple):
    """What to discover on a host; see `backupmeta.catalog.crew.Order`."""

    host: str
    search: Search

    def do(self) -> list[Below]:
        """Return what lies below each root."""
        return [self._below(root) for root in places.apart(self.search.places())]

    def _below(self, root: places.Root) -> Below:
        found, findings, reason = list[Found](), list[Finding](), ""
        try:
            found.extend(places.found(root, self.search.limits, findings))
        except EvidenceError as error:
            reason = error.reason
        return Below(root.name, tuple(found), tuple(findings), reason)

    def parts(self) -> "list[Discovery]":
        """Return it: it can't be divided."""
        return [self]

    def joined(self, parts: Sequence[list[Below]]) -> list[Below]:
        """Return what came out of its only part."""
        return parts[0]

    def given_up(self) -> list[Below]:
        """Return that nothing could be discovered."""
        reason = f"the process that looked for accounts on {self.host} ended"
        return [Below(root, (), (), reason) for root in self.search.roots or ("/",)]
