"""One open archive: what was verified is what is read, whatever takes its place at its path."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any, Final

import pytest

from backupmeta import (
    Fate,
    Member,
    MemberResult,
    Policy,
    Search,
    TableStatement,
    Verdict,
    open_archive,
    verify_archive,
    view,
)
from backupmeta.errors import DamagedError, LimitExceededError, NoMemberError, NoRecordError, NotRegularError
from backupmeta.reading import cut
from tests.invented import BACKUP, NAME, archive, backup_record, run
from tests.sites import DUMP, FILES, NOW, honest, packed, record

LONG: Final = b"INSERT INTO `wp_options` VALUES ('" + b"x" * 300_000 + b"');"
INSERTS: Final = [b"INSERT INTO `wp_options` VALUES ('1'),('2');", b"INSERT INTO `wp_users` VALUES ('1');"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An honest backup in its home."""
    return str(honest(tmp_path_factory.mktemp("reading") / "home/exampleu").archives / NAME)


def written(tmp_path: Path, content: bytes) -> str:
    (tmp_path / NAME).write_bytes(content)
    return str(tmp_path / NAME)


# --- what is known of it ----------------------------------------------------------------------------------------------


def test_it_tells_what_view_tells(path: str) -> None:
    with open_archive(path) as opened:
        assert opened.inspection.answer == view(path).data
        assert (opened.inspection.get("id"), opened.path, opened.server_path) == (BACKUP, path, path)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(NotRegularError):
        open_archive(str(tmp_path))
    with open_archive(written(tmp_path, archive(None, [("a", b"")]))) as opened, pytest.raises(NoRecordError):
        opened.inspection  # noqa: B018 - it reads


@pytest.mark.parametrize("slip", [b"archive", io.BytesIO(b""), None])
def test_what_is_neither_a_path_nor_an_open_file(slip: Any) -> None:
    with pytest.raises(TypeError, match="a path, or a file that the system has open"):
        open_archive(slip)


def test_a_closed_archive_says_so_and_its_streams_go_on(path: str) -> None:
    opened = open_archive(Path(path))
    stream = opened.open("index.php")
    opened.close()
    opened.close()
    for ask in (opened.verify, opened.needs, lambda: list(opened.members()), lambda: opened.open("index.php")):
        with pytest.raises(ValueError, match="the archive is closed"):
            ask()
    assert stream.read() == FILES["index.php"]


# --- members and contents ---------------------------------------------------------------------------------------------


def test_contents_as_members_pass_are_those_that_tarfile_reads(path: str) -> None:
    with open_archive(path) as opened, tarfile.open(path) as peer:
        passed = {member.text: opened.open(member).read() for member in opened.members() if member.kind == "file"}
        files = {info.name: peer.extractfile(info) for info in peer if info.isreg()}
        assert passed == {name: file.read() for name, file in files.items() if file is not None}


def test_some_contents_are_read_while_members_pass_and_others_after(path: str) -> None:
    with open_archive(path) as opened:
        members, stream = dict[str, Member](), opened.open("wp-load.php")
        for member in opened.members():
            members[member.text] = member
            if member.text == "wp-load.php":
                assert opened.open(members["index.php"]).read() == FILES["index.php"]  # another reading
                stream = opened.open(member)
                assert stream.read(5) == b"<?php"
        with pytest.raises(ValueError, match="has passed"):
            stream.read()
        both = opened.open("wp-load.php"), opened.open(members["index.php"])
        assert [(one.read(2), other.read(2)) for one, other in [both]] == [(b"<?", b"<?")]
        assert both[0].read() == FILES["wp-load.php"][2:]
        assert both[1].read() == FILES["index.php"][2:]


def test_no_member_and_no_content(tmp_path: Path) -> None:
    with open_archive(written(tmp_path, archive(backup_record(), [("a/", b"")]))) as opened:
        with pytest.raises(NoMemberError):
            opened.open("b")
        for member in opened.members():
            if member.kind != "file":
                with pytest.raises(NoMemberError, match="is no plain file"):
                    opened.open(member)


def test_a_stream_of_a_cut_archive_raises(tmp_path: Path) -> None:
    whole = archive(backup_record(), [("a", os.urandom(100_000))])
    with open_archive(written(tmp_path, whole[:-20_000])) as opened:
        *_, last = opened.members()
        stream = opened.open(last)
        with pytest.raises(DamagedError):
            stream.read()


# --- the dump ---------------------------------------------------------------------------------------------------------


def test_the_dump_table_by_table(path: str) -> None:
    with open_archive(path) as opened:
        assert opened.dump is not None
        assert [(table.text, table.name, table.rows) for table in opened.dump.tables] == [
            ("wp_options", b"wp_options", 2),
            ("wp_users", b"wp_users", 1),
        ]
        assert [statement.content for statement in opened.statements()] == INSERTS
        users = TableStatement("wp_users", b"wp_users", 1, INSERTS[1])
        assert list(opened.statements("wp_users")) == list(opened.statements(b"wp_users")) == [users]
        assert opened.open("APP-DATA.SQL").read() == DUMP


