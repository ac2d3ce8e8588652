"""Reports: as one page, as Markdown, as JSON."""

from collections.abc import Iterator
from typing import Final

from backupmeta.render.formats import Format, Formats, Rendering, Trait, formats, whatever_view
from backupmeta.report.model import Report


def _html(report: Report) -> Iterator[str]:
    from backupmeta.render.report.page import html

    yield html(report)


def _markdown(report: Report) -> Iterator[str]:
    from backupmeta.render.report.document import markdown

    yield markdown(report)


def _json(report: Report) -> Iterator[str]:
    from backupmeta.render.report.document import report_json

    yield report_json(report)


REPORTS: Final[Formats[Rendering[Report]]] = formats(
    Format("html", "one page that opens anywhere", whatever_view(_html), frozenset({Trait.NOT_ON_A_TERMINAL})),
    Format("markdown", "Markdown that reads well as text", whatever_view(_markdown)),
    Format("json", "an object, a line a row", whatever_view(_json)),
)
"""The formats of a report."""
