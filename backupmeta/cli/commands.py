"""The commands."""

import os
from datetime import tzinfo
from typing import TYPE_CHECKING

import click

from backupmeta import __version__
from backupmeta.archive.limits import Limits
from backupmeta.cli import catalog as cataloged
from backupmeta.cli import options, output
from backupmeta.cli import verify as judging
from backupmeta.cli.comparison import diff, history
from backupmeta.cli.extract import extract
from backupmeta.cli.find import find
from backupmeta.cli.listing import Listing, listing
from backupmeta.cli.report import report
from backupmeta.cli.scan import scan
from backupmeta.cli.timeline import timeline

if TYPE_CHECKING:
    from backupmeta.findings import Finding
    from backupmeta.inspection import Inspection


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def backupmeta() -> None:
    """Read Installatron's backups without its server.

    Answers as GET /backups/{id} does, from the archives (~/application_backups/app_*.tar.gz) and the records
    (~/.appdata) alone. Evidence is never written to; secrets are masked unless you ask for them.

    \b
    Examples:
      backupmeta list /home                 what backups are there
      backupmeta view app_….tar.gz          the metadata of one
      backupmeta explain app_….tar.gz       where each of its values stands
      backupmeta verify /home               whether all of them are whole, and what their records say

    Exit codes: 0 clean, 1 a negative answer or something wrong, 2 a usage error or input that could not be read.
    """


@backupmeta.command()
@click.argument("target", shell_complete=options.complete_target)
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="DIR",
    help="Where to look: a home, a folder of homes or of archives. Repeatable; default: the conventional places.",
)
@options.searching
@options.cataloged
@click.option("--install", is_flag=True, help="TARGET is an install: answer as GET /installs/{id}.")
@click.option("--user", metavar="NAME", help="Answer only if NAME is the owner.")
@click.option("--allow-missing", is_flag=True, help="Answer from the record even if its archive is missing.")
@options.showing
@options.limiting
@click.option("--json", "_json", is_flag=True, help="Print JSON, which is what view prints anyway.")
def view(
    target: str,
    roots: tuple[str, ...],
    sysroot: str | None,
    zone: tzinfo | None,
    limits: Limits,
    *,
    catalog: str | None,
    install: bool,
    user: str | None,
    allow_missing: bool,
    show_secrets: bool,
    provenance: bool,
    _json: bool,
) -> int:
    """Show one backup as the server would: GET /backups/{id}.

    TARGET is an archive, a record file, a backup's id, or an archive's name. An archive's home is found upwards
    from it. A negative answer (404, 403) is printed in the same envelope, with exit code 1.

    \b
    Examples:
      backupmeta view ~/application_backups/app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta view 1234567890abcdefghij12345 --sysroot /mnt/image --provenance
      backupmeta view --install cavtwnyvhzk8cgw8ks4gcgoo4 --root /home/exampleu
    """
    from backupmeta import library
    from backupmeta.errors import AnswerError
    from backupmeta.render.backups import ANSWERS, ListView
    from backupmeta.search import Search
    from backupmeta.vocabulary.kinds import Severity

    view = ListView(show_secrets=show_secrets, provenance=provenance)
    met: list[Finding] = []
    try:
        if catalog is not None:
            options.refuse_beside_catalog({"--root": roots, "--sysroot": sysroot, "--show-secrets": show_secrets})
            output.tell_age(catalog)
            found = _in_catalog(catalog, target, zone, met, install=install, user=user, allow_missing=allow_missing)
        elif install:
            where = Search(roots, sysroot, zone, limits)
            found = library.find_install(target, where, user=user, findings=met)
        else:
            where = Search(roots, sysroot, zone, limits)
            found = library.find_backup(target, where, user=user, allow_missing=allow_missing, findings=met)
    except AnswerError as error:
        output.write_all(ANSWERS["json"].render(error, view))
        return output.report(met, Severity.ERROR) or 1
    output.write_all(ANSWERS["json"].render(found, view))
    named = set(map(os.path.abspath, roots))
    told = (one for one in met if one.hides_records or (one.is_unread and one.subject in named) or _is_altered(one))
    return output.report((*told, *found.findings), Severity.WARNING)


def _is_altered(one: "Finding") -> bool:
    """Tell whether a finding is about the catalog that is answered from."""
    return one.id == "catalog-altered"


def _in_catalog(
    catalog: str,
    target: str,
    zone: tzinfo | None,
    met: "list[Finding]",
    *,
    install: bool,
    user: str | None,
    allow_missing: bool,
) -> "Inspection":
    """Return what a catalog knows of a backup or install; who asks for a user has every account looked at.

    What of the catalog was altered is appended to ``met``.
    """
    from backupmeta import library
    from backupmeta.catalog import answers

    on_the_way: list[Finding] = []
    try:
        if install:
            where = answers.install_named(catalog, target, zone, user)
            return library.install_named(target, where, user=user, findings=on_the_way)
        name = target.rpartition("/")[2]
        where = answers.backup_named(catalog, name, zone, user)
        return library.backup_named(name, where, user=user, allow_missing=allow_missing, findings=on_the_way)
    finally:
        met.extend(filter(_is_altered, on_the_way))


