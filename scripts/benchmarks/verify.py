"""What verifying costs, against reading and digesting alone, and against a shell loop. For `bench.py`."""

import hashlib
import os
from pathlib import Path
from typing import Final

from benchmarks import fleets
from benchmarks.contest import Contest, Process, Task, executable
from isal import igzip_lib

from backupmeta.search import Search
from backupmeta.verification import verify

PIECE: Final = 256 * fleets.KIB
"""The block that isal is fastest with here: how much is read, and inflated, at once."""

ARCHIVES: Final = 50
SHELL_LOOP: Final = 'for f in *.tar.gz; do gzip -t "$f" && tar -tzf "$f"; done'


def verify_contests(folder: Path, given: Path | None) -> list[Contest]:
    """Return what to measure with the ``given`` archive, of which copies are made in ``folder``."""
    if given is None:
        raise SystemExit("bench: verify needs --archive: a real backup, as scripts/real_backup.py makes one")
    return [one_contest(given), many_contest(folder, given)]


def one_contest(archive: Path) -> Contest:
    """Return verifying ``archive``, with all checks, against inflating and digesting it, both in this process."""
    ours = Task("verify, one archive", lambda: verified(archive), 3, archive)
    peer = Task("bare isal inflate, and SHA-256", lambda: inflated_and_digested(archive), 3, archive)
    return Contest("verify, one archive, all checks", ours, peer, 1.4)


def many_contest(folder: Path, archive: Path) -> Contest:
    """Return verifying 50 archives as a whole process against a shell loop over them."""
    host, title, rest = archive.name.split("_", 3)[1:]
    for number in range(ARCHIVES):
        (folder / f"app_{host}-{number}_{title}_{rest}").write_bytes(archive.read_bytes())
    os.sync()  # what is still being written would disturb
    ours = Process(("sh", "-c", f"{executable()} verify --jobs 2 . || [ $? -eq 1 ]"), folder)
    if (failed := ours.output().count(b".tar.gz: fail: ")) != ARCHIVES:
        raise SystemExit(f"bench: {failed} archives of {ARCHIVES} were verified")
    words = f"verify --jobs 2, {ARCHIVES} archives"
    return Contest(
        words,
        Task(words, ours),
        Task("a shell loop of `gzip -t && tar -tzf`", Process(("sh", "-c", SHELL_LOOP), folder)),
        0.5,
    )


def verified(archive: Path) -> None:
    """Verify ``archive``; stop where something is wrong with it: its time would mean nothing."""
    if any(verification.verdict != "pass" for verification in verify(Search((str(archive),)))):
        raise SystemExit(f"bench: {archive}: something is wrong with it")


def inflated_and_digested(archive: Path) -> str:
    """Inflate ``archive`` with isal, count its digest, and do nothing else with it."""
    stream, digest = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), hashlib.sha256()
    with archive.open("rb", buffering=0) as file:
        while not stream.eof:
            piece = file.read(PIECE) if stream.needs_input else b""
            digest.update(piece)
            stream.decompress(piece, PIECE)
    return digest.hexdigest()
