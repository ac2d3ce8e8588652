"""The commands that unpack, or prepare for it: ``extract`` and ``needs``."""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from time import time
from typing import Final, NoReturn

import click

from backupmeta import verification
from backupmeta.checks.policy import DEFAULT
from backupmeta.cli import completion, messages, options, output
from backupmeta.cli.options import Where
from backupmeta.cli.output import Destination
from backupmeta.cli.progress_bar import progress_bar
from backupmeta.errors import NoMemberError
from backupmeta.escapes import printable
from backupmeta.extraction.extract import Extraction, Fate, MemberResult, Order, Selection
from backupmeta.extraction.extract import extract as unpacked
from backupmeta.extraction.needs import needed
from backupmeta.findings import Finding, Group, Severity
from backupmeta.folders import own_users
from backupmeta.render.formats import View
from backupmeta.render.verified import EXTRACTION, NEEDS, Restore
from backupmeta.search import Protected
from backupmeta.verification import Case
from backupmeta.words import amounts, counted

_AS_ASKED: Final = {Fate.WRITTEN, Fate.LEFT_OUT}
_MISSING_SHOWN: Final = 20
"""How many members are named that are not there."""


class _DroppedError(Exception):
    """The file of the dump is not to be kept."""

    def __init__(self, extraction: Extraction) -> None:
        self.extraction = extraction


def _selection(names: tuple[str, ...], *, has_all: bool) -> Selection:
    """Return which members are asked for."""
    if has_all and names:
        raise click.UsageError("--all goes without MEMBER")
    return Selection(map(os.fsencode, names), has_own=has_all)


@click.command()
@options.TARGET
@options.collected("selection", _selection)
@options.collected("order", Order)
@click.argument("names", nargs=-1, metavar="[MEMBER]...")
@click.option(
    "--to",
    "folder",
    required=True,
    type=options.folder_path,
    metavar="FOLDER",
    shell_complete=completion.folder,
    help="The folder to write to: a new or an empty one; see also --over.",
)
@click.option(
    "--dump", "dump", metavar="FILE", shell_complete=completion.file, help="Write the database dump there; - is stdout."
)
@options.everything("the backup's record and its dump, too")
@click.option(
    "--over", "is_over", is_flag=True, help="FOLDER is there: replace files in it, one by one. Not all or nothing."
)
@click.option(
    "--keep-partial",
    "keeps_partial",
    is_flag=True,
    help="Keep what could be had where something is missing or refused.",
)
@click.option("--owners", "has_owners", is_flag=True, help="Give files the owners that the archive names. Needs root.")
@click.option(
    "--no-fsync",
    "is_synced",
    is_flag=True,
    callback=lambda _ctx, _param, given: not given,
    help="Don't wait until all is on the disk.",
)
@options.looking("--root")
@options.answering(EXTRACTION)
@options.progressing
@options.quiet
def extract(
    target: str, order: Order, dump: str | None, where: Where, *, format_name: str, destination: Destination
) -> int:
    """Unpack the site in TARGET's archive to a FOLDER, from one pass that reads it, judges it and writes.

    TARGET is an archive, a record file, a backup's id, an archive's name, or a path as the server of --sysroot saw it.
    Without a MEMBER, the site's files: not the record, nor the dump, which --dump writes. A MEMBER that is a folder
    stands for all that is in it. FOLDER appears when all of it is there, or not at all. What would lead elsewhere is
    refused: absolute names, '..', links that lead out, devices; permissions are those that umask 022 leaves, files that
    run with others' rights do not.

    Exit code 0 where all is there; 1 where a member was refused or is missing, or the archive is not what it should be;
    2 where something could not be read or written.

    \b
    Examples:
      backupmeta extract app_….tar.gz --to site --dump dump.sql
      backupmeta extract app_….tar.gz wp-content/uploads --to uploads
      backupmeta extract app_….tar.gz --to site --dump - | mariadb site
    """
    answer, missing = EXTRACTION[format_name].render(), count()
    if answer is None and destination.path is not None:
        raise click.UsageError("--output needs --json: as text, what is missing stands on stderr")
    if answer is not None and dump == (destination.path or "-"):
        name = "stdout" if destination.is_stdout else dump
        raise click.UsageError(f"--dump {dump} and --{format_name} both write to {name}")
    if order.has_owners and 0 not in own_users():
        raise click.UsageError("--owners needs root: only root gives files to others")
    protected = Protected(sysroot=where.sysroot)
    _refuse_folder(order.folder, protected)
    findings = list[Finding]()
    case = verification.case_at(target, where.search(), DEFAULT, int(time()), findings)
    with destination.opened(where.protected(target)) as write:

        def report(result: MemberResult) -> None:
            if answer is not None:
                write(answer.piece(result))
            elif result.fate not in _AS_ASKED and next(missing) < _MISSING_SHOWN:
                messages.write_line(f"{result.member.text}: {result.fate}: {result.reason}")

        extraction = _filled(case, order, dump, protected, report)
        if answer is not None:
            write(answer.end(extraction))
    findings += (judgement.finding for judgement in extraction.verification.judged)
    code = messages.report(findings, Severity.WARNING, extraction.verification.server_path)
    for line in _losses(extraction):
        messages.write_line(line)
    write_summary = messages.write_remark if extraction.is_kept else messages.write_line
    write_summary(_summary(extraction))
    if dump is not None and not extraction.has_dump:
        messages.write_line(f"{target}: holds no dump; {dump} was not written")
    return code or _exit_code(extraction, is_dump_there=dump is None or extraction.has_dump)


