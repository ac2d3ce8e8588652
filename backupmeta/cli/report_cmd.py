"""The command ``report``."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from secrets import token_hex
from time import time
from typing import NamedTuple

import click

from backupmeta.account.places import is_evidence
from backupmeta.account.protected import Protected
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.cli import messages, options, output
from backupmeta.cli.options import Moment, Where
from backupmeta.cli.output import Target
from backupmeta.evidence import is_file
from backupmeta.findings import Finding, Severity
from backupmeta.provenance import display
from backupmeta.render.formats import Trait, View
from backupmeta.render.page import REPORTS
from backupmeta.report import Asked, read


class _Source(NamedTuple):
    """Where a report is read from: a catalog, its name if it is one to keep, what is evidence, whether all was read."""

    path: str
    catalog: str | None
    protected: Protected
    is_whole: bool


@click.command()
@options.looking("ROOT|CATALOG")
@click.option("--deep", is_flag=True, help="Read each archive to its end, for verdicts and digests.")
@options.formatted(REPORTS)
@options.writing
@click.option("--now", type=Moment(), metavar="TIME", help="When it is written: the same catalog, the same bytes.")
@options.at_work
@options.limiting
def report(
    where: Where,
    limits: Limits,
    *,
    deep: bool,
    format_name: str,
    target: Target,
    now: int | None,
    jobs: int | None,
) -> int:
    """Write a report that can be handed on: one page that opens anywhere, without a network.

    It is read from a CATALOG, which 'backupmeta scan' wrote, or from ROOTs, as for scan, which are scanned for it. In
    it are a summary, plots, and all findings, backups, installs, accounts and archives, to be sorted, filtered,
    searched and printed. It holds no secrets.

    Exit code 0, whatever was found; 2 where something could not be read.

    \b
    Examples:
      backupmeta report catalog.sqlite -o report.html
      backupmeta report /home/exampleu --deep -o report.html
      backupmeta report --sysroot /mnt/image --format markdown | less
    """
    if Trait.NOT_ON_A_TERMINAL in REPORTS[format_name].traits and target.width is not None:
        raise click.UsageError("a page is not printed on a terminal; name a file, -o report.html, or --format markdown")
    moment = int(time()) if now is None else now
    catalog = _catalog(where.roots)
    if catalog is None:
        origin = _scanned(where, limits, target, deep=deep, jobs=jobs)
    else:
        beside = {"--sysroot": where.sysroot, "--tz": where.zone, "--deep": deep, "--jobs": jobs}
        _refuse_beside_catalog({**beside, "--limit": limits != DEFAULT_LIMITS})
        origin = _kept(where._replace(roots=(), catalog=catalog), catalog, target)
    with origin as source:
        findings: list[Finding] = []
        content = read(source.path, Asked(moment, _command(), source.catalog), findings)
        target.write(REPORTS[format_name].render(content, View()), source.protected)
        return messages.report(findings, Severity.ERROR) or (0 if source.is_whole else 2)


def _catalog(roots: tuple[str, ...]) -> str | None:
    """Return the catalog among the ``roots``: a file. None where there is none."""
    files = [root for root in roots if is_file(root)]
    if not files:
        return None
    if is_evidence(files[0]):
        raise click.UsageError(f"{files[0]!r} is an archive or a record; name the folder that it lies in")
    if len(roots) > 1:
        raise click.UsageError(f"{files[0]!r} is a file, and so a catalog, which stands alone")
    return files[0]


def _refuse_beside_catalog(given: dict[str, object]) -> None:
    for name, value in given.items():
        if value:
            raise click.UsageError(f"{name} does not go with a catalog: it is for what is on disk; give it to scan")


@contextmanager
def _kept(where: Where, catalog: str, target: Target) -> Iterator[_Source]:
    """Give a catalog that is there."""
    protected = where.protected()
    output.refuse_evidence(target.path, protected)
    messages.write_age(catalog)
    yield _Source(catalog, catalog, protected, is_whole=True)


@contextmanager
def _scanned(where: Where, limits: Limits, target: Target, *, deep: bool, jobs: int | None) -> Iterator[_Source]:
    """Give a catalog of what is on disk, which is gone once the report is written."""
    where.search().places()
    protected = where.protected()
    output.refuse_evidence(target.path, protected)
    folder = os.path.join(tempfile.gettempdir(), f"backupmeta-{token_hex(16)}")
    if protected.holds(folder):
        message = f"temporary files would lie among what is read, in {folder!r}; set TMPDIR to another folder"
        raise click.UsageError(message)
    # before it is there: a signal may come where nobody would remove it yet
    click.get_current_context().call_on_close(partial(shutil.rmtree, folder, ignore_errors=True))
    os.mkdir(folder, 0o700)
    path = os.path.join(folder, "catalog.sqlite")
    yield _Source(path, None, protected, is_whole=_scan(path, where, limits, deep=deep, jobs=jobs))


def _scan(path: str, where: Where, limits: Limits, *, deep: bool, jobs: int | None) -> bool:
    """Scan into the catalog at ``path``; tell what could not be read, and return whether all could."""
    from backupmeta.catalog.scanning import Depth, scan

    with messages.scan_progress("auto", lambda: None) as tell:
        depth = Depth.DEEP if deep else Depth.SHALLOW
        tally = scan(path, where.search(limits), depth=depth, tell=tell, workers=messages.workers(jobs))
    for root, reason in tally.unread.items():
        messages.write_line(f"{root}: {reason}")
    messages.write_unread_accounts(tally)
    if not tally.accounts and not tally.unread:
        messages.write_no_account(where.name)
        return False
    return not tally.unread and not tally.unreadable


def _command() -> str:
    """Return the command line as it was given; userinfo of URIs is masked."""
    return display(shlex.join(["backupmeta", *sys.argv[1:]]))
