"""`Policy`: what somebody asks of backups beyond what the checks know by themselves; what it makes of findings.

It is a TOML file, or the table ``[tool.backupmeta]`` of a ``pyproject.toml``; every key may be left out::

    select = ["whole", "safe", "record", "table-missing"]   # ids of findings, or groups; without it, all of them
    ignore = ["record-holds-secrets"]
    fail-on = "warning"               # error, warning, note

    [severity]                        # ids or groups; an id wins over its group
    contents = "warning"
    table-missing = "error"

    [require]
    maximum-age-days = 8              # of each install's newest backup
    minimum-backups = 2               # of each install
    files = ["wp-config.php"]         # members of every archive
    tables = ["{prefix}users"]        # tables of every dump; {prefix} is the record's db-prefix
    locations = ["local", "s3://"]    # where backups may be kept: a location, or all of a scheme

    [versions]                        # the lowest one, by application, as the record's installer names it
    wordpress = "6.4"

    [bounds]                          # as --bound
    inflated_bytes = "10G"

A finding which says that evidence could not be read (`FindingRule.is_unread`) answers to its own id alone. No group
ignores it or changes its severity, and a selection never leaves it out: a broken archive must not pass because somebody
was lax about a group. Whoever ignores ``archive-truncated`` by name has decided it.
"""

import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar, cast

from backupmeta.archive.limits import AMOUNTS, LIMIT_NAMES, MIB, amount
from backupmeta.checks.checked_backup import PREFIX, Check, Requirements
from backupmeta.checks.rulebook import FINDINGS, position
from backupmeta.errors import Mistake, PolicyError, did_you_mean
from backupmeta.evidence import EvidenceFile, open_named
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.folders import trusted_users, user_name
from backupmeta.provenance import named
from backupmeta.secrets import mask_location
from backupmeta.words import cut

if TYPE_CHECKING:
    from backupmeta.json_types import JudgedJson, KnownJson, VerificationJson

Result = TypeVar("Result")
Default = TypeVar("Default")
Decode = Callable[[object], Result]
"""Returns what a value means, or raises `ValueError` with what is wrong with it and, if there is any, an advice."""

_MOST_MISTAKES: Final = 100
_MOST_DOTS: Final = 1000
_HUGE: Final = 10**18
_LONGEST_SHOWN: Final = 200
"""How many characters of a key or a value a mistake shows."""


def parsed(path: str, accept: Callable[[EvidenceFile], object] = lambda _: None) -> dict[str, object]:
    """Return the TOML in the file at ``path``, of 1 MiB at most.

    Raises `PolicyError`, and what `open_named` and ``accept`` raise, which is given the open file.
    """
    import tomllib

    with open_named(path) as file:
        accept(file)
        content = file.read_whole("policy_bytes", MIB)
    try:
        return tomllib.loads(_text(content))
    except (ValueError, RecursionError) as error:
        raise PolicyError(path, (Mistake("", f"can't be read as TOML: {error}"),)) from error


def _text(content: bytes) -> str:
    """Return a text that `tomllib` reads in bounded time, which grows with the square of a dotted key's parts."""
    text = content.decode("utf-8")
    if max(line.count(".") for line in text.split("\n")) > _MOST_DOTS:
        raise ValueError(f"a line has more than {_MOST_DOTS:,} dots")
    return text


