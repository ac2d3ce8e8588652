"""The command ``find``, which asks a catalog."""

import re
from datetime import tzinfo
from itertools import chain
from typing import Final

import click

from backupmeta.backup.inspection import Inspection
from backupmeta.catalog import queries
from backupmeta.catalog.queries import Query, Requirement, parsed_requirement
from backupmeta.checks.policy import Verdict
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli import messages, options
from backupmeta.cli.answer_cmds import Presentation, itself, presenting, report_rows
from backupmeta.errors import did_you_mean
from backupmeta.findings import Finding
from backupmeta.render.backups import BACKUPS
from backupmeta.search import ALWAYS, Criteria

_VERSION: Final = re.compile(r"[0-9.]+")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]{6,64}")


def _versioned(text: str) -> Requirement:
    """Return what a name with bounds on its version asks for: ``wordpress < 6.4.3``."""
    requirement = parsed_requirement(text)
    if requirement is None:
        raise ValueError(f"{text!r} can't be understood; give one such as 'wordpress >= 6.0, < 6.4.3'")
    if not requirement.bounds and _VERSION.fullmatch(requirement.name):
        raise ValueError(f"{text!r} is a version; quote it with its name: 'wordpress {text}'")
    return requirement


def _digest(text: str) -> str:
    """Return ``text`` if a SHA-256 may begin with it."""
    if _HEXADECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no digest; give at least 6 hexadecimal digits of it")
    return text


def _finding(id_: str) -> str:
    """Return ``id_`` if a finding has it."""
    if id_ not in FINDINGS:
        hint = did_you_mean(id_, FINDINGS, "'backupmeta checks' names them")
        raise ValueError(f"{id_!r} is no finding; {hint}")
    return id_


_asking: Final = options.collected(
    "query",
    Query,
    click.argument("applications", nargs=-1, type=_versioned, metavar="[APPLICATION]..."),
    click.option(
        "--plugin",
        "plugins",
        multiple=True,
        type=_versioned,
        metavar="NAME",
        help="Only those with this plugin: 'akismet', 'akismet 5.3.1', 'akismet < 5.4'. Repeatable.",
    ),
    click.option(
        "--theme", "themes", multiple=True, type=_versioned, metavar="NAME", help="Only those with this theme, alike."
    ),
    click.option("--user", metavar="NAME", help="Only those of this owner."),
    click.option("--install", metavar="ID", help="Only those of this install."),
    click.option("--email", metavar="ADDRESS", help="Only those whose administrator has this address, in any case."),
    click.option("--login", metavar="NAME", help="Only those whose administrator logs in by this name."),
    click.option("--prefix", metavar="PREFIX", help="Only those with this prefix of their tables."),
    click.option(
        "--digest",
        type=_digest,
        metavar="HEX",
        help="Only those whose record, or archive scanned --deep, has a SHA-256 that begins so.",
    ),
    click.option(
        "--verdict",
        type=click.Choice([str(verdict) for verdict in Verdict]),
        help="Only those whose archive, scanned --deep, has this verdict.",
    ),
    click.option(
        "--finding",
        type=_finding,
        metavar="ID",
        help="Only those that this is found of; 'backupmeta checks' names them.",
    ),
    options.in_time,
)
"""Add what is asked of backups; the command has a parameter ``query``, a `Query`."""


@click.command()
@click.argument("catalog")
@_asking
@click.option("--domain", metavar="DOMAIN", help="Only those of this domain.")
@presenting(BACKUPS)
@options.zoned
def find(
    catalog: str, query: Query, domain: str | None, presentation: Presentation[Inspection], zone: tzinfo | None
) -> int:
    """Find backups in a CATALOG: all that is asked for has to hold.

    An APPLICATION may have bounds on its version, as versions are ordered: 6.4 < 6.4.3 < 6.10. Several are
    alternatives. Exit code 0 where something was found, 1 where nothing was.

    \b
    Examples:
      backupmeta find catalog.sqlite 'wordpress < 6.4.3'
      backupmeta find catalog.sqlite --plugin 'akismet 5.3.1' --since 2024-01-01 --jsonl
      backupmeta find catalog.sqlite --domain example.com --prefix wp_ --csv
      backupmeta find catalog.sqlite --finding archive-altered
    """
    criteria = Criteria(domain=domain, period=query.period)
    if zone:  # by its clock, backups have other times
        query = query._replace(period=ALWAYS)
    messages.write_age(catalog)
    findings: list[Finding] = []
    has_rows = presentation.show(queries.find(catalog, query, zone, findings), criteria, findings, itself)
    nothing = chain([f"nothing that matches in {catalog}"], queries.unknown(catalog, query, domain))
    return report_rows(findings, nothing, has_rows=has_rows, has_criteria=True)
