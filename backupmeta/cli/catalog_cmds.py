"""The commands about a whole catalog: ``export`` and ``stats``."""

from importlib.util import find_spec
from time import time

import click

from backupmeta.account.protected import Protected
from backupmeta.catalog.database import roots
from backupmeta.catalog.queries import EXPORTED
from backupmeta.catalog.queries import export as exporting
from backupmeta.catalog.summary import stats as counting
from backupmeta.catalog.views import View as Table
from backupmeta.cli import messages, options, output
from backupmeta.cli.options import Moment
from backupmeta.cli.output import Target
from backupmeta.errors import did_you_mean
from backupmeta.findings import Finding, Severity
from backupmeta.render.exports import EXPORTS
from backupmeta.render.formats import Trait, View
from backupmeta.render.tallies import STATS, Contents


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