@backupmeta.command("list")
@listing
def list_backups(asked: Listing) -> int:
    """List the backups at and below each ROOT.

    A ROOT is a home, a folder of homes, a folder of archives, or one archive; any other folder is searched
    downwards for these. Without one, this machine's conventional places are searched (/home/*, /var/www/vhosts/*).

    \b
    Examples:
      backupmeta list /home --application wordpress --since 2024-01-01
      backupmeta list --sysroot /mnt/image --jsonl > backups.jsonl
    """
    from backupmeta import library

    if asked.is_stream:
        return asked.show_stream()
    from backupmeta.render.backups import BACKUPS

    findings: list[Finding] = []
    return asked.show(library.list_backups(asked.search, findings), findings, BACKUPS)


@backupmeta.command()
@listing
def installs(asked: Listing) -> int:
    """List the installs at and below each ROOT, from their records in .appdata/current.

    \b
    Examples:
      backupmeta installs /home --sort -time_created
      backupmeta installs /home/exampleu --json
    """
    from backupmeta import library
    from backupmeta.render.backups import INSTALLS

    findings: list[Finding] = []
    return asked.show(library.list_installs(asked.search, findings), findings, INSTALLS)


@backupmeta.command()
@click.argument("file", type=click.Path())
@options.limiting
@click.option("--show-secrets", is_flag=True, help="Show passwords and keys instead of ********.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(file: str, limits: Limits, *, show_secrets: bool, as_json: bool) -> int:
    """Show each line of a record, or each step of an archive, with what was made of it.

    \b
    Examples:
      backupmeta explain app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta explain ~/.appdata/backups/1234567890abcdefghij12345 --json
    """
    from backupmeta import explain as explaining
    from backupmeta.render.explanations import STEPS
    from backupmeta.render.formats import View

    steps = list(explaining.file(file, limits, show_secrets=show_secrets))
    output.write_all(STEPS["json" if as_json else "text"].render(steps, View()))
    return 2 if any(one.is_unread for one in steps) else 0


@backupmeta.command()
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with offsets in bytes of the inflated archive.")
def members(
    archive: str, algorithms: tuple[str, ...], member_digest: str | None, limits: Limits, *, as_json: bool
) -> int:
    """List all members of an ARCHIVE, and judge it, from one pass over the whole file.

    On stderr: what is damaged, or would be dangerous to unpack, and at last the verdict with the file's SHA-256, all
    of which is in the JSON, too. Behind damage the listing goes on where there is something to read. Exit code 2 where
    something could not be read, 1 where something else is odd.

    \b
    Examples:
      backupmeta members app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta members app_….tar.gz --json --member-digest sha256 > members.json
      backupmeta members unknown.tar.gz --limit inflated_bytes=10G --limit seconds=60
    """
    from backupmeta.archive.digests import MemberDigests
    from backupmeta.archive.dump import Dumps
    from backupmeta.archive.reader import Consumer, walk
    from backupmeta.evidence import open_named
    from backupmeta.render.formats import View
    from backupmeta.render.members import MEMBERS, Walk, verdict

    if member_digest and not as_json:
        raise click.UsageError("--member-digest needs --json")
    digests = MemberDigests(member_digest, limits.names) if member_digest else None
    dumps = Dumps()
    consumers: list[Consumer] = [dumps] if as_json else []
    consumers += [digests] if digests else []
    with open_named(archive) as file:
        walked = walk(file, limits, algorithms=("sha256", *algorithms), consumers=consumers)
        output.write_all(MEMBERS["json" if as_json else "text"].render(Walk(walked, dumps, digests), View()))
        code = output.judge(walked.findings())
        output.complain(verdict(walked))
        return code


@backupmeta.command()
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
    from backupmeta.archive.member import is_record
    from backupmeta.archive.reader import find
    from backupmeta.evidence import open_named
    from backupmeta.record import grammar
    from backupmeta.record.masked import without_secrets
    from backupmeta.vocabulary.kinds import Severity

    with open_named(archive) as file:
        found = find(file, member, limits)
        code = output.report(found.findings, Severity.WARNING)
        if is_record(found.member) and not show_secrets:
            output.write_exact([without_secrets(grammar.parse(found.record(limits))).content])
        else:
            output.write_exact(found.content)
    return code


@backupmeta.command()
@click.argument("name", type=click.Choice(["backup", "install", "plugin", "theme", "response", "list"]))
def schema(name: str) -> int:
    """Print the JSON Schema of an answer: a backup, an install, the envelope (response), a list.

    \b
    Example:
      backupmeta schema backup > backup.schema.json
    """
    from pydantic import BaseModel

    from backupmeta.api import models, response
    from backupmeta.render.json_text import DIALECT, pretty

    described: dict[str, type[BaseModel]] = {
        "backup": models.Backup,
        "install": models.Install,
        "plugin": models.Plugin,
        "theme": models.Theme,
        "response": response.Response[models.Backup],
        "list": response.ListResponse[models.Backup],
    }
    output.write(pretty({"$schema": DIALECT, **described[name].model_json_schema()}))
    return 0


backupmeta.add_command(judging.verify)
backupmeta.add_command(judging.checks)
backupmeta.add_command(extract)
backupmeta.add_command(scan)
backupmeta.add_command(find)
backupmeta.add_command(cataloged.export)
backupmeta.add_command(cataloged.stats)
backupmeta.add_command(diff)
backupmeta.add_command(history)
backupmeta.add_command(timeline)
backupmeta.add_command(report)
