"""What a TARGET means: an archive, a record file, an id, an archive's name, a path as the server saw it; `view`.

Each command that takes one asks here: for what is known of it, for its files, or for the homes that it lies in.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from errno import ENAMETOOLONG
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from backupmeta import rules
from backupmeta.account import places
from backupmeta.account.home import Home, Pair, State, is_id
from backupmeta.account.layout import account_name
from backupmeta.account.roots import named
from backupmeta.advice import absent, near, offered, spelled
from backupmeta.backup import resolve
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.witnesses import Witnesses
from backupmeta.errors import (
    SUCCESS,
    AnswerError,
    EvidenceError,
    NoRecordError,
    NotRegularError,
    UnreadableError,
    backup_not_found,
    install_not_found,
    user_not_authorized,
    user_not_found,
)
from backupmeta.escapes import printable
from backupmeta.evidence import Place, is_folder, open_named, status_of
from backupmeta.findings import Finding
from backupmeta.library import embedded_install, inspect_archive, inspect_install, inspect_with_file
from backupmeta.provenance import Source, Witness, on_disk
from backupmeta.record.grammar import Document, document
from backupmeta.search import EVERYWHERE, Search
from backupmeta.secrets import opened
from backupmeta.words import counted, few

if TYPE_CHECKING:
    from backupmeta.api.models import Backup, Install, Response

_NAMED: Final = 10
"""How many of several matches are named."""
_LOOK_ELSEWHERE: Final = "look elsewhere for what its record names ('backupmeta view --allow-missing' shows it)"
_CHOOSE: Final = "name one of them by its path, or its account by --root"
_NOT_FOUND: Final = frozenset({"backup_not_found", "install_not_found", "user_not_found"})


def view(
    target: str, search: Search = EVERYWHERE, *, user: str | None = None, allow_missing: bool = False
) -> "Response[Backup]":
    """Return the server's answer to ``GET /backups/{id}``.

    Args:
        target: an archive, a record file, a backup id, or an archive's name.
        search: where to look for it, unless it is a file.
        user: answer only if this is the backup's owner.
        allow_missing: answer from the record even if its local archive is missing.

    Raises:
        AnswerError: the answer is negative: ``backup_not_found``, ``user_not_found``, ``invalid_argument_user``.
        EvidenceError: ``target`` is a file that can't be read, or a root is.
    """
    from backupmeta.api.models import Backup, Response

    inspection = find_backup(target, search, user=user, allow_missing=allow_missing)
    data = Backup.model_validate(inspection.wire(show_secrets=True))
    return Response[Backup](result=True, status=200, message=SUCCESS, data=data)


def view_install(target: str, search: Search = EVERYWHERE, *, user: str | None = None) -> "Response[Install]":
    """Return the server's answer to ``GET /installs/{id}``; ``target`` is an install's id or its record file.

    Raises:
        AnswerError: the answer is negative: ``install_not_found``, ``user_not_found``, ``invalid_argument_user``.
        EvidenceError: ``target`` is a file that can't be read, or a root is.
    """
    from backupmeta.api.models import Install, Response

    data = Install.model_validate(find_install(target, search, user=user).wire(show_secrets=True))
    return Response[Install](result=True, status=200, message=SUCCESS, data=data)


def find_subject(
    target: str,
    search: Search = EVERYWHERE,
    *,
    user: str | None = None,
    allow_missing: bool = False,
    findings: list[Finding] | None = None,
) -> Inspection:
    """Return what is known of one backup, or of the install whose id ``target`` is. As `find_backup` otherwise."""
    matches = Matches(user, [] if findings is None else findings)
    called = partial(subject_named, target, search, matches, allow_missing=allow_missing)
    return chosen(target, search, partial(_at_path, search, user), called)


def find_backup(
    target: str,
    search: Search = EVERYWHERE,
    *,
    user: str | None = None,
    allow_missing: bool = False,
    findings: list[Finding] | None = None,
) -> Inspection:
    """Return what is known of one backup: `view` before it becomes the server's answer. Raises as `view`.

    What was odd on the way to it is appended to ``findings``.
    """
    matches = Matches(user, [] if findings is None else findings)
    called = partial(_backup_named, target, search, matches, allow_missing=allow_missing)
    return chosen(target, search, partial(_at_path, search, user), called)


def _at_path(search: Search, user: str | None, path: str, witness: Witness | None = None) -> Inspection:
    """Return what is known of the file at ``path``: of a record of this ``witness``, or of a record or an archive."""
    is_record = witness is not None or places.is_record_file(path)
    inspection = _record_at(path, search, witness) if is_record else inspect_archive(path, search)
    check_owner(inspection, path, user, search)
    return inspection


def subject_named(target: str, search: Search, matches: "Matches", *, allow_missing: bool) -> Inspection:
    """Return what is known of the backup or, where none answers, of the install that is called ``target``.

    As `find_subject` otherwise.
    """
    try:
        return _backup_named(target, search, matches, allow_missing=allow_missing)
    except AnswerError:
        with suppress(AnswerError):
            return _install_named(target, search, Matches(matches.user, []))
        raise


def _backup_named(target: str, search: Search, matches: "Matches", *, allow_missing: bool) -> Inspection:
    """Return what is known of the backup with this id or archive's name. As `find_backup` otherwise."""
    for home in search.homes(matches.findings):
        pairs = _pairs_named(home, target)
        matches.take(home, (inspect_with_file(home, pair, search) for pair in pairs))
    inspection = matches.only(backup_not_found, target, search)
    if inspection.state is State.MISSING and not allow_missing:
        raise backup_not_found(f"{inspection.text('backup_filename')!r} is missing, its record is there")
    return inspection


