"""Small archives, one or more for each kind of header, content and place that a reader may get wrong; for tests.

All are made of one invented backup, `BACKUP`, of which verifying finds nothing wrong.
"""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import zstandard
from writers.installatron import Entry, blocks, gzip_bytes, padded

from tests.archive.peers import block
from tests.hostile import END, TIME, header, long_name, member, pax, stamped
from tests.invented import FIXTURES

RECORD: Final = "APP-META.INI"
DUMP: Final = "APP-DATA.SQL"
CONFIG: Final = "wp-config.php"
VERSION: Final = "wp-includes/version.php"
PLUGIN: Final = "wp-content/plugins/my-forms/my-forms.php"
PARTS: Final = {"record": RECORD, "dump": DUMP, "config": CONFIG, "version": VERSION, "plugin": PLUGIN}
"""Members whose content commands read."""

_SITE: Final = next((FIXTURES / "applications/wordpress-2025").glob("app_*"))
NAME: Final = _SITE.name
BLOCK: Final = 512
ZEROS: Final = bytes(BLOCK)

Parts = Mapping[str, bytes]


class Archive(NamedTuple):
    """An archive: the name of its file, and its bytes.

    Attributes:
        has_gap: whether GNU tar reads on only with ``--ignore-zeros``.
    """

    name: str
    content: bytes
    has_gap: bool = False


def _read() -> Iterable[tuple[str, bytes | None]]:
    with tarfile.open(_SITE) as site:
        for one in site:
            content = site.extractfile(one)
            yield one.name, None if content is None else content.read()


CONTENTS: Final = dict(_read())
"""What the backup's members hold, None a folder, by name."""


def raw(name: str, content: bytes | None) -> bytes:
    """Return a member as the real writer has it."""
    return b"".join(blocks(Entry(name.encode(), content, TIME)))


BACKUP: Final[Parts] = {name: raw(name, content) for name, content in CONTENTS.items()}
"""The backup's members in their order, headers and contents in whole blocks, by name."""


def content_of(name: str) -> bytes:
    """Return the content of one of the backup's files."""
    content = CONTENTS[name]
    assert content is not None
    return content


def tarred(changed: Parts | None = None, *, before: bytes = b"", after: bytes = b"", end: bytes = END) -> bytes:
    """Return the backup's tar, some members ``changed``, with something ``before`` and ``after`` all of them."""
    return b"".join([before, *{**BACKUP, **(changed or {})}.values(), after, end])


def zipped(tar: bytes, *, has_gap: bool = False) -> Archive:
    """Return the archive of a tar, packed as the real writer does."""
    return Archive(NAME, gzip_bytes(tar, TIME), has_gap)


def backup(changed: Parts | None = None, *, before: bytes = b"", after: bytes = b"") -> Archive:
    """Return the archive of `tarred`."""
    return zipped(tarred(changed, before=before, after=after))


# --- headers ----------------------------------------------------------------------------------------------------------

DEEP: Final = b"wp-content/plugins/" + b"a" * 80 + b"/"
"""A folder's name of 100 bytes, the last of them a slash."""

PHP: Final = b"<?php // a file, not a folder\n"


def _slash_at_100(extension: bytes, kind: bytes = b"0") -> bytes:
    return extension + header(DEEP, len(PHP), kind) + padded(PHP)


