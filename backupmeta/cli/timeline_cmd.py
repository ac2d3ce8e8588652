"""The command that tells what happened when: ``timeline``."""

import functools
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from backupmeta.archive.limits import Limits
from backupmeta.cli import options, output
from backupmeta.cli.options import COUNT, IN_TIME, Span, decorated
from backupmeta.vocabulary.kinds import Severity
from backupmeta.words import are, counted

if TYPE_CHECKING:
    from backupmeta.events.event import Event
    from backupmeta.findings import Finding

_FORMATS: Final = ("text", "jsonl", "l2tcsv", "bodyfile")
_MICROSECONDS: Final = 1_000_000

_OPTIONS: Final = (
    click.argument("roots", nargs=-1, metavar="[ROOT]..."),
    options.searching,
    click.option("--user", metavar="NAME", help="Only what happened in accounts of this owner."),
    *IN_TIME,
    click.option("--deep", is_flag=True, help="Read archives to their ends, for the times of their members."),
    click.option(
        "--members",
        type=COUNT,
        metavar="N",
        help="With --deep: tell so many members of each archive, the newest; by default 10,000.",
    ),
    click.option("--format", "form", type=click.Choice(_FORMATS), default="text", help="How to write it."),
    click.option("--json", "form", flag_value="jsonl", help="The same as --format jsonl."),
    click.option("-o", "--output", "target_file", metavar="FILE", help="Write it there instead of to stdout."),
    click.option(
        "--jobs", type=options.JOBS, metavar="N", help="With --deep: how many processes; by default, one a core."
    ),
    options.limiting,
)


@click.command()
@functools.partial(decorated, decorators=_OPTIONS)
def timeline(
    roots: tuple[str, ...],
    sysroot: str | None,
    zone: tzinfo | None,
    limits: Limits,
    *,
    user: str | None,
    since: Span | None,
    until: Span | None,
    deep: bool,
    members: int | None,
    form: str,
    target_file: str | None,
    jobs: int | None,
) -> int:
    """Tell what happened when, and who says so: installed, updated, backed up, written.

    A ROOT is as for list. Each event has its witness: a record and its line, the archive's name, its gzip header, its
    file, a member. Where witnesses of one thing contradict each other, each of their events names the others. Times are
    UTC; those in archives' names are local: --tz, or else the record's backup-time, tells their zone.

    Exit code 0, also where witnesses contradict each other; 2 where something could not be read.

    \b
    Examples:
      backupmeta timeline /home/exampleu
      backupmeta timeline --sysroot /mnt/image --deep --format jsonl -o timeline.jsonl     (for Timesketch)
      backupmeta timeline --sysroot /mnt/image --format bodyfile | mactime -d -y -z UTC    (for The Sleuth Kit)
    """
    from backupmeta import verification
    from backupmeta.account.protected import Protected
    from backupmeta.cli import progress
    from backupmeta.events.timeline import MEMBERS
    from backupmeta.events.timeline import timeline as telling
    from backupmeta.render.formats import View
    from backupmeta.render.timelines import TIMELINES
    from backupmeta.search import Search
    from backupmeta.work.orders import HERE

    if members is not None and not deep:
        raise click.UsageError("--members needs --deep: without it, archives are not read as far as their members")
    findings: list[Finding] = []
    most = MEMBERS if members is None else members
    search, tally = Search(roots, sysroot, zone, limits, user), _Tally()
    size = partial(verification.size, search) if deep else None
    with progress.shown(size) as bar, output.opened(target_file, Protected(roots, sysroot)) as write:
        workers = output.workers(jobs, None if bar is None else bar.advance) if deep else HERE
        events = telling(search, deep=deep, members=most, findings=findings, workers=workers)
        parts = iter(TIMELINES[form].render(tally.counting(_wanted(events, user, since, until)), View()))
        for part in parts if bar is None else bar.making_way(parts):
            write(part)
    tally.tell(", ".join(roots) or f"the conventional places{f' of {sysroot}' if sysroot else ''}")
    return output.report(dict.fromkeys(findings), Severity.WARNING)


def _wanted(events: "Iterable[Event]", user: str | None, since: Span | None, until: Span | None) -> "Iterator[Event]":
    """Yield the ``events`` in the accounts of ``user``, from ``since`` to ``until``; None is any."""
    for one in events:
        seconds = one.time // _MICROSECONDS
        is_early = since is not None and seconds < since.first
        is_late = until is not None and seconds > until.last
        if not is_early and not is_late and user in {None, one.subject.user}:
            yield one


class _Tally:
    """Counts events while they pass through."""

    def __init__(self) -> None:
        self._events = self._contradicted = self._left_out = 0

    def counting(self, events: "Iterable[Event]") -> "Iterator[Event]":
        """Yield the ``events``, counted."""
        for one in events:
            self._events += 1
            self._contradicted += bool(one.contradicted_by)
            self._left_out += one.left_out
            yield one

    def tell(self, places: str) -> None:
        """Say what a reader of the events may miss."""
        if not self._events:
            output.complain(f"nothing happened in {places}; name another ROOT, or a wider time")
        if self._contradicted:
            events = f"{self._contradicted:,} of {counted(self._events, 'event')} {are(self._contradicted)}"
            output.complain(f"{events} contradicted by other witnesses")
        if self._left_out:
            members = counted(self._left_out, "member has", "members have")
            output.complain(f"{members} no event of their own; --members N tells more of them")
