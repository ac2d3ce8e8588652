"""The commands that look into one file: ``explain``, ``members`` and ``cat``."""

from collections.abc import Iterable

import click

from backupmeta import explain as explaining
from backupmeta import targets
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dumps
from backupmeta.archive.reader import Consumer, Pass, find
from backupmeta.cli import messages, options
from backupmeta.cli.options import Where
from backupmeta.cli.output import Destination
from backupmeta.cli.progress_bar import progress_bar
from backupmeta.findings import Severity
from backupmeta.record.grammar import parse
from backupmeta.render.formats import Trait, View
from backupmeta.render.members import MEMBERS, STEPS, Walk, verdict


@click.command()
@options.TARGET
@options.locating
@options.secretive
@options.answering(STEPS)
def explain(target: str, where: Where, *, show_secrets: bool, format_name: str, destination: Destination) -> int:
    """Show each line of a record, or each step of an archive, with what was made of it.

    TARGET is an archive, a record file, an id, an archive's name, or a path as the server of --sysroot saw it. An id
    stands for its record.

    \b
    Examples:
      backupmeta explain app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta explain ~/.appdata/backups/1234567890abcdefghij12345 --json
    """
    file = targets.file_of(target, where.search())
    steps = list(explaining.file(file, where.limits, show_secrets=show_secrets))
    destination.write(STEPS[format_name].render(steps, View()), where.protected(target))
    return 2 if any(step.is_unread for step in steps) else 0


@click.command()
@options.TARGET
@click.option(
    "--archive-digest",
    "algorithms",
    multiple=True,
    type=click.Choice(["sha1", "md5"]),
    help="Count this digest of the archive beside its SHA-256. Repeatable.",
)
@options.digesting_members("with --json")
@options.locating
@options.answering(MEMBERS)
@options.progressing
@options.quiet
def members(
    target: str,
    where: Where,
    *,
    algorithms: tuple[str, ...],
    member_digest: str | None,
    format_name: str,
    destination: Destination,
) -> int:
    """List all members of TARGET's archive, and judge it, from one pass over the whole file.

    TARGET is an archive, a record file, a backup's id, an archive's name, or a path as the server of --sysroot saw it.

    On stderr: what is damaged, or would be dangerous to unpack, and at last the verdict with the file's SHA-256, all
    of which is in the JSON, too. After damage the listing goes on where there is something to read. Exit code 2 where
    something could not be read, 1 where something else is odd.

    \b
    Examples:
      backupmeta members app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta members app_….tar.gz --json --member-digest sha256 > members.json
      backupmeta members unknown.tar.gz --bound inflated_bytes=10G --bound seconds=60
    """
    has_contents = Trait.WITH_CONTENTS in MEMBERS[format_name].traits
    if member_digest:
        options.need(Trait.WITH_CONTENTS, MEMBERS, format_name, "--member-digest")
    digests = MemberDigests(member_digest, where.limits.names) if member_digest else None
    dumps = Dumps()
    consumers: list[Consumer] = [dumps] if has_contents else []
    consumers += [digests] if digests else []
    with targets.archive_of(target, where.search()).open() as file, progress_bar(lambda: file.status.st_size) as bar:
        file.watch = bar.watch
        walked = Pass(file, where.limits, algorithms=("sha256", *algorithms), consumers=consumers)
        parts = MEMBERS[format_name].render(Walk(walked, dumps, digests), View())
        destination.write(bar.making_way(parts), where.protected(target))
        code = messages.judge(walked.findings(), file.path)
        messages.write_remark(verdict(walked))
        return code


@click.command()
@options.TARGET
@click.argument("member")
@options.locating
@options.secretive
@options.writing
def cat(target: str, member: str, where: Where, *, show_secrets: bool, destination: Destination) -> int:
    """Write the content of one MEMBER of TARGET's archive to stdout.

    TARGET is an archive, a record file, a backup's id, an archive's name, or a path as the server of --sysroot saw it.
    #3 is the third member: so 'members' tells those in whose names a secret is masked; ./#3 is one called so.
    Of several members of that name the last one, as unpacking leaves it; of records at the archive's root the first.
    Its exact bytes, holes of a sparse file filled in, with one exception: in a record (APP-META.INI) secrets are
    masked, unless you ask for them with --show-secrets. Other files of a site may well hold secrets; they are written
    as they are. On a terminal, control characters and what is not UTF-8 are escaped.

    \b
    Example:
      backupmeta cat app_example-com_Blog_2024-06-13_20-55-21.tar.gz APP-DATA.SQL > dump.sql
    """
    with targets.archive_of(target, where.search()).open() as file:
        content = find(file, member, where.limits)
        code = messages.report(content.findings, Severity.WARNING, file.path)
        if content.member.is_record and not show_secrets:
            exact: Iterable[bytes] = [parse(content.record(where.limits)).content]
        else:
            exact = content.content
        destination.write_exact(exact, where.protected(target))
    return code
