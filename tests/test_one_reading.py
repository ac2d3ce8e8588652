"""Every command says the same of one archive: its record, members, contents, tables, and what is odd about it.

Each archive of fixtures/ and of `tests.kinds` goes through all commands that read archives. What they say is held
against what the others say; what is true is shown by the tests of the single parts.
"""

import base64
import bz2
import gzip
import lzma
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
import zstandard
from writers.installatron import gzip_bytes

from backupmeta.archive.member import plain
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Group, Severity
from tests.hostile import END, TIME, member
from tests.invented import FIXTURES, Json, Ran, run
from tests.kinds import KINDS, RECORD

OF_FIXTURES: Final[Mapping[str, Path]] = {
    f"{group}-{folder.name}": next(one for one in folder.iterdir() if one.name != "expected.json")
    for group in ("archives", "applications")
    for folder in sorted((FIXTURES / group).iterdir())
}
NAMES: Final = [*OF_FIXTURES, *(name.replace("/", "|") for name in KINDS)]
_KINDS: Final = {name.replace("/", "|"): one for name, one in KINDS.items()}

SMALL: Final = 64 * 1024
"""Up to this size, in bytes, an archive is read to its end whatever is asked of it."""

SAMPLED: Final = 4
"""Of about how many members of an archive the content is asked for."""

_ID: Final = re.compile(r"\[([a-z0-9-]+)\]$", re.MULTILINE)
UNREAD: Final = {id_ for id_, kind in FINDINGS.items() if kind.is_unread}
_FRAMES: Final[tuple[tuple[bytes, Callable[[bytes], bytes]], ...]] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ", lzma.decompress),
    (b"\x28\xb5\x2f\xfd", lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content)),
)

# --- which findings are compared --------------------------------------------------------------------------------------

PLACE: Final = {"record-not-first", "record-not-at-root", "record-several", "record-deeper"}
OF_ARCHIVES: Final = {id_ for id_, kind in FINDINGS.items() if kind.group in {Group.WHOLE, Group.SAFE}} | PLACE
"""What a walk over an archive tells."""

OF_THE_END: Final = {
    id_ for id_ in OF_ARCHIVES if FINDINGS[id_].group is Group.WHOLE or id_ in PLACE or id_.startswith("member-ext")
} - {"member-link-unresolved", "member-not-compared"}
"""What is told of a small archive whatever is asked: not whether links and names of all members fit."""

SPOKEN: Final = {
    id_
    for id_, kind in FINDINGS.items()
    if kind.severity is Severity.ERROR or (kind.group is Group.WHOLE and kind.severity is Severity.WARNING)
}
"""What lists and comparisons tell on stderr."""


def ids(findings: Iterable[Json]) -> set[str]:
    return {finding["id"] for finding in findings}


def exact(entry: Json, key: str = "name") -> bytes:
    """Return a name in JSON, exactly as in the archive."""
    if (encoded := entry.get(f"{key}_base64")) is not None:
        return base64.b64decode(encoded)
    return str(entry[key]).encode()


# --- asking -----------------------------------------------------------------------------------------------------------


class Archive:
    """An archive on disk, and what the commands say of it; each is asked once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_small = path.stat().st_size <= SMALL

    @cached_property
    def members(self) -> Json | None:
        """What ``members`` says; None where it can't read the archive."""
        ran = run("members", self.path, "--json", "--member-digest", "sha256")
        assert (ran.code == 2) >= (not ran.out), ran.err
        return ran.json if ran.out else None

    @cached_property
    def verified(self) -> Json:
        [target] = [one for one in run("verify", self.path, "--json").json["targets"] if one["path"] == str(self.path)]
        assert isinstance(target, dict)
        return target

    @cached_property
    def view(self) -> Ran:
        return run("view", self.path, "--provenance", "--show-secrets")

    @property
    def is_read(self) -> bool:
        """Whether its record is there, and can be read."""
        return bool(self.view.out)

    @cached_property
    def explained(self) -> Ran:
        return run("explain", self.path, "--json", "--show-secrets")

    @cached_property
    def listed(self) -> Ran:
        return run("list", self.path, "--json", "--provenance", "--show-secrets")

    @cached_property
    def row(self) -> Json | None:
        rows = self.listed.json["data"] if self.listed.out else []
        return rows[0] if rows else None

    @cached_property
    def against_itself(self) -> Ran:
        """What ``diff`` finds between the archive and itself."""
        return run("diff", self.path, self.path, "--deep", "--json")

    @cached_property
    def against_nothing(self) -> Ran:
        """What ``diff`` finds between the archive and one that holds nothing but a record."""
        other = self.path.parent.parent / f"{self.path.parent.name}-alone" / self.path.name
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(gzip_bytes(member(f"only/{RECORD}", b"title=other\n") + END, TIME))
        return run("diff", self.path, other, "--deep", "--json")

    @property
    def findings(self) -> set[str]:
        """The ids of what ``members`` finds."""
        return set() if self.members is None else ids(self.members["findings"])

    def cat(self, name: bytes | str) -> Ran:
        return run("cat", self.path, os.fsdecode(name), "--show-secrets")

    @property
    def entries(self) -> list[Json]:
        return [] if self.members is None else self.members["members"]

    @cached_property
    def last(self) -> dict[bytes, Json]:
        """The last member of each path."""
        return {plain(exact(entry)): entry for entry in self.entries}


