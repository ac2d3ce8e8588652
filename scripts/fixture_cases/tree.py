"""A tree of fixture files in memory: write it to disk, or tell where the disk differs from it.

Compressors differ between machines, so two compressed files are the same when what they hold is the same; such a
file is never rewritten.
"""

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import zstandard

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"


class Link(NamedTuple):
    """A symbolic link to write."""

    target: str


Content: TypeAlias = bytes | Link
Tree: TypeAlias = dict[str, Content]


def json_bytes(value: Json) -> bytes:
    """Return ``value`` as a file of indented JSON."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def below(folder: str, tree: Tree) -> Tree:
    """Return ``tree`` moved into ``folder``."""
    return {f"{folder}/{name}": content for name, content in tree.items()}


def gzip_members(content: bytes) -> list[bytes]:
    """Return what each member of a gzip file holds, so that one member and two are told apart."""
    members = []
    while content:
        inflater = zlib.decompressobj(wbits=31)
        members.append(inflater.decompress(content))
        if not inflater.eof:
            raise EOFError
        content = inflater.unused_data
    return members


def single(decompress: Callable[[bytes], bytes]) -> Callable[[bytes], list[bytes]]:
    """Return ``decompress`` with its result as a list."""
    return lambda content: [decompress(content)]


def zstd_content(content: bytes) -> bytes:
    """Return what a zstd file holds."""
    stream = zstandard.ZstdDecompressor().decompressobj()
    plain = stream.decompress(content)
    if not stream.eof:
        raise EOFError
    return plain


UNPACKERS: Final[dict[bytes, Callable[[bytes], list[bytes]]]] = {
    b"\x1f\x8b": gzip_members,
    b"BZh": single(bz2.decompress),
    b"\xfd7zXZ\0": single(lzma.decompress),
    b"\x28\xb5\x2f\xfd": single(zstd_content),
}
UNPACK_ERRORS: Final = (EOFError, OSError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def unpacked(content: bytes) -> list[bytes]:
    """Return a compressed file's magic and what it holds; of anything else, and of a broken one, the bytes."""
    for magic, unpack in UNPACKERS.items():
        if content.startswith(magic):
            try:
                return [magic, *unpack(content)]
            except UNPACK_ERRORS:
                break
    return [content]


def same_on_disk(path: Path, wanted: Content) -> bool:
    """Tell whether ``path`` is what was ``wanted``, compressed files by what they hold."""
    if isinstance(wanted, Link):
        return path.is_symlink() and str(path.readlink()) == wanted.target
    if path.is_symlink() or not path.is_file():
        return False
    content = path.read_bytes()
    return content == wanted or unpacked(content) == unpacked(wanted)


def strays(tree: Tree, root: Path, given: Sequence[str]) -> list[str]:
    """Return the files in ``root`` that neither ``tree`` nor anything ``given`` accounts for."""
    paths = sorted(root.rglob("*"))
    names = [path.relative_to(root).as_posix() for path in paths if path.is_symlink() or not path.is_dir()]
    return [name for name in names if name not in tree and not name.startswith(tuple(given))]


def changed(tree: Tree, root: Path) -> list[str]:
    """Return the names in ``tree`` that are missing in ``root``, or different there."""
    return [name for name, wanted in sorted(tree.items()) if not same_on_disk(root / name, wanted)]


def write(path: Path, content: Content) -> None:
    """Write one file or link, in place of whatever was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if isinstance(content, Link):
        path.symlink_to(content.target)
    else:
        path.write_bytes(content)
