"""The commands about a whole catalog: ``scan`` writes it; ``export``, ``stats`` and ``report`` tell what is in it."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from secrets import token_hex
from time import monotonic, time
from typing import Final

import click
from click.core import ParameterSource

from backupmeta.account import places
from backupmeta.account.roots import apart
from backupmeta.archive.digests import ALGORITHMS
from backupmeta.catalog.case import Case, case_of
from backupmeta.catalog.database import accounts
from backupmeta.catalog.progress import CHANGES, ScanResult
from backupmeta.catalog.queries import export as exporting
from backupmeta.catalog.queries import exported
from backupmeta.catalog.report import Asked
from backupmeta.catalog.report import report as report_of
from backupmeta.catalog.summary import stats as counting
from backupmeta.cli import completion, messages, options, output
from backupmeta.cli.options import Where
from backupmeta.cli.output import Destination
from backupmeta.cli.progress_bar import rows_bar, scan_progress
from backupmeta.errors import CatalogError, EvidenceError
from backupmeta.evidence import is_file
from backupmeta.findings import Finding, Severity
from backupmeta.provenance import display
from backupmeta.render.exports import EXPORTS
from backupmeta.render.exports import datasette_metadata as metadata_of
from backupmeta.render.formats import Trait, View, pretty
from backupmeta.render.page import REPORTS
from backupmeta.render.tallies import SCANS, STATS, Contents, Scanned, change_line
from backupmeta.search import Protected, Search
from backupmeta.work.orders import Workers

_INTERRUPTED: Final = 130
_PRIVATE: Final = 0o077
"""The umask that lets files be their owner's alone (mode 0600): SQLite makes some beside the catalog."""


@click.command()
@options.deep("verify them")
@click.option("--members", is_flag=True, help="As --deep, and keep what is in each archive, for find --member.")
@options.digesting_members("with --members, by default SHA-256")
@options.failing(CHANGES, "files, installs, backups or accounts of which this is told", is_repeatable=True)
@click.option("--cluster", metavar="ADDRESS", help="Let the workers of this Dask scheduler do it: tcp://host:8786.")
@click.option("--per-host", is_flag=True, help="With --cluster: each worker's host has ROOTs of its own.")
@options.looking("ROOT")
@options.formatted(SCANS)
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    metavar="FILE",
    shell_complete=completion.file,
    help="Write to FILE: the catalog, a SQLite database.",
)
@options.working
@options.quiet
def scan(
    path: str,
    where: Where,
    *,
    deep: bool,
    members: bool,
    member_digest: str | None,
    fail_on: tuple[str, ...],
    jobs: int | None,
    cluster: str | None,
    per_host: bool,
    format_name: str,
) -> int:
    """Scan every account below each ROOT into a CATALOG.

    A ROOT is a home, a folder of homes, or a folder of archives; any other folder is searched downwards for these.
    Without one, this machine's conventional places are scanned (/home/*, /var/www/vhosts/*). Of each archive its
    record is read, and nothing after it. Scanned again, only what changed is opened; what is gone stays in the
    CATALOG as history. Whatever ends a scan, what it did is kept, and the next one goes on.

    With --members, each member of an archive (name, kind, size, mode, mtime, SHA-256) is kept once for all consecutive
    backups of an install in which it did not change.

    Exit code 0 where everything was scanned, 1 where that met what --fail-on names (in a first scan, all is new), 2
    where a root, an account or, --deep, an archive could not be read, or there is no account. What is odd with backups
    is in the CATALOG: 'backupmeta stats' counts it.

    \b
    Examples:
      backupmeta scan /home -o catalog.sqlite
      backupmeta scan /home -o catalog.sqlite --fail-on vanished --fail-on changed
      backupmeta scan --sysroot /mnt/image -o case.sqlite --members
      sqlite3 catalog.sqlite 'SELECT user, url, backup_utc FROM backups WHERE application = "wordpress"'
    """
    from backupmeta.catalog import scanning

    if cluster is None and per_host:
        raise click.UsageError("--per-host needs --cluster")
    if cluster is not None and jobs is not None:
        raise click.UsageError("--jobs is for this machine; a cluster has its own workers")
    if member_digest is not None and not members:
        raise click.UsageError("--member-digest needs --members: without it, members are not kept")
    digest = (member_digest or ALGORITHMS[0]) if members else None
    search, tally, began = where.search(), ScanResult(), monotonic()
    if path == "-":
        raise click.BadParameter("a catalog is a file, and is not printed; name one", param_hint="--output")
    search.places()
    output.refuse_evidence(path, where.protected())

    def write_result(*, is_whole: bool) -> int:
        messages.write_unread_accounts(tally)
        scanned = Scanned(path, tally, monotonic() - began, is_whole=is_whole)
        if format_name != "text" or not messages.is_quiet():
            output.write("".join(SCANS[format_name].render(scanned, View())))
        else:
            _write_unread(tally)
        return messages.report(tally.altered, Severity.ERROR)

    try:
        count = partial(_expected, path, search)
        with (
            scan_progress(count, as_json=format_name == "json") as tell,
            _workers(jobs, cluster, per_host=per_host) as workers,
        ):
            click.get_current_context().call_on_close(partial(os.umask, os.umask(_PRIVATE)))
            scanning.scan(
                path,
                search,
                deep=deep or members,
                member_digest=digest,
                result=tally,
                tell=tell,
                workers=workers,
            )
    except KeyboardInterrupt:  # it is handled in here to the end: `cli` raises again what seems to be passed over
        messages.write_line("interrupted; what was done is saved, and the next scan goes on from there")
        write_result(is_whole=False)
        output.flush()
        return _INTERRUPTED
    code = write_result(is_whole=True)
    if not messages.is_whole(tally, where.name, where.obstacles):
        code = 2
    if failing := change_line(tally, fail_on):
        messages.write_line(f"--fail-on: {failing}")
    return code or int(bool(failing))


