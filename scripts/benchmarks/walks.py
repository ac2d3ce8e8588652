"""What a full pass over an archive costs, against its peers. For `bench.py`."""

import subprocess
import tarfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from benchmarks import fleets
from benchmarks.contest import Contest, Process, Task, executable
from isal import igzip_lib

from backupmeta.archive.reader import Pass
from backupmeta.evidence import open_named

PIECE: Final = 256 * fleets.KIB
"""The block that isal is fastest with here: how much is read, and inflated, at once."""

PROGRAMS: Final = (
    "tar -tzf {}",
    "bsdtar -tf {}",
    "gzip -t {}",
    "pigz -dc {} | tar -t",
)


def walk_contests(folder: Path, given: Path | None) -> list[Contest]:
    """Make the archives in ``folder``; return what to measure with them, and with the archive that was ``given``."""
    small, big = folder / "small-files.tar.gz", folder / "big-file.tar.gz"
    fleets.many_files_archive(small, 50_000)
    fleets.big_file_archive(big, 2048)
    of_given = [*contests_of("WordPress", given, 1.25, 1 / 3, 3), members_contest(given)] if given else []
    return [
        *of_given,
        *contests_of("50,000 small files", small, 2, None, 2),
        *contests_of("one file of 2 GB", big, 1.25),
    ]


def contests_of(
    words: str, archive: Path, bound: float, peers: float | None = None, repeat: int = 1
) -> Iterator[Contest]:
    """Yield a full pass with its digest against each peer: ``bound`` for isal, ``peers`` for tarfile and GNU tar.

    Each task of a short archive is done ``repeat`` times at once, so that none pays for what the one before it left.
    """
    what = f"walk and SHA-256, {words}"
    ours = Task(what, lambda: walked(archive), repeat, archive)
    yield Contest(what, ours, Task("bare isal inflate", lambda: inflated(archive), repeat, archive), bound)
    yield Contest(what, ours, Task("tarfile `r:gz`", lambda: listed(archive, "r:gz"), repeat, archive), peers)
    yield Contest(what, ours, Task("tarfile `r|gz`", lambda: listed(archive, "r|gz"), repeat, archive))
    for program in PROGRAMS:
        run = Process(("sh", "-c", program.format(archive)), archive.parent)
        task = Task(f"`{program.format('…')}`", run, repeat, archive)
        yield Contest(what, ours, task, peers if program.startswith("tar ") else None)


def members_contest(archive: Path) -> Contest:
    """Return listing members as a whole process against GNU tar."""
    ours = Process((executable(), "members", str(archive)), archive.parent, subprocess.DEVNULL)
    peer = Process(("tar", "-tzf", str(archive)), archive.parent)
    return Contest(
        "`backupmeta members`, start-up included",
        Task("members", ours, 1, archive),
        Task("`tar -tzf …`", peer, 1, archive),
        1,
    )


def walked(archive: Path) -> None:
    """Walk over ``archive``, with its SHA-256 and all findings."""
    with open_named(str(archive)) as file:
        reading = Pass(file)
        deque(reading, maxlen=0)
        if [*reading.findings()] or not reading.digests:
            raise SystemExit(f"bench: {archive}: something is wrong with it")


def inflated(archive: Path) -> None:
    """Inflate ``archive`` with isal, and do nothing with it."""
    stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    with archive.open("rb", buffering=0) as file:
        while not stream.eof:
            stream.decompress(file.read(PIECE) if stream.needs_input else b"", PIECE)


def listed(archive: Path, mode: Literal["r:gz", "r|gz"]) -> None:
    """List ``archive`` with tarfile."""
    with tarfile.open(archive, mode) as opened:
        deque(opened, maxlen=0)