_LONG: Final = DEEP + b"index.php"
_OUTSIDE: Final = (b"path", b"../../outside.txt")
_HARMLESS: Final = (b"path", b"wp-content/harmless.txt")
_EXTENDED: Final[Mapping[str, bytes]] = {
    "slash at byte 100, GNU": _slash_at_100(long_name(_LONG)),
    "slash at byte 100, GNU, type NUL": _slash_at_100(long_name(_LONG), b"\0"),
    "slash at byte 100, pax": _slash_at_100(pax([(b"path", _LONG)])),
    "slash at byte 100, setuid": long_name(_LONG) + header(DEEP, len(PHP), mode=b"0004755\0") + padded(PHP),
    "folder of 100 bytes": raw(DEEP.decode().rstrip("/"), None) + raw(_LONG.decode(), PHP),
    "two pax headers": pax([_HARMLESS]) + pax([_OUTSIDE]) + member("short.txt", b"x"),
    "two pax headers, a name in the first": pax([_HARMLESS]) + pax([(b"mtime", b"1718312121")]) + member("a.txt", b"x"),
    "two pax headers, sizes": pax([(b"size", b"2")]) + pax([(b"size", b"1")]) + member("a.txt", b"x"),
    "long name, then pax": long_name(b"wp-content/first.txt") + pax([_OUTSIDE]) + member("short.txt", b"x"),
    "pax, then long name": pax([_HARMLESS]) + long_name(b"wp-content/last.txt") + member("short.txt", b"x"),
    "two long names": long_name(b"wp-content/first.txt") + long_name(b"wp-content/last.txt") + member("a.txt", b"x"),
    "pax number with zeros": pax([(b"size", b"0000000003")]) + member("sized.txt", b"abc"),
    "pax keyword with NUL": pax([(b"SCHILY.xattr.user.a\0b", b"c")]) + member("short.txt", b"x"),
    "pax name with NUL": pax([(b"path", b"wp-content/a\0b")]) + member("short.txt", b"x"),
    "Solaris' pax header": pax([_HARMLESS], b"X") + member("short.txt", b"x"),
    "stray pax header": pax([(b"path", b"nobody")]),
    "stray long name": long_name(b"nobody"),
    "global pax header with a name": pax([_HARMLESS], b"g") + member("a.txt", b"x"),
    "global pax header with a size": pax([(b"size", b"1")], b"g") + member("a.txt", b"x"),
    "long name of a folder, then a file": long_name(b"wp-content/folder/") + header(b"a.txt", 1) + padded(b"x"),
    "type nobody knows": header(b"strange", 5, b"Z") + padded(b"12345"),
    "type nobody knows, setuid": header(b"strange", 5, b"Z", mode=b"0004755\0") + padded(b"12345"),
    "number with a NUL before it": header(b"aix.txt", 3, mode=b"\0000644\0") + padded(b"abc"),
    "not octal": header(b"odd.txt", 3, mode=b"zzzzzzz\0") + padded(b"abc"),
    "name not UTF-8": header(b"caf\xe9.txt", 3) + padded(b"abc"),
    "symlink": header(b"link.php", 0, b"2", link=b"index.php"),
    "link out of the folder": header(b"link.php", 0, b"2", link=b"../../etc/passwd"),
    "device": header(b"null", 0, b"3"),
    "dumpdir": header(b"wp-content/dumped", 12, b"D") + padded(b"Yindex.php\0\0"),
    "empty file": member("empty.txt"),
    "file with a size of a folder": header(b"sized-folder/", 5, b"5"),
}

# --- holes ------------------------------------------------------------------------------------------------------------

Run = tuple[int, int]
"""The offset and the length of what is stored of a sparse file."""


def _stored(content: bytes, runs: Sequence[Run]) -> bytes:
    return b"".join(content[offset : offset + length] for offset, length in runs)


def old_gnu(name: bytes, content: bytes, runs: Sequence[Run]) -> bytes:
    """Return a sparse file in GNU's old format: four runs stand in the header, the others in blocks after it."""
    stored = _stored(content, runs)
    numbers = [b"%011o\0%011o\0" % run for run in runs]
    block = bytearray(header(name, len(stored), b"S"))
    block[386:482] = b"".join(numbers[:4]).ljust(96, b"\0")
    block[482] = len(numbers) > 4
    block[483:495] = b"%011o\0" % len(content)
    rest = [b"".join(numbers[at : at + 21]).ljust(504, b"\0") for at in range(4, len(numbers), 21)]
    maps = [one + bytes([place < len(rest)]) + bytes(7) for place, one in enumerate(rest, 1)]
    return stamped(block) + b"".join(maps) + padded(stored)


def pax_0_0(name: bytes, content: bytes, runs: Sequence[Run]) -> bytes:
    """Return a sparse file whose runs are pax records of their own."""
    records = [(b"GNU.sparse.size", b"%d" % len(content)), (b"GNU.sparse.numblocks", b"%d" % len(runs))]
    for offset, length in runs:
        records += [(b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % length)]
    stored = _stored(content, runs)
    return pax(records) + block(name.decode(), size=len(stored)) + padded(stored)


