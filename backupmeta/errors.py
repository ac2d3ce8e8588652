"""What can go wrong, as one tree.

::

    BackupMetaError
    ├── FileError            a file or folder can't be used as it should be
    │   ├── EvidenceError        one of evidence can't be used at all
    │   │   ├── UnreadableError      the system refuses: missing, no permission, an I/O error
    │   │   ├── NotRegularError      a FIFO, a device, a socket, a link or a folder where a file was asked for
    │   │   ├── NotAnArchiveError    the bytes are something else
    │   │   ├── DamagedError         cut off or corrupt before what was asked for
    │   │   ├── LimitExceededError   larger than a bound of `Limits`
    │   │   ├── NoRecordError        an archive without ``APP-META.INI``
    │   │   └── NoMemberError        an archive without the member that was asked for
    │   └── WrittenFileError     one of ours
    │       ├── CatalogError         a file is no catalog, or can't be used as one
    │       │   └── DamagedCatalogError  a catalog whose structure can't be relied upon
    │       ├── OutputError          a file can't be written, or must not be
    │       └── TemporaryFileError   a temporary file can't be written, or read again
    ├── PolicyError          a policy, or an option that changes it, can't be followed
    └── AnswerError          the server's own negative answers: a status and an ``errcode``

Every error carries its attributes; its sentence is made from them. No error ever holds a value of a record.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Final, NamedTuple

from backupmeta.escapes import printable
from backupmeta.secrets import mask_text


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the advice for a ``name`` that is none of the ``known`` ones: the nearest right one.

    Where none is near it is ``otherwise``, or all that are known.
    """
    known = list(known)
    near = nearest(name, known)
    return otherwise or f"there are {', '.join(known)}" if near is None else f"did you mean {near!r}?"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return which of the ``known`` names is most like this one, in whatever case; None where none is near."""
    import difflib

    spellings = {spelling.casefold(): spelling for spelling in known}
    near = difflib.get_close_matches(name.casefold(), spellings, 1)
    return spellings[near[0]] if near else None


def _shown(text: str) -> str:
    """Return a name or sentence as it may be shown: secrets in it masked, control characters escaped."""
    return printable(mask_text(text))


class BackupMetaError(Exception):
    """Any error that this package raises on purpose. It can be pickled: workers send what they can't do."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
        return _as_it_was, (type(self), *self.args), self.__dict__


def _as_it_was(kind: type[BackupMetaError], *args: object) -> BackupMetaError:
    """Return an error with its own ``args``, which need not be those that it is made with."""
    return kind.__new__(kind, *args)


class FileError(BackupMetaError):
    """A file or folder that can't be used as it should be.

    Attributes:
        path: the file or folder, as it was named.
        reason: what is wrong with it, a phrase.
        advice: what to do next, a sentence; may be empty.
    """

    default_advice: ClassVar[str] = ""

    def __init__(self, path: str, reason: str, advice: str | None = None) -> None:
        """Remember what is wrong with ``path``; ``advice`` replaces the class's own."""
        super().__init__(path, reason)
        self.path = path
        self.reason = reason
        self.advice: str = self.default_advice if advice is None else advice

    @property
    def particulars(self) -> str:
        """The reason, with the advice where it is another one than the class gives: what a finding tells."""
        return self.reason if self.advice in {"", self.default_advice} else f"{self.reason}; {self.advice}"

    def __str__(self) -> str:
        sentence = f"{_shown(self.path)}: {_shown(self.reason)}"
        return f"{sentence}; {_shown(self.advice)}" if self.advice else sentence


class EvidenceError(FileError):
    """A file or folder of evidence that can't be used at all."""


class UnreadableError(EvidenceError):
    """The system refuses to open or read: missing, no permission, an I/O error."""


@contextmanager
def told_of(path: str) -> Iterator[None]:
    """Raise `UnreadableError` about ``path`` where what lies there takes too much memory, or nests too deep."""
    try:
        yield
    except (MemoryError, RecursionError) as error:
        raise UnreadableError(path, TOO_LARGE) from error


TOO_LARGE: Final = "it asks for more memory than there is"


class NotRegularError(EvidenceError):
    """Something that is no regular file; it is never opened, so that nothing hangs."""

    default_advice = "only regular files are read"


class NotAnArchiveError(EvidenceError):
    """The bytes are no archive that backupmeta reads."""

    default_advice = "give a tar archive (.tar, .tar.gz, .tar.zst, .tar.bz2, .tar.xz)"


class DamagedError(EvidenceError):
    """Cut off or corrupt before what was asked for.

    Attributes:
        offset: where reading stopped, in bytes of the file.
        verdict: ``truncated`` where it is cut off, else ``damaged``.
    """

    default_advice = "fetch the archive again, or compare its digest with the original's"

    def __init__(self, path: str, reason: str, offset: int, verdict: str) -> None:
        """Remember where reading ``path`` stopped."""
        super().__init__(path, f"{reason} at byte {offset}")
        self.offset = offset
        self.verdict = verdict


