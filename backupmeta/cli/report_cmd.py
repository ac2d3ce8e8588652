"""The command ``report``."""

import functools
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.cli import options, output
from backupmeta.cli.options import Moment, Span, decorated
from backupmeta.vocabulary.kinds import Severity

if TYPE_CHECKING:
    from backupmeta.account.protected import Protected
    from backupmeta.findings import Finding
    from backupmeta.search import Search

_FORMATS: Final = ("html", "markdown", "json")
_OPTIONS: Final = (
    click.argument("roots", nargs=-1, metavar="[ROOT|CATALOG]..."),
    options.searching,
    click.option("--deep", is_flag=True, help="Read each archive to its end, for verdicts and digests."),
    click.option("--format", "form", type=click.Choice(_FORMATS), default="html", help="How to write it."),
    click.option("--json", "form", flag_value="json", help="The same as --format json."),
    click.option("-o", "--output", "target_file", metavar="FILE", help="Write it there instead of to stdout."),
    click.option("--now", type=Moment(), metavar="TIME", help="When it is written: the same catalog, the same bytes."),
    click.option("--jobs", type=options.JOBS, metavar="N", help="How many processes; by default, one a core."),
    options.limiting,
)


class _Source(NamedTuple):
    """Where a report is read from: a catalog, its name if it is one to keep, what is evidence, whether all was read."""

    path: str
    catalog: str | None
    protected: "Protected"
    is_whole: bool


@click.command()
@functools.partial(decorated, decorators=_OPTIONS)
def report(
    roots: tuple[str, ...],
    sysroot: str | None,
    zone: tzinfo | None,
    limits: Limits,
    *,
    deep: bool,
    form: str,
    target_file: str | None,
    now: Span | None,
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
    from time import time

    from backupmeta.render.formats import View
    from backupmeta.render.report.document import REPORTS
    from backupmeta.report.from_catalog import Asked, read

    if form == "html" and target_file in {None, "-"} and output.width() is not None:
        raise click.UsageError("a page is not printed on a terminal; name a file, -o report.html, or --format markdown")
    moment = int(time()) if now is None else now.first
    catalog = _catalog(roots)
    if catalog is None:
        search = _search(roots, sysroot, zone, limits)
        source = _scanned(search, target_file, deep=deep, jobs=jobs)
    else:
        beside = {"--sysroot": sysroot, "--tz": zone, "--deep": deep, "--jobs": jobs}
        _refuse_beside_catalog({**beside, "--limit": limits != DEFAULT_LIMITS})
        source = _kept(catalog, target_file)
    with source as found:
        findings: list[Finding] = []
        told = read(found.path, Asked(moment, _command(), found.catalog), findings)
        with output.opened(target_file, found.protected) as write:
            for part in REPORTS[form].render(told, View()):
                write(part)
        return output.report(findings, Severity.ERROR) or (0 if found.is_whole else 2)


def _catalog(roots: tuple[str, ...]) -> str | None:
    """Return the catalog among the ``roots``: a file. None where there is none."""
    from backupmeta.account.places import is_evidence
    from backupmeta.evidence import is_file

    files = [one for one in roots if is_file(one)]
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


def _search(roots: tuple[str, ...], sysroot: str | None, zone: tzinfo | None, limits: Limits) -> "Search":
    from backupmeta.search import Search

    return Search(roots, sysroot, zone, limits)


@contextmanager
def _kept(catalog: str, target_file: str | None) -> Iterator[_Source]:
    """Give a catalog that is there."""
    from backupmeta.account.protected import Protected
    from backupmeta.catalog.database import roots

    protected = Protected(tuple(roots(catalog)), catalog=catalog)
    output.refuse_evidence(target_file, protected)
    output.tell_age(catalog)
    yield _Source(catalog, catalog, protected, is_whole=True)


@contextmanager
def _scanned(search: "Search", target_file: str | None, *, deep: bool, jobs: int | None) -> Iterator[_Source]:
    """Give a catalog of what is on disk, which is gone once the report is written."""
    from backupmeta.account.protected import Protected

    search.places()
    protected = Protected(tuple(search.roots), search.sysroot)
    output.refuse_evidence(target_file, protected)
    folder = os.path.join(tempfile.gettempdir(), f"backupmeta-{token_hex(16)}")
    if protected.holds(folder):
        message = f"temporary files would lie among what is read, in {folder!r}; set TMPDIR to another folder"
        raise click.UsageError(message)
    # before it is there: a signal may come where nobody would remove it yet
    click.get_current_context().call_on_close(partial(shutil.rmtree, folder, ignore_errors=True))
    os.mkdir(folder, 0o700)
    path = os.path.join(folder, "catalog.sqlite")
    yield _Source(path, None, protected, is_whole=_scan(path, search, deep=deep, jobs=jobs))


def _scan(path: str, search: "Search", *, deep: bool, jobs: int | None) -> bool:
    """Scan into the catalog at ``path``; tell what could not be read, and return whether all could."""
    from backupmeta.catalog.scanning import Depth, scan
    from backupmeta.cli.progress import telling

    with telling("auto", lambda: None) as tell:
        depth = Depth.DEEP if deep else Depth.SHALLOW
        tally = scan(path, search, depth=depth, tell=tell, workers=output.workers(jobs))
    for root, reason in tally.unread.items():
        output.complain(f"{root}: {reason}")
    output.complain_of_accounts(tally)
    if not tally.accounts and not tally.unread:
        looked = ", ".join(search.roots) or search.sysroot or "the conventional places"
        output.complain(f"there is no account in {looked}; name a home, a folder of homes, or a folder of archives")
        return False
    return not tally.unread and not tally.unreadable


def _command() -> str:
    """Return the command line as it was given; userinfo of URIs is masked."""
    from backupmeta.masking import mask_text

    return mask_text(shlex.join(["backupmeta", *sys.argv[1:]]))
