"""Mutations of archives: of their bytes, of their blocks, of header fields with the checksum made right again.

All of them are functions of random numbers and bytes, so that an execution can be repeated from its seed.
"""

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import zstandard
from fuzzing.corpus import MAPS, PACKS, Sample, extension, link, pax, plain, sparse_content
from writers.installatron import BLOCK, header, padded

Change = Callable[[Random, bytes, bytes], bytes]
"""Random numbers, what to change, and something else to take parts from."""

ON_THE_WAY: Final = 1024
"""How many bytes a decompressor may hold back, of its input and of its output, when it meets corrupt input."""

LEAST: Final = 16
"""A stream's header has fewer bytes; of less, nothing is known."""


class Stream(Protocol):
    """What inflates one stream."""

    @property
    def eof(self) -> bool:
        """Whether it has ended."""

    @property
    def unused_data(self) -> bytes:
        """What comes after the stream."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what ``data`` inflates to."""


OPENERS: Final[Mapping[bytes, Callable[[], Stream]]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
    b"\x28\xb5\x2f\xfd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    b"\x5a\x2a\x4d\x18": lambda: zstandard.ZstdDecompressor().decompressobj(),
}

BYTES: Final = b"\0\1\x07\x08\x1f\x20\x2f0789\x7f\x80\xff"
SIGNS: Final = (
    b"ustar\000",
    b"ustar  \0",
    b"\x1f\x8b\x08\0",
    b"\x1f\x8b\x08\x1e",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18\xff\xff\xff\x7f",
    b"BZh9",
    b"BZh91AY&SY",
    b"\xfd7zXZ\0",
    b"\n9999999999 path=",
    b"GNU.sparse.realsize=99999999999999999999",
    bytes(BLOCK),
    bytes(2 * BLOCK),
    b"CREATE TABLE `",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
)
FIELDS: Final = {
    "name": (0, 100),
    "mode": (100, 8),
    "uid": (108, 8),
    "gid": (116, 8),
    "size": (124, 12),
    "mtime": (136, 12),
    "type": (156, 1),
    "link": (157, 100),
    "magic": (257, 8),
    "owner": (265, 32),
    "group": (297, 32),
    "device": (329, 16),
    "prefix": (345, 155),
    "sparse maps": (386, 97),
    "sparse size": (482, 13),
    "end": (495, 17),
}
NAMES: Final = (
    b"APP-META.INI",
    b"./APP-DATA.SQL",
    b"../../etc/passwd",
    b"/etc/passwd",
    b"C:\\x",
    b"a/../b",
    b"a/",
    b"//",
    b"\xff\xfe",
    b"\xed\xb0\x80/x",
    b"a\n\x1b[2J",
    b"ustar",
    b"",
)
TYPES: Final = b"\0" + b"01234567DKLMNSVXgxZ\xff"
NUMBERS: Final = (0, 1, 511, 512, 513, 2**31, 2**33 - 1, 2**40, 2**62, 2**63, 2**80)
RECORDS: Final = tuple(b"path linkpath size mtime uid gid uname gname GNU.sparse.size GNU.sparse.realsize x".split())
VALUES: Final = (
    b"",
    b"0",
    b"-1",
    b"1",
    b"512",
    b"99999999999999999999",
    b"9999999999999999999",
    b"1e5",
    b"nan",
    b"-999999999999999999.999999999999",
    b"0x10",
    b"\xff",
    b"a\0b",
    b"a\nb",
    b"../x",
    b"/",
    b"a" * 5000,
    b"\xcc\x81" * 3000,
)


class Mutant(NamedTuple):
    """A mutated archive.

    Attributes:
        content: its bytes.
        sample: what it was made of.
        intact: how many inflated bytes are surely the sample's.
    """

    content: bytes
    sample: Sample
    intact: int


