"""A report as one page that needs nothing else: opened from a file, it loads nothing, and runs its own scripts alone.

Whatever comes from evidence is escaped by the template, or stands in a data block that a script turns into text nodes.
"""

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from backupmeta.render.report.content import content
from backupmeta.render.report.front import depth, origin, scope, tiles, verdict
from backupmeta.render.report.tables import TABLES
from backupmeta.render.report.words import minute, shown
from backupmeta.report.model import Report

_SCRIPTS: Final = ("page.js", "chart.umd.min.js", "plots.js")


class Plot(NamedTuple):
    """A plot: its key for the script, its title, what it says of itself, and the headings of the same as a table."""

    key: str
    title: str
    note: str
    headings: tuple[str, ...]


_PLOTS: Final = (
    Plot(
        "timeline",
        "Backups and updates by install",
        "Each line is an install. It shows the backups that are chosen in the table below.",
        ("Install", "Backups", "First (UTC)", "Last (UTC)", "Versions"),
    ),
    Plot(
        "sizes",
        "Sizes over time",
        "The size of the archives by when they were made, of the backups that are chosen in the table below.",
        ("When (UTC)", "Archives", "Size"),
    ),
    Plot(
        "versions",
        "Versions in use",
        "The applications of the live installs that are chosen in the table below.",
        ("Application", "Version", "Installs"),
    ),
)


def html(report: Report) -> str:
    """Return ``report`` as a page."""
    counts, style = report.summary, _own("style.css")
    scripts = [_own(name) for name in _SCRIPTS]
    return _template().render(
        report=report,
        summary=counts,
        scope=scope(report),
        policy=_policy(style, scripts),
        style=Markup(style),  # noqa: S704 - our own
        scripts=[Markup(one) for one in scripts],  # noqa: S704 - our own
        content=Markup(content(report)),  # noqa: S704 - holds no character that markup has
        verdict=verdict(counts),
        worst=next((severity for severity, times in counts.severities.items() if times), None),
        tiles=list(tiles(counts)),
        depth=depth(counts),
        origin=list(origin(report)),
        tables=TABLES,
        plots=_PLOTS,
    )


def _template() -> Template:
    """Return the page's template."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters.update(minute=minute, shown=shown)
    return environment.from_string(_own("page.html"))


@cache
def _own(name: str) -> str:
    """Return the text of a file beside this module."""
    return files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, scripts: Iterable[str]) -> str:
    """Return the Content-Security-Policy (CSP level 3): nothing is loaded, and what runs is known by its digest."""
    allowed = " ".join(map(_digest, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