def find_install(
    target: str, search: Search = EVERYWHERE, *, user: str | None = None, findings: list[Finding] | None = None
) -> Inspection:
    """Return what is known of one install: `view_install` before it becomes the server's answer. Raises as that.

    What was odd on the way to it is appended to ``findings``.
    """
    matches = Matches(user, [] if findings is None else findings)
    at_path = partial(_at_path, search, user, witness=Witness.INSTALL_RECORD)
    return chosen(target, search, at_path, partial(_install_named, target, search, matches))


def _install_named(target: str, search: Search, matches: "Matches") -> Inspection:
    """Return what is known of the install with this id. As `find_install` otherwise."""
    for home in search.homes(matches.findings):
        matches.take(home, [inspect_install(home, target)] if target in home.installs else [])
    return matches.only(install_not_found, target, search)


def _pairs_named(home: Home, target: str) -> Iterator[Pair]:
    """Yield the backups that a name or id means, those with a record first.

    An archive without a record has its install's id.
    """
    for pair in sorted(home.pairs(), key=lambda pair: pair.record is None):
        names = {pair.id, pair.archive and pair.archive.name, pair.record and pair.record.opened("backup-filename")}
        if target in names or (pair.id is None and is_id(target) and embedded_install(home, pair) == target):
            yield pair


def _record_at(path: str, search: Search, witness: Witness | None = None) -> Inspection:
    """Return what is known of the backup or install whose record is the file ``path``."""
    path = os.path.abspath(path)
    name, folder = os.path.basename(path), os.path.basename(os.path.dirname(path))
    with open_named(path) as file:
        content = file.read_whole("record_bytes", search.limits.record_bytes)
    seen_at = named(path, search.sysroot).seen_at
    record = document(Source(Witness.BACKUP_RECORD, seen_at), content, search.limits)
    has_backup = any(key.startswith("backup-") for key in record.record.opened)
    if witness is Witness.INSTALL_RECORD or folder == "current" or not has_backup:
        record = record._replace(source=Source(Witness.INSTALL_RECORD, seen_at))
    if not record.record.opened:
        raise NoRecordError(path, "empty" if not content else "no line of it is key=value", "is it a record?")
    id_ = name if is_id(name) else None
    with places.home_above(os.path.dirname(path), search.limits, search.sysroot) as home:
        inspection = _inspect_record(home, id_, record, path, search)
        inspection.findings.extend(odd for odd in home.findings if odd.rule is rules.HOME_PASSED_OVER)
        return inspection


