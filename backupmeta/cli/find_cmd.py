"""The command ``find``, which asks a catalog."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from itertools import chain, islice
from typing import Final

import click

from backupmeta.archive.digests import ALGORITHMS
from backupmeta.archive.limits import KIB
from backupmeta.backup.inspection import Inspection
from backupmeta.catalog import queries
from backupmeta.catalog.member_search import MemberQuery, Unknown, member_search
from backupmeta.catalog.queries import Query, Requirement, parsed_requirement
from backupmeta.checks.policy import Verdict
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli import completion, messages, options
from backupmeta.cli.answer_cmds import Presentation, itself, presenting, report_rows
from backupmeta.cli.progress_bar import rows_bar
from backupmeta.errors import UnreadableError, did_you_mean
from backupmeta.findings import Finding, Severity
from backupmeta.render.backups import BACKUPS
from backupmeta.render.matches import MATCHES
from backupmeta.search import ALWAYS, Criteria
from backupmeta.words import counted

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


# --- members ----------------------------------------------------------------------------------------------------------

_BETWEEN: Final = re.compile(rb"[\s,;\"'\\*]+")
"""What parts the words of a line in a list of digests."""

_NAMES: Final = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5"}
"""What digests are called."""

_LINE: Final = 64 * KIB
"""How long a line of such a list may be, in bytes."""

_MEMBERS: Final = 1_000
"""How many members are shown where nobody says."""


@dataclass(frozen=True)
class _HashList:
    """A file with a digest in each line, as md5sum, sha256sum and NSRL write them: the first word that is one.

    Attributes:
        path: its path.
        algorithm: how the digests were counted.
    """

    path: str
    algorithm: str

    def __iter__(self) -> Iterator[bytes]:
        is_digest, is_empty = re.compile(rb"[0-9a-fA-F]{%d}" % _digits(self.algorithm)).fullmatch, True
        try:
            with open(self.path, "rb") as file:
                for line in iter(partial(file.readline, _LINE), b""):
                    for digest in islice(filter(is_digest, _BETWEEN.split(line)), 1):
                        is_empty = False
                        yield bytes.fromhex(digest.decode())
        except OSError as error:
            raise UnreadableError(self.path, (error.strerror or "can't be read").lower()) from error
        if is_empty:
            advice = f"give a list with a digest in each line, as {self.algorithm}sum writes it"
            raise UnreadableError(self.path, f"has no {_NAMES[self.algorithm]} in it", advice)


_PATTERNS: Final = 400
"""How many patterns a catalog is asked for at once: SQLite has expressions of up to 1,000 levels, two for each."""


def _digits(algorithm: str) -> int:
    return 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size


def _digests(algorithm: str) -> options.Decorator:
    """Add an option for digests of members."""
    digits = _digits(algorithm)

    def digests(text: str) -> Iterable[bytes]:
        if text.startswith("@") and len(text) > 1:
            return _HashList(text[1:], algorithm)
        if re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", text) is None:
            raise ValueError(f"{text!r} is no {_NAMES[algorithm]}; give its {digits} hexadecimal digits, or @FILE")
        return [bytes.fromhex(text)]

    return click.option(
        f"--member-{algorithm}",
        multiple=True,
        type=digests,
        metavar="HEX|@FILE",
        help=f"Find members with this {_NAMES[algorithm]}, or one of those in FILE. Repeatable.",
    )


def _members(
    member: tuple[str, ...],
    member_sha256: tuple[Iterable[bytes], ...],
    member_sha1: tuple[Iterable[bytes], ...],
    member_md5: tuple[Iterable[bytes], ...],
) -> MemberQuery:
    if len(member) > _PATTERNS:
        raise click.UsageError(f"--member is there {len(member):,} times; give it {_PATTERNS} times at most")
    given = {"sha256": member_sha256, "sha1": member_sha1, "md5": member_md5}
    digests = {algorithm: chain.from_iterable(lists) for algorithm, lists in given.items() if lists}
    return MemberQuery(member, digests or None)


_asking_members: Final = options.collected(
    "members",
    _members,
    options.naming_members("Repeatable.", is_repeatable=True),
    *map(_digests, ALGORITHMS),
)
"""Add what is asked of members; the command has a parameter ``members``, a `MemberQuery`."""


def _find_members(
    catalog: str, members: MemberQuery, query: Query, domain: str | None, presentation: Presentation[Inspection]
) -> int:
    """Print the members that are asked for, and of which archives not all are known; return the exit code."""
    view, findings = presentation.view, list[Finding]()
    options.refuse_beside("--member", {"--sort": presentation.sort, "--provenance": view.provenance}, _NO_BACKUPS)
    most = _MEMBERS if view.limit is None else view.limit
    with member_search(catalog, members, query, domain, findings) as search, rows_bar("member") as bar:
        shown = list(islice(bar.counting(search.matches()), view.offset, view.offset + most + 1))
        unknown = search.unknown()
    parts = MATCHES[presentation.format.name].render(shown[:most], view)
    presentation.destination.write(parts, options.in_catalog(catalog).protected())
    lines = list[str]()
    if len(shown) > most:
        messages.write_remark(f"there are more than these {most:,}; --limit N shows more of them")
    if not shown:
        lines = [f"nothing that matches in {catalog}", *queries.unknown(catalog, query, domain)]
    for line in chain(lines, _unknown(unknown)):
        messages.write_line(line)
    code = messages.report(findings, Severity.ERROR)
    return 2 if unknown.unread or unknown.damaged else code or int(not shown)


_NO_BACKUPS: Final = "members are found, not backups"


def _unknown(unknown: Unknown) -> Iterator[str]:
    """Yield of which archives members may be missing."""
    if unknown.unread:
        archives = counted(unknown.unread, "archive was", "archives were")
        yield f"{archives} not scanned with --members, or with another --member-digest: {unknown.unread_path}"
    if unknown.damaged:
        archives = counted(unknown.damaged, "archive is", "archives are")
        yield f"{archives} damaged, and may have other members: {unknown.damaged_path}"


# --- all of it --------------------------------------------------------------------------------------------------------

_asking: Final = options.collected(
    "query",
    Query,
    click.argument(
        "applications",
        nargs=-1,
        type=_versioned,
        metavar="[APPLICATION]...",
        shell_complete=completion.in_catalog("application"),
    ),
    click.option(
        "--plugin",
        "plugins",
        shell_complete=completion.in_catalog("plugin"),
        multiple=True,
        type=_versioned,
        metavar="NAME",
        help="Only those with this plugin: 'akismet', 'akismet < 5.4'. Repeatable.",
    ),
    click.option(
        "--theme",
        "themes",
        multiple=True,
        type=_versioned,
        metavar="NAME",
        shell_complete=completion.in_catalog("theme"),
        help="Only those with this theme, alike.",
    ),
    options.owned(),
    click.option("--install", metavar="ID", help="Only those of this install."),
    click.option("--email", metavar="ADDRESS", help="Only those whose administrator has this address."),
    click.option("--login", metavar="NAME", help="Only those whose administrator logs in by this name."),
    click.option("--prefix", metavar="PREFIX", help="Only those with this prefix of their tables."),
    click.option(
        "--digest",
        type=_digest,
        metavar="HEX",
        help="Only those with a SHA-256, of record or archive, that begins so.",
    ),
    click.option(
        "--verdict",
        type=click.Choice([str(verdict) for verdict in Verdict]),
        metavar="VERDICT",
        help="Only those whose archive, scanned --deep, has it: pass, fail, ….",
    ),
    click.option(
        "--finding",
        shell_complete=completion.finding_id,
        type=_finding,
        metavar="ID",
        help="Only those that this is found of; 'backupmeta checks' names them.",
    ),
    options.in_time,
)
"""Add what is asked of backups; the command has a parameter ``query``, a `Query`."""


@click.command()
@click.argument("catalog", shell_complete=completion.file)
@_asking
@_asking_members
@options.of_domain
@options.zoned
@presenting(BACKUPS, "backup")
def find(
    catalog: str,
    query: Query,
    members: MemberQuery,
    *,
    domain: str | None,
    presentation: Presentation[Inspection],
    zone: tzinfo | None,
) -> int:
    """Find backups in a CATALOG, or members of their archives: all that is asked for has to hold.

    An APPLICATION may have bounds on its version: 6.4 < 6.4.3 < 6.10. Members, of a CATALOG scanned with --members,
    come with the first and the last of the consecutive backups that have them so: 1,000 unless --limit says otherwise.
    A pattern's * is any text, also slashes.

    Exit code 1 where nothing was found, 2 also where not all members of an archive are known.

    \b
    Examples:
      backupmeta find catalog.sqlite 'wordpress < 6.4.3'
      backupmeta find catalog.sqlite --plugin 'akismet 5.3.1' --since 2024-01-01 --jsonl
      backupmeta find catalog.sqlite --member 'wp-content/uploads/*.php' --user exampleu
      backupmeta find catalog.sqlite --member-sha256 @known-malware.txt --jsonl
    """
    if members.is_given:
        options.refuse_beside("--member", {"--tz": zone}, "the times of backups are those that the scan has found")
        messages.write_age(catalog)
        return _find_members(catalog, members, query, domain, presentation)
    criteria = Criteria(domain=domain, period=query.period)
    if zone:  # by its clock, backups have other times
        query = query._replace(period=ALWAYS)
    messages.write_age(catalog)
    findings: list[Finding] = []
    rows = queries.find(catalog, query, zone, findings)
    has_rows = presentation.show(rows, criteria, findings, itself, options.in_catalog(catalog).protected())
    nothing = chain([f"nothing that matches in {catalog}"], queries.unknown(catalog, query, domain))
    return report_rows(findings, nothing, has_rows=has_rows, has_criteria=True)
