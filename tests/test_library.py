"""What the package offers: view, view_install, inspect_archive, list_backups, list_installs."""

import os
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import backupmeta
from backupmeta import AnswerError, EvidenceError, Search
from backupmeta.account.home import State
from backupmeta.api.models import SHOW_SECRETS
from backupmeta.errors import NoRecordError, NotRegularError, UnreadableError
from backupmeta.findings import Finding
from backupmeta.provenance import Witness
from backupmeta.targets import find_backup, find_install
from tests.invented import (
    BACKUP,
    EXAMPLE,
    EXAMPLE_ARCHIVE,
    EXAMPLE_ID,
    INSTALL,
    NAME,
    SECOND,
    TIME,
    Account,
    archive,
    backup_record,
    install_record,
)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu")


def below(account: Account) -> Search:
    return Search([str(account.home.parent)])


def errcode(target: str, search: Search, user: str | None = None) -> str:
    with pytest.raises(AnswerError) as raised:
        backupmeta.view(target, search, user=user)
    return raised.value.errcode


def test_the_package_offers_what_it_lists() -> None:
    assert all(getattr(backupmeta, name) for name in backupmeta.__all__)
    assert dir(backupmeta) == sorted(backupmeta.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        backupmeta.nothing  # noqa: B018


def test_the_public_names() -> None:
    assert sorted(set(backupmeta.__all__) - {"__version__"}) == [
        "AnswerError", "Backup", "BackupMetaError", "CatalogError", "CheckedBackup", "Difference", "Dump",
        "DumpState", "Event", "EvidenceError", "Export", "Extraction", "Fate", "Finding", "FindingRule",
        "GoneInstall", "Group", "History", "Inspection", "Install", "Limits", "Member", "MemberResult",
        "Needs", "OpenArchive", "OutputError", "Period", "Policy", "Query", "Report", "Response", "Room",
        "ScanResult", "Search", "Severity", "State", "Summary", "Table", "TableStatement", "Verdict", "Verification",
        "diff", "export", "find", "history", "inspect_archive", "list_backups", "list_gone_installs",
        "list_installs", "open_archive", "report", "scan", "stats", "timeline", "verify", "verify_archive",
        "view", "view_install",
    ]  # fmt: skip
    modules = {path.stem for path in Path(backupmeta.__file__).parent.iterdir()}
    assert not modules & set(backupmeta.__all__), "a module that is imported takes the name's place"
    assert all(getattr(backupmeta, name).__name__ == name for name in backupmeta.__all__ if name != "__version__")


def test_a_catalog_is_asked_by_public_names_alone(account: Account, tmp_path: Path) -> None:
    account.whole()
    catalog = str(tmp_path / "catalog.sqlite")
    backupmeta.scan(catalog, below(account))
    assert [one.get("id") for one in backupmeta.find(catalog, backupmeta.Query())] == [BACKUP]
    assert len(list(backupmeta.export(catalog).rows)) == backupmeta.stats(catalog).backups["paired"] == 1
    assert len(backupmeta.report(catalog).backups) == 1
    assert [row.name for row in backupmeta.history(INSTALL, below(account)).rows] == [BACKUP, "current"]
    with pytest.raises(ValueError, match="did you mean 'backups'"):
        backupmeta.export(catalog, "backup")


def test_a_backup_is_the_same_by_id_by_archive_by_name_and_by_record() -> None:
    search = Search(sysroot=str(EXAMPLE))
    record = EXAMPLE / "home/useraccountname/.appdata/backups" / EXAMPLE_ID
    answers = [
        backupmeta.view(target, search).model_dump()
        for target in (EXAMPLE_ID, str(EXAMPLE_ARCHIVE), EXAMPLE_ARCHIVE.name, str(record))
    ]
    assert answers[0]["data"]["backup_note"] == "This is my safest backup"
    assert answers[1:] == [answers[0]] * 3


def test_an_answer_is_typed() -> None:
    data = backupmeta.view(str(EXAMPLE_ARCHIVE)).data
    assert data is not None
    assert data.version == "6.7.2"
    assert data.db_pass is not None
    assert data.db_pass.get_secret_value() == "dAtAbAsEpAs5//0rD"
    assert data.plugins is not None
    assert data.plugins[1].activated is True


def test_an_inspection_gives_the_same_answer(account: Account) -> None:
    account.whole()
    found = backupmeta.inspect_archive(str(account.archives / NAME))
    response = backupmeta.view(BACKUP, below(account))
    assert response.data is not None
    assert found.answer == response.data
    assert found.answer.model_dump(context=SHOW_SECRETS) == found.wire(show_secrets=True)
    assert found.answer.model_dump() == found.wire()


def test_an_archives_home_is_found_upwards_from_it(account: Account) -> None:
    account.whole()
    found = backupmeta.inspect_archive(str(account.archives / NAME))
    assert found.get("id") == BACKUP
    assert found.state is State.PAIRED
    assert found.get("cache_numbackups") == 1


def test_an_archive_without_a_home_answers_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(archive(backup_record()))
    found = backupmeta.inspect_archive(str(tmp_path / NAME))
    assert found.state is State.UNCLAIMED
    assert found.get("id") == INSTALL
    assert found.get("cache_numbackups") is None
    assert [finding.id for finding in found.findings] == ["id-from-install"]


@pytest.mark.parametrize("name", ["backup.bin", "no suffix", "-dash.tar.gz", os.fsdecode(b"\xff.tar.gz")])
def test_an_archive_may_have_any_name(account: Account, name: str) -> None:
    account.backup()
    path = account.archive(name)
    assert backupmeta.view(str(path)).data == backupmeta.view(str(path), below(account)).data
    assert backupmeta.inspect_archive(str(path)).get("version") == "6.5.4"


def test_a_link_that_a_person_names_is_followed(account: Account, tmp_path: Path) -> None:
    account.whole()
    link = tmp_path / "link.tar.gz"
    link.symlink_to(account.archives / NAME)
    found = backupmeta.inspect_archive(str(link))
    assert found.get("version") == "6.5.4"
    assert [one.get("version") for one in backupmeta.list_backups(Search([str(link)]))] == ["6.5.4"]


def test_an_archive_in_the_working_folder_is_found_by_its_bare_name(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.whole()
    monkeypatch.chdir(account.archives)
    assert backupmeta.inspect_archive(NAME).get("id") == BACKUP


def test_a_list_of_one_archive_says_what_viewing_it_says(account: Account) -> None:
    account.backup()
    path = account.archive("renamed.tar.gz")
    account.backup(SECOND, backup_record(backup_filename="other.tar.gz"))
    (listed,) = backupmeta.list_backups(Search([str(path)]))
    viewed = backupmeta.inspect_archive(str(path))
    assert listed.wire() == viewed.wire()
    assert listed.state is State.PAIRED
    assert listed.get("cache_numbackups") == 2


def test_a_record_alone_answers_for_itself(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_bytes(backup_record())
    found = find_backup(str(tmp_path / "kept.txt"))
    assert found.get("title") == "Blog"
    assert found.get("id") == INSTALL
    assert found.values["title"].source.path == str(tmp_path / "kept.txt")


def test_a_record_of_a_home_answers_with_its_home(account: Account) -> None:
    account.whole()
    found = find_backup(str(account.backups / BACKUP))
    assert found.state is State.PAIRED
    assert found.server_path == str(account.archives / NAME)


def test_an_install_record_answers_as_an_install(account: Account) -> None:
    account.whole()
    found = find_backup(str(account.installs / INSTALL))
    assert found.kind == "install"
    assert found.get("id") == INSTALL
    assert found.get("cache_numbackups") == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"no line of it"])
def test_a_record_without_a_line_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / BACKUP).write_bytes(content)
    with pytest.raises(NoRecordError):
        find_backup(str(tmp_path / BACKUP))


