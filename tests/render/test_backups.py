"""Backups and installs as cells, CSV and JSON, and where their values come from."""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from backupmeta.account.home import State
from backupmeta.backup.inspection import Inspection
from backupmeta.library import inspect_archive
from backupmeta.render import backups
from backupmeta.render.backups import ListView
from backupmeta.targets import find_backup
from tests.invented import BACKUP, INSTALL, NAME, Account, backup_record

csv_rows = backups.BACKUPS["csv"].render


def inspected(folder: Path, content: bytes) -> Inspection:
    path = folder / BACKUP
    path.write_bytes(content)
    return find_backup(str(path))


def provenance(folder: Path, content: bytes, *, show_secrets: bool = False) -> Any:
    found = inspected(folder, content)
    return json.loads(json.dumps(found.provenance(show_secrets=show_secrets)))


@pytest.mark.parametrize(
    ("width", "titles", "left_out"),
    [
        (40, "time (UTC) user application url", "id, version, title, state, archive, account, local path"),
        (60, "time (UTC) user application url", "id, version, title, state, archive, account, local path"),
        (80, "time (UTC) user application version url state", "id, title, archive, account, local path"),
        (110, "time (UTC) user application version url title state", "id, archive, account, local path"),
        (120, "time (UTC) id user application version url title state", "archive, account, local path"),
        (300, "time (UTC) id user application version url title state archive account local path", ""),
    ],
)
def test_a_narrow_terminal_has_fewer_columns_and_names_the_others(
    tmp_path: Path, width: int, titles: str, left_out: str
) -> None:
    notes: list[str] = []
    view = ListView(width, note=notes.append)
    drawn = "".join(backups.backup_table([inspected(tmp_path, backup_record())], view))
    assert " ".join(drawn.splitlines()[0].split()) == titles or width == 40
    assert all(len(line) <= width for line in drawn.splitlines())
    assert (BACKUP in drawn) is (width >= 120)
    assert "…" not in drawn
    hint = "a wider terminal has, a pipe such as '| less -S', and --csv"
    assert notes == ([f"{width} columns have no room for {left_out}; {hint}"] if left_out else [])


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_has_the_user_the_application_and_the_whole_url(tmp_path: Path, width: int) -> None:
    row = inspected(tmp_path, b"url=\xff\n" + backup_record(url="https://www.a-longer-example.org/some/where/else"))
    drawn = "".join(backups.backup_table([row], ListView(width)))
    url = drawn.splitlines()[0].index("url")
    folded = "".join(line[url:].split(" ")[0] for line in drawn.splitlines()[2:])
    assert folded == "https://www.a-longer-example.org/some/where/else"
    assert {"exampleu", "wordpress", "2024-06-13"} <= set(drawn.split())


def test_cells_of_a_backup(tmp_path: Path) -> None:
    cells = backups.backup_cells(inspected(tmp_path, backup_record(backup_note="x")))
    assert dict(zip(backups.BACKUP_COLUMNS, cells, strict=True)) == {
        "time (UTC)": "2024-06-13 20:55:21",
        "id": BACKUP,
        "user": "exampleu",
        "application": "wordpress",
        "version": "6.5.4",
        "url": "https://www.example.com/blog",
        "title": "Blog",
        "state": "missing",
        "archive": NAME,
        "findings": "",
        "account": "",
        "local path": str(tmp_path / BACKUP),
    }


def test_cells_of_an_install(tmp_path: Path) -> None:
    account = Account(tmp_path).whole()
    cells = backups.install_cells(find_backup(str(account.installs / INSTALL)))
    assert dict(zip(backups.INSTALL_COLUMNS, cells, strict=True)) == {
        "created (UTC)": "2024-06-13 16:33:54",
        "id": INSTALL,
        "user": "exampleu",
        "application": "wordpress",
        "version": "6.5.4",
        "url": "https://www.example.com/blog",
        "title": "Blog",
        "backups": "1",
        "path": "/home/exampleu/public_html/blog",
        "findings": "",
        "account": str(tmp_path),
        "local path": str(account.installs / INSTALL),
    }


def test_what_is_absent_or_undecodable_is_an_empty_cell_and_a_time_no_calendar_has_its_digits(tmp_path: Path) -> None:
    odd = inspected(tmp_path, b"backup-time=9" + b"9" * 30 + b"\ntitle=\xff")
    assert (backups.backup_cells(odd)[0], backups.backup_cells(odd)[6]) == ("9" * 29 + "…", "")
    bare = inspected(tmp_path, b"path=/x\ntime=-1")
    assert backups.install_cells(bare)[0] == ""
    assert backups.install_cells(bare)[7] == ""


