"""What a file is that is no archive: own signatures, libmagic, and machines that have none."""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive import foreign
from backupmeta.archive.foreign import describe

HTML = b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head><body></body></html>\n"


@pytest.fixture
def no_detector_yet() -> Iterator[None]:
    """Forget which libmagic was found, before and after."""
    foreign._detector.cache_clear()
    yield
    foreign._detector.cache_clear()


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"", "empty"),
        (HTML, "HTML document"),
        (b"<?php\nrequire 'wp-load.php';\n", "a PHP script"),
        (b"PK\x03\x04" + bytes(40), "a zip archive"),
        (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
        (b"Salted__" + bytes(range(100, 164)), r"encrypted \(openssl enc\)"),
        (b"age-encryption.org/v1\n-> X25519 ", r"encrypted \(age\)"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA", r"encrypted \(PGP\)"),
        (b"\x85\x01\x0c\x03" + bytes(range(8)) + b"\x07\xff" + bytes(60), "PGP"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-zip archive"),
        (b"SQLite format 3\0" + bytes(84), "an SQLite database"),
        (b"plain words\n", "ASCII text"),
        (b"\0\1\2\3\4\5" * 10, "of an unknown kind"),
    ],
)
def test_a_file_is_named(block: bytes, words: str) -> None:
    assert re.search(words, describe(block).words)


@given(st.binary(max_size=200))
def test_describing_never_raises_and_stays_on_one_line(block: bytes) -> None:
    assert describe(block).words.isprintable()


@pytest.mark.usefixtures("no_detector_yet")
def test_without_python_magic_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "magic", None)
    monkeypatch.setattr(foreign, "_load_bundled_library", lambda: None)
    assert describe(HTML).words == "of an unknown kind"
    assert describe(b"PK\x03\x04").words == "a zip archive"


@pytest.mark.usefixtures("no_detector_yet")
def test_a_libmagic_without_a_database_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import magic

    def refuse(**_: object) -> None:
        raise magic.MagicException("could not find any valid magic files!")

    monkeypatch.setattr(magic, "Magic", refuse)
    assert describe(HTML).words == "of an unknown kind"


@pytest.mark.usefixtures("no_detector_yet")
def test_a_libmagic_that_fails_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import magic

    class Failing:
        def from_buffer(self, buf: bytes) -> str:
            raise magic.MagicException(f"regex error in {len(buf)} bytes")

    monkeypatch.setattr(foreign, "_detector", Failing)
    assert describe(HTML).words == "of an unknown kind"


@pytest.mark.parametrize("found", [None, "/nonexistent/libmagic.so.1"])
def test_no_bundled_library_is_no_error(found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "_bundled", lambda _name: found)
    assert foreign._load_bundled_library() is None


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="pylibmagic is for Linux and macOS")
def test_the_bundled_database_is_found_without_importing_its_package() -> None:
    found = foreign._bundled("magic.mgc")
    assert found is not None
    assert Path(found).stat().st_size > 10**6
    assert foreign._bundled("absent") is None
    assert "pylibmagic" not in sys.modules


def test_a_package_that_is_not_there_bundles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "find_spec", lambda _name: None)
    assert foreign._bundled("magic.mgc") is None


WITHOUT_SYSTEM_LIBMAGIC = """
    import ctypes, ctypes.util, json, os, sys

    find, load = ctypes.util.find_library, ctypes.CDLL

    def found(name):
        return None if name == "magic" else find(name)

    class Loaded(load):
        here = False

        def __init__(self, name, *rest, **more):
            if str(name).startswith("libmagic") and not Loaded.here:
                raise OSError(f"{name}: cannot open shared object file")
            Loaded.here = Loaded.here or "magic" in str(name)
            super().__init__(name, *rest, **more)

    ctypes.util.find_library, ctypes.CDLL = found, Loaded
    before = dict(os.environ)
    HIDE_BUNDLED
    from backupmeta.archive.foreign import describe

    print(json.dumps([describe(sys.argv[1].encode()).words, "pylibmagic" in sys.modules, dict(os.environ) == before]))
"""


def describe_elsewhere(hide: str) -> list[object]:
    script = textwrap.dedent(WITHOUT_SYSTEM_LIBMAGIC).replace("HIDE_BUNDLED", hide)
    command = [sys.executable, "-c", script, HTML.decode()]
    found: list[object] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=20).stdout)
    return found


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="pylibmagic is for Linux and macOS")
def test_where_the_system_has_no_libmagic_the_bundled_one_is_loaded_by_its_path() -> None:
    words, is_imported, is_environment_unchanged = describe_elsewhere("")
    assert str(words).startswith("HTML document")
    assert (is_imported, is_environment_unchanged) == (False, True)


def test_where_there_is_none_at_all_nothing_is_known() -> None:
    hide = "import importlib.util; importlib.util.find_spec = lambda name: None"
    assert describe_elsewhere(hide) == ["of an unknown kind", False, True]
