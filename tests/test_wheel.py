"""The package as it is shipped: a wheel, installed where no checkout is near."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment of its own, its dependencies borrowed from this one; made without a network."""
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling, without a network")
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-deps", "--no-index"]
    build = [*PIP, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(PROJECT)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv/bin/python"
    subprocess.run([*PIP, "--python", str(python), "install", *offline, str(wheel)], check=True)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "venv/bin/backupmeta"


def ran(command: Path, *arguments: str) -> bytes:
    """Return what the installed command prints, no checkout being on Python's path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([command, *arguments], cwd="/", env=clean, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.mark.long
def test_an_installed_package_has_the_page_of_the_format(installed: Path) -> None:
    assert ran(installed, "help", "format") == (PROJECT / "fixtures/FORMAT.md").read_bytes()


@pytest.mark.long
def test_an_installed_package_has_the_whole_manual(installed: Path, tmp_path: Path) -> None:
    checkout = subprocess.run(
        [sys.executable, "-m", "backupmeta", "help"], capture_output=True, check=True, cwd=PROJECT
    )
    assert ran(installed, "help") == checkout.stdout
    ran(installed, "help", "--html", str(tmp_path / "site"))
    assert (tmp_path / "site/format.html").is_file()