def test_csv_has_a_column_a_field_and_is_read_back(tmp_path: Path) -> None:
    content = backup_record(
        title='a "b", c', list_files="x,y", incomplete="1", cf_a="1", cf_key="k", list_plugins="+akismet/5.3.6"
    )
    rows = list(csv_rows([inspected(tmp_path, content)], ListView()))
    (row,) = csv.DictReader(io.StringIO("".join(rows), newline=""))
    assert rows[0].endswith(",custom,findings,account,local_path,server_path\r\n")
    assert row["title"] == 'a "b", c'
    assert row["files"] == "x,y"
    assert row["incomplete"] == "true"
    assert row["db_pass"] == "********"
    assert row["cache_files"] == ""
    assert json.loads(row["custom"]) == {"a": "1", "key": "********"}
    assert json.loads(row["plugins"]) == [{"id": "akismet", "version": "5.3.6", "activated": True, "autoup": "all"}]


def test_a_row_names_its_errors_and_warnings_each_once(tmp_path: Path) -> None:
    odd = inspected(tmp_path, b"title=\xff\nurl=\xff\nno line")
    assert backups.backup_cells(odd)[-3].split() == ["record-no-equals", "value-not-utf8"]
    (row,) = csv.DictReader(io.StringIO("".join(csv_rows([odd], ListView())), newline=""))
    assert row["findings"] == backups.backup_cells(odd)[-3]


def test_csv_shows_false_and_secrets_that_were_asked_for(tmp_path: Path) -> None:
    (row,) = csv.DictReader(
        io.StringIO(
            "".join(csv_rows([inspected(tmp_path, backup_record(incomplete="0"))], ListView(show_secrets=True)))
        )
    )
    assert (row["incomplete"], row["db_pass"], row["custom"]) == ("false", "hunter2", "")


def test_provenance_names_state_name_and_offset(tmp_path: Path) -> None:
    account = Account(tmp_path).whole()
    told = inspect_archive(str(account.archives / NAME)).provenance()
    assert told["state"] == State.PAIRED
    assert told["archive_name"] == {
        "host": "example-com",
        "title": "Blog",
        "local_time": "2024-06-13T20:55:21",
        "utc_offset": "+00:00",
    }
    assert told["findings"] == []


def test_provenance_tells_of_each_field_where_it_stands(tmp_path: Path) -> None:
    told = provenance(tmp_path, backup_record())
    assert told["fields"]["title"] == {
        "source": {"witness": "backup record", "path": str(tmp_path / BACKUP), "line": 8, "offset": 155}
    }
    assert told["fields"]["autoup"] == {"source": {"witness": "documented default"}}


def test_provenance_shows_conflicts_decoded_and_masked(tmp_path: Path) -> None:
    account = Account(tmp_path)
    account.backup(content=backup_record(autoup="1", time="5"))
    path = account.archive(embedded=backup_record(autoup="2", db_pass="CANARY", time="soon", cf_odd="x"))
    told: Any = inspect_archive(str(path)).provenance()
    (autoup,) = told["fields"]["autoup"]["conflicts"]
    assert autoup["value"] == "all"
    assert autoup["source"]["witness"] == "embedded record"
    assert told["fields"]["db_pass"]["conflicts"][0]["value"] == "********"
    assert told["fields"]["time_created"]["conflicts"][0]["value"] == "soon"
    assert told["fields"]["autoup"]["findings"] == ["sources-disagree"]


def test_extra_keeps_raw_values_and_the_exact_bytes_beside_them(tmp_path: Path) -> None:
    told = provenance(tmp_path, backup_record(title=None) + b"\ntitle=caf\xe9\nx-new=1\nx-token=CANARY\nx-key=\xff")
    assert told["extra"]["title"]["value"] == "caf\ufffd"
    assert base64.b64decode(told["extra"]["title"]["base64"]) == b"caf\xe9"
    assert told["extra"]["x-new"]["value"] == "1"
    assert told["extra"]["x-token"]["value"] == "********"
    assert told["extra"]["x-key"].keys() == {"value", "source"}
    assert told["fields"]["title"]["findings"] == ["value-not-utf8"]


def test_keys_that_are_not_utf8_are_told_apart(tmp_path: Path) -> None:
    told = provenance(tmp_path, backup_record() + b"\n\xffx=1\n\xfex=2")
    assert {key: (one["value"], base64.b64decode(one["key_base64"])) for key, one in told["extra"].items()} == {
        "\\xffx": ("1", b"\xffx"),
        "\\xfex": ("2", b"\xfex"),
    }