def test_statements_longer_than_a_piece_and_the_last_dump(tmp_path: Path) -> None:
    comment = b"-- " + b"; INSERT INTO x VALUES (1);" * 20_000 + b"\n"
    dump = b"SET NAMES utf8;\n" + LONG + b"\n" + comment + LONG[:-1] + b" -- no end"
    files = [("APP-DATA.SQL", DUMP), ("a", b""), ("./APP-DATA.SQL", dump)]
    with open_archive(written(tmp_path, archive(record(), files))) as opened:
        assert [statement.content for statement in opened.statements()] == [LONG, LONG[:-1] + b" -- no end"]


@pytest.mark.parametrize("size", [1, 7, 997, 65_536])
def test_statements_are_the_same_wherever_pieces_end(size: int) -> None:
    quoted = rb"INSERT INTO `a;b` (`x`) VALUES ('it''s; \' -- no comment'),(2);"
    delimited = b"DELIMITER ;;\nREPLACE INTO t VALUES (';') ;;\nDELIMITER ;\n"
    text = DUMP + b"/* INSERT INTO c VALUES (1); */ # ;\n" + quoted + b"\n" + delimited + LONG[:70_000]
    pieces = (text[at : at + size] for at in range(0, len(text), size))
    filling = [content for statement, content in cut("", pieces) if statement.filled is not None]
    assert filling == [*INSERTS, quoted, b"REPLACE INTO t VALUES (';') ;;", LONG[:70_000]]


def test_a_statement_that_takes_too_much_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupmeta.reading.LONGEST_STATEMENT", 200_000)
    with open_archive(written(tmp_path, packed(record(), None, DUMP + LONG))) as opened:
        statements = opened.statements()
        assert [next(statements).content, next(statements).content] == INSERTS
        with pytest.raises(LimitExceededError, match="statement_bytes"):
            next(statements)


def test_without_a_dump(tmp_path: Path) -> None:
    with open_archive(written(tmp_path, packed(record(), None, None))) as opened:
        assert opened.dump is None
        with pytest.raises(NoMemberError):
            list(opened.statements())


# --- as a whole -------------------------------------------------------------------------------------------------------


def test_what_was_verified_is_what_is_read_and_extracted(path: str, tmp_path: Path) -> None:
    mine = tmp_path / NAME
    mine.write_bytes(Path(path).read_bytes())
    with open_archive(str(mine)) as opened:
        assert opened.verify().verdict is Verdict.PASS
        other = tmp_path / "other"
        other.write_bytes(packed(record(version="1.0"), {"index.php": b"changed"}))
        other.replace(mine)
        assert opened.open("index.php").read() == FILES["index.php"]
        assert (opened.inspection.get("version"), opened.needs().fields["version"].value) == ("6.5.4", "6.5.4")
        fates, dump = list[Fate](), list[bytes]()
        extraction = opened.extract(
            str(tmp_path / "site"),
            ["index.php"],
            dump=dump.append,
            report=lambda result: fates.append(result.fate),
            is_synced=False,
        )
        assert (extraction.is_kept, b"".join(dump)) == (True, DUMP)
        assert fates.count(Fate.WRITTEN) == 2  # the dump, too
        assert (tmp_path / "site/index.php").read_bytes() == FILES["index.php"]
        assert not opened.has_changed()
    assert verify_archive(str(mine)).verdict is Verdict.FAIL


def test_an_open_file_is_judged_and_stays_where_it_is(path: str, tmp_path: Path) -> None:
    mine = tmp_path / NAME
    mine.write_bytes(Path(path).read_bytes())
    with mine.open("rb") as file:
        beginning = file.read(10)
        mine.unlink()
        assert verify_archive(file).verdict is Verdict.PASS
        assert verify_archive(file, Policy(ignore=frozenset({"archive-recent"}))).sha256 is not None
        with open_archive(file, Search()) as opened:
            assert opened.inspection.get("version") == "6.5.4"
        assert beginning + file.read() == Path(path).read_bytes()


def test_what_is_no_archive_is_unreadable(tmp_path: Path) -> None:
    with open_archive(written(tmp_path, b"<html>")) as opened:
        assert opened.verify().verdict is Verdict.UNREADABLE
        with pytest.raises(Exception, match="no archive"):
            list(opened.members())


# --- as JSON ----------------------------------------------------------------------------------------------------------


def test_results_are_json_as_the_commands_give_them(path: str, tmp_path: Path) -> None:
    with open_archive(path) as opened:
        commanded = json.loads(run("members", path, "--json").out)
        listed = [{"number": number, **member.to_json()} for number, member in enumerate(opened.members(), 1)]
        assert (opened.dump is not None and opened.dump.to_json(), listed) == (commanded["dump"], commanded["members"])
        [target, *_] = json.loads(run("verify", path, "--now", str(NOW), "--json").out)["targets"]
        assert opened.verify(now=NOW).to_json() == target
        assert {**opened.needs().to_json(), "room": None} == json.loads(run("needs", path, "--json").out)
        results = list[MemberResult]()
        extraction = opened.extract(str(tmp_path / "site"), report=results.append, is_synced=False)
        told = json.loads(run("extract", path, "--to", tmp_path / "site", "--over", "--no-fsync", "--json").out)
        assert [result.to_json() for result in results] == told.pop("members")
        assert extraction.to_json() == told