@contextmanager
def _workers(jobs: int | None, cluster: str | None, *, per_host: bool) -> Iterator[Workers]:
    """Give who does the work."""
    if cluster is None:
        yield messages.workers(jobs)
        return
    from backupmeta.work.cluster import cluster as connected

    try:
        with connected(cluster, has_own_roots=per_host) as workers:
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
    for root in apart(search.places()):
        with suppress(EvidenceError):
            count += sum(1 for _ in places.find_homes(root, search.limits, []))
    return count


def _exported(name: str) -> str:
    """Return the name of a table. Raises `ValueError` where there is none of this name."""
    exported(name)
    return name


@click.command()
@click.argument("catalog", shell_complete=completion.file)
@click.option(
    "--table",
    shell_complete=completion.table,
    type=_exported,
    default="backups",
    show_default=True,
    metavar="NAME",
    help="What: backups, installs, plugins, themes, files, findings, provenance, history, accounts, scans, ….",
)
@click.option(
    "--datasette-metadata",
    is_flag=True,
    help="Write, instead, what each table and column means: JSON for datasette -m.",
)
@options.answering(EXPORTS)
@options.progressing
@options.quiet
def export(catalog: str, format_name: str, table: str, *, datasette_metadata: bool, destination: Destination) -> int:
    """Write a table of a CATALOG, a row for each of what is there now, in the order of its numbers.

    Times are in UTC, secrets are masked. JSONL and CSV have times as 2024-06-13T20:55:21+00:00, and bytes in base64;
    lists are lists in JSONL and Parquet, and JSON in CSV, where nothing is null and "" is empty. Parquet needs -o FILE.

    \b
    Examples:
      backupmeta export catalog.sqlite --csv > backups.csv
      backupmeta export catalog.sqlite --jsonl --table plugins | jq -r 'select(.id == "akismet") | .url'
      backupmeta export catalog.sqlite --format parquet -o backups.parquet
      backupmeta export catalog.sqlite --datasette-metadata -o metadata.json
    """
    protected = options.in_catalog(catalog).protected()
    output.refuse_evidence(destination.path, protected)
    if datasette_metadata:
        _refuse_rows(format_name)
        destination.write([pretty(metadata_of(catalog))], protected)
        return 0
    if Trait.IN_A_FILE_ALONE in EXPORTS[format_name].traits:
        _check_file(destination, format_name)
    messages.write_age(catalog)
    findings: list[Finding] = []
    rows = exporting(catalog, table, findings)
    with rows_bar("row") as bar:
        shown = rows._replace(rows=iter(bar.counting(rows.rows)))
        parts = EXPORTS[format_name].render(shown, View(destination.width))
        destination.write(bar.making_way(parts), protected)
    return messages.report(findings, Severity.ERROR)