def pax_0_1(name: bytes, content: bytes, runs: Sequence[Run]) -> bytes:
    """Return a sparse file whose runs are one pax record."""
    numbers = b",".join(b"%d,%d" % run for run in runs)
    records = [
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.size", b"%d" % len(content)),
        (b"GNU.sparse.numblocks", b"%d" % len(runs)),
        (b"GNU.sparse.map", numbers),
    ]
    stored = _stored(content, runs)
    return pax(records) + block(_made_up(name), size=len(stored)) + padded(stored)


def pax_1_0(name: bytes, content: bytes, runs: Sequence[Run]) -> bytes:
    """Return a sparse file whose runs stand before its content."""
    numbers = b"%d\n" % len(runs) + b"".join(b"%d\n%d\n" % run for run in runs)
    held = padded(numbers) + _stored(content, runs)
    records = [
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.realsize", b"%d" % len(content)),
    ]
    return pax(records) + block(_made_up(name), size=len(held)) + padded(held)


def _made_up(name: bytes) -> str:
    """Return what GNU tar writes as the name of a sparse file in its own header."""
    folder, _, leaf = name.decode().rpartition("/")
    return f"{folder or '.'}/GNUSparseFile.4711/{leaf}"


SPARSE: Final[Mapping[str, Callable[[bytes, bytes, Sequence[Run]], bytes]]] = {
    "old GNU": old_gnu,
    "pax 0.0": pax_0_0,
    "pax 0.1": pax_0_1,
    "pax 1.0": pax_1_0,
}
HOLED: Final = bytes(40960) + b"END OF FILE\n"
_MANY: Final = b"".join(bytes(BLOCK) + b"%03d" % n * 170 + b"\n." for n in range(30))


def _whole(content: bytes) -> list[Run]:
    """Return the runs of a content without holes: as its blocks lie on a disk."""
    middle = min(BLOCK, len(content))
    return [(0, middle), (middle, len(content) - middle)]


_SPARSE: Final[Mapping[str, Archive]] = {
    **{
        f"{part} is sparse, {how}": backup({name: write(name.encode(), content_of(name), _whole(content_of(name)))})
        for how, write in SPARSE.items()
        for part, name in PARTS.items()
    },
    **{
        f"upload with a hole, {how}": backup(after=write(b"wp-content/uploads/scan.bin", HOLED, [(40960, 12)]))
        for how, write in SPARSE.items()
    },
    **{
        f"upload with 30 holes, {how}": backup(
            after=write(b"wp-content/uploads/scan.bin", _MANY, [(at * 1024 + 512, 512) for at in range(30)])
        )
        for how, write in SPARSE.items()
    },
    **{
        f"upload that is one hole, {how}": backup(
            after=write(b"wp-content/uploads/zeros.bin", bytes(5000), [(5000, 0)])
        )
        for how, write in SPARSE.items()
    },
    "map of holes beyond the file": backup(after=pax_0_1(b"odd.bin", bytes(10), [(20, 0)])),
}

# --- links ------------------------------------------------------------------------------------------------------------


def hard_link(name: str, target: str, content: bytes = b"") -> bytes:
    """Return a hard link, with a content of its own as pax allows."""
    return header(name.encode(), len(content), b"1", link=target.encode()) + padded(content)


def _strange(name: str) -> bytes:
    """Return a file under a type that nobody knows, which programs unpack as a file all the same."""
    return header(name.encode(), len(content_of(name)), b"Z") + padded(content_of(name))


COPY: Final = "wp-content/copy"


def _as_link(name: str, content: bytes | None = None) -> Parts:
    """Return the member ``name`` as a link to a copy of it right before, or to one with another ``content``."""
    held = content_of(name) if content is None else content
    return {name: raw(COPY, held) + hard_link(name, COPY)}


_OTHER: Final[Mapping[str, bytes]] = {
    CONFIG: content_of(CONFIG).replace(b"exampleu_db1", b"otheruser_db9"),
    VERSION: content_of(VERSION).replace(b"6.7.2", b"4.0"),
    PLUGIN: content_of(PLUGIN).replace(b"Version", b"Vision"),
    DUMP: content_of(DUMP)[: content_of(DUMP).index(b"wp_terms")],
    RECORD: content_of(RECORD).replace(b"version=6.7.2", b"version=6.0"),
}
"""Other contents of the same members: another database, an old version, no version, a dump cut off, a forgery."""

