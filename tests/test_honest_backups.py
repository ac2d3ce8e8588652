"""An honest backup stays one, in whatever dialect, compression, order, year and application it comes."""

import bz2
import gzip
import json
import lzma
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest
import zstandard

from backupmeta import Search, verify
from tests.invented import FIXTURES

CASES = sorted(path for path in (FIXTURES / "applications").iterdir() if path.is_dir())
ARCHIVES = {case.name: next(case.glob("app_*")) for case in CASES}
NOW = 1_800_000_000  # later than any of them


def bad(path: Path) -> dict[str, str]:
    """Return the errors and warnings about the archive at ``path``."""
    [one] = verify(Search((str(path),)), now=NOW)
    return {judged.finding.id: judged.finding.message for judged in one.judged if judged.severity != "note"}


@pytest.mark.parametrize("case", ARCHIVES)
def test_each_year_and_each_application(case: str) -> None:
    assert bad(ARCHIVES[case]) == {}


def test_every_year_of_the_records_and_every_application_is_there() -> None:
    applications = {json.loads((case / "expected.json").read_text())["application"] for case in CASES}
    assert applications == {"wordpress", "drupal", "joomla", "magento", "mediawiki", "prestashop", "phpbb", "moodle"}
    dialects = {case.removeprefix("wordpress-") for case in ARCHIVES if case.startswith("wordpress-")}
    assert {"2014", "2018", "2021", "2023", "2025"} <= dialects


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real unpacking of a backup, by the system's tar."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "-xzf", ARCHIVES["wordpress-2025"]], cwd=folder, check=True)
    return folder


def in_order(folder: Path) -> list[str]:
    """Return the names at the top, Installatron's own first."""
    own = ["APP-META.INI", "APP-DATA.SQL"]
    return own + sorted({path.name for path in folder.iterdir()} - set(own))


Pack = Callable[[Path, Path], object]


def by_program(*command: str, names: Callable[[Path], list[str]] = in_order) -> Pack:
    """Return what packs a folder with a program, which writes to stdout."""

    def pack(folder: Path, target: Path) -> None:
        if which(command[0]) is None:
            pytest.skip(f"no {command[0]} here")
        with target.open("wb") as out:
            subprocess.run([*command, *names(folder)], cwd=folder, stdout=out, check=True)

    return pack


DIALECTS: dict[str, Pack] = {
    **{f"GNU tar {one}": by_program("tar", "-cf", "-", f"--format={one}") for one in ("v7", "ustar", "gnu", "posix")},
    **{f"bsdtar {one}": by_program("bsdtar", "-cf", "-", "--format", one) for one in ("ustar", "pax", "gnutar", "v7")},
    "busybox": by_program("busybox", "tar", "-cf", "-"),
    "the folder itself": by_program("tar", "-cf", "-", names=lambda _: ["."]),
    "with ./": by_program("tar", "-cf", "-", names=lambda folder: [f"./{name}" for name in in_order(folder)]),
    "in readdir's order": by_program("tar", "-cf", "-", names=os.listdir),
    "without folders": by_program(
        "tar",
        "-cf",
        "-",
        "--no-recursion",
        names=lambda folder: [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()],
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect(dialect: str, unpacked: Path, tmp_path: Path) -> None:
    name = ARCHIVES["wordpress-2025"].name
    plain = tmp_path / name.removesuffix(".gz")
    DIALECTS[dialect](unpacked, plain)
    assert bad(plain) == {}
    packed = tmp_path / name
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert bad(packed) == {}


def several(content: bytes) -> bytes:
    """Return ``content`` as several gzip members in a row."""
    third = len(content) // 3
    return b"".join(gzip.compress(part) for part in (content[:third], content[third : 2 * third], content[2 * third :]))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": several,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_each_compression(suffix: str, tmp_path: Path) -> None:
    original = ARCHIVES["wordpress-2025"]
    path = tmp_path / (original.name.removesuffix(".tar.gz") + suffix)
    path.write_bytes(COMPRESSIONS[suffix](gzip.decompress(original.read_bytes())))
    assert bad(path) == {}


def test_any_order_of_members(tmp_path: Path) -> None:
    original = ARCHIVES["drupal-10"]
    path = tmp_path / original.name
    shuffle = random.Random(4).shuffle  # noqa: S311 - no secret
    for _ in range(5):
        with tarfile.open(original) as old, tarfile.open(path, "w:gz") as new:
            members = old.getmembers()
            shuffle(members)
            for member in members:
                new.addfile(member, old.extractfile(member))
        assert bad(path) == {}
