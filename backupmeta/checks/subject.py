"""`Subject`: one backup, as the checks see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from backupmeta.archive.names import DUMP
from backupmeta.archive.statements import Spot
from backupmeta.backup.inspection import Inspection
from backupmeta.checks.survey import Survey
from backupmeta.findings import Finding, FindingRule
from backupmeta.masking import MASK, mask_location
from backupmeta.provenance import Source, Witness
from backupmeta.record.values import items
from backupmeta.secrets import opened

PREFIX: Final = "{prefix}"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What installs and their backups must have.

    Attributes:
        maximum_age_days: the age of an install's newest backup, in days; None for any.
        minimum_backups: how many backups an install has.
        files: members that every archive has.
        tables: tables that every dump has, with `PREFIX` for the record's ``db-prefix``: see `tables_with`.
        locations: where backups may be kept; None for anywhere: see `allows`.
    """

    maximum_age_days: float | None = None
    minimum_backups: int = 0
    files: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    locations: tuple[str, ...] | None = None

    def tables_with(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the tables that a dump must have whose record's ``db-prefix`` is ``prefix``."""
        return tuple(name.replace(PREFIX, prefix) for name in self.tables)

    def allows(self, location: str) -> bool:
        """Tell whether a backup may be kept at ``location``, a record's ``backup-location``; its userinfo is no matter.

        It is one of the `locations`, or of a scheme that is one: ``s3://``.
        """
        plain = mask_location(location).replace(f"{MASK}@", "")
        scheme = "".join(plain.partition("://")[:2])
        return self.locations is None or plain in self.locations or scheme in self.locations


@dataclass(frozen=True, slots=True)
class Subject:
    """One backup to judge.

    Attributes:
        path: the archive, as the server saw it.
        inspection: what its records and its name tell.
        survey: what was seen in its archive.
        requirements: what every backup must have.
        lowest: the lowest version that is allowed of an application, by the record's ``installer``.
        now: the moment of judging, Unix seconds.
    """

    path: str
    inspection: Inspection
    survey: Survey
    requirements: Requirements
    lowest: Mapping[str, str]
    now: int

    def text(self, field: str) -> str:
        """Return ``field`` of the answer as text, in clear, to be compared; empty where it is none."""
        return opened(self.inspection.text(field))

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the list in ``field`` of the answer, in clear, to be compared; empty where there is none."""
        value = opened(self.inspection.get(field))
        return tuple(one for one in value if isinstance(one, str) and one) if isinstance(value, list) else ()

    def also(self, key: str) -> tuple[str, ...]:
        """Return the list that the record's ``key`` has, as `texts`, of those that are no part of the answer."""
        fact = self.inspection.extra.get(key)
        if fact is None:
            return ()
        try:
            return tuple(filter(None, items(opened(fact.raw))))
        except UnicodeDecodeError:
            return ()

    def inside(self, name: str) -> str:
        """Return a listed name as members are called: from the install's folder on, without slashes around it."""
        folder = self.text("path").rstrip("/") + "/"
        return f"{name}/".removeprefix(folder).removeprefix("./").strip("/")

    @property
    def excluded(self) -> tuple[str, ...]:
        """The names that the record excludes, as members are called."""
        return tuple(filter(None, map(self.inside, self.texts("exclude_files"))))

    @property
    def has_readable_lists(self) -> bool:
        """Whether each list that the record has can be decoded: what is on one that can't be, nobody knows."""
        lists = (opened(fact.raw) for key, fact in self.inspection.extra.items() if key.startswith("list-"))
        return all(map(_is_utf8, lists))

    def told(self, field: str) -> tuple[Source, ...]:
        """Return where ``field`` of the answer comes from; nothing where it is absent."""
        return (self.inspection.source(field),) if field in self.inspection.fields else ()

    def seen(self, name: bytes) -> Source:
        """Return the place of the member called ``name`` in the archive, or of the archive where there is none."""
        offset = self.survey.offset(name)
        if offset is None:
            return Source(Witness.ARCHIVE, self.path)
        return Source(Witness.ARCHIVE, self.path, text_of(name), None, offset)

    def in_dump(self, spot: Spot) -> Source:
        """Return the place of a statement or line of the dump."""
        return Source(Witness.ARCHIVE, self.path, text_of(DUMP), spot.line, spot.offset)

    def told_also(self, key: str) -> tuple[Source, ...]:
        """Return where the record's ``key`` stands, as `also` reads it; nothing where it doesn't."""
        fact = self.inspection.extra.get(key)
        return () if fact is None else (fact.source,)

    def differs(self, rule: FindingRule, field: str, detail: str, *places: Source) -> Finding:
        """Return the finding that the archive at ``places`` is not what ``field`` of the record says."""
        return Finding(rule, field, detail, (*self.told(field), *places))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def text_of(name: bytes) -> str:
    """Return a member's or a table's name as text; bytes that aren't UTF-8 as surrogates."""
    return name.decode("utf-8", "surrogateescape")
