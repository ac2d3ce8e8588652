"""The command ``scan``."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final

import click

from backupmeta.account import places
from backupmeta.archive.limits import Limits
from backupmeta.catalog.database import ScanResult, accounts
from backupmeta.catalog.scanning import Depth
from backupmeta.catalog.scanning import scan as scanning
from backupmeta.cli import messages, options, output
from backupmeta.cli.options import Where
from backupmeta.cli.progress import scan_progress
from backupmeta.errors import CatalogError, EvidenceError
from backupmeta.findings import Severity
from backupmeta.render.formats import View
from backupmeta.render.tallies import SCANS, Scanned
from backupmeta.search import Search
from backupmeta.work.orders import Workers

_INTERRUPTED: Final = 130


@click.command()
@click.option("-o", "--output", "catalog", required=True, metavar="CATALOG", help="The catalog: a SQLite file.")
@options.looking("ROOT")
@click.option("--deep", is_flag=True, help="Read each archive to its end, and verify it.")
@options.limiting
@options.at_work
@click.option("--cluster", metavar="ADDRESS", help="Let the workers of this Dask scheduler do it: tcp://host:8786.")
@click.option("--per-host", is_flag=True, help="With --cluster: each worker's host has ROOTs of its own.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "json", "none"]),
    default="auto",
    show_default=True,
    help="How to tell on stderr how far it is.",
)
@options.formatted(SCANS)
def scan(
    catalog: str,
    where: Where,
    limits: Limits,
    *,
    deep: bool,
    jobs: int | None,
    cluster: str | None,
    per_host: bool,
    progress: str,
    format_name: str,
) -> int:
    """Scan every account below each ROOT into a CATALOG.

    A ROOT is a home, a folder of homes, or a folder of archives; any other folder is searched downwards for these.
    Without one, this machine's conventional places are scanned (/home/*, /var/www/vhosts/*). Of each archive its
    record is read, and nothing after it. Scanned again, only what changed is opened; what is gone stays in the
    CATALOG as history. Whatever ends a scan, what it did is kept, and the next one goes on.

    Exit code 0 where everything was scanned, 2 where a root, an account or, --deep, an archive could not be read, or
    there is no account. What is odd with backups is in the CATALOG: 'backupmeta stats' counts it.

    \b
    Examples:
      backupmeta scan /home -o catalog.sqlite
      backupmeta scan --sysroot /mnt/image -o case.sqlite --json
      sqlite3 catalog.sqlite 'SELECT user, url, backup_utc FROM backups WHERE application = "wordpress"'
    """
    if cluster is None and per_host:
        raise click.UsageError("--per-host needs --cluster")
    if cluster is not None and jobs is not None:
        raise click.UsageError("--jobs is for this machine; a cluster has its own workers")
    search, tally, began = where.search(limits), ScanResult(), monotonic()
    if catalog == "-":
        raise click.BadParameter("a catalog is a file, and is not printed; name one", param_hint="--output")
    search.places()
    output.refuse_evidence(catalog, where.protected())

    def write_result(*, is_whole: bool) -> int:
        messages.write_unread_accounts(tally)
        scanned = Scanned(catalog, tally, monotonic() - began, is_whole=is_whole)
        output.write_all(SCANS[format_name].render(scanned, View()))
        return messages.report(tally.altered, Severity.ERROR)

    try:
        with scan_progress(progress, lambda: _expected(catalog, search)) as tell:
            depth = Depth.DEEP if deep else Depth.SHALLOW
            with _workers(jobs, cluster, per_host=per_host) as workers, output.private_files():
                scanning(catalog, search, depth=depth, result=tally, tell=tell, workers=workers)
    except KeyboardInterrupt:  # it is handled in here to the end: `cli` raises again what seems to be passed over
        messages.write_line("interrupted; what was done is saved, and the next scan goes on from there")
        write_result(is_whole=False)
        output.flush()
        return _INTERRUPTED
    code = write_result(is_whole=True)
    if not tally.accounts and not tally.unread:
        messages.write_no_account(where.name)
        return 2
    return 2 if tally.unread or tally.unreadable else code


@contextmanager
def _workers(jobs: int | None, cluster: str | None, *, per_host: bool) -> Iterator[Workers]:
    """Give who does the work."""
    if cluster is None:
        yield messages.workers(jobs)
        return
    from backupmeta.work.cluster import Roots
    from backupmeta.work.cluster import cluster as connected

    try:
        with connected(cluster, Roots.OF_EACH_HOST if per_host else Roots.SHARED) as workers:
            yield workers
    except ModuleNotFoundError as error:
        if error.name != "distributed":
            raise
        raise click.UsageError("--cluster needs Dask: pip install 'backupmeta[cluster]'") from None


def _expected(catalog: str, search: Search) -> int:
    """Return how many accounts there may be: as many as the last time, else as many as there are folders to find."""
    with suppress(CatalogError):  # where it is none, scanning says so
        if known := accounts(catalog):
            return known
    count = 0
    for root in places.apart(search.places()):
        with suppress(EvidenceError):
            count += sum(1 for _ in places.found(root, search.limits, []))
    return count