def _filled(
    case: Case, order: Order, dump: str | None, protected: Protected, report: Callable[[MemberResult], object]
) -> Extraction:
    """Extract, and return what came out; the dump's file is there only if the folder is."""
    opened = nullcontext() if dump is None else Destination(dump, "--dump").opened(protected)
    try:
        with progress_bar(case.size) as bar, opened as write:
            extraction = unpacked(case, order, report, dump=write, watch=bar.watch)
            if write is not None and not (extraction.is_kept and extraction.has_dump):
                _drop(extraction)
    except _DroppedError as dropped:
        return dropped.extraction
    return extraction


def _drop(extraction: Extraction) -> NoReturn:
    raise _DroppedError(extraction)


def _exit_code(extraction: Extraction, *, is_dump_there: bool) -> int:
    """Return 2 where the archive could not be read to its end, 1 where something is missing or wrong, else 0.

    What is dangerous was refused, or did not matter.
    """
    if not extraction.is_whole:
        return 2
    rules = (judged.finding.rule for judged in extraction.verification.judged)
    is_wrong = any(rule.severity is Severity.ERROR and rule.group is not Group.SAFE for rule in rules)
    return int(is_wrong or extraction.has_refused or not is_dump_there)


def _refuse_folder(folder: str, protected: Protected) -> None:
    """Raise `click.BadParameter` where a ``folder`` has no name, or lies among what is ``protected``."""
    if os.path.basename(folder) in {"", os.curdir, os.pardir}:
        raise click.BadParameter(f"{folder}: name a new folder by its own name", param_hint="--to")
    output.refuse_evidence(folder, protected, "--to")


def _losses(extraction: Extraction) -> Iterator[str]:
    """Yield what is not as in the archive, beside the members that are named."""
    missing = sum(number for fate, number in extraction.counts.items() if fate not in _AS_ASKED)
    if (more := missing - _MISSING_SHOWN) > 0:
        yield f"{counted(more, 'more member is', 'more members are')} not there"
    for name in extraction.missing:
        is_pattern = b"*" in name or b"?" in name
        advice = "a folder stands for all in it, wildcards don't" if is_pattern else NoMemberError.default_advice
        yield f"{os.fsdecode(name)}: is not in the archive; {advice}"
    if extraction.narrowed:
        yield f"{counted(extraction.narrowed, 'member has', 'members have')} fewer permissions than in the archive"


def _summary(extraction: Extraction) -> str:
    """Return what became of the members, in one line."""
    folder = printable(extraction.order.folder)
    others = amounts({fate: number for fate, number in extraction.counts.items() if fate != Fate.WRITTEN})
    what = f"{counted(extraction.counts[Fate.WRITTEN], 'member')} written to {folder}"
    if not extraction.is_kept:
        what = f"{folder} was not made: --keep-partial keeps what could be had"
    return f"{what}; {others}" if others else what


@click.command()
@options.TARGET
@click.option(
    "--against",
    type=options.folder_path,
    metavar="FOLDER",
    shell_complete=completion.folder,
    help="Tell, too, whether extract --to FOLDER has room there.",
)
@options.looking("--root")
@options.answering(NEEDS)
@options.progressing
@options.quiet
def needs(target: str, against: str | None, where: Where, *, format_name: str, destination: Destination) -> int:
    """Tell what a restore of TARGET's archive needs: room, database, versions; it asks no server.

    From one pass that judges it, too: what is wrong with it stands on stderr. Versions of the application and of PHP,
    database, user and prefix are those of the application's own files where these tell them, else the record's.

    Exit code 0 where the answer is there, whatever is needed; 1 where FOLDER is not free or has too little room; 2
    where something could not be read.

    \b
    Examples:
      backupmeta needs app_….tar.gz
      backupmeta needs app_….tar.gz --against /home/exampleu/public_html/blog --json
    """
    findings = list[Finding]()
    case = verification.case_at(target, where.search(), DEFAULT, int(time()), findings)
    with progress_bar(case.size) as bar:
        answer = needed(case, bar.watch)
    room = None if against is None else answer.room_at(against, Protected(sysroot=where.sysroot))
    destination.write(NEEDS[format_name].render(Restore(answer, room), View()), where.protected(target))
    findings += (judged.finding for judged in answer.verification.judged)
    code = messages.report(findings, Severity.WARNING, answer.path)
    return code or int(room is not None and not room.is_fit)