def _refuse_rows(format_name: str) -> None:
    """Raise `click.UsageError` where something was given that is for rows: metadata are JSON, about all tables."""
    is_default = click.get_current_context().get_parameter_source("table") is ParameterSource.DEFAULT
    given = {"--table": not is_default, f"--format {format_name}": format_name not in {"json", "jsonl"}}
    for option, is_given in given.items():
        if is_given:
            raise click.UsageError(f"--datasette-metadata is JSON about all tables; {option} is for rows")


def _check_file(destination: Destination, format_name: str) -> None:
    """Raise `click.UsageError` where a format that is no text has no file to go to, or nothing that writes it."""
    if destination.is_stdout:
        raise click.UsageError(f"{format_name} is no text, and is not printed; name a file for it: -o FILE")
    if find_spec("pyarrow") is None:
        raise click.UsageError("parquet needs pyarrow, which is not installed: pip install 'backupmeta[parquet]'")


@click.command()
@click.argument("catalog", shell_complete=completion.file)
@options.as_of("for old catalogs")
@options.answering(STATS)
def stats(catalog: str, now: int, *, format_name: str, destination: Destination) -> int:
    """Count what is in a CATALOG: accounts, backups, sizes, versions, ages, orphans, duplicates, growth, findings.

    \b
    Examples:
      backupmeta stats catalog.sqlite
      backupmeta stats catalog.sqlite --now 2024-06-14 --json | jq .versions
    """
    findings: list[Finding] = []
    tally = counting(catalog, now, findings)
    parts = STATS[format_name].render(Contents(catalog, tally), View(destination.width))
    destination.write(parts, options.in_catalog(catalog).protected())
    return messages.report(findings, Severity.ERROR)


# --- report -----------------------------------------------------------------------------------------------------------


def _case(
    *,
    case_file: str | None,
    title: str | None,
    number: str | None,
    examiner: str | None,
    remarks: tuple[str, ...],
    evidence_digest: str | None,
) -> Case:
    given = {"title": title, "case": number, "examiner": examiner, "remark": remarks}
    return case_of(case_file, {**given, "evidence-digest": evidence_digest})


_written_for: Final = options.collected(
    "case",
    _case,
    click.option("--title", metavar="TEXT", help="The report's title."),
    click.option("--case", "number", metavar="TEXT", help="The number of the case."),
    click.option("--examiner", metavar="TEXT", help="Who examined the evidence."),
    click.option("--remark", "remarks", multiple=True, metavar="TEXT", help="What the examiner says. Repeatable."),
    click.option("--evidence-digest", metavar="DIGEST", help="The image's digest, as it was given: sha256:9f86…."),
    click.option(
        "--case-file",
        metavar="FILE",
        shell_complete=completion.file,
        help="The same in TOML, by the same keys; an option wins over it.",
    ),
)
"""Add what the report is written for; the command has a parameter ``case``, a `Case`."""