def test_a_folder_is_no_target_and_the_advice_can_be_shown(tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31mb"
    folder.mkdir()
    with pytest.raises(NotRegularError) as raised:
        find_backup(str(folder))
    assert "\x1b" not in str(raised.value)
    assert "backupmeta list" in str(raised.value)


def test_a_path_that_leads_nowhere_is_no_missing_backup(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no such file; give an archive"):
        find_backup(str(tmp_path / "nowhere"))


def test_what_is_not_there_is_the_servers_404(account: Account) -> None:
    account.whole()
    assert errcode("nothing", below(account)) == "backup_not_found"
    assert errcode(INSTALL, below(account)) == "backup_not_found"
    with pytest.raises(AnswerError, match="install_not_found"):
        backupmeta.view_install(BACKUP, below(account))


def test_a_missing_archive_is_the_servers_404_unless_it_may_be(account: Account) -> None:
    account.backup()
    assert errcode(BACKUP, below(account)) == "backup_not_found"
    response = backupmeta.view(BACKUP, below(account), allow_missing=True)
    assert response.data is not None
    assert response.data.id == BACKUP


def test_a_remote_archive_is_answered_from_its_record(account: Account) -> None:
    account.backup(content=backup_record(backup_location="0123456789abcdef0123456789abcdef"))
    found = find_backup(BACKUP, below(account))
    assert found.state is State.REMOTE
    assert "archive-remote" in [finding.id for finding in found.findings]


@pytest.mark.parametrize("target", [BACKUP, NAME, "path"])
def test_only_the_owner_is_answered(account: Account, target: str) -> None:
    account.whole()
    Account(account.home.parent / "other").install(content=install_record(owner="other"))
    target = str(account.archives / NAME) if target == "path" else target
    assert backupmeta.view(target, below(account), user="exampleu").result
    assert errcode(target, below(account), user="other") == "invalid_argument_user"
    assert errcode(target, below(account), user="nobody") == "user_not_found"


def test_an_unknown_user_comes_before_an_unknown_backup(account: Account) -> None:
    account.whole()
    assert errcode("nothing", below(account), user="nobody") == "user_not_found"
    assert errcode("nothing", below(account), user="exampleu") == "backup_not_found"


def test_installs_are_viewed_by_id_and_by_record(account: Account) -> None:
    account.whole()
    by_id = backupmeta.view_install(INSTALL, below(account))
    by_record = backupmeta.view_install(str(account.installs / INSTALL))
    assert by_id == by_record
    assert by_id.data is not None
    assert by_id.data.user == "exampleu"
    with pytest.raises(AnswerError, match="user_not_found"):
        backupmeta.view_install(INSTALL, below(account), user="nobody")
    with pytest.raises(AnswerError, match="user_not_found"):
        backupmeta.view_install(str(account.installs / INSTALL), below(account), user="nobody")


def test_matches_in_several_accounts_give_the_first_and_are_an_error(account: Account) -> None:
    account.whole()
    Account(account.home.parent / "zeta").whole()
    found = find_backup(BACKUP, below(account))
    assert found.server_path.startswith(str(account.home))
    (told,) = [finding for finding in found.findings if finding.id == "several-accounts"]
    assert [source.path for source in told.evidence] == [
        str(account.home.parent / name / "application_backups" / NAME) for name in ("exampleu", "zeta")
    ]


def test_a_lone_archive_is_found_by_its_installs_id(account: Account) -> None:
    account.archive()
    (account.archives / "broken.tar.gz").write_bytes(b"\x1f\x8b")
    assert find_backup(INSTALL, below(account)).state is State.UNCLAIMED


def test_what_could_not_be_read_on_the_way_to_a_404_is_told(account: Account) -> None:
    (account.backups / BACKUP).write_bytes(b"x" * 2_000_000)
    for find in (find_backup, find_install):
        findings: list[Finding] = []
        with pytest.raises(AnswerError):
            find(BACKUP, below(account), findings=findings)
        assert [finding.id for finding in findings] == ["record-unreadable"]


def test_a_list_goes_home_by_home_and_in_each_by_time(account: Account) -> None:
    account.whole()
    account.backup(SECOND, backup_record(backup_time="5"))
    Account(account.home.parent / "anna").whole()
    found = [(one.text("id"), one.server_path) for one in backupmeta.list_backups(below(account))]
    assert [id_ for id_, _ in found] == [BACKUP, SECOND, BACKUP]
    assert "/anna/" in found[0][1]


def test_what_cannot_be_read_is_told_and_the_rest_is_listed(account: Account) -> None:
    account.whole()
    (account.archives / "app_broken.tar.gz").write_bytes(b"<html>")
    (account.archives / "cut.tar.gz").write_bytes(archive(backup_record())[:40])
    (account.archives / "site.tar.gz").write_bytes(archive(None, [("index.php", b"")]))
    os.mkfifo(account.backups / SECOND)
    findings: list[Finding] = []
    assert [one.get("id") for one in backupmeta.list_backups(below(account), findings)] == [BACKUP]
    assert sorted({finding.id for finding in findings}) == [
        "archive-foreign",
        "archive-truncated",
        "archive-unreadable",
        "archive-without-record",
        "not-a-regular-file",
    ]


def test_a_broken_archive_with_a_record_is_listed_from_the_record(account: Account) -> None:
    account.backup()
    (account.archives / NAME).write_bytes(archive(backup_record())[:40])
    (found,) = backupmeta.list_backups(below(account))
    assert found.get("title") == "Blog"
    assert [finding.id for finding in found.findings] == ["archive-truncated", "backup-orphaned"]
    assert found.values["title"].source.witness is Witness.BACKUP_RECORD


def test_installs_are_listed_by_id(account: Account) -> None:
    account.install("z" * 25)
    account.install("a" * 25)
    assert [one.get("id") for one in backupmeta.list_installs(below(account))] == ["a" * 25, "z" * 25]


def test_a_list_is_lazy_and_a_root_that_is_not_there_an_error(tmp_path: Path) -> None:
    found = backupmeta.list_backups(Search([str(tmp_path / "nowhere")]))
    with pytest.raises(UnreadableError):
        next(found)
    with pytest.raises(UnreadableError, match="is no folder; give --sysroot"):
        next(backupmeta.list_backups(Search(sysroot=str(tmp_path / "nowhere"))))


def test_results_have_the_servers_path_and_one_that_can_be_opened(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    account.whole()
    broken = account.archives / NAME.replace("06-13", "06-14")
    broken.write_bytes(b"\x1f\x8b\x08")
    image = Search(sysroot=str(tmp_path))
    results = [
        *((one.server_path, one.path) for one in backupmeta.list_backups(image)),
        *((one.server_path, one.path) for one in backupmeta.list_installs(image)),
        *((one.server_path, one.path) for one in backupmeta.verify(image)),
    ]
    archives = [f"/home/exampleu/application_backups/{path.name}" for path in (account.archives / NAME, broken)]
    install = f"/home/exampleu/.appdata/current/{INSTALL}"
    assert sorted(server for server, _ in results) == sorted([*archives, install, *archives, "/home/exampleu"])
    assert [path for server, path in results if Path(path) != tmp_path / server[1:] or not Path(path).exists()] == []


def test_what_cannot_be_read_is_yielded_raised_or_appended(account: Account) -> None:
    account.whole()
    broken = account.archives / NAME.replace("06-13", "06-14")
    broken.write_bytes(b"\x1f\x8b\x08")
    listed = list(backupmeta.list_backups(below(account)))
    assert [(one.server_path, one.is_unread, [finding.id for finding in one.findings]) for one in listed] == [
        (str(account.archives / NAME), False, []),
        (str(broken), True, ["archive-truncated"]),
    ]
    findings = list[Finding]()
    assert len(list(backupmeta.list_backups(below(account), findings))) == 1
    assert [finding.id for finding in findings if finding.is_unread] == ["archive-truncated"]
    for odd in (None, findings):
        strict = backupmeta.list_backups(below(account), odd, is_strict=True)
        assert next(strict).get("id") == BACKUP
        with pytest.raises(UnreadableError, match=re.escape(str(broken))):
            next(strict)


def test_an_install_that_cannot_be_read_is_yielded_or_raised(account: Account) -> None:
    account.install(INSTALL, install_record())
    account.install("a" * 25, b"x=1\n" * 6000)
    listed = list(backupmeta.list_installs(below(account)))
    assert sorted((Path(one.server_path).name, one.kind, one.is_unread) for one in listed) == [
        ("a" * 25, "install", True),
        (INSTALL, "install", False),
    ]
    with pytest.raises(UnreadableError, match="a" * 25):
        list(backupmeta.list_installs(below(account), is_strict=True))


def test_the_zone_is_the_searchs(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(archive(backup_record(backup_time=None)))
    search = Search([str(tmp_path)], zone=ZoneInfo("Europe/Berlin"))
    assert [one.get("backup_time") for one in backupmeta.list_backups(search)] == ["1718304921"]


def test_custom_fields_whose_names_are_not_utf8_break_nothing(account: Account) -> None:
    account.backup(content=backup_record() + b"\ncf-\xff\xfe=1\n\xff=2\n\xfe=3")
    account.archive()
    response = backupmeta.view(BACKUP, below(account))
    assert response.model_dump_json()


@pytest.mark.parametrize(
    "target", ["\0", "a\0b.tar.gz", "x" * 5000, "\ud800", "."], ids=["nul", "nul inside", "long", "surrogate", "dot"]
)
def test_odd_targets_end_in_one_of_our_errors(target: str, tmp_path: Path) -> None:
    with pytest.raises((AnswerError, EvidenceError)):
        find_backup(target, Search([str(tmp_path)]))


DAY = 86_400


@pytest.mark.parametrize(
    ("seconds", "is_told"), [(0, False), (DAY, False), (DAY + 1, True), (-300, False), (-301, True)]
)
def test_a_view_knows_when_the_archive_was_written_where_that_is_odd(
    account: Account,
    seconds: int,
    is_told: bool,  # noqa: FBT001
) -> None:
    account.whole()
    path = account.archives / NAME
    os.utime(path, (TIME + seconds, TIME + seconds))
    for target in (BACKUP, NAME, str(path)):
        inspection = find_backup(target, below(account))
        said = [(fact.raw, fact.source.witness, fact.source.path) for fact in inspection.values["backup_time"].losers]
        assert said == ([(str(TIME + seconds).encode(), "file system", str(path))] if is_told else [])
        assert inspection.findings == []
    [listed] = backupmeta.list_backups(below(account))
    assert listed.conflicts == {}
