"""Two processes for a long list: the second one is forked, takes every other block, and sends its text through a pipe.

The output is the same, byte for byte, as with one.
"""

import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Final

from backupmeta.findings import Finding
from backupmeta.library import Share

Blocks = Callable[[Share, list[Finding]], Iterator[str | None]]
"""Gives the text of the blocks of a share in pieces, None behind each block; appends what could not be read."""

_LENGTH: Final = struct.Struct(">Q")
_END: Final = 2**64 - 1
_END_OF_BLOCK: Final = 2**64 - 2
_ALONE: Final = Share(0, 1)


def rendered(blocks: Blocks, findings: list[Finding]) -> Iterator[str]:
    """Yield the text of all ``blocks``, in order; append to ``findings`` what could not be read."""
    if not _can_fork():
        yield from filter(None, blocks(_ALONE, findings))
        return
    if (second := _forked()) is None:
        yield from filter(None, blocks(_ALONE, findings))
        return
    child, reading, writing = second
    if child == 0:
        os.close(reading)
        _send(blocks, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        try:
            yield from _merged(blocks, pipe, findings)
        finally:
            pipe.close()  # a child that still writes ends there
            os.waitpid(child, 0)


def _forked() -> tuple[int, int, int] | None:
    """Fork; return as `os.fork` does, and a pipe's two ends. None where the system has no room for it."""
    ends = list[int]()
    try:
        ends.extend(os.pipe())
        return os.fork(), ends[0], ends[1]
    except OSError:
        for one in ends:
            os.close(one)
        return None


def _can_fork() -> bool:
    """Tell whether a second process is safe, and of use: not among threads, not on a single core."""
    return sys.platform == "linux" and threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1


def _merged(blocks: Blocks, pipe: BinaryIO, findings: list[Finding]) -> Iterator[str]:
    """Yield our own blocks and the child's in turn."""
    theirs = _received(pipe, findings)
    for own in blocks(Share(0, 2), findings):
        if own is None:
            yield from iter(partial(next, theirs, None), None)
        else:
            yield own
    yield from filter(None, theirs)


def _received(pipe: BinaryIO, findings: list[Finding]) -> Iterator[str | None]:
    while len(header := pipe.read(_LENGTH.size)) == _LENGTH.size:
        if (length := _LENGTH.unpack(header)[0]) == _END:
            import pickle

            findings.extend(pickle.loads(pipe.read()))  # noqa: S301 - from our own child
            return
        if length == _END_OF_BLOCK:
            yield None
            continue
        yield pipe.read(length).decode("utf-8", "surrogatepass")
    raise ChildProcessError("the second process ended before its work did")


def _send(blocks: Blocks, writing: int) -> None:
    """Send our blocks and findings as the child, and end."""
    import pickle

    findings: list[Finding] = []
    code = 1
    try:
        with open(writing, "wb") as pipe:
            for piece in blocks(Share(1, 2), findings):
                content = b"" if piece is None else piece.encode("utf-8", "surrogatepass")
                pipe.write(_LENGTH.pack(_END_OF_BLOCK if piece is None else len(content)) + content)
            pipe.write(_LENGTH.pack(_END) + pickle.dumps(findings))
        code = 0
    finally:
        os._exit(code)
