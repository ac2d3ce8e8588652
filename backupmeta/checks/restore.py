"""Checks of what a restore of the dump needs: what a plain one trips over elsewhere (FORMAT.md §5). Each tells once."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from backupmeta.archive.names import DUMP
from backupmeta.archive.statements import Spot
from backupmeta.checks.checked_backup import Check, CheckedBackup, text_of
from backupmeta.checks.completeness import named_in_other_case, tables
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.words import counted

_note = partial(FindingRule, Group.RESTORE, Severity.NOTE)


RESTORE_COLLATION: Final = _note(
    "restore-collation",
    "the dump uses a collation that only newer servers have; others refuse the statement",
    "restore into a server of the same kind and at least the same version, or replace the collation",
)


def collations(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the dump uses a collation of newer servers."""
    dump = backup.inventory.dump
    if dump is not None and (spot := dump.collations) is not None:
        yield Finding(RESTORE_COLLATION, "", f"{text_of(spot.text)}, {_where(spot)}", (backup.dump_source(spot),))


RESTORE_DEFINER: Final = _note(
    "restore-definer",
    "views, routines, triggers or events of the dump work in the name of another user than the record's",
    "create that user first, or replace DEFINER; to set another user than oneself takes a privilege",
)


def definers(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield in whose names, other than the record's user's, something in the dump works."""
    dump, user = backup.inventory.dump, backup.text("db_user")
    others = {text_of(name): spot for name, spot in dump.definers.items()} if dump is not None and user else {}
    others.pop(user, None)
    others = {name: spot for name, spot in others.items() if name.upper() != "CURRENT_USER"}
    if others:
        name, first = next(iter(others.items()))
        more = f"; {len(others) - 1:,} more" if len(others) > 1 else ""
        yield backup.differs(RESTORE_DEFINER, "db_user", f"{name}, {_where(first)}{more}", backup.dump_source(first))


RESTORE_SANDBOX: Final = _note(
    "restore-sandbox",
    "the dump begins with mariadb-dump's sandbox comment, which clients from before 2024 take for a command",
    "restore with a newer client, or leave that line out",
)


def sandbox(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the dump has the sandbox comment."""
    dump = backup.inventory.dump
    if dump is not None and (spot := dump.sandbox) is not None:
        yield Finding(RESTORE_SANDBOX, "", _where(spot), (backup.dump_source(spot),))


RESTORE_PACKET: Final = _note(
    "restore-packet",
    "a statement of the dump is longer than the 16 MiB that MariaDB's server and all clients take by default",
    "raise max_allowed_packet for server and client; MySQL 8's server takes 64 MiB by default",
)


def packets(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that a statement is longer than servers take by default."""
    dump = backup.inventory.dump
    if dump is not None and (spot := dump.long_statements) is not None:
        more = f", the longest of {spot.times:,}" if spot.times > 1 else ""
        detail = f"{counted(spot.size, 'byte')} on line {spot.line:,}{more}"
        yield Finding(RESTORE_PACKET, "", detail, (backup.dump_source(spot),))


RESTORE_VIEW_ORDER: Final = _note(
    "restore-view-order",
    "a view of the dump is created before something that it reads; the statement fails",
    "run the view's statement again at the end",
)


def view_order(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that a view stands before what it reads."""
    dump = backup.inventory.dump
    if dump is not None and (spot := dump.early_views) is not None:
        yield Finding(RESTORE_VIEW_ORDER, "", f"{text_of(spot.text)}, {_where(spot)}", (backup.dump_source(spot),))


RESTORE_NAME_CASE: Final = _note(
    "restore-name-case",
    "the dump's tables are named as in the record but for upper and lower case, which servers on Linux tell apart",
    "restore into a server with lower_case_table_names=1, or rename the tables or the prefix",
)


def name_case(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the prefix, or listed tables, differ from the dump's in upper and lower case only."""
    names, prefix = named_in_other_case(backup), backup.text("db_prefix")
    dumped = tables(backup)
    is_prefix = bool(dumped) and not any(name.startswith(prefix) for name in dumped)
    is_prefix = is_prefix and any(name.lower().startswith(prefix.lower()) for name in dumped)
    if not names and not is_prefix:
        return
    reasons = [f"the prefix {prefix}"] if is_prefix else []
    reasons += [f"{len(names):,} listed, the first {listed} for {name}" for listed, name in list(names.items())[:1]]
    places = (
        *(backup.field_sources("db_prefix") if is_prefix else ()),
        *(backup.field_sources("tables") if names else ()),
    )
    yield Finding(RESTORE_NAME_CASE, "", "; ".join(reasons), (*places, backup.member_source(DUMP)))


def _where(spot: Spot) -> str:
    """Return how often something was met, and where first: ``line 12``, ``3 times, first on line 12``."""
    return f"line {spot.line:,}" if spot.times == 1 else f"{spot.times:,} times, first on line {spot.line:,}"


CHECKS: Final[tuple[Check, ...]] = (
    collations,
    definers,
    sandbox,
    packets,
    view_order,
    name_case,
)