class Catalog:
    """What a catalog of all archives says, by their paths."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = {_file(one): one for one in run("find", path, "--jsonl", "--provenance").jsonl}
        self.listed = {_file(one): one for one in run("list", "--catalog", path, "--jsonl", "--provenance").jsonl}
        self.findings = dict[str, set[str]]()
        paths = {one["file"]: one["path"] for one in self._table("files")}
        for one in self._table("findings"):
            known = [paths[one["file"]]] if one["file"] else [place["path"] for place in one["evidence"]]
            for where in known:
                self.findings.setdefault(where, set()).add(one["id"])

    def _table(self, name: str) -> list[Json]:
        return run("export", self.path, "--format", "jsonl", "--table", name).jsonl


def _file(row: Json) -> str:
    """Return the archive that a row is about."""
    places = (one["source"] for one in row["provenance"]["fields"].values())
    return next(str(place["path"]) for place in places if "path" in place)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with all archives, each in a folder of its own."""
    root = tmp_path_factory.mktemp("archives")
    for number, name in enumerate(NAMES):
        folder = root / f"{number}"
        folder.mkdir()
        if name in OF_FIXTURES:
            path = Path(shutil.copy(OF_FIXTURES[name], folder))
        else:
            path = folder / _KINDS[name].name
            path.write_bytes(_KINDS[name].content)
        os.utime(path, (TIME, TIME))
    return root


@pytest.fixture(scope="session")
def archives(tree: Path) -> Mapping[str, Archive]:
    """Give all archives by their names."""
    return {name: Archive(next(one for one in (tree / f"{number}").iterdir())) for number, name in enumerate(NAMES)}


