"""Discovering accounts: here, as a scan goes on; or on the hosts of a cluster, each in roots of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from backupmeta.account import places
from backupmeta.account.places import Found
from backupmeta.errors import EvidenceError, UnreadableError
from backupmeta.findings import Finding
from backupmeta.search import Search
from backupmeta.work.orders import Watch, Work


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


@dataclass(frozen=True)
class Discovering(Work[str, list[Below]]):
    """Looking for accounts on a host, wherever ``search`` says."""

    search: Search

    def do(self, _order: str, _watch: Watch) -> Iterator[list[Below]]:
        """Yield what lies below each root."""
        yield [self._below(root) for root in places.apart(self.search.places())]

    def _below(self, root: places.Root) -> Below:
        found, findings, reason = list[Found](), list[Finding](), ""
        try:
            found.extend(places.found(root, self.search.limits, findings))
        except EvidenceError as error:
            reason = error.reason
        return Below(root.name, tuple(found), tuple(findings), reason)

    def given_up(self, order: str) -> Iterator[list[Below]]:
        """Yield that nothing could be discovered."""
        reason = f"the process that looked for accounts on {order} ended"
        yield [Below(root, (), (), reason) for root in self.search.roots or ("/",)]

    def host(self, order: str) -> str:
        """Return the host, which is all that is ordered."""
        return order
