"""Every case of fixtures/ is read, and answered as its expected.json says (fixtures/FORMAT.md §8)."""

import base64
import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from backupmeta import AnswerError, EvidenceError, Search, verify
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.archive.reader import Pass
from backupmeta.backup.inspection import Inspection
from backupmeta.checks.applications import APPLICATIONS, same_version, version_by_files
from backupmeta.checks.checked_backup import Inventory
from backupmeta.evidence import open_named
from backupmeta.findings import Finding
from backupmeta.library import list_backups
from backupmeta.secrets import opened
from backupmeta.targets import find_backup

FIXTURES = Path(__file__).parent.parent / "fixtures"
OF_AN_ACCOUNT = {
    "archive-claimed-twice",
    "archive-missing",
    "archive-remote",
    "archive-unreadable",
    "archive-without-record",
    "link-not-followed",
    "not-a-regular-file",
    "record-name-malformed",
}


def cases(group: str) -> list[Any]:
    return [pytest.param(folder, id=folder.name) for folder in sorted((FIXTURES / group).iterdir())]


def expected(folder: Path) -> Any:
    return json.loads((folder / "expected.json").read_text("utf-8"))


def evidence(folder: Path) -> Path:
    [found] = (path for path in folder.iterdir() if path.name != "expected.json")
    return found


def data(inspection: Inspection) -> Any:
    return json.loads(json.dumps(inspection.wire(show_secrets=True)))


def extra(inspection: Inspection) -> dict[str, Any]:
    return {key: raw_text(opened(fact.raw)) for key, fact in inspection.extra.items()}


def raw_text(raw: bytes) -> Any:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"text": raw.decode("utf-8", "replace"), "base64": base64.b64encode(raw).decode("ascii")}


def ids(findings: list[Finding]) -> list[str]:
    return sorted({finding.id for finding in findings})


@pytest.mark.parametrize("folder", [*cases("records"), *cases("archives")])
def test_a_record_or_archive_alone(folder: Path) -> None:
    wanted = expected(folder)
    if wanted.get("error"):
        with pytest.raises(EvidenceError) as caught:
            find_backup(str(evidence(folder)))
        assert type(caught.value).__name__ == wanted["error"]
        return
    found = find_backup(str(evidence(folder)))
    assert list(data(found).items()) == list(wanted["data"].items())
    assert extra(found) == wanted["extra"]
    assert ids(found.findings) == wanted["findings"]


@pytest.mark.parametrize("folder", cases("archives"))
def test_the_parts_of_an_archives_name(folder: Path) -> None:
    wanted = expected(folder)
    if wanted.get("error"):
        return
    found = find_backup(str(evidence(folder)))
    assert found.provenance(show_secrets=True).get("archive_name") == wanted["names"]


@pytest.mark.parametrize("folder", cases("accounts"))
def test_the_list_of_an_account(folder: Path) -> None:
    wanted = expected(folder)
    findings: list[Finding] = []
    rows = list(list_backups(Search(sysroot=str(folder / "sysroot")), findings))
    of_rows = [finding for row in rows for finding in row.findings]
    told = {(one.id, Path(one.subject).name) for one in (*findings, *of_rows) if one.id in OF_AN_ACCOUNT}
    assert sorted(map(listed, rows), key=order) == wanted["list"]
    assert sorted(told) == sorted(map(tuple, wanted["findings"]))


def listed(row: Inspection) -> dict[str, Any]:
    names = ("backup_filename", "backup_install", "backup_location", "backup_time", "id", "application", "user")
    state = "archive" if row.state == "paired" else str(row.state)
    fields = {name: row.get(name) for name in names if name in row.fields}
    return {"id": row.get("id"), "state": state, "data": fields}


def order(row: dict[str, Any]) -> tuple[int, str]:
    return int(row["data"]["backup_time"]), row["id"]


def views() -> list[Any]:
    return [
        pytest.param(folder, target, id=f"{folder.name}-{target}")
        for folder in sorted((FIXTURES / "accounts").iterdir())
        for target in expected(folder).get("view", {})
    ]


@pytest.mark.parametrize(("folder", "target"), views())
def test_the_view_of_a_backup_in_an_account(folder: Path, target: str) -> None:
    wanted = expected(folder)["view"][target]
    search = Search(sysroot=str(folder / "sysroot"))
    if wanted["status"] != 200:
        with pytest.raises(AnswerError) as caught:
            find_backup(target, search)
        assert (caught.value.status, caught.value.errcode) == (wanted["status"], wanted["errcode"])
        return
    found = find_backup(target, search)
    assert list(data(found).items()) == list(wanted["data"].items())
    assert ids(found.findings) == wanted["findings"]


@pytest.mark.parametrize("folder", cases("applications"))
def test_a_whole_backup_of_an_application(folder: Path) -> None:
    wanted = expected(folder)
    inventory, path = Inventory(DEFAULT_LIMITS), str(evidence(folder))
    with open_named(path) as file:
        deque(Pass(file, DEFAULT_LIMITS, consumers=[inventory]), maxlen=0)
    told = version_by_files(APPLICATIONS[wanted["application"]], inventory.heads)
    assert told is not None
    assert same_version(told.version, wanted["version"])
    assert told.sign.path.decode() == wanted["told_by"]
    inspection = find_backup(path)
    assert (inspection.get("application"), inspection.get("version")) == (wanted["application"], wanted["version"])


@pytest.mark.parametrize("folder", cases("applications"))
def test_nothing_is_wrong_with_a_whole_backup(folder: Path) -> None:
    [verified] = verify(Search(roots=(str(evidence(folder)),)))
    assert (verified.server_path, verified.verdict) == (str(evidence(folder)), "pass")
    # a dump from before 2021 has no end of its own (FORMAT.md §5)
    told = {one.finding.id for one in verified.judged} - {"dump-end-unknown"}
    assert told == {"id-from-install", "record-holds-secrets"}


def test_the_vendors_example_is_answered_as_the_vendor_does() -> None:
    response = json.loads((FIXTURES / "api" / "example-response.json").read_text("utf-8"))
    search = Search(sysroot=str(FIXTURES / "accounts" / "example" / "sysroot"))
    assert list(data(find_backup("1234567890abcdefghij12345", search)).items()) == list(response["data"].items())


def test_no_case_lacks_its_input_or_its_expectation() -> None:
    for group in ("records", "archives", "accounts", "applications"):
        for folder in (FIXTURES / group).iterdir():
            assert expected(folder)["why"], folder
            assert evidence(folder).exists(), folder