@pytest.fixture(scope="session")
def shallow(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return _scanned(tree, tmp_path_factory.mktemp("shallow"))


@pytest.fixture(scope="session")
def deep(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return _scanned(tree, tmp_path_factory.mktemp("deep"), "--deep")


def _scanned(tree: Path, folder: Path, *options: str) -> Catalog:
    run("scan", tree, "-o", folder / "catalog.sqlite", "--jobs", "1", *options)
    return Catalog(folder / "catalog.sqlite")


# --- the record -------------------------------------------------------------------------------------------------------


def check_the_record(archive: Archive, shallow: Catalog, deep: Catalog) -> None:
    where = str(archive.path)
    if not archive.is_read:
        assert archive.view.code == 2
        assert (archive.explained.code, archive.explained.out) == (2, b"")
        assert archive.row is None
        assert where not in {*shallow.rows, *shallow.listed, *deep.rows, *deep.listed}
        return
    [step] = [one for one in archive.explained.json if one["place"] == "member"]
    own = next(entry for entry in archive.entries if entry["offset"] == step["offset"])
    assert exact(own).decode("utf-8", "replace") == step["text"]
    record = archive.cat(exact(own)).out
    assert record
    assert own["digest"] == sha256(record).hexdigest()
    assert _lines(archive.explained.json) == record.decode("utf-8", "replace").split("\n")
    answer = archive.view.json["data"]
    assert _bare(archive.row) == _bare(answer)
    values = dict(line.partition("=")[::2] for line in record.decode("utf-8", "replace").split("\n"))
    for field, key in (("title", "title"), ("version", "version"), ("user", "owner"), ("db_name", "db-name")):
        assert answer.get(field) in {values[key], None}
    masked = run("view", archive.path).json["data"]
    for catalog in (shallow, deep):
        assert _bare(catalog.rows[where]) == _bare(catalog.listed[where]) == masked


def _bare(answer: Json | None) -> Json:
    """Return an answer's fields."""
    assert answer is not None
    return {name: value for name, value in answer.items() if name not in {"provenance", "evidence"}}


def _lines(steps: list[Json]) -> list[str]:
    return [step["text"] for step in steps if step["place"] == "record"]


# --- members and contents ---------------------------------------------------------------------------------------------


def check_the_members(archive: Archive) -> None:
    told = run("timeline", archive.path, "--deep", "--jsonl")
    members = [one for one in told.jsonl if one["event"] == "member"]
    witnesses = [witness for one in members for witness in (one, *one.get("also", ()))]
    places = {(witness["member"], witness["offset"]) for witness in witnesses}
    assert places in ({(entry["name"], entry["offset"]) for entry in archive.entries}, set())
    if not archive.is_read:
        return
    removed = [one["before"] for one in archive.against_nothing.json["members"] if one["before"]]
    assert {exact(one): (one["type"], one["size"], one["sha256"]) for one in removed} == {
        path: (one["type"], one["size"], one["digest"]) for path, one in archive.last.items()
    }


def check_the_contents(archive: Archive) -> None:
    files = [(path, one) for path, one in archive.last.items() if one["type"] in {"file", "hard link"} and path]
    for path, last in files[:: max(len(files) // SAMPLED, 1)]:
        same = (entry for entry in archive.entries if plain(exact(entry)) == path)
        one = next(same) if path == RECORD.encode() else last  # of records the first counts
        ran = archive.cat(exact(one))
        if one["digest"] is None:
            assert ran.code == 2
            continue
        assert sha256(ran.out).hexdigest() == one["digest"]
        assert len(ran.out) == one["size"] or one["type"] == "hard link"
        if path != RECORD.encode() or archive.is_small:  # else the rest is not looked at for it
            assert ran.code == (2 if archive.findings & UNREAD - {"member-link-unresolved"} else 0)
            assert set(_ID.findall(ran.err)) & SPOKEN & OF_THE_END == archive.findings & SPOKEN & OF_THE_END


# --- the dump ---------------------------------------------------------------------------------------------------------


def check_the_tables(archive: Archive) -> None:
    if archive.members is None or archive.row is None:
        return
    dump = archive.members["dump"]
    tables = {one["name"] for one in dump["tables"]} if dump else set()
    assert {exact(one).decode() for one in archive.against_nothing.json["tables"]} == tables
    told = {id_: _tables(archive, id_) for id_ in ("table-missing", "table-unlisted")}
    if archive.findings & {*UNREAD, "record-not-at-root"}:
        assert told == {"table-missing": set(), "table-unlisted": set()}  # what is not wholly read is not judged
        return
    listed = set(archive.row["tables"])
    is_cut = dump is not None and dump["is_complete"] is False
    assert ("dump-incomplete" in ids(archive.verified["findings"])) == is_cut
    assert ("dump-missing" in ids(archive.verified["findings"])) == (dump is None)
    assert told["table-missing"] == (set() if is_cut or dump is None else listed - tables)
    assert told["table-unlisted"] == tables - listed


def _tables(archive: Archive, id_: str) -> set[str]:
    """Return the tables that ``verify`` names in its findings of this id."""
    return {one["message"].rpartition("(")[2].rstrip(")") for one in archive.verified["findings"] if one["id"] == id_}


# --- what is odd ------------------------------------------------------------------------------------------------------


BROKEN: Final = {"archive-damaged", "archive-truncated", "archive-unreadable", "limit-exceeded", "record-missing"}


def check_what_can_t_be_read(archive: Archive, shallow: Catalog) -> None:
    if archive.is_read:
        return
    why = ids(archive.verified["findings"]) & BROKEN
    assert archive.verified["verdict"] != "pass"
    assert archive.view.code == archive.explained.code == archive.listed.code == 2
    assert set(_ID.findall(archive.listed.err)) == why
    assert set(_ID.findall(run("timeline", archive.path).err)) == why
    assert shallow.findings[str(archive.path)] == why


def check_the_findings(archive: Archive, shallow: Catalog, deep: Catalog) -> None:
    if archive.members is None:
        return
    found = archive.findings
    assert found <= OF_ARCHIVES
    unread = set[str]() if archive.is_read else {"archive-unreadable", "limit-exceeded"}
    assert ids(archive.verified["findings"]) & OF_ARCHIVES - unread == found - unread
    assert deep.findings.get(str(archive.path), set()) & OF_ARCHIVES - unread == found - unread
    spoken = set(_ID.findall(run("timeline", archive.path, "--deep").err))
    if not archive.is_read:
        assert spoken & UNREAD
        return
    assert spoken & OF_ARCHIVES & SPOKEN == found & SPOKEN
    compared = archive.against_itself
    assert ids(compared.json["findings"]) & OF_ARCHIVES - {"member-not-compared"} == found
    assert set(_ID.findall(compared.err)) & OF_ARCHIVES & SPOKEN - {"member-not-compared"} == found & SPOKEN
    codes = {archive.view.code, archive.listed.code, archive.explained.code}
    assert codes == {2 if ids(archive.view.json["provenance"]["findings"]) & UNREAD else 0}
    for told in _of_heads(archive, shallow):
        assert told & OF_ARCHIVES <= found
        assert told & OF_THE_END == found & OF_THE_END or not archive.is_small


def _of_heads(archive: Archive, catalog: Catalog) -> Iterator[set[str]]:
    """Yield what the commands find that read an archive's beginning, or all of a small one."""
    assert archive.row is not None
    where = str(archive.path)
    yield ids(archive.view.json["provenance"]["findings"])
    yield ids(archive.row["provenance"]["findings"])
    yield {one["text"] for one in archive.explained.json if one["place"] == "file"} & FINDINGS.keys()
    yield catalog.findings.get(where, set())
    yield ids(catalog.rows[where]["provenance"]["findings"])
    yield ids(catalog.listed[where]["provenance"]["findings"])


# --- differences ------------------------------------------------------------------------------------------------------


def check_that_it_is_as_itself(archive: Archive) -> None:
    if not archive.is_read:
        return
    found = archive.against_itself
    assert (found.json["is_same"], found.json["members"], found.json["tables"]) == (True, [], [])
    assert (found.code == 2) == bool(ids(found.json["findings"]) & UNREAD)


def check_that_one_change_is_one(archive: Archive, tmp_path: Path) -> None:
    tar, chosen = _inflated(archive.path.read_bytes()), _only(archive)
    if not archive.is_read or tar is None or chosen is None:
        return
    if (at := tar.find(archive.cat(exact(chosen)).out, chosen["offset"])) < 0:
        return
    changed = tmp_path / archive.path.name
    changed.write_bytes(gzip_bytes(tar[:at] + bytes([tar[at] ^ 1]) + tar[at + 1 :], TIME))
    found = run("diff", archive.path, changed, "--deep", "--json")
    [one] = found.json["members"]
    assert (one["what"], one["by"], exact(one["after"])) == ("changed", ["content"], plain(exact(chosen)))
    assert one["before"]["sha256"] == chosen["digest"]
    assert found.code == (2 if ids(found.json["findings"]) & UNREAD else 1)


def _only(archive: Archive) -> Json | None:
    """Return the last plain file of some length whose content and name no other member has, and that is no record."""
    digests = [entry["digest"] for entry in archive.entries]
    paths = [plain(exact(entry)) for entry in archive.entries]
    fit = (
        entry
        for entry in archive.entries
        if entry["type"] == "file"
        and entry["digest"]
        and entry["size"] > 3
        and "stored" not in entry
        and digests.count(entry["digest"]) == paths.count(plain(exact(entry))) == 1
        and not exact(entry).endswith((b"APP-META.INI", b"APP-DATA.SQL"))
    )
    return next(reversed(list(fit)), None)


def _inflated(content: bytes) -> bytes | None:
    """Return an archive's tar, if it is one whole stream."""
    with suppress(OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError):
        for signature, inflate in _FRAMES:
            if content.startswith(signature):
                return inflate(content)
        return content
    return None


@pytest.mark.untraced  # the same lines for each archive
@pytest.mark.parametrize("name", NAMES)
def test_all_commands_say_the_same(
    name: str, archives: Mapping[str, Archive], shallow: Catalog, deep: Catalog, tmp_path: Path
) -> None:
    archive = archives[name]
    check_the_record(archive, shallow, deep)
    check_the_members(archive)
    check_the_contents(archive)
    check_the_tables(archive)
    check_what_can_t_be_read(archive, shallow)
    check_the_findings(archive, shallow, deep)
    check_that_it_is_as_itself(archive)
    check_that_one_change_is_one(archive, tmp_path)
