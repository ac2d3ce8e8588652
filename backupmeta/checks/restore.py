"""Checks of what a restore of the dump needs: what a plain one trips over elsewhere (FORMAT.md §5). Each tells once."""

from collections.abc import Callable, Iterator
from typing import Final

from backupmeta.archive.names import DUMP
from backupmeta.archive.statements import Spot
from backupmeta.checks.contents import named_in_other_case, tables
from backupmeta.checks.subject import Subject, text_of
from backupmeta.findings import Finding
from backupmeta.words import counted


def collations(subject: Subject) -> Iterator[Finding]:
    """Yield that the dump uses a collation of newer servers."""
    dump = subject.survey.dump
    if dump is not None and (met := dump.collations) is not None:
        yield Finding("restore-collation", "", f"{text_of(met.text)}, {_where(met)}", (subject.in_dump(met),))


def definers(subject: Subject) -> Iterator[Finding]:
    """Yield in whose names, other than the record's user's, something in the dump works."""
    dump, user = subject.survey.dump, subject.inspection.text("db_user")
    others = {text_of(name): met for name, met in dump.definers.items()} if dump is not None and user else {}
    others.pop(user, None)
    others = {name: met for name, met in others.items() if name.upper() != "CURRENT_USER"}
    if others:
        name, first = next(iter(others.items()))
        more = f"; {len(others) - 1:,} more" if len(others) > 1 else ""
        yield subject.differs("restore-definer", "db_user", f"{name}, {_where(first)}{more}", subject.in_dump(first))


def sandbox(subject: Subject) -> Iterator[Finding]:
    """Yield that the dump has the sandbox comment."""
    dump = subject.survey.dump
    if dump is not None and (met := dump.sandbox) is not None:
        yield Finding("restore-sandbox", "", _where(met), (subject.in_dump(met),))


def packets(subject: Subject) -> Iterator[Finding]:
    """Yield that a statement is longer than servers take by default."""
    dump = subject.survey.dump
    if dump is not None and (met := dump.long_statements) is not None:
        more = f", the longest of {met.times:,}" if met.times > 1 else ""
        detail = f"{counted(met.size, 'byte')} on line {met.line:,}{more}"
        yield Finding("restore-packet", "", detail, (subject.in_dump(met),))


def view_order(subject: Subject) -> Iterator[Finding]:
    """Yield that a view stands before what it reads."""
    dump = subject.survey.dump
    if dump is not None and (met := dump.early_views) is not None:
        yield Finding("restore-view-order", "", f"{text_of(met.text)}, {_where(met)}", (subject.in_dump(met),))


def name_case(subject: Subject) -> Iterator[Finding]:
    """Yield that the prefix, or listed tables, differ from the dump's in upper and lower case only."""
    names, prefix = named_in_other_case(subject), subject.inspection.text("db_prefix")
    found = tables(subject)
    is_prefix = bool(found) and not any(name.startswith(prefix) for name in found)
    is_prefix = is_prefix and any(name.lower().startswith(prefix.lower()) for name in found)
    if not names and not is_prefix:
        return
    told = [f"the prefix {prefix}"] if is_prefix else []
    told += [f"{len(names):,} listed, the first {listed} for {name}" for listed, name in list(names.items())[:1]]
    places = (*(subject.told("db_prefix") if is_prefix else ()), *(subject.told("tables") if names else ()))
    yield Finding("restore-name-case", "", "; ".join(told), (*places, subject.seen(DUMP)))


def _where(met: Spot) -> str:
    """Return how often something was met, and where first: ``line 12``, ``3 times, first on line 12``."""
    return f"line {met.line:,}" if met.times == 1 else f"{met.times:,} times, first on line {met.line:,}"


CHECKS: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    collations,
    definers,
    sandbox,
    packets,
    view_order,
    name_case,
)
