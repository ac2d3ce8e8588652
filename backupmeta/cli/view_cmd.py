"""The command ``view``: an answer as the server gives it."""

import os

import click

from backupmeta import library, rules
from backupmeta.archive.limits import Limits
from backupmeta.backup.inspection import Inspection
from backupmeta.cli import messages, options, output
from backupmeta.cli.options import Where
from backupmeta.errors import AnswerError
from backupmeta.findings import Finding, Severity
from backupmeta.render.backups import ANSWERS, ListView
from backupmeta.render.formats import Trait


@click.command()
@click.argument("target", shell_complete=options.complete_target)
@options.looking("--root", in_catalog=True)
@click.option("--install", is_flag=True, help="TARGET is an install: answer as GET /installs/{id}.")
@click.option("--user", metavar="NAME", help="Answer only if NAME is the owner.")
@click.option("--allow-missing", is_flag=True, help="Answer from the record even if its archive is missing.")
@options.secretive
@options.with_provenance
@options.limiting
@options.formatted(ANSWERS)
def view(
    target: str,
    where: Where,
    limits: Limits,
    *,
    install: bool,
    user: str | None,
    allow_missing: bool,
    show_secrets: bool,
    provenance: bool,
    format_name: str,
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
    if provenance:
        options.need(Trait.WITH_PROVENANCE, ANSWERS, format_name, "--provenance")
    render, shown = ANSWERS[format_name].render, ListView(show_secrets=show_secrets, provenance=provenance)
    met: list[Finding] = []
    try:
        if where.catalog is not None:
            messages.write_age(where.catalog)
            subject = _in_catalog(
                where.catalog, target, where, met, install=install, user=user, allow_missing=allow_missing
            )
        elif install:
            subject = library.find_install(target, where.search(limits), user=user, findings=met)
        else:
            search = where.search(limits)
            subject = library.find_backup(target, search, user=user, allow_missing=allow_missing, findings=met)
    except AnswerError as error:
        output.write_all(render(error, shown))
        return messages.report(met, Severity.ERROR) or 1
    output.write_all(render(subject, shown))
    named = set(map(os.path.abspath, where.roots))
    on_the_way = (
        finding
        for finding in met
        if finding.hides_records or (finding.is_unread and finding.subject in named) or _is_altered(finding)
    )
    return messages.report((*on_the_way, *subject.findings), Severity.WARNING)


def _is_altered(finding: Finding) -> bool:
    """Tell whether a finding is about the catalog that is answered from."""
    return finding.rule == rules.CATALOG_ALTERED


def _in_catalog(
    catalog: str,
    target: str,
    where: Where,
    met: list[Finding],
    *,
    install: bool,
    user: str | None,
    allow_missing: bool,
) -> Inspection:
    """Return what a catalog knows of a backup or install; who asks for a user has every account looked at.

    What of the catalog was altered is appended to ``met``.
    """
    from backupmeta.catalog import answers

    on_the_way: list[Finding] = []
    try:
        if install:
            search = answers.install_named(catalog, target, where.zone, user)
            return library.install_named(target, search, user=user, findings=on_the_way)
        name = target.rpartition("/")[2]
        search = answers.backup_named(catalog, name, where.zone, user)
        return library.backup_named(name, search, user=user, allow_missing=allow_missing, findings=on_the_way)
    finally:
        met.extend(filter(_is_altered, on_the_way))