def _inspect_record(home: Home, id_: str | None, record: Document, file: str, search: Search) -> Inspection:
    """Return what is known from the ``record`` in a ``file``: with its home, where it has one, else alone."""
    if record.source.witness is Witness.INSTALL_RECORD:
        where = home.folder.server_path if home.has_records else None
        installed = resolve.install(id_ or "", record, where, home.as_server, home.surroundings.backups_of(id_ or ""))
        installed.account, installed.path = where or "", file
        return installed
    for pair in home.pairs():
        if pair.record is not None and pair.record.source.path == record.source.path:
            return inspect_with_file(home, pair, search)
    witnesses = Witnesses(id_, record, None, None, None, None, None, None, search.zone)
    alone = resolve.backup(witnesses, State.MISSING)
    alone.path = file
    return alone


# --- its files, and the homes that they lie in ------------------------------------------------------------------------


class Files(NamedTuple):
    """The files of one backup or install.

    Attributes:
        file: the path on this machine of what is named itself: a record, or an archive.
        archive: where its archive lies; None where it is not here.
    """

    file: str
    archive: Place | None


class Answering(NamedTuple):
    """What answers to a target in an account.

    Attributes:
        home: the account, open until the next one.
        pairs: the backups that are called so.
        of_install: the other backups of the install that is called so.
    """

    home: Home
    pairs: list[Pair]
    of_install: list[Pair]

    def files(self, target: str) -> Iterator[Files]:
        """Yield the files of each that is called ``target``."""
        for pair in self.pairs:
            archive = None if pair.archive is None else pair.archive.place
            if pair.record is not None and (archive is None or target == pair.id):
                yield Files(self.home.file_at(pair.record.source.path), archive)
            elif archive is not None:
                yield Files(archive.path, archive)
        if not self.pairs:
            installed = self.home.installs.get(target)
            yield Files("" if installed is None else self.home.file_at(installed.source.path), None)


def _answering_to(target: str, path: str | None, search: Search, findings: list[Finding]) -> Iterator[Answering]:
    """Yield what answers to ``target``: to the record at ``path``, to an id, to a name; nothing to an archive there."""
    if path is None or is_id(target):
        yield from _called(target, search, findings)
    elif places.is_record_file(path):
        yield from _of_record(path, search)


def _called(target: str, search: Search, findings: list[Finding]) -> Iterator[Answering]:
    """Yield what is called ``target``, account by account; append what could not be read."""
    for home in search.homes(findings):
        answering = Answering(home, list(_pairs_named(home, target)), _of_install(home, target))
        if answering.pairs or answering.of_install or target in home.installs:
            yield answering
        findings.extend(home.findings)


def _of_install(home: Home, id_: str) -> list[Pair]:
    """Return the backups of an install that a record speaks for."""
    claiming = {backup for backup, record in home.backups.items() if record.opened("backup-install") == id_}
    return [pair for pair in home.pairs() if pair.id in claiming] if claiming else []


def _of_record(path: str, search: Search) -> Iterator[Answering]:
    """Yield the backup or the install whose record is the file at ``path``."""
    seen_at, id_ = named(path, search.sysroot).seen_at, os.path.basename(path)
    with places.home_above(os.path.dirname(path), search.limits, search.sysroot) as home:
        if id_ in home.backups and home.backups[id_].source.path == seen_at:
            yield Answering(home, [pair for pair in home.pairs() if pair.id == id_], [])
        elif id_ in home.installs and home.installs[id_].source.path == seen_at:
            yield Answering(home, [], _of_install(home, id_))


def file_of(target: str, search: Search = EVERYWHERE) -> str:
    """Return the path on this machine of what ``target`` names: an archive, or a record. Raises `EvidenceError`."""
    path = file_named(target, search)
    return path if path is not None and not is_id(target) else _files(target, path, search).file


def archive_of(target: str, search: Search = EVERYWHERE, advice: str = "name a backup that has") -> Place:
    """Return where the archive lies that ``target`` means. Raises `EvidenceError`, with ``advice`` for one without."""
    files = _files(target, file_named(target, search), search)
    if files.archive is None:
        raise UnreadableError(target, "has no archive here", advice)
    return files.archive


def _files(target: str, path: str | None, search: Search) -> Files:
    """Return the files of what ``target`` means, which may be a file at ``path``. Raises `UnreadableError`."""
    findings = list[Finding]()
    answering = _answering_to(target, path, search, findings)
    files = list(dict.fromkeys(chain.from_iterable(each.files(target) for each in answering)))
    if len(files) > 1:
        names = few([each.file for each in files], _NAMED)
        several = counted(len(files), "file")
        raise UnreadableError(target, f"{several} answer to this name: {names}", _CHOOSE)
    if files:
        return files[0]
    if path is not None:
        folder, name = os.path.split(path)
        return Files(path, Place(folder, None, name, is_named=True))
    raise _nothing(target, search, findings)


