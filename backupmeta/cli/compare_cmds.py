"""The commands that tell what changed, and when: ``diff``, ``history`` and ``timeline``."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain

import click

from backupmeta import library, rules
from backupmeta.cli import completion, messages, options
from backupmeta.cli.options import Where
from backupmeta.cli.output import Destination
from backupmeta.cli.progress_bar import Bar, progress_bar, rows_bar
from backupmeta.comparison.diff import CURRENT, site_at
from backupmeta.comparison.diff import diff as compare
from backupmeta.comparison.history import FollowedFiles, History, deepened, member_names
from backupmeta.comparison.history import history as backups_of
from backupmeta.events.claims import Event
from backupmeta.events.timeline import MEMBERS
from backupmeta.events.timeline import timeline as events_of
from backupmeta.findings import Finding, Findings, Severity
from backupmeta.render.differences import DIFFERENCES, FOLLOWED, HISTORIES
from backupmeta.render.formats import Trait, View
from backupmeta.render.timelines import TIMELINES, UNSET, TimelineView
from backupmeta.search import Criteria, Period, Search
from backupmeta.words import are, counted
from backupmeta.work.orders import HERE


@click.command()
@click.argument("a", shell_complete=completion.target)
@click.argument("b", shell_complete=completion.target)
@options.owned()
@options.deep("compare members, and the dumps' tables")
@options.looking("--root")
@options.answering(DIFFERENCES)
@options.progressing
@options.quiet
def diff(
    a: str,
    b: str,
    *,
    where: Where,
    format_name: str,
    destination: Destination,
    deep: bool,
    user: str | None,
) -> int:
    """Show what differs between A and B: fields, plugins, themes, lists.

    A and B are archives, record files, ids, archives' names, paths as the server of --sysroot saw them; one of them
    may be 'current': the live install of the other. Of secrets it is told that they changed, never what they are.

    With --deep also members: added, removed, renamed (the same content under another name), changed by kind, size,
    mode, mtime, link target or SHA-256 of the content; and tables: added, removed, defined otherwise, their rows.
    "can't tell": it is on one side, and the other was not read to its end.

    B may be a folder: a live site, or one in an image. Its files are compared with the members of A's archive: added is
    what only the folder has, removed what only the archive has; an mtime alone is no change. No link is followed.

    Exit codes: 0 nothing differs, 1 something does, 2 something could not be read. Two backups of one install
    differ at least in their time.

    \b
    Examples:
      backupmeta diff app_…_2024-06-13_20-55-21.tar.gz app_…_2024-06-20_20-55-21.tar.gz
      backupmeta diff 1234567890abcdefghij12345 current --root /home/exampleu
      backupmeta diff before.tar.gz after.tar.gz --deep --format markdown -o changes.md
      backupmeta diff app_…_2024-06-13_20-55-21.tar.gz /home/exampleu/public_html --sysroot /mnt/image
    """
    if a == b == CURRENT:
        raise click.UsageError("both are current; name a backup: an archive, a record file, or an id")
    if deep and CURRENT in {a, b}:
        raise click.UsageError("--deep needs two archives; a live install has none: name the folder of its site")
    search = where.search()
    site = site_at(b, search)
    if site_at(a, search) is not None or (site is not None and a == CURRENT):
        raise click.UsageError(f"{a!r} is no backup; a folder is compared with one: backupmeta diff BACKUP FOLDER")
    with progress_bar() as bar:
        difference = compare(a, b, search, user=user, deep=deep, watch=bar.watch)
    protected = where.protected(a, b)._replace(site=None if site is None else site.path)
    destination.write(DIFFERENCES[format_name].render(difference, View()), protected)
    grave = (finding.at_evidence() for finding in difference.findings if finding.is_grave)
    return messages.report(grave, Severity.WARNING) or int(not difference.is_same)


@click.command()
@click.argument("install", shell_complete=completion.target)
@options.deep("count what changed in members and tables")
@options.naming_members("Tell in which backups they are. #3 is the third member of the archive that is INSTALL.")
@options.looking("--root")
@options.answering(HISTORIES)
@options.working
@options.quiet
def history(
    install: str,
    *,
    deep: bool,
    member: str | None,
    where: Where,
    format_name: str,
    jobs: int | None,
    destination: Destination,
) -> int:
    """Show all backups of one INSTALL, oldest first, and what changed from each to the next.

    INSTALL is an install's id or record file, or a backup of it: an archive, a record file, an id, an archive's name,
    or a path as the server of --sysroot saw it.
    The last row is the live install, where there is one. Sizes are the archives', in bytes. An install that is gone
    has its history, too.

    With --deep, each archive is read once: how many members were added, removed, renamed, changed since the archive
    before, and which of the dumps' tables, as diff --deep tells them.

    With --member, each archive is read once: when a file was there, absent, changed by content (SHA-256), mode or
    kind; which is the last backup without it, the last with its earlier content, and, of what came and went, the last
    before it first appeared. What an archive that is cut, damaged or missing may have had is "can't tell".

    Exit codes: 0 all were read, 1 no backup has such a member, 2 one could not be read.

    \b
    Examples:
      backupmeta history cavtwnyvhzk8cgw8ks4gcgoo4 --root /home/exampleu
      backupmeta history app_example-com_Blog_2024-06-13_20-55-21.tar.gz --json
      backupmeta history cavtwnyvhzk8cgw8ks4gcgoo4 --sysroot /mnt/image --member 'wp-content/uploads/*.php'
    """
    if deep and member is not None:
        raise click.UsageError("--deep counts all members, --member tells of some; give one of them")
    if jobs is not None and member is None and not deep:
        raise click.UsageError("--jobs needs --deep or --member: without them, archives are not read to their ends")
    if member is not None:
        return _follow(install, member, where, format_name=format_name, jobs=jobs, destination=destination)
    backups = backups_of(install, where.search())
    if deep:
        with _progress(backups) as bar:
            backups = deepened(backups, where.limits, messages.workers(jobs, bar.watch))
    destination.write(HISTORIES[format_name].render(backups, View(destination.width)), where.protected(install))
    return messages.report(dict.fromkeys(backups.findings), Severity.ERROR)


def _progress(backups: History) -> AbstractContextManager[Bar]:
    """Show how much of the archives was read."""
    return progress_bar(lambda: sum(row.size or 0 for row in backups.rows))


def _follow(
    install: str, member: str, where: Where, *, format_name: str, jobs: int | None, destination: Destination
) -> int:
    """Tell in which backups of an install a ``member`` is."""
    backups = backups_of(install, where.search())
    followed = FollowedFiles(backups)
    with _progress(backups) as bar:
        followed.walk(member_names(install, member, where.search()), where.limits, messages.workers(jobs, bar.watch))
    destination.write(FOLLOWED[format_name].render(followed, View(destination.width)), where.protected(install))
    code = messages.report(dict.fromkeys(followed.findings), Severity.ERROR)
    if followed.is_empty:
        count = counted(len(followed.backups), "backup")
        messages.write_line(f"none of {count} has a member {member!r}, as far as they were read; '*/NAME' looks deeper")
    return code or int(followed.is_empty)


@click.command()
@options.owned(": other accounts are not read")
@options.in_time
@options.deep("tell the times of their members")
@click.option(
    "--member-limit",
    "members",
    type=options.count,
    metavar="N",
    help="With --deep: tell so many members of each archive, the newest; by default 10,000.",
)
@click.option(
    "--bodyfile-unset",
    "unset",
    type=click.Choice(UNSET),
    help="What a body file has for the times that an event has none of: -1, which mactime leaves out, by default; 0, "
    "which plaso leaves out.",
)
@options.looking("ROOT")
@options.answering(TIMELINES)
@options.working
@options.quiet
def timeline(
    where: Where,
    *,
    user: str | None,
    period: Period,
    deep: bool,
    members: int | None,
    format_name: str,
    unset: str | None,
    destination: Destination,
    jobs: int | None,
) -> int:
    """Tell what happened when, and who says so: installed, updated, backed up, written.

    A ROOT is as for list. Each event has its witness: a record and its line, the archive's name, its gzip header, its
    file, a member. A member that is the same in many backups is one event. Where witnesses of one thing contradict each
    other, each of their events names the others; what else is in doubt of a backup stands on stderr, as with list.
    Times are UTC; those in archives' names are local: --tz, or else the record's backup-time, tells their zone.

    Exit code 0, also where witnesses contradict each other; 1 where nothing happened that was asked for; 2 where
    something could not be read.

    \b
    Examples:
      backupmeta timeline /home/exampleu
      backupmeta timeline --sysroot /mnt/image --deep --format jsonl -o timeline.jsonl     (for Timesketch)
      backupmeta timeline --sysroot /mnt/image --format bodyfile | mactime -d -y -z UTC    (for The Sleuth Kit)
    """
    if members is not None and not deep:
        raise click.UsageError("--member-limit needs --deep: without it, archives are not read as far as their members")
    if unset is not None:
        options.need(Trait.WITH_UNSET_TIMES, TIMELINES, format_name, "--bodyfile-unset")
    findings: list[Finding] = []
    most = MEMBERS if members is None else members
    search, tally = where.search(user), Counter[str]()
    shown = progress_bar(partial(_size, search)) if deep else rows_bar("event")
    with shown as bar, destination.opened(where.protected()) as write:
        workers = messages.workers(jobs, bar.watch) if deep else HERE
        events = events_of(search, deep=deep, members=most, period=period, findings=findings, workers=workers)
        view = TimelineView(destination.width, unset or UNSET[0])
        for part in bar.making_way(TIMELINES[format_name].render(_counted(events, tally), view)):
            write(part)
    for line in chain(_lines(tally, where), _losses(findings)):
        messages.write_line(line)
    criteria = Criteria(user, period=period)
    is_unmet = criteria.are_given and not tally["events"]
    if is_unmet:
        for line in library.unknown(search, criteria):
            messages.write_line(line)
    return messages.report(Findings.of(dict.fromkeys(findings)), Severity.WARNING) or int(is_unmet)


def _size(search: Search) -> int:
    from backupmeta.verification import size

    return size(search)


def _counted(events: Iterable[Event], tally: Counter[str]) -> Iterator[Event]:
    for event in events:
        tally["events"] += 1
        tally["contradicted"] += bool(event.contradicted_by)
        tally["left_out"] += event.left_out
        yield event


def _losses(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield what is gone, as no event tells it; how often, for there may be as many as there are backups."""
    for rule, times in Counter(finding.rule for finding in findings if finding.rule in rules.LOST).items():
        yield f"{rule.severity}: {rule.sentence}: {counted(times, 'time')} [{rule.id}]"


def _lines(tally: Counter[str], where: Where) -> Iterator[str]:
    """Yield what a reader of the events may miss."""
    if not tally["events"]:
        nothing = f"nothing happened in {where.name}; name another ROOT, or a wider time"
        yield "; ".join([nothing, *where.obstacles])
    if contradicted := tally["contradicted"]:
        events = f"{contradicted:,} of {counted(tally['events'], 'event')} {are(contradicted)}"
        yield f"{events} contradicted by other witnesses"
    if tally["left_out"]:
        members = counted(tally["left_out"], "member has", "members have")
        yield f"{members} no event of their own; --member-limit N tells more of them"