class PolicyReading:
    """One reading of a policy: what is wrong is gathered, and reading goes on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._mistakes: list[Mistake] = []

    def wrong(self, place: str, reason: str, advice: str = "") -> None:
        """Remember a mistake; the hundredth is the last."""
        self._mistakes.append(Mistake(cut(place, _LONGEST_SHOWN), reason, advice))
        if len(self._mistakes) == _MOST_MISTAKES:
            self.end()

    def end(self) -> None:
        """Raise `PolicyError` where anything is wrong."""
        if self._mistakes:
            raise PolicyError(self._path, tuple(self._mistakes))

    def each(self, place: str, values: Iterable[object], decode: Decode[Result]) -> list[Result]:
        """Return what each of the values at ``place`` means, without those that are wrong."""
        return [meant for value in values for meant in self.meaning(place, value, decode, f"{shown(value)} ")]

    def meaning(self, place: str, value: object, decode: Decode[Result], before: str = "") -> list[Result]:
        """Return what the ``value`` at ``place`` means, or nothing where it is wrong; ``before`` begins the reason."""
        try:
            return [decode(value)]
        except ValueError as error:
            reason, *advice = error.args
            self.wrong(place, f"{before}{reason}", *advice)
            return []


class PolicyTable:
    """A table of a policy, read key by key; a key that nobody asked for is a mistake."""

    def __init__(self, reading: PolicyReading, place: str, values: Mapping[str, object]) -> None:
        """Read the ``values``; ``place`` is what stands before their keys: ``require.``."""
        self._reading = reading
        self._place = place
        self._values = values
        self._asked: dict[str, None] = {}

    def one(self, key: str, decode: Decode[Result], default: Default) -> Result | Default:
        """Return what the value of ``key`` means, or the ``default`` where it is absent or wrong."""
        self._asked[key] = None
        values = [self._values[key]] if key in self._values else []
        return next(iter(self._reading.each(self._place + key, values, decode)), default)

    def items(self, key: str, decode: Decode[Result], default: Default) -> tuple[Result, ...] | Default:
        """Return what each item of the list at ``key`` means, or the ``default`` where it is absent."""
        values = self.one(key, _list, None)
        return default if values is None else tuple(self._reading.each(self._place + key, values, decode))

    def table(self, key: str) -> "PolicyTable":
        """Return the table at ``key``, an empty one where it is absent."""
        return PolicyTable(self._reading, f"{self._place}{key}.", self.one(key, _mapping, {}))

    def entries(self, check: Decode[object], decode: Decode[Result]) -> dict[str, Result]:
        """Return what each entry means; its keys are names, of which ``check`` knows the right ones."""
        return {
            key: meant
            for key in self._right(check)
            for meant in self._reading.each(self._place + key, [self._values[key]], decode)
        }

    def end(self, words: str = "key of a policy") -> None:
        """Remember as mistakes the keys that nobody asked for; ``words`` say what they are not."""
        self._right(one_of(words, self._asked))

    def _right(self, check: Decode[object]) -> list[str]:
        return [key for key in self._values if self._reading.meaning(self._place + key, key, check)]


def shown(value: object) -> str:
    """Return a value of the TOML as a mistake shows it; the userinfo of a URI is masked."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "a huge number"
    return repr(cut(mask_location(value), _LONGEST_SHOWN)) if isinstance(value, str) else str(value)


def one_of(words: str, meanings: Mapping[str, Result], otherwise: str = "") -> Decode[Result]:
    """Return a decoder of the names of ``meanings``; ``words`` say what any other is not."""

    def decode(value: object) -> Result:
        name = value if isinstance(value, str) else ""
        if name not in meanings:
            raise ValueError(f"is no {words}", did_you_mean(name, meanings, otherwise))
        return meanings[name]

    return decode


def _list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise ValueError("is no list", "put it in brackets")


def _mapping(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise ValueError("is no table")


def name_of(value: object) -> str:
    """Return a name: ``"wp-config.php"``."""
    if not isinstance(value, str) or not value:
        raise ValueError("is no name", "write one in quotes")
    return value


PYPROJECT: Final = "pyproject.toml"

_MOST_DAYS: Final = 36_525  # a hundred years
_MOST_BACKUPS: Final = 1_000_000
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+)*([A-Za-z]+[0-9]*)?([-+][0-9A-Za-z.]+)*\+?")

_EVERYTHING: Final = frozenset(FINDINGS)
_UNREAD: Final = frozenset(id_ for id_, kind in FINDINGS.items() if kind.is_unread)
_NAMES: Final[Mapping[str, frozenset[str]]] = {
    **{group.value: frozenset(id_ for id_ in FINDINGS if FINDINGS[id_].group is group) - _UNREAD for group in Group},
    **{id_: frozenset({id_}) for id_ in FINDINGS},
}
"""The ids that a group, or an id, stands for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is judged, how severely, and what is required.

    Attributes:
        select: ids of the findings that count; those that `FindingRule.is_unread` are always among them.
        ignore: ids of those that don't count; they win over ``select``.
        fail_on: the least severity that makes a verdict "fail".
        severities: by id, where they are others than their rules'.
        requirements: what installs and their backups must have.
        limits: the values of the `Limits` that are named.
        checks: the caller's own checks of archives that were wholly read, after all others. What they find counts
            unless it is ignored. Processes get them by their names, and so no functions that have none.
    """

    select: frozenset[str] = _EVERYTHING
    ignore: frozenset[str] = frozenset()
    fail_on: Severity = Severity.WARNING
    severities: Mapping[str, Severity] = field(default_factory=dict)
    requirements: Requirements = field(default_factory=Requirements)
    limits: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    def severity(self, rule: FindingRule) -> Severity | None:
        """Return how severe findings of a ``rule`` are; None where they are ignored or not selected."""
        if rule.id in self.ignore or (rule.id in FINDINGS and rule.id not in self.select):
            return None
        return self.severities.get(rule.id, rule.severity)

    def fails(self, severity: Severity) -> bool:
        """Return whether a finding of this ``severity`` makes a verdict "fail"."""
        return severity.rank <= self.fail_on.rank

    def with_options(
        self, *, select: Iterable[str] = (), ignore: Iterable[str] = (), fail_on: Severity | None = None
    ) -> "Policy":
        """Return this policy with what the command line adds to it, which wins.

        What ``select`` names, ids or groups, is judged and nothing else, even if the file ignores it; what ``ignore``
        names is ignored as well. Raises `PolicyError`.
        """
        reading = PolicyReading("")
        selected = _union(reading.each("--select", select, _ids))
        ignored = _union(reading.each("--ignore", ignore, _ids))
        reading.end()
        return replace(
            self,
            select=selected | _UNREAD if selected else self.select,
            ignore=(self.ignore - selected) | ignored,
            fail_on=fail_on or self.fail_on,
        )