def homes_of(target: str, search: Search, findings: list[Finding]) -> Iterator[Home]:
    """Yield the homes that ``target`` means, or that it lies in, each of them asking for that alone.

    It is a folder, or what `archive_of` takes; an install stands for all its backups. What was odd on the way is
    appended to ``findings``. Raises `EvidenceError`.
    """
    is_below = target != "" and is_folder(named(target, search.sysroot).name)
    path, odd = None if is_below else file_named(target, search), list[Finding]()
    has_answer = has_archive = False
    for home, pairs, of_install in () if is_below else _answering_to(target, path, search, odd):
        has_answer = True
        archives = frozenset(pair.archive for pair in (*pairs, *of_install) if pair.archive is not None)
        if archives:
            has_archive, home.wanted = True, archives
            yield home
    if has_answer and not has_archive:
        raise UnreadableError(target, "has no archive here", _LOOK_ELSEWHERE)
    if is_below or (path is not None and not has_archive):
        yield from replace(search, roots=(target,)).homes(findings)
    elif not has_archive:
        raise _nothing(target, search, odd)


def homes_around(target: str, search: Search, findings: list[Finding]) -> Iterator[Home]:
    """Yield the homes that ``target`` may belong to, each open until the next one; append what was odd.

    Of a file that is first the home it lies in, or else its folder; and others only where roots are named.
    """
    if (path := file_named(target, search)) is not None:
        with places.home_above(os.path.dirname(path), search.limits, search.sysroot) as home:
            above = named(home.folder.path, search.sysroot)._replace(depth=0)
        yield from places.homes([above], search.limits, findings)
        if not search.roots and search.sysroot is None:
            return
    yield from search.homes(findings)


def _nothing(target: str, search: Search, findings: Iterable[Finding]) -> UnreadableError:
    """Return the error that no archive here is called ``target``; with what could not be read, which may be it."""
    advice = _meant(target, search) or absent(target) or f"{_TARGETS}; {_WHERE}"
    error = UnreadableError(target, "no such file, and no archive here is called so", advice)
    for finding in dict.fromkeys(findings):
        if finding.is_unread:
            error.add_note(finding.message)
    return error


def _meant(target: str, search: Search) -> str:
    """Return what may be meant where nothing is called ``target``: by its spelling, or by the names that are near."""
    names = (name for home in search.homes([]) for name in chain(home.backups, home.installs, home.archives))
    with suppress(EvidenceError):  # it is told by who looked for it
        return spelled(target) or offered(near(target, names))
    return ""


_TARGETS: Final = "give an archive, a record file, an id, or an archive's name"
_WHERE: Final = "--root or --sysroot say where it is"


# --- a file, or a name ------------------------------------------------------------------------------------------------


def file_named(target: str, search: Search) -> str | None:
    """Return the path on this machine of the file that ``target`` names; None where it can only be a name.

    Raises `EvidenceError` for a folder, and for a path that leads nowhere.
    """
    path = named(target, search.sysroot).name if target else ""
    return path if _is_path(path, target) else None


def chosen(
    target: str, search: Search, at_path: Callable[[str], Inspection], called: Callable[[], Inspection]
) -> Inspection:
    """Return what ``target`` means: a file, or what has this id or name.

    Where both is possible, as anybody may have put a file of this name there, an id is an id, and a finding says so.
    """
    if (path := file_named(target, search)) is None:
        return called()
    if not is_id(target):
        return at_path(path)
    try:
        inspection = called()
    except AnswerError as error:
        if error.errcode not in _NOT_FOUND:
            raise
        inspection = at_path(path)
        inspection.findings.append(_like_id(target))
        return inspection
    if not _is_read_from(inspection, target):
        inspection.findings.append(_like_id(target))
    return inspection


def _is_read_from(inspection: Inspection, file: str) -> bool:
    """Return whether a ``file`` is one of those that an ``inspection`` comes from. Raises `UnreadableError`."""
    paths, status = (
        {inspection.server_path, *(inspection.source(name).path for name in inspection.fields)},
        status_of(file),
    )
    theirs = (status_of(path) for path in paths)
    return status is not None and any(other is not None and os.path.samestat(other, status) for other in theirs)