_LINKS: Final[Mapping[str, Archive]] = {
    **{f"{part} is a hard link": backup(_as_link(name)) for part, name in PARTS.items()},
    **{f"{part} is a hard link to another": backup(_as_link(name, _OTHER[name])) for part, name in PARTS.items()},
    "link to a link": backup({VERSION: raw("a", content_of(VERSION)) + hard_link("b", "a") + hard_link(VERSION, "b")}),
    "link to itself": backup(after=hard_link("loop", "loop")),
    "link to nothing": backup({CONFIG: hard_link(CONFIG, "nothing")}),
    "link to what comes later": backup({CONFIG: hard_link(CONFIG, "later")}, after=raw("later", b"x")),
    "link whose target is replaced": backup(after=raw("a", b"old") + hard_link("b", "a") + raw("a", b"new")),
    "link that is replaced": backup(after=raw("a", b"old") + hard_link("b", "a") + raw("b", b"new")),
    "link to a sparse file": backup(after=pax_1_0(b"a", HOLED, [(40960, 12)]) + hard_link("b", "a")),
    "link with a content": backup(
        {CONFIG: raw(COPY, content_of(CONFIG)) + hard_link(CONFIG, COPY, content_of(CONFIG))}
    ),
    "link to ./name": backup({VERSION: raw(COPY, content_of(VERSION)) + hard_link(VERSION, f"./{COPY}")}),
    **{f"{part} is of a type nobody knows": backup({name: _strange(name)}) for part, name in PARTS.items()},
    "link to a folder": backup(after=hard_link("b", "wp-admin")),
    "link to a symlink": backup(after=header(b"a", 0, b"2", link=b"index.php") + hard_link("b", "a")),
    "link in another case": backup(after=hard_link("b", "INDEX.php")),
    "many links": backup(after=raw("a", b"a") + b"".join(hard_link(f"a{n}", "a") for n in range(20))),
}

# --- several of one name ----------------------------------------------------------------------------------------------

_APPENDED: Final[Mapping[str, Archive]] = {
    **{f"{part} again, otherwise": backup(after=raw(name, _OTHER[name])) for part, name in PARTS.items()},
    **{f"{part} again, the same": backup(after=raw(name, content_of(name))) for part, name in PARTS.items()},
    **{
        f"{part} mended by appending": backup({name: raw(name, _OTHER[name])}, after=raw(name, content_of(name)))
        for part, name in PARTS.items()
    },
    "dump again, as a hard link": backup(after=raw("other.sql", _OTHER[DUMP]) + hard_link(DUMP, "other.sql")),
    "record again, as ./APP-META.INI": backup(after=raw(f"./{RECORD}", _OTHER[RECORD])),
    "record again, deeper": backup(after=raw(f"wp-content/uploads/{RECORD}", _OTHER[RECORD])),
    "record again, deeper, and before": backup(before=raw(f"old/{RECORD}", _OTHER[RECORD])),
    "record again, deeper, and before, a link to nothing": backup(before=hard_link(f"old/{RECORD}", "nothing")),
    "records deeper, more than are remembered": backup(
        before=b"".join(raw(f"old{n}/{RECORD}", b"title=old\n") for n in range(120))
    ),
    "record deeper only, in a folder not UTF-8": zipped(
        tarred({RECORD: header(b"caf\xe9/APP-META.INI", len(content_of(RECORD))) + padded(content_of(RECORD))})
    ),
    "record of two megabytes": backup({RECORD: raw(RECORD, content_of(RECORD) + b"\nbackup-note=" + b"x" * 2_000_000)}),
    "record of 30,000 lines": backup({RECORD: raw(RECORD, content_of(RECORD) + b"\n" * 30_000)}),
    "record at an absolute name": zipped(tarred({RECORD: raw(f"/{RECORD}", content_of(RECORD))})),
    "record with a name in a pax header": zipped(
        tarred({RECORD: pax([(b"path", RECORD.encode())]) + raw("other.ini", content_of(RECORD))})
    ),
    "record with a name in an earlier pax header": zipped(
        tarred({RECORD: pax([(b"path", RECORD.encode())]) + pax([_HARMLESS]) + raw("other.ini", content_of(RECORD))})
    ),
    "record three times": backup(after=raw(RECORD, _OTHER[RECORD]) + raw(f"./{RECORD}", _OTHER[RECORD])),
    "config again, far from the first": backup(after=raw("big", b"x" * 70_000) + raw(CONFIG, _OTHER[CONFIG])),
    "config replaced by a folder": backup(after=raw(CONFIG, None)),
    "names that differ in case": backup(after=raw("INDEX.PHP", b"x")),
}

