"""The commands about a whole catalog: ``export`` and ``stats``."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

import click

from backupmeta.cli import output
from backupmeta.cli.options import Moment, Span
from backupmeta.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backupmeta.account.protected import Protected
    from backupmeta.catalog.queries import Export
    from backupmeta.catalog.views import View
    from backupmeta.findings import Finding

_FORMATS: Final = ("jsonl", "csv", "parquet")


class Exported(click.ParamType["View"]):
    """What can be exported, by name."""

    name = "table"

    def convert(self, value: "str | View", param: click.Parameter | None, ctx: click.Context | None) -> "View":
        """Return what ``value`` names."""
        from backupmeta.catalog.queries import EXPORTED
        from backupmeta.errors import did_you_mean

        if not isinstance(value, str):
            return value
        if value not in EXPORTED:
            self.fail(f"{value!r} can't be exported; {did_you_mean(value, EXPORTED)}", param, ctx)
        return EXPORTED[value]


@click.command()
@click.argument("catalog")
@click.option("--to", "form", type=click.Choice(_FORMATS), required=True, help="How to write it.")
@click.option(
    "--table",
    type=Exported(),
    default="backups",
    show_default=True,
    metavar="NAME",
    help="What: backups, installs, plugins, themes, files, findings, provenance, history, accounts, scans, ….",
)
@click.option("-o", "--output", "target_file", metavar="FILE", help="Write it there instead of to stdout.")
def export(catalog: str, form: str, table: "View", target_file: str | None) -> int:
    """Write a table of a CATALOG, a row for each of what is there now, in the order of its numbers.

    Times are in UTC, secrets are masked. JSONL and CSV have times as 2024-06-13T20:55:21+00:00, and bytes in base64;
    lists are lists in JSONL and Parquet, and JSON in CSV, where nothing is null and "" is empty. Parquet needs -o FILE.

    \b
    Examples:
      backupmeta export catalog.sqlite --to csv > backups.csv
      backupmeta export catalog.sqlite --to jsonl --table plugins | jq -r 'select(.id == "akismet") | .url'
      backupmeta export catalog.sqlite --to parquet -o backups.parquet
    """
    from backupmeta.account.protected import Protected
    from backupmeta.catalog.database import roots
    from backupmeta.catalog.queries import export as exporting

    protected = Protected(tuple(roots(catalog)), catalog=catalog)
    output.refuse_evidence(target_file, protected)
    findings: list[Finding] = []
    if form == "parquet":
        path = _file_for_parquet(target_file)
        output.tell_age(catalog)
        _write_parquet(exporting(catalog, table, findings), path, protected)
    else:
        output.tell_age(catalog)
        _write_lines(exporting(catalog, table, findings), form, target_file, protected)
    return output.report(findings, Severity.ERROR)


def _file_for_parquet(path: str | None) -> str:
    if path is None or path == "-":
        raise click.UsageError("parquet is no text, and is not printed; name a file for it: -o FILE")
    if find_spec("pyarrow") is None:
        raise click.UsageError("parquet needs pyarrow, which is not installed: pip install 'backupmeta[parquet]'")
    return path


def _write_parquet(found: "Export", path: str, protected: "Protected") -> None:
    from backupmeta.render.exports import parquet
    from backupmeta.render.formats import View

    with output.opened_file(path, protected) as write:
        for piece in parquet(found, View()):
            write(piece)


def _write_lines(found: "Export", form: str, path: str | None, protected: "Protected") -> None:
    from backupmeta.render.exports import EXPORTS
    from backupmeta.render.formats import View

    view = View(output.width() if path in {None, "-"} else None)
    lines = cast("Iterable[str]", EXPORTS[form].render(found, view))
    with output.opened(path, protected) as write:
        for line in lines:
            write(line)


@click.command()
@click.argument("catalog")
@click.option("--now", type=Moment(), metavar="TIME", help="Count ages as of this moment: for old catalogs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(catalog: str, now: Span | None, *, as_json: bool) -> int:
    """Count what is in a CATALOG: accounts, backups, sizes, versions, ages, orphans, duplicates, growth, findings.

    \b
    Examples:
      backupmeta stats catalog.sqlite
      backupmeta stats catalog.sqlite --now 2024-06-14 --json | jq .versions
    """
    from time import time

    from backupmeta.catalog.summary import stats as counting
    from backupmeta.render.formats import View
    from backupmeta.render.tallies import STATS, Contents

    findings: list[Finding] = []
    found = counting(catalog, int(time()) if now is None else now.first, findings)
    output.write_all(STATS["json" if as_json else "text"].render(Contents(catalog, found), View(output.width())))
    return output.report(findings, Severity.ERROR)
