"""The command ``view``: an answer as the server gives it."""

import os
from datetime import tzinfo

import click

from backupmeta import library, rules
from backupmeta.archive.limits import Limits
from backupmeta.backup.inspection import Inspection
from backupmeta.cli import options, output
from backupmeta.errors import AnswerError
from backupmeta.findings import Finding, Severity
from backupmeta.render.backups import ANSWERS, ListView
from backupmeta.search import Search


@click.command()
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


def _is_altered(one: Finding) -> bool:
    """Tell whether a finding is about the catalog that is answered from."""
    return one.rule == rules.CATALOG_ALTERED


def _in_catalog(
    catalog: str,
    target: str,
    zone: tzinfo | None,
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
            where = answers.install_named(catalog, target, zone, user)
            return library.install_named(target, where, user=user, findings=on_the_way)
        name = target.rpartition("/")[2]
        where = answers.backup_named(catalog, name, zone, user)
        return library.backup_named(name, where, user=user, allow_missing=allow_missing, findings=on_the_way)
    finally:
        met.extend(filter(_is_altered, on_the_way))
