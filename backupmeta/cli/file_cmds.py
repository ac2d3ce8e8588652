"""The commands that look into one file: ``explain``, ``members`` and ``cat``."""

import click

from backupmeta import explain as explaining
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dumps
from backupmeta.archive.limits import Limits
from backupmeta.archive.reader import Consumer, Pass, find
from backupmeta.cli import messages, options, output
from backupmeta.evidence import open_named
from backupmeta.findings import Severity
from backupmeta.record.grammar import parse
from backupmeta.render.formats import Trait, View
from backupmeta.render.members import MEMBERS, STEPS, Walk, verdict


@click.command()
@click.argument("file", type=click.Path())
@options.limiting
@options.secretive
@options.formatted(STEPS)
def explain(file: str, limits: Limits, *, show_secrets: bool, format_name: str) -> int:
    """Show each line of a record, or each step of an archive, with what was made of it.

    \b
    Examples:
      backupmeta explain app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta explain ~/.appdata/backups/1234567890abcdefghij12345 --json
    """
    steps = list(explaining.file(file, limits, show_secrets=show_secrets))
    output.write_all(STEPS[format_name].render(steps, View()))
    return 2 if any(step.is_unread for step in steps) else 0


@click.command()
@click.argument("archive", type=click.Path())
@click.option(
    "--digest",
    "algorithms",
    multiple=True,
    type=click.Choice(["sha1", "md5"]),
    help="Count this digest of the file beside its SHA-256. Repeatable.",
)
@click.option(
    "--member-digest",
    type=click.Choice(["sha256", "sha1", "md5"]),
    help="With --json: add this digest of each file in the archive.",
)
@options.limiting
@options.formatted(MEMBERS)
def members(
    archive: str, algorithms: tuple[str, ...], member_digest: str | None, limits: Limits, *, format_name: str
) -> int:
    """List all members of an ARCHIVE, and judge it, from one pass over the whole file.

    On stderr: what is damaged, or would be dangerous to unpack, and at last the verdict with the file's SHA-256, all
    of which is in the JSON, too. After damage the listing goes on where there is something to read. Exit code 2 where
    something could not be read, 1 where something else is odd.

    \b
    Examples:
      backupmeta members app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta members app_….tar.gz --json --member-digest sha256 > members.json
      backupmeta members unknown.tar.gz --limit inflated_bytes=10G --limit seconds=60
    """
    has_contents = Trait.WITH_CONTENTS in MEMBERS[format_name].traits
    if member_digest:
        options.need(Trait.WITH_CONTENTS, MEMBERS, format_name, "--member-digest")
    digests = MemberDigests(member_digest, limits.names) if member_digest else None
    dumps = Dumps()
    consumers: list[Consumer] = [dumps] if has_contents else []
    consumers += [digests] if digests else []
    with open_named(archive) as file:
        walked = Pass(file, limits, algorithms=("sha256", *algorithms), consumers=consumers)
        output.write_all(MEMBERS[format_name].render(Walk(walked, dumps, digests), View()))
        code = messages.judge(walked.findings())
        messages.write_line(verdict(walked))
        return code


@click.command()
@click.argument("archive", type=click.Path())
@click.argument("member")
@options.limiting
@click.option("--show-secrets", is_flag=True, help="Give a record's exact bytes, secrets and all.")
def cat(archive: str, member: str, limits: Limits, *, show_secrets: bool) -> int:
    """Write the content of one MEMBER of an ARCHIVE to stdout.

    #3 is the third member: so 'members' tells those in whose names a secret is masked; ./#3 is one called so.
    Of several members of that name the last one, as unpacking leaves it; of records at the archive's root the first.
    Its exact bytes, holes of a sparse file filled in, with one exception: in a record (APP-META.INI) secrets are
    masked, unless you ask for them with --show-secrets. Other files of a site may well hold secrets; they are written
    as they are. On a terminal, control characters and what is not UTF-8 are escaped.

    \b
    Example:
      backupmeta cat app_example-com_Blog_2024-06-13_20-55-21.tar.gz APP-DATA.SQL > dump.sql
    """
    with open_named(archive) as file:
        content = find(file, member, limits)
        code = messages.report(content.findings, Severity.WARNING)
        if content.member.is_record and not show_secrets:
            output.write_exact([parse(content.record(limits)).content])
        else:
            output.write_exact(content.content)
    return code