class LimitExceededError(EvidenceError):
    """Larger than a bound of `backupmeta.archive.limits.Limits`; refused before memory was taken.

    Attributes:
        limit: the bound's name in ``Limits``; of a policy's file, ``policy_bytes``.
        bound: its value.
        actual: what the file asked for, or None where it was not counted to its end.
    """

    def __init__(self, path: str, limit: str, bound: int, actual: int | None = None) -> None:
        """Remember which bound ``path`` exceeds."""
        asked = "more" if actual is None else f"{actual:,}"
        super().__init__(path, f"over the limit {limit}: {asked} of at most {bound:,}")
        self.limit = limit
        self.bound = bound
        self.actual = actual


class NoRecordError(EvidenceError):
    """An archive without an embedded record."""

    default_advice = "is it a backup made by Installatron? 'backupmeta members' lists what is in it"


class NoMemberError(EvidenceError):
    """An archive without the member that was asked for.

    Attributes:
        member: the name that was asked for.
    """

    default_advice = "'backupmeta members' lists what is in it"

    def __init__(
        self, path: str, member: str, reason: str = "is not in the archive", advice: str | None = None
    ) -> None:
        """Remember which ``member`` of ``path`` can't be given, and why; ``advice`` replaces the class's own."""
        super().__init__(path, f"{_shown(member)} {reason}", advice)
        self.member = member


class WrittenFileError(FileError):
    """A file of ours that can't be used as it should be."""


class CatalogError(WrittenFileError):
    """A file that is no catalog, or can't be used as one now."""


class DamagedCatalogError(CatalogError):
    """A catalog whose structure can't be relied upon: pages, rows, indices and views do not fit together."""

    default_advice = "'backupmeta scan ROOT -o CATALOG' makes it anew; or restore it from a copy"


class OutputError(WrittenFileError):
    """A file that can't be written, or must not be."""


class TemporaryFileError(WrittenFileError):
    """A temporary file that can't be written, or read again."""


class Mistake(NamedTuple):
    """One thing that is wrong with a policy.

    Attributes:
        place: the key, such as ``require.maximum-age-days``, or the option; empty for the file as a whole.
        reason: what is wrong there, a phrase.
        advice: what to do about it, a phrase; may be empty.
    """

    place: str
    reason: str
    advice: str = ""


class PolicyError(BackupMetaError):
    """A policy, or an option that changes it, which can't be followed. Its text has a line for each mistake.

    Attributes:
        path: the policy's file; empty for options.
        mistakes: all that is wrong with it.
    """

    def __init__(self, path: str, mistakes: tuple[Mistake, ...]) -> None:
        """Remember what is wrong with the policy at ``path``."""
        super().__init__(path, mistakes)
        self.path = path
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(_shown(self._sentence(mistake)) for mistake in self.mistakes)

    def _sentence(self, mistake: Mistake) -> str:
        place = (part for part in (self.path, mistake.place, mistake.reason) if part)
        return ": ".join(place) + (f"; {mistake.advice}" if mistake.advice else "")


class AnswerError(BackupMetaError):
    """A negative answer, as the server gives it.

    Attributes:
        status: the HTTP status code.
        errcode: the server's name of the error (view-backup page, "errcode").
        message: a sentence for people.
    """

    def __init__(self, status: int, errcode: str, message: str) -> None:
        """Remember the answer."""
        super().__init__(status, errcode)
        self.status = status
        self.errcode = errcode
        self.message = message

    def __str__(self) -> str:
        return f"{self.status} {self.errcode}: {mask_text(self.message)}"


# --- what the server says (fixtures/api/view-backup.txt, "Response") --------------------------------------------------

SUCCESS: Final = "The task is complete.\n"
"""The server's message for success, line end and all."""

PAGE: Final = 50
"""How many entries a list has at the most, where no limit is asked for."""


def backup_not_found(reason: str) -> AnswerError:
    """Return the answer for a backup that there isn't, or whose archive is not in its location."""
    return AnswerError(404, "backup_not_found", f"The backup archive is not found in its backup location: {reason}.")


def install_not_found(reason: str) -> AnswerError:
    """Return the answer for an install that there isn't."""
    return AnswerError(404, "install_not_found", f"The install is not found: {reason}.")


def user_not_found(user: str) -> AnswerError:
    """Return the answer for a user of whom nothing is known."""
    return AnswerError(404, "user_not_found", f"The user {user!r} could not be found in any account.")


def user_not_authorized(user: str) -> AnswerError:
    """Return the answer for a user who isn't the owner."""
    return AnswerError(403, "invalid_argument_user", f"The user {user!r} is not authorized to access this data.")