# --- places -----------------------------------------------------------------------------------------------------------

_FIRST: Final = raw("note.txt", b"x")
_NOISE: Final = b"".join(sha256(b"%d" % n).digest() for n in range(2200))
"""More than the first 64 KiB of a file hold, however it is compressed."""
_BROKEN: Final = b"\x55" * BLOCK + b"rubbish".ljust(BLOCK, b"x")
_PLACES: Final[Mapping[str, Archive]] = {
    "as the real writer packs it": backup(),
    "record behind a zero block": zipped(tarred(before=ZEROS), has_gap=True),
    "record behind a file and a zero block": zipped(tarred(before=_FIRST + ZEROS), has_gap=True),
    "zero block after the record": zipped(tarred({RECORD: BACKUP[RECORD] + ZEROS}), has_gap=True),
    "zero block after the dump": zipped(tarred({DUMP: BACKUP[DUMP] + ZEROS}), has_gap=True),
    "two zero blocks in the middle": zipped(tarred({DUMP: BACKUP[DUMP] + END}), has_gap=True),
    "record in the second of two tars": zipped(tarred(before=_FIRST + END), has_gap=True),
    "record in the second of two streams": Archive(
        NAME, gzip_bytes(_FIRST + END, TIME) + gzip_bytes(tarred(), TIME), has_gap=True
    ),
    "tar twice": zipped(tarred() + tarred(), has_gap=True),
    "record behind a broken header": zipped(tarred(before=_BROKEN)),
    "record behind a file and a broken header": zipped(tarred(before=_FIRST + _BROKEN)),
    "broken header in the middle": zipped(tarred({CONFIG: _BROKEN})),
    "no end mark": zipped(tarred(end=b"")),
    "end mark of one block": zipped(tarred(end=ZEROS)),
    "end mark of 20 blocks": zipped(tarred(end=ZEROS * 20)),
    "end mark of 700 bytes": zipped(tarred(end=bytes(700))),
    "junk behind the end mark": zipped(tarred() + b"junk" * 300),
    "record deeper only": zipped(b"".join(raw(f"site/{name}", one) for name, one in CONTENTS.items()) + END),
    "record below ./": zipped(b"".join(raw(f"./{name}", one) for name, one in CONTENTS.items()) + END),
    "names with backslashes": zipped(
        b"".join(raw(name.replace("/", "\\"), one) for name, one in CONTENTS.items()) + END
    ),
    "record below a backslash": zipped(b"".join(raw(f"site\\{name}", one) for name, one in CONTENTS.items()) + END),
    "record below a drive": zipped(b"".join(raw(f"C:\\site\\{name}", one) for name, one in CONTENTS.items()) + END),
    "names that lead out, with backslashes": backup(after=raw("..\\..\\evil.php", b"x") + raw("C:evil.php", b"x")),
    "no record": zipped(tarred({RECORD: b""})),
    "record is a folder": zipped(tarred({RECORD: raw(RECORD, None)})),
    "record is a symlink": zipped(tarred({RECORD: header(RECORD.encode(), 0, b"2", link=b"other.ini")})),
    "large, with a second record at its end": backup(after=raw("noise", _NOISE) + raw(RECORD, _OTHER[RECORD])),
    "large, with a record deeper and one at its end": backup(
        {RECORD: raw(f"old/{RECORD}", content_of(RECORD))}, after=raw("noise", _NOISE) + BACKUP[RECORD]
    ),
    "large, with a zero block": backup(after=raw("noise", _NOISE) + ZEROS + raw("last.txt", b"x"))._replace(
        has_gap=True
    ),
}

# --- cuts and damage --------------------------------------------------------------------------------------------------