def mutant(random: Random, samples: Sequence[Sample]) -> Mutant:
    """Return one of ``samples`` mutated: what it inflates to and is packed again, or the file as it is."""
    sample, other = random.choice(samples), random.choice(samples)
    if sample.tar is None or random.random() < 0.35:  # noqa: PLR2004 - most go for what is inside
        content = changed(random, sample.content, other.content, IN_FILES)
        return Mutant(content, sample, intact_inflated(sample, content))
    tar = changed(random, sample.tar, other.tar or other.content, IN_TARS)
    intact = common(tar, sample.tar)
    pack = sample.pack if random.random() < 0.8 else PACKS[random.choice(list(PACKS))]  # noqa: PLR2004
    content = pack(tar)
    if random.random() < 0.1:  # noqa: PLR2004 - now and then both
        return Mutant(changed(random, content, other.content, IN_FILES), sample, 0)
    return Mutant(content, sample, intact)


def changed(random: Random, content: bytes, other: bytes, changes: Sequence[Change]) -> bytes:
    """Return ``content`` after one change, or after a few."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        content = random.choice(changes)(random, content, other)
    return content


def common(first: bytes, second: bytes) -> int:
    """Return how many bytes ``first`` and ``second`` begin with in common."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[low:middle] == second[low:middle] else (low, middle - 1)
    return low


def intact_inflated(sample: Sample, content: bytes) -> int:
    """Return how many inflated bytes of ``sample`` its changed ``content`` gives at least, before the first change."""
    if sample.tar is None:
        return 0
    same = common(content, sample.content)
    if sample.tar == sample.content:
        return same
    return max(min(len(inflated(content[: max(same - ON_THE_WAY, 0)])), len(sample.tar)) - ON_THE_WAY, 0)


def inflated(content: bytes) -> bytes:
    """Return what the whole streams of ``content`` and the beginning of its last one inflate to."""
    whole = b""
    while len(content) >= LEAST and (
        opener := next((OPENERS[signature] for signature in OPENERS if content.startswith(signature)), None)
    ):
        stream = opener()
        whole += stream.decompress(content)
        content = stream.unused_data.lstrip(b"\0")
    return whole


# --- of any bytes -----------------------------------------------------------------------------------------------------


def place(random: Random, content: bytes) -> int:
    """Return a place in ``content``, more often near its beginning or its end, or where a block begins."""
    at = random.randrange(len(content) + 1)
    where = random.randrange(6)
    if where == 0:
        return min(random.randrange(64), len(content))
    if where == 1:
        return max(len(content) - random.randrange(64), 0)
    return at - at % BLOCK if where == 2 else at  # noqa: PLR2004 - one of six


def length(random: Random) -> int:
    """Return a length, short ones more often."""
    return int(2 ** random.uniform(0, 13))


def part(random: Random, content: bytes) -> bytes:
    """Return a part of ``content``, whole blocks more often."""
    begin = place(random, content)
    size = random.choice((BLOCK, 2 * BLOCK, length(random)))
    return content[begin : begin + size]


def flip_bits(random: Random, content: bytes, _other: bytes) -> bytes:
    """Flip one bit, or a few."""
    target = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8)) if content else 0):
        target[min(place(random, content), len(target) - 1)] ^= 1 << random.randrange(8)
    return bytes(target)


def set_bytes(random: Random, content: bytes, _other: bytes) -> bytes:
    """Overwrite with bytes that mean something somewhere, or with random ones."""
    at, count = place(random, content), random.choice((1, 1, 2, 4, length(random)))
    new = random.randbytes(count) if random.random() < 0.5 else bytes([random.choice(BYTES)]) * count  # noqa: PLR2004
    return content[:at] + new[: len(content) - at] + content[at + count :]


def cut(random: Random, content: bytes, _other: bytes) -> bytes:
    """Cut off the end, or seldom the beginning."""
    at = place(random, content)
    return content[at:] if random.random() < 0.1 else content[:at]  # noqa: PLR2004


def take_out(random: Random, content: bytes, _other: bytes) -> bytes:
    """Take out a part."""
    at = place(random, content)
    return content[:at] + content[at + random.choice((1, BLOCK, length(random))) :]


def put_in(random: Random, content: bytes, _other: bytes) -> bytes:
    """Put in a sign of some format, or random bytes."""
    at = place(random, content)
    new = random.choice(SIGNS) if random.random() < 0.7 else random.randbytes(length(random))  # noqa: PLR2004
    return content[:at] + new + content[at if random.random() < 0.5 else at + len(new) :]  # noqa: PLR2004


