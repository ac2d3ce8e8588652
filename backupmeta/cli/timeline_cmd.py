"""The command that tells what happened when: ``timeline``."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import click

from backupmeta.archive.limits import Limits
from backupmeta.cli import messages, options
from backupmeta.cli.options import Where
from backupmeta.cli.output import Target
from backupmeta.events.claims import Event
from backupmeta.events.timeline import MEMBERS
from backupmeta.events.timeline import timeline as events_of
from backupmeta.findings import Finding, Severity
from backupmeta.render.formats import View
from backupmeta.render.timelines import TIMELINES
from backupmeta.search import Period, Search
from backupmeta.words import are, counted
from backupmeta.work.orders import HERE

_MICROSECONDS: Final = 1_000_000


@click.command()
@options.looking("ROOT")
@click.option("--user", metavar="NAME", help="Only what happened in accounts of this owner.")
@options.in_time
@click.option("--deep", is_flag=True, help="Read archives to their ends, for the times of their members.")
@click.option(
    "--members",
    type=options.COUNT,
    metavar="N",
    help="With --deep: tell so many members of each archive, the newest; by default 10,000.",
)
@options.formatted(TIMELINES)
@options.writing
@options.at_work
@options.limiting
def timeline(
    where: Where,
    limits: Limits,
    *,
    user: str | None,
    since: int | None,
    until: int | None,
    deep: bool,
    members: int | None,
    format_name: str,
    target: Target,
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
    if members is not None and not deep:
        raise click.UsageError("--members needs --deep: without it, archives are not read as far as their members")
    findings: list[Finding] = []
    most = MEMBERS if members is None else members
    search, tally = where.search(limits, user), _Tally()
    size = partial(_size, search) if deep else None
    with messages.progress_bar(size) as bar, target.opened(where.protected()) as write:
        workers = messages.workers(jobs, bar.watch) if deep else HERE
        events = events_of(search, deep=deep, members=most, findings=findings, workers=workers)
        wanted = tally.counting(_wanted(events, user, Period(since, until)))
        for part in bar.making_way(TIMELINES[format_name].render(wanted, View())):
            write(part)
    tally.write(where.name)
    return messages.report(dict.fromkeys(findings), Severity.WARNING)


def _size(search: Search) -> int:
    from backupmeta.verification import size

    return size(search)


def _wanted(events: Iterable[Event], user: str | None, period: Period) -> Iterator[Event]:
    """Yield the ``events`` of a ``period`` in the accounts of ``user``; None is any."""
    for event in events:
        if period.has(event.time // _MICROSECONDS) and user in {None, event.subject.user}:
            yield event


class _Tally:
    """Counts events while they pass through."""

    def __init__(self) -> None:
        self._events = self._contradicted = self._left_out = 0

    def counting(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the ``events``, counted."""
        for event in events:
            self._events += 1
            self._contradicted += bool(event.contradicted_by)
            self._left_out += event.left_out
            yield event

    def write(self, where: str) -> None:
        """Say what a reader of the events may miss."""
        if not self._events:
            messages.write_line(f"nothing happened in {where}; name another ROOT, or a wider time")
        if self._contradicted:
            events = f"{self._contradicted:,} of {counted(self._events, 'event')} {are(self._contradicted)}"
            messages.write_line(f"{events} contradicted by other witnesses")
        if self._left_out:
            members = counted(self._left_out, "member has", "members have")
            messages.write_line(f"{members} no event of their own; --members N tells more of them")
