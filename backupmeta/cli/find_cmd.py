"""The command ``find``."""

import functools
import re
from typing import TYPE_CHECKING, Any, Final

import click

from backupmeta.cli import options, output
from backupmeta.cli.lists import Listing
from backupmeta.cli.options import IN_TIME, PRESENTING, decorated

if TYPE_CHECKING:
    from backupmeta.catalog.queries import Requirement
    from backupmeta.findings import Finding

_VERSION: Final = re.compile(r"[0-9.]+")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]{6,64}")


class Versioned(click.ParamType["Requirement"]):
    """A name, and bounds on its version."""

    name = "name"

    def convert(
        self, value: "str | Requirement", param: click.Parameter | None, ctx: click.Context | None
    ) -> "Requirement":
        """Return what ``wordpress < 6.4.3`` asks for."""
        from backupmeta.catalog.queries import parsed_requirement

        found = parsed_requirement(value) if isinstance(value, str) else value
        if found is not None and not found.bounds and _VERSION.fullmatch(found.name):
            self.fail(f"{value!r} is a version; quote it with its name: 'wordpress {value}'", param, ctx)
        if found is None:
            self.fail(f"{value!r} can't be understood; give one such as 'wordpress >= 6.0, < 6.4.3'", param, ctx)
        return found


class Digest(click.ParamType[str]):
    """What a SHA-256 begins with."""

    name = "digest"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value`` if it is the beginning of a digest."""
        if _HEXADECIMAL.fullmatch(value) is None:
            self.fail(f"{value!r} is no digest; give at least 6 hexadecimal digits of it", param, ctx)
        return value


_OPTIONS: Final = (
    click.argument("catalog"),
    click.argument("applications", nargs=-1, type=Versioned(), metavar="[APPLICATION]..."),
    click.option(
        "--plugin",
        "plugins",
        multiple=True,
        type=Versioned(),
        metavar="NAME",
        help="Only those with this plugin: 'akismet', 'akismet 5.3.1', 'akismet < 5.4'. Repeatable.",
    ),
    click.option(
        "--theme", "themes", multiple=True, type=Versioned(), metavar="NAME", help="Only those with this theme, alike."
    ),
    click.option("--domain", metavar="DOMAIN", help="Only those of this domain."),
    click.option("--user", metavar="NAME", help="Only those of this owner."),
    click.option("--prefix", metavar="PREFIX", help="Only those with this prefix of their tables."),
    click.option(
        "--digest",
        type=Digest(),
        metavar="HEX",
        help="Only those whose record, or archive scanned --deep, has a SHA-256 that begins so.",
    ),
    *IN_TIME,
    *PRESENTING,
    options.zoned,
    click.option("--provenance", is_flag=True, help="Add where each value comes from, conflicts and findings."),
)


@click.command()
@functools.partial(decorated, decorators=_OPTIONS)
def find(
    catalog: str,
    applications: "tuple[Requirement, ...]",
    plugins: "tuple[Requirement, ...]",
    themes: "tuple[Requirement, ...]",
    *,
    user: str | None,
    prefix: str | None,
    digest: str | None,
    **shown: Any,  # noqa: ANN401 - what `Listing` has
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
    from backupmeta.catalog.queries import Query
    from backupmeta.catalog.queries import find as finding
    from backupmeta.render.backups import BACKUPS

    listing = Listing(
        **{**shown, "form": shown["form"] or "table"},
        roots=(),
        sysroot=None,
        user=None,
        application=None,
        show_secrets=False,
        catalog=catalog,
        code_of_nothing=1,
    )
    if listing.provenance and listing.form in {"table", "csv"}:
        raise click.UsageError("--provenance needs --json or --jsonl")
    since, until = (None, None) if listing.zone else (listing.since, listing.until)  # a zone may tell other times
    asked = Query(applications, plugins, themes, user, prefix, digest, since and since.first, until and until.last)
    output.tell_age(catalog)
    findings: list[Finding] = []
    found = finding(catalog, asked, listing.zone, findings)
    return listing.show(found, findings, BACKUPS)