DEFAULT: Final = Policy()


def load(path: str, accept: Callable[[EvidenceFile], object] = lambda _: None) -> Policy:
    """Return the policy in the file at ``path``; of a file that is called `PYPROJECT`, the one in its table.

    A file that nobody named has to be one that `require_trusted` accepts.

    Raises:
        PolicyError: it is no TOML, or no policy; all that is wrong with it is told at once.
        LimitExceededError: it is longer than 1 MiB.
        NotRegularError: it is a folder, a FIFO, a device or a socket.
        UnreadableError: it does not exist, or the system refuses.
    """
    reading = PolicyReading(path)
    policy = _policy(_root(reading, path, parsed(path, accept)))
    reading.end()
    return policy


def require_trusted(file: EvidenceFile, advice: str | None = None) -> None:
    """Raise `PolicyError` where others decide what is in an open ``file``, or where its name leads to.

    The ``advice`` is what to do then; of a policy, to name it.

    That is another user than the caller, the superuser, or who called sudo(8). A group may, as where people work on one
    project.
    """
    owners = {file.status.st_uid, os.lstat(file.path).st_uid} - trusted_users()
    if owners:
        reason = f"belongs to another user ({user_name(min(owners))})"
    elif file.status.st_mode & stat.S_IWOTH and hasattr(os, "geteuid"):
        reason = "every user may write to it"
    else:
        return
    advice = advice or f"if you trust it, name it: --policy {shlex.quote(file.path)}"
    raise PolicyError(file.path, (Mistake("", reason, advice),))


def nearest(folder: str, is_evidence: Callable[[str], bool] = lambda _: False) -> str | None:
    """Return the path of the `PYPROJECT` with a policy that is nearest, in ``folder`` or above it; None without one.

    What ``is_evidence`` is passed over unread. Any other that can't be read might hold a policy: raises what `load`
    raises.
    """
    try:
        start = Path(folder).resolve()
    except (OSError, RuntimeError):  # the working folder was deleted; links in a circle
        return None
    for above in (start, *start.parents):
        path = str(above / PYPROJECT)
        if not os.path.isfile(path) or is_evidence(path):
            continue
        if _has_policy(parsed(path)):
            return path
    return None


def _has_policy(document: dict[str, object]) -> bool:
    tool = document.get("tool")
    return isinstance(tool, dict) and "backupmeta" in tool


def _root(reading: PolicyReading, path: str, document: dict[str, object]) -> PolicyTable:
    """Return the table that is the policy."""
    root = PolicyTable(reading, "", document)
    if Path(path).name != PYPROJECT:
        return root
    if not _has_policy(document):
        reading.wrong("tool.backupmeta", "is not there", "add the table, or name another file")
    return root.table("tool").table("backupmeta")


def _policy(table: PolicyTable) -> Policy:
    policy = Policy(
        select=_union(table.items("select", _ids, (_EVERYTHING,))) | _UNREAD,
        ignore=_union(table.items("ignore", _ids, ())),
        fail_on=table.one("fail-on", _severity, Severity.WARNING),
        severities=_severities(table.table("severity").entries(_ids, _severity)),
        requirements=_requirements(table.table("require"), table.table("versions")),
        limits=table.table("bounds").entries(_limit, _bound),
    )
    table.end()
    return policy


def _requirements(table: PolicyTable, versions: PolicyTable) -> Requirements:
    requirements = Requirements(
        maximum_age_days=table.one("maximum-age-days", _days, None),
        minimum_backups=table.one("minimum-backups", _backups, 0),
        files=table.items("files", name_of, ()),
        tables=table.items("tables", _table_name, ()),
        locations=table.items("locations", _location, None),
        versions=versions.entries(_application, _version),
    )
    table.end()
    return requirements


def _severities(given: Mapping[str, Severity]) -> dict[str, Severity]:
    """Return the severities of ids, from those of ids and groups."""
    groups_first = sorted(given, key=lambda name: name in FINDINGS)
    return {id_: given[name] for name in groups_first for id_ in _NAMES[name]}


def _union(parts: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*parts)


_ids: Final = one_of("finding and no group", _NAMES, "'backupmeta checks' lists them")
_severity: Final = one_of("severity", {severity.value: severity for severity in Severity})
_limit: Final = one_of("bound", {name: name for name in LIMIT_NAMES})