TAR: Final = tarred()
_PACKED: Final = gzip_bytes(TAR, TIME)
_IN_RECORD: Final = 700
_IN_CONFIG: Final = TAR.index(b"define( 'DB_HOST'")
_CONFIG_AT: Final = TAR.index(CONFIG.encode() + b"\0")
_IN_HEADER: Final = _CONFIG_AT + 200


def _stored_gzip(tar: bytes) -> bytes:
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=TIME, compresslevel=0) as stream:
        stream.write(tar)
    return target.getvalue()


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


_PLAIN_NAME: Final = NAME.removesuffix(".gz")
_DAMAGED: Final[Mapping[str, Archive]] = {
    "cut in the record": Archive(NAME, _stored_gzip(TAR)[:_IN_RECORD]),
    "cut in a file": Archive(NAME, _stored_gzip(TAR)[:_IN_CONFIG]),
    "cut in a header": Archive(NAME, _stored_gzip(TAR)[:_IN_HEADER]),
    "cut in the deflated stream": Archive(NAME, _PACKED[: len(_PACKED) // 2]),
    "cut in the trailer": Archive(NAME, _PACKED[:-4]),
    "tar cut in the record": Archive(_PLAIN_NAME, TAR[:_IN_RECORD]),
    "tar cut in a file": Archive(_PLAIN_NAME, TAR[:_IN_CONFIG]),
    "tar cut in a header": Archive(_PLAIN_NAME, TAR[:_IN_HEADER]),
    "tar cut in a file, whole stream": zipped(TAR[:_IN_CONFIG]),
    "tar cut in a header, whole stream": zipped(TAR[:_IN_HEADER]),
    "tar cut after a pax header": zipped(tarred(end=b"", after=pax([_HARMLESS]))),
    "wrong checksum": Archive(NAME, _flipped(_PACKED, -8)),
    "wrong length": Archive(NAME, _flipped(_PACKED, -3)),
    "flipped bit in the deflated stream": Archive(NAME, _flipped(_PACKED, len(_PACKED) * 2 // 3)),
    "flipped bit in a header": zipped(_flipped(TAR, _IN_HEADER)),
    "bytes behind the stream": Archive(NAME, _PACKED + b"<!-- cached -->"),
    "zeros behind the stream": Archive(NAME, _PACKED + bytes(10240)),
    "xz cut in half": Archive(_PLAIN_NAME + ".xz", lzma.compress(TAR)[:2000]),
    "bzip2, wrong checksum": Archive(_PLAIN_NAME + ".bz2", _flipped(bz2.compress(TAR), -6)),
    "compressed twice": Archive(NAME, gzip.compress(_PACKED, mtime=0)),
    "zstd in gzip": Archive(NAME, gzip.compress(zstandard.compress(TAR), mtime=0)),
    "newline before the stream": Archive(NAME, b"\n" + _PACKED),
    "notice before the stream": Archive(
        NAME, b"<br />\n<b>Notice</b>:  Undefined index: id in /x.php on line 3\n" + _PACKED
    ),
    "zeros between two streams": Archive(
        NAME, gzip_bytes(TAR[:_CONFIG_AT], TIME) + bytes(512) + gzip_bytes(TAR[_CONFIG_AT:], TIME)
    ),
    "junk between two streams": Archive(
        NAME, gzip_bytes(TAR[:_CONFIG_AT], TIME) + b"junk" + gzip_bytes(TAR[_CONFIG_AT:], TIME)
    ),
    "xz, zeros behind the stream": Archive(_PLAIN_NAME + ".xz", lzma.compress(TAR) + bytes(3)),
    "zstd, zeros behind the stream": Archive(_PLAIN_NAME + ".zst", zstandard.compress(TAR, 3) + bytes(4)),
    "nothing but zeros": Archive(_PLAIN_NAME, bytes(20_000)),
    "nothing but an end mark": zipped(END),
    "zstd": Archive(_PLAIN_NAME + ".zst", zstandard.compress(TAR, 3)),
}

KINDS: Final[Mapping[str, Archive]] = {
    **{name: backup(after=content) for name, content in _EXTENDED.items()},
    **_SPARSE,
    **_LINKS,
    **_APPENDED,
    **_PLACES,
    **_DAMAGED,
}
"""All of these, by what is odd about them."""
