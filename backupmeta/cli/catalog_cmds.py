"""The commands about a whole catalog: ``scan`` writes it, ``find``, ``export`` and ``stats`` answer from it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import tzinfo
from importlib.util import find_spec
from time import monotonic, time
from typing import Final

import click

from backupmeta.account import places
from backupmeta.account.protected import Protected
from backupmeta.archive.limits import Limits
from backupmeta.catalog.database import ScanResult, accounts, roots
from backupmeta.catalog.queries import EXPORTED, Query, Requirement, parsed_requirement
from backupmeta.catalog.queries import export as exporting
from backupmeta.catalog.queries import find as matching
from backupmeta.catalog.summary import stats as counting
from backupmeta.catalog.views import View as Table
from backupmeta.cli import answer_cmds, messages, options, output
from backupmeta.cli.answer_cmds import Presentation
from backupmeta.cli.options import Moment, Where
from backupmeta.cli.output import Target
from backupmeta.errors import CatalogError, EvidenceError, did_you_mean
from backupmeta.findings import Finding, Severity
from backupmeta.render.backups import BACKUPS
from backupmeta.render.exports import EXPORTS
from backupmeta.render.formats import Trait, View
from backupmeta.render.tallies import SCANS, STATS, Contents, Scanned
from backupmeta.search import ALWAYS, Criteria, Period, Search
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
    from backupmeta.catalog.scanning import Depth
    from backupmeta.catalog.scanning import scan as scanning

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
        with messages.scan_progress(progress, lambda: _expected(catalog, search)) as tell:
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


_VERSION: Final = re.compile(r"[0-9.]+")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]{6,64}")


class Versioned(click.ParamType[Requirement]):
    """A name, and bounds on its version."""

    name = "name"

    def convert(
        self, value: str | Requirement, param: click.Parameter | None, ctx: click.Context | None
    ) -> Requirement:
        """Return what ``wordpress < 6.4.3`` asks for."""
        requirement = parsed_requirement(value) if isinstance(value, str) else value
        if requirement is not None and not requirement.bounds and _VERSION.fullmatch(requirement.name):
            self.fail(f"{value!r} is a version; quote it with its name: 'wordpress {value}'", param, ctx)
        if requirement is None:
            self.fail(f"{value!r} can't be understood; give one such as 'wordpress >= 6.0, < 6.4.3'", param, ctx)
        return requirement


class Digest(click.ParamType[str]):
    """What a SHA-256 begins with."""

    name = "digest"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value`` if it is the beginning of a digest."""
        if _HEXADECIMAL.fullmatch(value) is None:
            self.fail(f"{value!r} is no digest; give at least 6 hexadecimal digits of it", param, ctx)
        return value


@click.command()
@click.argument("catalog")
@click.argument("applications", nargs=-1, type=Versioned(), metavar="[APPLICATION]...")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=Versioned(),
    metavar="NAME",
    help="Only those with this plugin: 'akismet', 'akismet 5.3.1', 'akismet < 5.4'. Repeatable.",
)
@click.option(
    "--theme", "themes", multiple=True, type=Versioned(), metavar="NAME", help="Only those with this theme, alike."
)
@click.option("--domain", metavar="DOMAIN", help="Only those of this domain.")
@click.option("--user", metavar="NAME", help="Only those of this owner.")
@click.option("--prefix", metavar="PREFIX", help="Only those with this prefix of their tables.")
@click.option(
    "--digest",
    type=Digest(),
    metavar="HEX",
    help="Only those whose record, or archive scanned --deep, has a SHA-256 that begins so.",
)
@options.in_time
@answer_cmds.presenting(BACKUPS)
@options.zoned
def find(
    catalog: str,
    applications: tuple[Requirement, ...],
    plugins: tuple[Requirement, ...],
    themes: tuple[Requirement, ...],
    *,
    domain: str | None,
    user: str | None,
    prefix: str | None,
    digest: str | None,
    since: int | None,
    until: int | None,
    presentation: Presentation,
    zone: tzinfo | None,
) -> int:
    """Find backups in a CATALOG: all that is asked for has to hold.

    An APPLICATION may have bounds on its version, as versions are ordered: 6.4 < 6.4.3 < 6.10. Several are
    alternatives. Exit code 0 where something was found, 1 where nothing was.

    \b
    Examples:
      backupmeta find catalog.sqlite 'wordpress < 6.4.3'
      backupmeta find catalog.sqlite --plugin 'akismet 5.3.1' --since 2024-01-01 --jsonl
      backupmeta find catalog.sqlite --domain example.com --prefix wp_ --csv
    """
    period = Period(since, until)
    in_catalog = ALWAYS if zone else period  # by the clock of a zone, backups have other times
    asked = Query(applications, plugins, themes, user, prefix, digest, *in_catalog)
    messages.write_age(catalog)
    findings: list[Finding] = []
    backups = matching(catalog, asked, zone, findings)
    if presentation.show(backups, Criteria(domain=domain, period=period), findings):
        return answer_cmds.report_of_rows(findings)
    return answer_cmds.report_of_nothing(f"nothing that matches in {catalog}", findings) or 1