def _table_name(value: object) -> str:
    """Return a table's name: ``"wp_users"``, ``"{prefix}users"``."""
    table = name_of(value)
    if set(table.replace(PREFIX, "")) & set("{}"):
        raise ValueError("holds a brace", f"only {PREFIX} does, for the record's db-prefix")
    return table


def _location(value: object) -> str:
    """Return a location or a scheme: ``"local"``, ``"s3://"``."""
    location = name_of(value)
    if mask_location(location) != location:
        raise ValueError("holds a user or a secret", "leave it out")
    return location


def _days(value: object) -> float:
    """Return a number of days: ``8``, ``0.5``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST_DAYS:
        raise ValueError("is no number of days", f"give one above 0, up to {_MOST_DAYS:,}, such as 8 or 0.5")
    return float(value)


def _backups(value: object) -> int:
    """Return a number of backups: ``2``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_BACKUPS:
        raise ValueError("is no number of backups", f"give a whole one, from 1 to {_MOST_BACKUPS:,}")
    return value


def _application(value: object) -> str:
    """Return the name of an application; any that is not nearly one of those that are known."""
    from difflib import get_close_matches

    from backupmeta.checks.applications import APPLICATIONS

    name = name_of(value)
    if name not in APPLICATIONS and (near := get_close_matches(name.lower(), APPLICATIONS, 1, 0.8)):
        raise ValueError("is no application", f"did you mean {near[0]!r}?")
    return name


def _version(value: object) -> str:
    """Return a version: ``"6.4"``, ``"2.4.6-p3"``."""
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise ValueError("is no version", 'write one in quotes, such as "6.4.2"')
    return value


def _bound(value: object) -> int:
    """Return a limit's number: ``1000``, ``"10G"``."""
    bound = amount(value if isinstance(value, str) else shown(value))
    if bound is None:
        raise ValueError("is no number", f"give one such as {AMOUNTS}")
    return bound


# --- judging ----------------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """The answer to "is this backup whole, and is it what its record says?", from the best to the worst."""

    NOT_JUDGED = "not judged"
    """Nobody says that it is a backup, or it is still being written."""
    PASS = "pass"  # noqa: S105 - no password
    """Nothing was found that is as severe as the policy lets fail."""
    FAIL = "fail"
    """Something was."""
    UNREADABLE = "unreadable"
    """It could not be judged: the system refuses, or it is no archive."""


class Judged(NamedTuple):
    """A finding, and what is made of it.

    Attributes:
        finding: the finding.
        severity: how severe it is by the policy.
        is_known: whether a baseline has it, which lets it pass; None where there is no baseline.
    """

    finding: Finding
    severity: Severity
    is_known: bool | None = None

    def to_json(self) -> "JudgedJson":
        """Return it for JSON, with what to do about it."""
        described = self.finding.to_json()
        known: KnownJson = {} if self.is_known is None else {"is_known": self.is_known}
        return {
            **known,
            "id": described["id"],
            "severity": self.severity,
            "message": described["message"],
            "advice": self.finding.rule.advice,
            "evidence": described["evidence"],
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out for one target: an archive, or the account or folder that a root is.

    Attributes:
        kind: what the target is: an archive, or an account or folder as a whole.
        server_path: the target's path: as the server saw it, where that is known.
        verdict: the answer.
        sha256: the file's digest, in hexadecimal; None for an account, and where not all of the file was read.
        judged: what was found, the most severe first.
        path: the target's path on this machine.
    """

    kind: Literal["archive", "account"]
    server_path: str
    verdict: Verdict
    sha256: str | None
    judged: tuple[Judged, ...]
    path: str = ""

    def to_json(self) -> "VerificationJson":
        """Return it for JSON, as an entry of the ``targets`` of ``verify``."""
        findings = [judged.to_json() for judged in self.judged]
        places = {**named("path", self.server_path)}
        if self.path not in {"", self.server_path}:
            places |= named("local_path", self.path)
        described = {**places, "verdict": self.verdict, "sha256": self.sha256, "findings": findings}
        return cast("VerificationJson", described)


def judge(findings: Iterable[Finding], policy: Policy) -> tuple[Judged, ...]:
    """Return the findings that ``policy`` asks for, the most severe first, else in the order of `FINDINGS`."""
    asked = ((finding, policy.severity(finding.rule)) for finding in findings)
    kept = [Judged(finding, severity) for finding, severity in asked if severity is not None]
    return tuple(sorted(kept, key=lambda judgement: (judgement.severity.rank, position(judgement.finding.id))))


def verdict_of(judged: Iterable[Judged], policy: Policy) -> Verdict:
    """Return whether something is as severe as ``policy`` lets fail."""
    return Verdict.FAIL if any(policy.fails(judgement.severity) for judgement in judged) else Verdict.PASS
