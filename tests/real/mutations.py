"""The real backup's account, to be mutated in memory and laid out on disk; and the verbs that mutate it."""

import os
import re
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import cache, cached_property
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, NamedTuple

from isal import isal_zlib
from writers.installatron import BLOCK, Entry, blocks, padded

from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.checks.checked_backup import Requirements
from backupmeta.checks.policy import DEFAULT, Policy, Verdict
from backupmeta.findings import Severity
from backupmeta.search import Search
from backupmeta.verification import RUN_HERE, Case, Item, Outcome, Run, outcomes_of, verify
from tests.hostile import header, stamped
from tests.invented import unprivileged
from tests.real.test_real_backup import OUT, Real

ARCHIVE: Final = "the archive"
HOME: Final = "the home"
SECOND: Final = "the second archive"
COPY: Final = "the copy of the archive"
ROOT: Final = "."
IMAGE: Final = "the image"

RECORD: Final = "APP-META.INI"
DUMP: Final = "APP-DATA.SQL"
VERSION: Final = "wp-includes/version.php"
CONFIG: Final = "wp-config.php"
PLUGINS: Final = "wp-content/plugins"
THEMES: Final = "wp-content/themes"
LEAF: Final = "wp-includes/post.php"
"""A file that no list and no rule names."""
SECOND_ID: Final = "7c0ffee4bk2realbackupzw12"

RUN: Final = 100
"""How many members are deflated together, once for all mutations."""

HOUR: Final = 3600
DAY: Final = 24 * HOUR
END: Final = bytes(2 * BLOCK)
_NEAR: Final = 8 * BLOCK


class Member(NamedTuple):
    """A member as it stands in the tar: its name, and its headers and content in whole blocks."""

    name: str
    raw: bytes

    @property
    def head(self) -> int:
        """Where its own header begins, behind a GNU long name."""
        return 0 if self.raw[156:157] != b"L" else BLOCK + len(padded(bytes(int(self.raw[124:135], 8))))

    @property
    def header(self) -> bytes:
        return self.raw[self.head : self.head + BLOCK]

    @property
    def content(self) -> bytes:
        start = self.head + BLOCK
        return self.raw[start : start + int(self.header[124:135], 8)]

    def holding(self, content: bytes) -> "Member":
        """Return the member with another ``content``, its header as it was but for the size."""
        head = bytearray(self.header)
        head[124:135] = b"%011o" % len(content)
        return Member(self.name, stamped(head) + padded(content))

    def called(self, name: str) -> "Member":
        """Return the member under another ``name``."""
        is_folder, mode, time = self.header[156:157] == b"5", int(self.header[100:107], 8), int(self.header[136:147], 8)
        entry = Entry(name.encode(), None if is_folder else self.content, time, mode)
        return Member(name, b"".join(blocks(entry)))