def repeat(random: Random, content: bytes, _other: bytes) -> bytes:
    """Put in a part of itself, once or several times."""
    at = place(random, content)
    return content[:at] + part(random, content) * random.choice((1, 1, 2, 20)) + content[at:]


def splice(random: Random, content: bytes, other: bytes) -> bytes:
    """Go on with another archive from somewhere on."""
    return content[: place(random, content)] + other[place(random, other) :]


def put_in_other(random: Random, content: bytes, other: bytes) -> bytes:
    """Put in a part of another archive, or append all of it."""
    if random.random() < 0.3:  # noqa: PLR2004
        return content + other
    at = place(random, content)
    return content[:at] + part(random, other) + content[at:]


def pad_streams(random: Random, content: bytes, other: bytes) -> bytes:
    """Put zeros, or a few other bytes, before a stream or after the last one; or another archive's streams."""
    signature = next((signature for signature in OPENERS if content.startswith(signature)), bytes(BLOCK))
    places = [match.start() for match in re.finditer(re.escape(signature), content)]
    at = random.choice([*places, len(content), len(content)])
    zeros = bytes(random.choice((1, 3, 4, 5, 512, 4096, 70_000)))
    return content[:at] + random.choice((zeros, zeros, zeros + other, other, b"\r\n", b"\xef\xbb\xbf")) + content[at:]


# --- of tars ----------------------------------------------------------------------------------------------------------


def headers(tar: bytes) -> list[int]:
    """Return the places of blocks that are headers, nearly: those with an octal number where the checksum is."""
    places = range(0, len(tar) - BLOCK + 1, BLOCK)
    return [at for at in places if tar[at + 148 : at + 153].isdigit() and tar[at + 154] in b"\0 "]


def with_checksum(block: bytes) -> bytes:
    """Return a header block with its checksum made right."""
    blank = block[:148] + b" " * 8 + block[156:]
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


def field_of(random: Random, name: str, width: int) -> bytes:
    """Return something to write into a header's field."""
    if name == "type":
        return bytes([random.choice(TYPES)])
    if name in {"name", "link", "prefix", "owner", "group"} and random.random() < 0.7:  # noqa: PLR2004
        return random.choice(NAMES)[:width].ljust(width, random.choice((b"\0", b"\0", b"x")))
    return number_of(random, width) if random.random() < 0.8 else random.randbytes(width)  # noqa: PLR2004


def number_of(random: Random, width: int) -> bytes:
    """Return a number as some program writes it, or what is none."""
    octal = b"%o" % random.choice((*NUMBERS, random.randrange(3000)))
    ways = (
        octal.rjust(width, b"0")[-width:],
        octal.rjust(width - 1, b"0")[-width + 1 :] + b"\0",
        octal.rjust(width - 1, b"0")[-width + 1 :] + random.choice((b" ", b"X", b"\1", b"8", b"\t")),
        octal.rjust(width - 2, b" ")[-width + 2 :] + b" \0",
        (b"-" + octal)[:width].ljust(width, b"\0"),
        b"\x80" + random.choice(NUMBERS).to_bytes(16, "big")[-width + 1 :],
        b"\xff" * (width - 1) + bytes([random.randrange(256)]),
        b"\xff" + random.randbytes(width - 1),
        random.choice((b"9", b"0x1", b"+1", b"1_0", b" ", b"\0", b"\xb2")).ljust(width, b"\0"),
    )
    return random.choice(ways)[:width].ljust(width, b"\0")


