"""What the manual says of other tools, done: datasette, The Sleuth Kit, Timesketch's import client.

datasette and the client are no dependencies: `.ci/run` installs them into a virtual environment, and names it in
``BACKUPMETA_TOOLS``.
"""

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

from tests.events.scene import agreeing
from tests.invented import BACKUP, FIXTURES, NAME, Account, backup_record, run

TOOLS: Final = Path(os.environ.get("BACKUPMETA_TOOLS", ""), "bin")
needs_tools = pytest.mark.skipif(
    not (TOOLS / "datasette").exists(),
    reason="needs BACKUPMETA_TOOLS=FOLDER, a virtual environment with datasette, timesketch-import-client and six",
)
needs_sleuthkit = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("fls", "mactime", "mke2fs")),
    reason="The Sleuth Kit or e2fsprogs is not installed",
)
KEYS: Final = {"title", "description", "columns", "units", "facets", "sort_desc", "hidden"}
"""What datasette knows of a table (docs.datasette.io, "Metadata", of 0.65), and is used here."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the catalog of all invented accounts."""
    path = tmp_path_factory.mktemp("tools") / "case.sqlite"
    assert run("scan", FIXTURES / "accounts", "-o", path, "--jobs", "1").code == 0
    return path


@pytest.fixture(scope="module")
def tables(catalog: Path) -> dict[str, Any]:
    """Give what the metadata have of each table."""
    metadata = run("export", catalog, "--datasette-metadata").json
    assert metadata["databases"].keys() == {"case"}
    return dict(metadata["databases"]["case"]["tables"])


def test_the_metadata_describe_every_table_and_column(catalog: Path, tables: dict[str, Any]) -> None:
    with closing(sqlite3.connect(catalog)) as connection:
        named = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        columns = {
            name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            for (name,) in connection.execute(named).fetchall()
        }
    assert {name: list(table["columns"]) for name, table in tables.items()} == columns
    assert all(text for table in tables.values() for text in table["columns"].values())


def test_what_is_counted_and_sorted_by_is_there(tables: dict[str, Any]) -> None:
    for table in tables.values():
        named = {*table.get("facets", ()), *table.get("units", ()), *filter(None, [table.get("sort_desc")])}
        assert named <= table["columns"].keys()
        assert table.keys() <= KEYS
    shown = {name for name, table in tables.items() if not table.get("hidden")}
    assert {"backups", "installs", "findings", "accounts", "scans"} <= shown
    assert not {"all_backups", "memories", "seals", "shared"} & shown
    assert {unit for table in tables.values() for unit in table.get("units", {}).values()} == {"byte", "second"}


@pytest.mark.parametrize("form", [["--csv"], ["--format", "parquet"], ["--table", "files"]])
def test_metadata_are_no_rows(catalog: Path, form: list[str]) -> None:
    ran = run("export", catalog, "--datasette-metadata", *form)
    assert (ran.code, ran.out) == (2, b"")
    assert "--datasette-metadata is JSON about all tables" in ran.err


@needs_tools
def test_datasette_shows_a_catalog_and_writes_nothing(catalog: Path, tmp_path: Path) -> None:
    assert run("export", catalog, "--datasette-metadata", "-o", tmp_path / "metadata.json").code == 0
    before = {path.name: path.read_bytes() for path in catalog.parent.iterdir()}

    def got(page: str) -> str:
        command: list[str | Path] = [
            TOOLS / "datasette",
            "-i",
            catalog,
            "-m",
            tmp_path / "metadata.json",
            "--get",
            page,
        ]
        return subprocess.run(command, check=True, capture_output=True).stdout.decode()

    answer = json.loads(got("/case/backups.json?_size=1"))
    assert answer["human_description_en"] == "sorted by backup_time descending"
    assert answer["facet_results"].keys() == {"application", "version", "state", "verdict"}
    assert answer["units"]["archive_bytes"] == "byte"
    assert "<dd>The user&#39;s note about this backup.</dd>" in got("/case/backups?_size=1")
    assert {table["name"] for table in json.loads(got("/case.json"))["tables"] if not table["hidden"]} == {
        "accounts",
        "scans",
    }
    assert {path.name: path.read_bytes() for path in catalog.parent.iterdir()} == before


def page_blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language."""
    text = files("backupmeta").joinpath(f"manual/{page}.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@needs_sleuthkit
def test_the_recipe_for_mactime(tmp_path: Path) -> None:
    agreeing(tmp_path / "image/home/exampleu")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", "image", "image.ext4", "8M"], cwd=tmp_path, check=True)
    [recipe] = [block for block in page_blocks("seized-disk", "sh") if "mactime" in block]
    lines = [line for line in recipe.splitlines() if not line.startswith(("umount", "sha256sum"))]
    script = "\n".join(lines).replace("/mnt/seized", "image")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=True)
    with (tmp_path / "timeline.csv").open(newline="") as listed:
        rows = list(csv.DictReader(listed))
    assert [row["Date"] for row in rows] == sorted(row["Date"] for row in rows)
    files_alone = [row["File Name"] for row in rows if "[" not in row["File Name"]]
    assert f"/home/exampleu/application_backups/{NAME}" in files_alone
    told = [row for row in rows if "[Backup Time]" in row["File Name"]]
    assert {row["Date"] for row in told} == {"2024-06-13T20:55:21Z"}
    assert len(rows) - len(files_alone) == len((tmp_path / "timeline.jsonl").read_text().splitlines())


@needs_sleuthkit
@pytest.mark.skipif(not (TOOLS / "target-fs").exists(), reason="needs dissect.target[full] in BACKUPMETA_TOOLS")
def test_what_dissect_copies_is_as_it_was(tmp_path: Path) -> None:
    account = agreeing(tmp_path / "image/home/exampleu")
    (account.home / "link").symlink_to("/etc")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", "image", "image.ext4", "8M"], cwd=tmp_path, check=True)
    [script] = page_blocks("dissect", "py")
    (tmp_path / "homes.py").write_text(script)
    command: list[str | Path] = [TOOLS / "python", "homes.py", "image.ext4", "/home", "copy"]
    copied = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert copied.stderr == b"left out: /home/exampleu/link\n"
    timelines = [run("timeline", "--sysroot", tmp_path / name, "--deep").out for name in ("image", "copy")]
    assert timelines[0] == timelines[1] != b""


@needs_tools
def test_timesketchs_client_reads_every_event(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    odd = 'a\u2028b\x85c\x1cd\x0be\x00"f\\'
    account.backup(content=backup_record(title=odd, url=f"https://www.example.com/{odd}"))
    agreeing(tmp_path / "home/otheru")
    path = tmp_path / "timeline.jsonl"
    assert run("timeline", tmp_path / "home", "--deep", "--jsonl", "-o", path).code == 0
    reader = [TOOLS / "python", FIXTURES.parent / "scripts/timesketch_reader.py", path]
    read = subprocess.run(reader, check=True, capture_output=True, text=True)
    assert read.stderr == ""
    events, sent = ([json.loads(line) for line in text.splitlines()] for text in (path.read_text(), read.stdout))
    assert {event.get("backup") for event in events} >= {BACKUP}
    assert [datetime.fromisoformat(event.pop("datetime")) for event in sent] == [
        datetime.fromisoformat(event.pop("datetime")) for event in events
    ]
    assert sent == events