def _like_id(target: str) -> Finding:
    return Finding(rules.FILE_NAMED_LIKE_ID, target, "", on_disk(os.path.abspath(target)))


def _is_path(path: str, target: str) -> bool:
    """Return whether there is a file at ``path``; raise for a folder, and where ``target`` leads nowhere."""
    try:
        os.lstat(path)  # not as `os.path.lexists`, for which an error is nothing
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass  # a name that no system has is a `ValueError`
    except OSError as error:
        if error.errno != ENAMETOOLONG:
            raise UnreadableError(target, (error.strerror or "can't be read").lower()) from error
    else:
        if os.path.isdir(path):
            raise NotRegularError(target, "is a folder", f"'backupmeta list {printable(target)}' lists what is in it")
        return True
    if os.sep in target or not target:
        raise UnreadableError(target, "no such file", absent(target) or _TARGETS)
    return False


@dataclass
class Matches:
    """What answers to a target, in the order in which it is read.

    An account can write any owner into its records. So for a user nothing answers from the home of another account; and
    where a home has the user's name, nothing but that does. Homes on Plesk have the names of domains.
    """

    user: str | None
    findings: list[Finding]
    answering: list[Inspection] = field(default_factory=list)
    in_own_home: list[Inspection] = field(default_factory=list)
    in_any_home: list[Inspection] = field(default_factory=list)
    users: set[str] = field(default_factory=set)
    homes: set[str] = field(default_factory=set)
    home_of: dict[int, str] = field(default_factory=dict)

    def take(self, home: Home, inspections: Iterable[Inspection]) -> None:
        """Take what answers in a ``home``."""
        if self.user:
            self.users |= home.users
            self.homes.add(places.account_of(home.folder))
        answering = list(inspections)
        for inspection in answering:  # what is not read of its own home may say otherwise
            inspection.findings.extend(odd for odd in home.findings if odd.is_unread)
            self.home_of[id(inspection)] = home.folder.path
        self.answering.extend(answering)
        is_own = places.belongs(home, self.user or "")
        if is_own:
            self.in_own_home.extend(answering)
        elif is_own is None:
            self.in_any_home.extend(answering)
        self.findings.extend(home.findings)

    def only(self, nothing: Callable[[str], AnswerError], target: str, search: Search) -> Inspection:
        """Return the first match that the user owns, or raise: nobody of that name, ``nothing``, not the owner's.

        That ``nothing`` is called ``target`` in a ``search``, with what may be meant.
        """
        owners = {opened(match.text("user")) for match in self.answering}
        if self.user and self.user not in self.users | owners:
            raise user_not_found(self.user)
        if not self.answering:
            error = nothing(f"nothing here is called {target!r}")
            if meant := _meant(target, search if self.user is None else replace(search, user=self.user)):
                error.add_note(meant)
            raise error
        there = self.in_own_home if self.user in self.homes else self.in_any_home
        own = [match for match in there if opened(match.text("user")) == self.user] if self.user else self.answering
        if not own:
            raise user_not_authorized(self.user or "")
        if len(own) > 1:
            evidence = tuple(Source(Witness.FILE_SYSTEM, match.server_path) for match in own)
            is_of_one = len({self.home_of[id(match)] for match in own}) == 1
            detail = few([match.server_path for match in own], _NAMED)
            rule = rules.SEVERAL_MATCHES if is_of_one else rules.SEVERAL_ACCOUNTS
            own[0].findings.append(Finding(rule, "", detail, evidence))
        return own[0]


def check_owner(inspection: Inspection, path: str, user: str | None, search: Search) -> None:
    """Raise the server's answer where ``user`` is nobody here, or does not own what lies at ``path``."""
    home = places.folder_of_home(os.path.dirname(os.path.abspath(path)))
    owner = opened(inspection.text("user"))
    if user is None or (user == owner and account_name(home or "") in {None, user}):
        return
    known = {owner, *([] if home is None else [os.path.basename(home)])}
    if user not in known.union(*(home.users for home in search.homes([]))):
        raise user_not_found(user)
    raise user_not_authorized(user)
