"""What is public stays as it is: names, parameters, what results can do."""

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

import backupmeta
from backupmeta import Inspection, OpenArchive, Search
from backupmeta.catalog.report import Asked
from tests.invented import BACKUP, NAME, TIME, Account, run
from tests.sites import DUMP, honest, packed, record

# A parameter with a star has to be named, one with = may be left out.
FUNCTIONS: Final = {
    "diff": "a b search= *user= *deep= *watch=",
    "export": "path table= findings=",
    "find": "catalog query zone= findings=",
    "history": "target search=",
    "inspect_archive": "path search=",
    "list_backups": "search= findings= *is_strict=",
    "list_gone_installs": "search= findings=",
    "list_installs": "search= findings= *is_strict=",
    "open_archive": "archive search=",
    "report": "path asked= findings=",
    "scan": "path search *deep= *member_digest= *now= *result= *tell= *workers=",
    "stats": "path now= findings=",
    "timeline": "search= *deep= *members= *period= *findings= *workers=",
    "verify": "search= policy= now= run= targets=",
    "verify_archive": "archive policy= now=",
    "view": "target search= *user= *allow_missing=",
    "view_install": "target search= *user=",
}
OF_AN_OPEN_ARCHIVE: Final = {
    "close": "",
    "extract": "folder names= *dump= *report= *has_own= *is_over= *keeps_partial= *has_owners= *is_synced=",
    "has_changed": "",
    "members": "",
    "needs": "",
    "open": "member",
    "statements": "table=",
    "verify": "policy= now=",
}
WITH_JSON: Final = {
    "Backup", "Difference", "Dump", "Event", "Export", "Extraction", "Finding", "GoneInstall", "History", "Inspection",
    "Install", "Member", "MemberResult", "Needs", "Report", "Response", "Room", "ScanResult", "Summary", "Table",
    "Verification",
}  # fmt: skip


def parameters(function: Any) -> str:
    """Return the parameters of a function, in the form of `FUNCTIONS`."""
    named = inspect.signature(function).parameters.values()
    stars = ("*" if one.kind is one.KEYWORD_ONLY else "" for one in named)
    return " ".join(
        f"{star}{one.name}{'' if one.default is one.empty else '='}"
        for star, one in zip(stars, named, strict=True)
        if one.name != "self"
    )


def functions(names: Iterable[str], of: object) -> dict[str, str]:
    found = {name: getattr(of, name) for name in names if not name.startswith("_")}
    return {name: parameters(value) for name, value in found.items() if inspect.isfunction(value)}


def test_functions_take_what_they_took() -> None:
    assert functions(backupmeta.__all__, backupmeta) == FUNCTIONS
    assert functions(vars(OpenArchive), OpenArchive) == OF_AN_OPEN_ARCHIVE
    assert str(inspect.signature(Search)).startswith("(roots: ")
    assert parameters(Search) == "roots= sysroot= zone= limits= user="


def test_one_path_is_no_sequence_of_paths(tmp_path: Path) -> None:
    path = str(honest(tmp_path / "exampleu").archives / NAME)
    with pytest.raises(TypeError, match=r"targets are a sequence of paths: verify\(targets=\['x'\]\)"):
        list(backupmeta.verify(targets="x"))
    with (
        backupmeta.open_archive(path) as opened,
        pytest.raises(TypeError, match=r"names are a sequence of paths: extract\(folder, \['index.php'\]\)"),
    ):
        opened.extract(str(tmp_path / "site"), "index.php")
    assert not (tmp_path / "site").exists()


def test_results_have_json() -> None:
    assert {name for name in backupmeta.__all__ if hasattr(getattr(backupmeta, name), "to_json")} == WITH_JSON


def test_json_of_results_is_that_of_the_commands(tmp_path: Path) -> None:
    account = honest(tmp_path / "home/exampleu")
    search = Search([str(tmp_path / "home")])
    response = backupmeta.view(BACKUP, search)
    for options in ([], ["--show-secrets"]):
        told = json.loads(run("view", BACKUP, "--root", tmp_path / "home", *options).out)
        assert response.to_json(show_secrets=bool(options)) == told
    [listed] = backupmeta.list_backups(search)
    [told] = json.loads(run("list", account.home, "--json", "--provenance").out)["data"]
    assert listed.to_json(provenance=True) == told
    other = account.archives / NAME.replace("06-13", "06-14")
    dump = DUMP.replace(b"`a` int", b"`b` int")
    other.write_bytes(packed(record(version="6.5.5"), {"index.php": None, "a.php": b"a"}, dump))
    pair = (str(account.archives / NAME), str(other))
    compared = json.loads(run("diff", *pair, "--deep", "--json").out)
    assert {change["what"] for change in compared["members"]} >= {"added", "removed"}
    assert [table["is_redefined"] for table in compared["tables"]] == [True, True]
    assert json.loads(json.dumps(backupmeta.diff(*pair, deep=True).to_json())) == compared
    followed = json.loads(run("history", BACKUP, "--root", tmp_path / "home", "--json").out)
    assert json.loads(json.dumps(backupmeta.history(BACKUP, search).to_json())) == followed
    catalog = str(tmp_path / "catalog.sqlite")
    scanned = json.loads(run("scan", tmp_path / "home", "-o", tmp_path / "other.sqlite", "--json").out)
    of_a_run = {key: scanned[key] for key in ("catalog", "is_whole", "seconds")}
    assert {**of_a_run, **backupmeta.scan(catalog, search).to_json()} == scanned
    lines = run("export", catalog, "--table", "files", "--jsonl").out.splitlines()
    assert backupmeta.export(catalog, "files").to_json() == [json.loads(line) for line in lines] != []
    stats = json.loads(run("stats", catalog, "--now", str(TIME), "--json").out)
    assert {"catalog": catalog, **backupmeta.stats(catalog, TIME).to_json()} == stats
    report = json.loads(run("report", catalog, "--json").out)
    asked = Asked(0, report["command"], catalog, 0)
    assert {**backupmeta.report(catalog, asked).to_json(), "written": report["written"]} == report
    told = [json.loads(line) for line in run("timeline", tmp_path / "home", "--jsonl").out.splitlines()]
    assert [event.to_json() for event in backupmeta.timeline(search)] == told


def test_times_are_aware_beside_their_integers(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    account.whole()
    [listed] = backupmeta.list_backups(Search([str(account.home)]))
    made = listed.instant("backup_time")
    assert made is not None
    assert (made.timestamp(), made.utcoffset()) == (TIME, made.resolution * 0)
    assert [listed.instant(name) for name in ("title", "nothing")] == [None, None]
    with backupmeta.open_archive(str(account.archives / NAME)) as opened:
        times = [(member.mtime_ns, member.modified) for member in opened.members()]
    assert [time is not None and time.timestamp() * 10**9 for _, time in times] == [exact for exact, _ in times]
    event = next(backupmeta.timeline(Search([str(account.home)])))
    assert event.instant.timestamp() * 10**6 == event.time


def test_a_time_that_no_calendar_has_is_none() -> None:
    inspection = Inspection("backup", None, "", fields={"backup_time": "9" * 12, "time_created": 0})
    assert inspection.instant("backup_time") is None
    assert str(inspection.instant("time_created")) == "1970-01-01 00:00:00+00:00"