def set_field(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Change a field of a header, and its checksum with it."""
    if not (places := headers(tar)):
        return tar
    at, (name, (begin, width)) = random.choice(places), random.choice(list(FIELDS.items()))
    block = tar[at : at + BLOCK]
    block = block[:begin] + field_of(random, name, width) + block[begin + width :]
    return tar[:at] + with_checksum(block) + tar[at + BLOCK :]


def put_in_extension(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Put an extension header before a member: pax records, a GNU long name; or what lies about its length."""
    at = random.choice([*headers(tar), 0])
    if random.random() < 0.3:  # noqa: PLR2004
        name = random.choice((*NAMES, b"n" * 70_000, b"n" * 300)) + b"\0"
        new = header(b"././@LongLink", len(name), 0, 0, random.choice((b"L", b"K"))) + padded(name)
    else:
        records = [(random.choice(RECORDS), random.choice(VALUES)) for _ in range(random.randrange(4))]
        new = pax(*records, type_=random.choice((b"x", b"x", b"g", b"X")))
    if random.random() < 0.2:  # noqa: PLR2004
        new = set_field(random, new, b"")
    return tar[:at] + new + tar[at:]


def put_in_run(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Put a run of extension headers before a member, or between two."""
    at = random.choice([*headers(tar), len(tar)])
    run = b"".join(extension(random, random.randrange(9)) for _ in range(random.choice((2, 2, 3, 6, 30))))
    return tar[:at] + run + tar[at:]


def put_in_sparse(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Put in a sparse file, its map sound or not, its name maybe that of another member."""
    runs, size = random.choice(MAPS)
    if random.random() < 0.5:  # noqa: PLR2004
        runs = [
            (random.choice((0, 1, 511, 512, 5000)), random.choice((0, 1, 512, 600)))
            for _ in range(random.randrange(30))
        ]
        size = random.choice((sum(map(sum, runs)), random.randrange(9000), 2**33))
    runs = sorted(runs) if random.random() < 0.5 else runs  # noqa: PLR2004
    made = sparse_content(random.choice(("old", "0.0", "0.1", "1.0")), name_of(random, tar), runs, size)
    at = random.choice([*headers(tar), 0])
    return tar[:at] + made + tar[at:]


def put_in_link(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Put in a hard link, or now and then a symbolic one; to another member, to itself, to what isn't there."""
    name = name_of(random, tar)
    made = link(random.choice((b"l", name, name_of(random, tar))), name, random.choice((b"1", b"1", b"1", b"2")))
    at = random.choice([*headers(tar), len(tar)])
    return tar[:at] + made + tar[at:]


def put_in_again(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Put in a member that has another one's name: a file, a folder, a type that is none."""
    at, content = random.choice([*headers(tar), len(tar)]), random.randbytes(random.randrange(600))
    kind = random.choice((b"0", b"0", b"5", b"6", b"Z"))
    return tar[:at] + plain(name_of(random, tar), content if kind in b"0Z" else b"", kind) + tar[at:]


def name_of(random: Random, tar: bytes) -> bytes:
    """Return the name of one of the members, or another one."""
    places = headers(tar)
    if not places or random.random() < 0.2:  # noqa: PLR2004
        return random.choice(NAMES)
    at = random.choice(places)
    return tar[at : at + 100].partition(b"\0")[0]


def move_block(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Move some blocks elsewhere, or what lies between two headers."""
    places = [*headers(tar), len(tar)] if random.random() < 0.5 else range(0, len(tar) + 1, BLOCK)  # noqa: PLR2004
    begin, end = sorted((random.choice(places), random.choice(places)))
    rest = tar[:begin] + tar[end:]
    at = random.choice(headers(rest) or [0])
    return rest[:at] + tar[begin:end] + rest[at:]


def put_in_zeros(random: Random, tar: bytes, _other: bytes) -> bytes:
    """Put in blocks of zeros before a header, nearly as many as some bounds are."""
    at = random.choice([*headers(tar), len(tar)])
    return tar[:at] + bytes(random.choice((1, BLOCK, BLOCK, 2 * BLOCK, 20 * BLOCK, 65_536, 262_144))) + tar[at:]


IN_FILES: Final[tuple[Change, ...]] = (
    flip_bits,
    flip_bits,
    set_bytes,
    cut,
    take_out,
    put_in,
    repeat,
    splice,
    put_in_other,
    pad_streams,
)
IN_TARS: Final[tuple[Change, ...]] = (
    *IN_FILES,
    set_field,
    set_field,
    set_field,
    set_field,
    put_in_extension,
    put_in_extension,
    put_in_run,
    put_in_sparse,
    put_in_sparse,
    put_in_link,
    put_in_link,
    put_in_again,
    move_block,
    put_in_zeros,
    put_in_zeros,
)