class Exported(click.ParamType[Table]):
    """What can be exported, by name."""

    name = "table"

    def convert(self, value: str | Table, param: click.Parameter | None, ctx: click.Context | None) -> Table:
        """Return what ``value`` names."""
        if not isinstance(value, str):
            return value
        if value not in EXPORTED:
            self.fail(f"{value!r} can't be exported; {did_you_mean(value, EXPORTED)}", param, ctx)
        return EXPORTED[value]


@click.command()
@click.argument("catalog")
@options.formatted(EXPORTS, "--to")
@click.option(
    "--table",
    type=Exported(),
    default="backups",
    show_default=True,
    metavar="NAME",
    help="What: backups, installs, plugins, themes, files, findings, provenance, history, accounts, scans, ….",
)
@options.writing
def export(catalog: str, format_name: str, table: Table, target: Target) -> int:
    """Write a table of a CATALOG, a row for each of what is there now, in the order of its numbers.

    Times are in UTC, secrets are masked. JSONL and CSV have times as 2024-06-13T20:55:21+00:00, and bytes in base64;
    lists are lists in JSONL and Parquet, and JSON in CSV, where nothing is null and "" is empty. Parquet needs -o FILE.

    \b
    Examples:
      backupmeta export catalog.sqlite --to csv > backups.csv
      backupmeta export catalog.sqlite --to jsonl --table plugins | jq -r 'select(.id == "akismet") | .url'
      backupmeta export catalog.sqlite --to parquet -o backups.parquet
    """
    protected = Protected(tuple(roots(catalog)), catalog=catalog)
    output.refuse_evidence(target.path, protected)
    if Trait.IN_A_FILE_ALONE in EXPORTS[format_name].traits:
        _check_file(target, format_name)
    messages.write_age(catalog)
    findings: list[Finding] = []
    parts = EXPORTS[format_name].render(exporting(catalog, table, findings), View(target.width))
    target.write(parts, protected)
    return messages.report(findings, Severity.ERROR)


def _check_file(target: Target, format_name: str) -> None:
    """Raise `click.UsageError` where a format that is no text has no file to go to, or nothing that writes it."""
    if target.is_stdout:
        raise click.UsageError(f"{format_name} is no text, and is not printed; name a file for it: -o FILE")
    if find_spec("pyarrow") is None:
        raise click.UsageError("parquet needs pyarrow, which is not installed: pip install 'backupmeta[parquet]'")


@click.command()
@click.argument("catalog")
@click.option("--now", type=Moment(), metavar="TIME", help="Count ages as of this moment: for old catalogs.")
@options.formatted(STATS)
def stats(catalog: str, now: int | None, *, format_name: str) -> int:
    """Count what is in a CATALOG: accounts, backups, sizes, versions, ages, orphans, duplicates, growth, findings.

    \b
    Examples:
      backupmeta stats catalog.sqlite
      backupmeta stats catalog.sqlite --now 2024-06-14 --json | jq .versions
    """
    findings: list[Finding] = []
    tally = counting(catalog, int(time()) if now is None else now, findings)
    output.write_all(STATS[format_name].render(Contents(catalog, tally), View(output.width())))
    return messages.report(findings, Severity.ERROR)
