"""The command ``find``."""

import re
from datetime import tzinfo
from typing import Final

import click

from backupmeta.backup.criteria import ALWAYS, Criteria, Period
from backupmeta.catalog.queries import Query, Requirement, parsed_requirement
from backupmeta.catalog.queries import find as matching
from backupmeta.cli import lists, messages, options
from backupmeta.cli.lists import Presentation
from backupmeta.findings import Finding
from backupmeta.render.backups import BACKUPS

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
@lists.presenting(BACKUPS)
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
        return lists.report_of_rows(findings)
    return lists.report_of_nothing(f"nothing that matches in {catalog}", findings) or 1
