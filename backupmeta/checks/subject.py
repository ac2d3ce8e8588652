"""`Subject`: one backup, as the checks see it."""

from dataclasses import dataclass

from backupmeta.checks.policy import Policy
from backupmeta.checks.survey import Survey
from backupmeta.findings import Finding
from backupmeta.inspection import Inspection
from backupmeta.provenance import Source, Witness
from backupmeta.record.values import items


@dataclass(frozen=True, slots=True)
class Subject:
    """One backup to judge.

    Attributes:
        path: the archive, as the server saw it.
        inspection: what its records and its name tell.
        survey: what was seen in its archive.
        policy: what is asked for.
        now: the moment of judging, Unix seconds.
    """

    path: str
    inspection: Inspection
    survey: Survey
    policy: Policy
    now: int

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the list in ``field`` of the answer; empty where there is none."""
        value = self.inspection.get(field)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()

    def also(self, key: str) -> tuple[str, ...]:
        """Return the list that the record's ``key`` has, of those that are no part of the answer."""
        fact = self.inspection.extra.get(key)
        if fact is None:
            return ()
        try:
            return tuple(items(fact.raw))
        except UnicodeDecodeError:
            return ()

    def inside(self, name: str) -> str:
        """Return a listed name as members are called: from the install's folder on, without slashes around it."""
        return name.removeprefix(self.inspection.text("path")).removeprefix("./").strip("/")

    @property
    def excluded(self) -> tuple[str, ...]:
        """The names that the record excludes, as members are called."""
        return tuple(filter(None, map(self.inside, self.texts("exclude_files"))))

    def told(self, field: str) -> tuple[Source, ...]:
        """Return where ``field`` of the answer comes from; nothing where it is absent."""
        return (self.inspection.source(field),) if field in self.inspection.fields else ()

    def seen(self, name: bytes) -> Source:
        """Return the place of the member called ``name`` in the archive, or of the archive where there is none."""
        offset = self.survey.names.get(name)
        if offset is None:
            return Source(Witness.ARCHIVE, self.path)
        return Source(Witness.ARCHIVE, self.path, name.decode("utf-8", "surrogateescape"), None, offset)

    def differs(self, id_: str, field: str, detail: str, *places: Source) -> Finding:
        """Return the finding that the archive at ``places`` is not what ``field`` of the record says."""
        return Finding(id_, field, detail, (*self.told(field), *places))