class Original(Real):
    """The real backup, with its parts in memory."""

    @cached_property
    def packed(self) -> bytes:
        content: bytes = self.archive.read_bytes()
        return content

    @cached_property
    def members(self) -> tuple[Member, ...]:
        tar = zlib.decompress(self.packed, 31)
        with tarfile.open(fileobj=BytesIO(tar)) as reference:
            found = [(one.name, one.offset) for one in reference]
        ends = [offset for _, offset in found[1:]] + [len(tar) - len(END)]
        assert tar.endswith(END)
        return tuple(Member(name, tar[start:end]) for (name, start), end in zip(found, ends, strict=True))

    @cached_property
    def runs(self) -> tuple[bytes, ...]:
        """What runs of `RUN` members deflate to."""
        starts = range(0, len(self.members), RUN)
        return tuple(
            deflated(b"".join([member.raw for member in self.members[start : start + RUN]])) for start in starts
        )

    @cached_property
    def copy(self) -> tempfile.TemporaryDirectory[str]:
        """A folder with a copy of the archive, to link to: a link would leave its trace at the evidence itself."""
        folder = tempfile.TemporaryDirectory()
        self._written(Path(folder.name) / "copy")
        return folder

    def _written(self, path: Path) -> None:
        path.write_bytes(self.packed)
        os.utime(path, (self.moment, self.moment))

    @property
    def moment(self) -> int:
        """The time of the backup, Unix seconds."""
        return int(self.truth["backup_time"])

    def reached(self, inflated: int) -> int:
        """Return how many bytes of the archive it takes to inflate so many bytes of the tar."""
        inflater, given, taken, step = zlib.decompressobj(31), 0, 0, 1 if inflated < _NEAR else 256
        while given < inflated:
            given += len(inflater.decompress(self.packed[taken : taken + step]))
            taken += step
        return taken

    def middle(self, part: int, parts: int) -> int:
        """Return where the middle of the longest member of a part of the archive lies, in bytes of the tar."""
        first, end = (len(self.members) * one // parts for one in (part, part + 1))
        longest = max(range(max(first, 2), end), key=lambda place: len(self.members[place].raw))
        return sum(len(member.raw) for member in self.members[:longest]) + len(self.members[longest].raw) // 2


@cache
def original() -> Original:
    return Original(OUT)


@dataclass
class Site:
    """The account, as it was until something was done to it; its files by their paths below the home."""

    real: Original = field(default_factory=original)
    members: list[Member] = field(init=False)
    end: bytes = END
    packed: bytes | None = None
    """The compressed bytes, where they are not what the members give."""
    archive: str = field(init=False)
    files: dict[str, bytes] = field(init=False)
    odd: dict[str, Callable[[Path], object]] = field(default_factory=dict)
    """What else to make, or to do to what is there, at a path."""
    home: str = field(init=False)
    now: int = field(init=False)
    written: int = field(init=False)
    """When the archive was written to last."""
    policy: Policy = DEFAULT
    limits: Limits = DEFAULT_LIMITS
    zone: tzinfo | None = None
    is_image: bool = False
    """Whether the home is looked for at the conventional place of an image."""
    is_guarded: bool = False
    """Whether it is looked at by somebody who may not read everything."""
    is_written: bool = False
    """Whether somebody goes on writing the archive while it is read."""

    def __post_init__(self) -> None:
        real = self.real
        self.members = list(real.members)
        self.archive = str(real.archive.relative_to(real.home))
        self.home = real.home.name
        self.files = {self.path_of(path): path.read_bytes() for path in (real.record, real.install_record)}
        self.written = real.moment
        self.now = real.moment + HOUR

    def path_of(self, path: Path) -> str:
        return str(path.relative_to(self.real.home))

    @property
    def record(self) -> str:
        return self.path_of(self.real.record)

    @property
    def install(self) -> str:
        return self.path_of(self.real.install_record)

    def place(self, name: str) -> int:
        """Return which member has this ``name``."""
        return next(index for index, one in enumerate(self.members) if one.name == name)

    def content(self, name: str) -> bytes:
        return self.members[self.place(name)].content

    def put(self, name: str, content: bytes) -> None:
        """Give a member another content."""
        place = self.place(name)
        self.members[place] = self.members[place].holding(content)

    def tar(self) -> bytes:
        return b"".join([member.raw for member in self.members]) + self.end

    def bytes_of_archive(self) -> bytes:
        """Return the archive: the original's own bytes as long as its tar is the same."""
        if self.packed is not None:
            return self.packed
        head, tail = self._same()
        if head == len(self.members) == len(self.real.members) and self.end == END:
            return self.real.packed
        first, last = head // RUN, -((tail - len(self.real.members)) // RUN)
        after = len(self.members) - max(0, len(self.real.members) - last * RUN)
        changed = b"".join([member.raw for member in self.members[first * RUN : after]])
        parts = [*self.real.runs[:first], deflated(changed), *self.real.runs[last:], deflated(self.end)]
        return gzip_stream(parts, self.tar())

    def _same(self) -> tuple[int, int]:
        """Return how many members are the original's, at the beginning and at the end."""
        now, then = self.members, self.real.members
        head = sum(1 for _ in takewhile(lambda one: one[0] is one[1], zip(now, then, strict=False)))
        tail = sum(1 for _ in takewhile(lambda one: one[0] is one[1], zip(now[:head:-1], then[:head:-1], strict=False)))
        return head, tail

    def name_at(self, moment: int) -> str:
        """Return the archive's name as the server would have given it at ``moment``."""
        offset = datetime.fromisoformat(f"{self.real.truth['name_time']}{self.real.truth['utc_offset']}").tzinfo
        time = f"{datetime.fromtimestamp(moment, offset):%Y-%m-%d_%H-%M-%S}"
        return re.sub(r"[0-9-]{10}_[0-9-]{8}(?=\.tar)", time, self.real.archive.name)

    # --- on disk ------------------------------------------------------------------------------------------------------

    def lay(self, folder: Path) -> Path:
        """Write the account below ``folder``, and return its home."""
        home = folder / "home" / self.home
        for path, content in self.files.items():
            _write(home / path, content)
        if self.archive:
            self._lay_archive(home / self.archive)
        for path, do in self.odd.items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            do(home / path)
        return home

    def _lay_archive(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = self.bytes_of_archive()
        is_as_it_was = content is self.real.packed and self.written == self.real.moment
        if is_as_it_was and not (self.is_guarded or self.is_written):
            os.link(Path(self.real.copy.name) / "copy", path)
            return
        path.write_bytes(content)
        os.utime(path, (self.written, self.written))

    def search(self, folder: Path) -> Search:
        if self.is_image:
            return Search(sysroot=str(folder), zone=self.zone, limits=self.limits)
        return Search((str(folder / "home"),), zone=self.zone, limits=self.limits)

    def verified(self, folder: Path) -> "Iterator[Told]":
        """Yield what verify tells of each target."""
        home = self.lay(folder)
        run = writing(home / self.archive) if self.is_written else RUN_HERE
        with unprivileged() if self.is_guarded else nullcontext():
            for one in verify(self.search(folder), self.policy, self.now, run):
                ids = {judged.finding.id: judged.severity for judged in one.judged}
                text = "\n".join(judged.finding.message for judged in one.judged)
                yield Told(self._target(one.server_path, folder), one.verdict, ids, text)

    def _target(self, path: str, folder: Path) -> str:
        if path == str(folder):
            return IMAGE
        target = os.path.relpath(path, "/home" if self.is_image else folder / "home")
        names = {f"{self.home}/{self.archive}": ARCHIVE, self.home: HOME, f"{self.home}/{self.second}": SECOND}
        return COPY if target == f"{self.home}/{self.copy}" else names.get(target, target)

    @property
    def copy(self) -> str:
        """The path of an archive of the same name in another folder."""
        return f"old_backups/{Path(self.archive).name}"

    @property
    def second(self) -> str:
        """The path of the second archive."""
        return f"application_backups/{self.name_at(self.real.moment + HOUR // 2)}"


class Told(NamedTuple):
    """What verify tells of one target: its verdict, the severities of what it found, and all that it says."""

    target: str
    verdict: Verdict
    ids: dict[str, Severity]
    text: str

    @property
    def wrong(self) -> set[str]:
        """The ids of errors and warnings."""
        return {id_ for id_, severity in self.ids.items() if severity is not Severity.NOTE}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def deflated(content: bytes) -> bytes:
    """Return ``content`` as deflated blocks that end with a byte; made as fast as can be."""
    deflater = isal_zlib.compressobj(0, wbits=-15)
    return bytes(deflater.compress(content) + deflater.flush(isal_zlib.Z_FULL_FLUSH))


def gzip_stream(blocks: Iterable[bytes], content: bytes) -> bytes:
    """Return one gzip stream of deflated ``blocks``, which inflate to ``content`` (RFC 1952)."""
    head, last = b"\x1f\x8b\x08".ljust(10, b"\0"), b"\x03\0"
    return b"".join([head, *blocks, last, struct.pack("<II", isal_zlib.crc32(content), len(content))])


def writing(archive: Path) -> Run:
    """Verify as ever, while somebody writes to the ``archive``."""

    def run(items: Iterable[Item]) -> Iterator[tuple[Item, list[Outcome]]]:
        for item in items:
            yield item, outcomes_of(item, lambda _: os.utime(archive)) if isinstance(item, Case) else []

    return run


@contextmanager
def laid() -> Iterator[Path]:
    """Give a folder that everybody may look into; it is deleted, whatever was forbidden in it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


# --- verbs ------------------------------------------------------------------------------------------------------------

Act = Callable[[Site], object]


def both(*acts: Act) -> Act:
    """Do several things that belong together."""

    def act(site: Site) -> None:
        for act in acts:
            act(site)

    return act


def asking(**requirements: Any) -> Act:
    """Ask for something in the policy's ``[require]``."""
    return lambda site: setattr(site, "policy", replace(site.policy, requirements=Requirements(**requirements)))


def version_floor(version: str) -> Act:
    return lambda site: setattr(
        site,
        "policy",
        replace(site.policy, requirements=replace(site.policy.requirements, versions={"wordpress": version})),
    )


def bounded(**limits: int) -> Act:
    return lambda site: setattr(site, "limits", Limits(**limits))


def looked_at(seconds: int) -> Act:
    """Judge at another moment, counted from the backup's."""
    return lambda site: setattr(site, "now", site.real.moment + seconds)


# the compressed bytes


def packed(change: Callable[[bytes], bytes]) -> Act:
    """Change the archive's compressed bytes."""
    return lambda site: setattr(site, "packed", change(site.bytes_of_archive()))


def cut_at(place: Callable[[Original], int]) -> Act:
    """Cut the archive off at a place; from its end where that is negative."""
    return lambda site: setattr(site, "packed", site.real.packed[: place(site.real)])


def flipped(place: int, bit: int = 0) -> Callable[[bytes], bytes]:
    """Flip a bit of the byte at ``place``; from the end where that is negative."""

    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        return bytes(changed)

    return change


# the tar


def tar(change: Callable[[bytes], bytes]) -> Act:
    """Change the tar's bytes, and compress them anew."""

    def act(site: Site) -> None:
        content = change(site.tar())
        site.packed = gzip_stream([deflated(content)], content)

    return act


def tar_cut(name: str, count: int) -> Act:
    """End the tar, without an end mark, so many bytes behind the beginning of a member."""

    def act(site: Site) -> None:
        place = site.place(name)
        site.end = site.members[place].raw[:count]
        del site.members[place:]

    return act


def ended(end: bytes) -> Act:
    """Let something else stand where the tar's end mark is."""
    return lambda site: setattr(site, "end", end)


def raw(name: str, change: Callable[[bytes], bytes]) -> Act:
    """Change a member's bytes, its header's among them; its checksum stays as it was."""

    def act(site: Site) -> None:
        place = site.place(name)
        site.members[place] = Member(name, change(site.members[place].raw))

    return act


def field_of(name: str, start: int, value: bytes) -> Act:
    """Change a field of a member's header, and its checksum with it."""

    def change(content: bytes) -> bytes:
        head = bytearray(content[:BLOCK])
        head[start : start + len(value)] = value
        return stamped(head) + content[BLOCK:]

    return raw(name, change)


def before(name: str, content: bytes) -> Act:
    """Let blocks stand before a member."""
    return raw(name, lambda member: content + member)


def without(*names: str) -> Act:
    """Leave members out, folders with all that is in them."""
    folders = tuple(f"{name}/" for name in names)

    def act(site: Site) -> None:
        kept = [member for member in site.members if member.name not in names and not member.name.startswith(folders)]
        assert len(kept) < len(site.members)
        site.members = kept

    return act


def adding(name: str | bytes, content: bytes = b"<?php\n", *, mode: int = 0o644, after: int | None = None) -> Act:
    """Add a file at the end; modified so many seconds ``after`` the backup, or never."""

    def act(site: Site) -> None:
        entry = Entry(os.fsencode(name), content, 0 if after is None else site.real.moment + after, mode)
        site.members.append(Member("added", b"".join(blocks(entry))))

    return act


def touched(site: Site) -> None:
    """Let all members have been modified when the backup was made: their files were copied without their times."""
    time = b"%011o" % site.real.moment
    for place, member in enumerate(site.members):
        header = stamped(bytearray(member.header[:136] + time + member.header[147:]))
        site.members[place] = Member(
            member.name, member.raw[: member.head] + header + member.raw[member.head + BLOCK :]
        )


def written(after: int) -> Act:
    """Write the archive so many seconds after the backup."""
    return lambda site: setattr(site, "written", site.real.moment + after)


def adding_special(name: str, kind: bytes, link: str = "") -> Act:
    """Add something that is no file, at the end."""
    return lambda site: site.members.append(Member("added", header(name.encode(), kind=kind, link=link.encode())))


def renamed(change: Callable[[str], str]) -> Act:
    """Rename members."""

    def act(site: Site) -> None:
        renamed = [(member, change(member.name)) for member in site.members]
        site.members = [one if one.name == name else one.called(name) for one, name in renamed]

    return act


def moved(name: str, place: int) -> Act:
    """Let a member stand at another place."""
    return lambda site: site.members.insert(place, site.members.pop(site.place(name)))


def edited(name: str, pattern: str, new: str = "", *, every: bool = False) -> Act:
    """Replace what matches ``pattern`` in a member's content: where it does first, or everywhere."""

    def act(site: Site) -> None:
        changed, count = re.subn(pattern.encode(), new.encode(), site.content(name), count=0 if every else 1)
        assert count
        site.put(name, changed)

    return act


# the records


def line(key: str, value: str | bytes | None) -> Callable[[bytes], bytes]:
    """Return what gives a record's ``key`` another ``value``, adds its line, or with None takes it out."""
    found = re.compile(rf"^{key}=.*\n?".encode(), re.MULTILINE)
    text = value.encode() if isinstance(value, str) else value

    def change(record: bytes) -> bytes:
        if text is None:
            return found.sub(b"", record)
        plain = b"%s=%s" % (key.encode(), text)
        if not found.search(record):
            return b"%s\n%s" % (record, plain)
        return found.sub(lambda _: plain + b"\n", record).rstrip(b"\n")

    return change


def on_disk(change: Callable[[bytes], bytes]) -> Act:
    """Change the backup's record in the account alone."""
    return lambda site: site.files.update({site.record: change(site.files[site.record])})


def embedded(change: Callable[[bytes], bytes]) -> Act:
    """Change the archive's own record alone."""
    return lambda site: site.put(RECORD, change(site.content(RECORD)))


def records(change: Callable[[bytes], bytes]) -> Act:
    """Change both records of the backup alike."""
    return both(on_disk(change), embedded(change))


def replaced(pattern: str, new: str) -> Act:
    """Replace what matches ``pattern`` in both records."""
    return records(lambda old: re.sub(pattern.encode(), new.encode(), old))


def lines(**values: str | bytes | None) -> Act:
    """Give keys other values in both records; ``_`` in a key stands for ``-``."""
    return both(*(records(line(key.replace("_", "-"), value)) for key, value in values.items()))


def installed(**values: str) -> Act:
    """Give keys of the install's record other values."""
    changes = [line(key.replace("_", "-"), value) for key, value in values.items()]

    def act(site: Site) -> None:
        for change in changes:
            site.files[site.install] = change(site.files[site.install])

    return act


def dated(seconds: int) -> Act:
    """Let the backup be made so many seconds later, by its records and its name alike; the install with it."""

    def act(site: Site) -> None:
        moment = site.real.moment + seconds
        site.archive = f"application_backups/{site.name_at(moment)}"
        lines(backup_time=str(moment), time=str(moment - DAY), backup_filename=site.name_at(moment))(site)
        installed(time=str(moment - DAY))(site)

    return act


def shifted(seconds: int) -> Act:
    """Let the records say that the backup was made so many seconds later; its name stays."""
    return lambda site: lines(backup_time=str(site.real.moment + seconds))(site)


# the account


def gone(path: Callable[[Site], str]) -> Act:
    """Delete a record."""
    return lambda site: site.files.pop(path(site))


def no_archive(site: Site) -> None:
    site.archive = ""


def named(change: Callable[[str], str]) -> Act:
    """Rename the archive."""
    return lambda site: setattr(site, "archive", f"application_backups/{change(site.real.archive.name)}")


def beside(path: str, content: bytes) -> Act:
    """Put a file into the home."""
    return lambda site: site.files.update({path: content})


def copied(path: Callable[[Site], str]) -> Act:
    """Put another copy of the archive into the home."""
    return lambda site: site.files.update({path(site): site.bytes_of_archive()})


def second(site: Site) -> None:
    """Make another backup of the install, half an hour later."""
    later = Site(site.real)
    moment = site.real.moment + HOUR // 2
    lines(backup_time=str(moment), backup_filename=site.name_at(moment))(later)
    site.files[f".appdata/backups/{SECOND_ID}"] = later.files[later.record]
    site.files[site.second] = later.bytes_of_archive()


def swapped(site: Site) -> None:
    """Swap the names of the two backups' archives."""
    site.packed, site.files[site.second] = site.files[site.second], site.bytes_of_archive()


def making(path: str, do: Callable[[Path], object]) -> Act:
    """Make something odd at a path below the home."""
    return lambda site: site.odd.update({path: do})


def forbidden(path: Callable[[Site], str]) -> Act:
    """Let nobody read what is at a path below the home."""

    def act(site: Site) -> None:
        site.is_guarded = True
        site.odd[path(site)] = lambda place: place.chmod(0)

    return act


def attributes(**values: Any) -> Act:
    """Set how the account is laid out and looked at: attributes of `Site`."""

    def act(site: Site) -> None:
        for name, value in values.items():
            assert hasattr(site, name)
            setattr(site, name, value)

    return act


def verify_mutated(acts: Sequence[Act]) -> list[Told]:
    """Return what verify tells of the account once all ``acts`` are done to it."""
    site = Site()
    for act in acts:
        act(site)
    with laid() as folder:
        return list(site.verified(folder))