@click.command()
@options.deep("tell verdicts and digests")
@options.as_of("for old images. It dates no report")
@_written_for
@options.looking("ROOT|CATALOG")
@options.answering(REPORTS)
@options.working
@options.quiet
def report(
    where: Where, *, deep: bool, case: Case, format_name: str, destination: Destination, now: int, jobs: int | None
) -> int:
    """Write a report that can be handed on: one page that opens anywhere, without a network.

    It is read from a CATALOG, which 'backupmeta scan' wrote, or from ROOTs, as for scan, which are scanned for it. In
    it are a summary, and annexes with all findings, backups, installs, accounts, archives and plots, to be sorted,
    filtered, searched and printed. It holds no secrets. Beside -o FILE, FILE.sha256 has its digest.

    Exit code 0, whatever was found; 2 where something could not be read.

    \b
    Examples:
      backupmeta report catalog.sqlite -o report.html
      backupmeta report /home/exampleu --deep -o report.html
      backupmeta report --sysroot /mnt/image --format markdown | less
      backupmeta report catalog.sqlite --case-file case.toml -o report.html && sha256sum -c report.html.sha256
    """
    if Trait.NOT_ON_A_TERMINAL in REPORTS[format_name].traits and destination.width is not None:
        raise click.UsageError("a page is not printed on a terminal; name a file, -o report.html, or --format markdown")
    catalog = _catalog(where.roots)
    if catalog is not None:
        beside: dict[str, object] = {"--sysroot": where.sysroot, "--tz": where.zone, "--deep": deep, "--jobs": jobs}
        beside["--bound"] = where.bounds
        options.refuse_beside("a catalog", beside, "it is for what is on disk; give it to scan")
        where = where._replace(roots=(), catalog=catalog)
    else:
        where.search().places()
    protected = where.protected()
    for path in (destination.path, destination.manifest):
        output.refuse_evidence(path, protected)
    is_whole, findings = True, list[Finding]()
    if catalog is None:
        path = _temporary_catalog(protected)
        is_whole = _scanned(path, where, now, deep=deep, jobs=jobs)
    else:
        path = catalog
        messages.write_age(catalog)
    content = report_of(path, Asked(now, _command(), catalog, int(time()), case), findings)
    destination.write_digested(REPORTS[format_name].render(content, View()), protected)
    return messages.report(findings, Severity.ERROR) or (0 if is_whole else 2)


def _catalog(roots: tuple[str, ...]) -> str | None:
    """Return the catalog among the ``roots``: a file. None where there is none."""
    files = [root for root in roots if is_file(root)]
    if not files:
        return None
    if places.is_evidence(files[0]):
        raise click.UsageError(f"{files[0]!r} is an archive or a record; name the folder that it lies in")
    if len(roots) > 1:
        raise click.UsageError(f"{files[0]!r} is a file, and so a catalog, which stands alone")
    return files[0]


def _temporary_catalog(protected: Protected) -> str:
    """Return the path of a new catalog in a folder of its own, which is removed once the command ends."""
    folder = os.path.join(tempfile.gettempdir(), f"backupmeta-{token_hex(16)}")
    if protected.holds(folder):
        message = f"temporary files would lie among what is read, in {folder!r}; set TMPDIR to another folder"
        raise click.UsageError(message)
    # before it is there: a signal may come where nobody would remove it yet
    click.get_current_context().call_on_close(partial(shutil.rmtree, folder, ignore_errors=True))
    os.mkdir(folder, 0o700)
    return os.path.join(folder, "catalog.sqlite")


def _scanned(path: str, where: Where, now: int, *, deep: bool, jobs: int | None) -> bool:
    """Scan into the catalog at ``path``, judged as of ``now``; tell what can't be read, and return whether all can."""
    from backupmeta.catalog import scanning

    tally = ScanResult()
    with scan_progress() as tell:
        workers = messages.workers(jobs)
        scanning.scan(path, where.search(), deep=deep, now=now, result=tally, tell=tell, workers=workers)
    _write_unread(tally)
    messages.write_unread_accounts(tally)
    return messages.is_whole(tally, where.name, where.obstacles)


def _write_unread(tally: ScanResult) -> None:
    """Print why roots could not be read."""
    for root, reason in tally.unread.items():
        messages.write_line(f"{root}: {reason}")


def _command() -> str:
    """Return the command line as it was given; userinfo of URIs is masked."""
    return display(shlex.join(["backupmeta", *sys.argv[1:]]))
