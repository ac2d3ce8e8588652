"""The command ``scan``."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import tzinfo
from time import monotonic
from typing import TYPE_CHECKING

import click

from backupmeta.cli import options, output
from backupmeta.vocabulary.kinds import Severity

if TYPE_CHECKING:
    from backupmeta.archive.limits import Limits
    from backupmeta.search import Search
    from backupmeta.work.orders import Workers

_INTERRUPTED = 130


@click.command()
@click.argument("roots", nargs=-1, metavar="[ROOT]...")
@click.option("-o", "--output", "catalog", required=True, metavar="CATALOG", help="The catalog: a SQLite file.")
@options.searching
@click.option("--deep", is_flag=True, help="Read each archive to its end, and verify it.")
@options.limiting
@click.option("--jobs", type=options.JOBS, metavar="N", help="How many processes; by default, one a core.")
@click.option("--cluster", metavar="ADDRESS", help="Let the workers of this Dask scheduler do it: tcp://host:8786.")
@click.option("--per-host", is_flag=True, help="With --cluster: each worker's host has ROOTs of its own.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "json", "none"]),
    default="auto",
    show_default=True,
    help="How to tell on stderr how far it is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what came out as JSON.")
def scan(
    roots: tuple[str, ...],
    catalog: str,
    sysroot: str | None,
    zone: tzinfo | None,
    limits: "Limits",
    *,
    deep: bool,
    jobs: int | None,
    cluster: str | None,
    per_host: bool,
    progress: str,
    as_json: bool,
) -> int:
    """Scan every account below each ROOT into a CATALOG.

    A ROOT is a home, a folder of homes, or a folder of archives; any other folder is searched downwards for these.
    Without one, this machine's conventional places are scanned (/home/*, /var/www/vhosts/*). Of each archive its
    record is read, and nothing behind it. Scanned again, only what changed is opened; what is gone stays in the
    CATALOG as history. Whatever ends a scan, what it did is kept, and the next one goes on.

    Exit code 0 where everything was scanned, 2 where a root, an account or, --deep, an archive could not be read, or
    there is no account. What is odd with backups
    is in the CATALOG: 'backupmeta stats' counts it.

    \b
    Examples:
      backupmeta scan /home -o catalog.sqlite
      backupmeta scan --sysroot /mnt/image -o case.sqlite --json
      sqlite3 catalog.sqlite 'SELECT user, url, backup_utc FROM backups WHERE application = "wordpress"'
    """
    from backupmeta.account.protected import Protected
    from backupmeta.catalog.accounts import ScanResult
    from backupmeta.catalog.scanning import Depth
    from backupmeta.catalog.scanning import scan as scanning
    from backupmeta.cli.progress import telling
    from backupmeta.render.formats import View
    from backupmeta.render.tallies import SCANS, Scanned
    from backupmeta.search import Search

    if cluster is None and per_host:
        raise click.UsageError("--per-host needs --cluster")
    if cluster is not None and jobs is not None:
        raise click.UsageError("--jobs is for this machine; a cluster has its own workers")
    search, tally, began = Search(roots, sysroot, zone, limits), ScanResult(), monotonic()
    if catalog == "-":
        raise click.BadParameter("a catalog is a file, and is not printed; name one", param_hint="--output")
    search.places()
    output.refuse_evidence(catalog, Protected(roots, sysroot))
    render = SCANS["json" if as_json else "text"].render
    try:
        with telling(progress, lambda: _expected(catalog, search)) as tell:
            depth = Depth.DEEP if deep else Depth.SHALLOW
            with _workers(jobs, cluster, per_host=per_host) as workers, output.private_files():
                scanning(catalog, search, depth=depth, result=tally, tell=tell, workers=workers)
    except KeyboardInterrupt:  # it is handled in here to the end: `cli` raises again what seems to be passed over
        output.complain("interrupted; what was done is saved, and the next scan goes on from there")
        output.complain_of_accounts(tally)
        output.write_all(render(Scanned(catalog, tally, monotonic() - began, is_whole=False), View()))
        output.report(tally.altered, Severity.ERROR)
        output.flush()
        return _INTERRUPTED
    output.complain_of_accounts(tally)
    output.write_all(render(Scanned(catalog, tally, monotonic() - began, is_whole=True), View()))
    code = output.report(tally.altered, Severity.ERROR)
    if not tally.accounts and not tally.unread:
        looked = ", ".join(roots) or sysroot or "the conventional places"
        output.complain(f"there is no account in {looked}; name a home, a folder of homes, or a folder of archives")
        return 2
    return 2 if tally.unread or tally.unreadable else code


@contextmanager
def _workers(jobs: int | None, cluster: str | None, *, per_host: bool) -> "Iterator[Workers]":
    """Give who does the work."""
    if cluster is None:
        yield output.workers(jobs)
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


def _expected(catalog: str, search: "Search") -> int:
    """Return how many accounts there may be: as many as the last time, else as many as there are folders to find."""
    from backupmeta.account.places import apart, found
    from backupmeta.catalog.database import accounts
    from backupmeta.errors import CatalogError, EvidenceError

    with suppress(CatalogError):  # where it is none, scanning says so
        if known := accounts(catalog):
            return known
    count = 0
    for root in apart(search.places()):
        with suppress(EvidenceError):
            count += sum(1 for _ in found(root, search.limits, []))
    return count
