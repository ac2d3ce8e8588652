"""Where homes are: roots of every kind, conventional places, images."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from backupmeta.account import places, roots
from backupmeta.account.roots import Root
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.errors import UnreadableError
from backupmeta.findings import Finding
from tests.invented import BACKUP, INSTALL, NAME, SECOND, Account, archive, backup_record, unprivileged

Seen = list[tuple[str, list[str]]]


def homes_at(
    roots: Sequence[Root | Path], findings: list[Finding] | None = None, limits: Limits = DEFAULT_LIMITS
) -> Seen:
    """Return the homes, as the server saw them, with the archives of their backups."""
    named = [root if isinstance(root, Root) else Root(str(root)) for root in roots]
    return [
        (home.folder.server_path, [pair.archive.name if pair.archive else "" for pair in home.pairs()])
        for home in places.homes(named, limits, [] if findings is None else findings)
    ]


def ids(findings: list[Finding]) -> list[str]:
    return [finding.id for finding in findings]


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    for name in ("anna", "bert"):
        Account(tmp_path / "home" / name).whole()
    return tmp_path / "home"


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that other users can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


def test_a_root_may_be_a_home(homes: Path) -> None:
    assert homes_at([homes / "anna"]) == [(f"{homes}/anna", [NAME])]


def test_a_root_may_be_a_folder_of_homes(homes: Path) -> None:
    assert homes_at([homes]) == [(f"{homes}/anna", [NAME]), (f"{homes}/bert", [NAME])]


def test_a_root_may_be_a_folder_of_archives(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(archive(backup_record()))
    (tmp_path / "readme.txt").write_bytes(b"")
    assert homes_at([tmp_path]) == [(str(tmp_path), [NAME])]


def test_a_folder_of_archives_inside_a_home_has_its_records_but_no_other_archives(homes: Path) -> None:
    other = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"
    account = homes / "anna"
    (account / ".appdata/backups" / SECOND).write_bytes(backup_record(backup_filename=other))
    (account / "old").mkdir()
    (account / "old/renamed.tar.gz").write_bytes(archive(backup_record(backup_filename=other)))
    assert homes_at([account / "application_backups"]) == [(f"{account}", [NAME])]
    findings: list[Finding] = []
    (home,) = (
        [(pair.id, pair.archive and pair.archive.name) for pair in home.pairs()]
        + [home.surroundings.backups_of(INSTALL)]
        for home in places.homes([Root(str(account / "old"))], DEFAULT_LIMITS, findings)
    )
    assert home == [(SECOND, "renamed.tar.gz"), 2]


def test_one_link_in_a_folder_of_archives_is_told_once(homes: Path) -> None:
    folder = homes / "anna/application_backups"
    (folder / "linked.tar.gz").symlink_to(NAME)
    told = [finding.id for home in places.homes([Root(str(folder))], DEFAULT_LIMITS, []) for finding in home.findings]
    assert told.count("link-not-followed") == 1


def test_a_root_may_be_one_archive(homes: Path) -> None:
    account = homes / "anna"
    (account / "application_backups/other.tar.gz").write_bytes(archive(backup_record()))
    assert homes_at([account / "application_backups" / NAME]) == [(f"{account}", [NAME])]


def test_one_archive_as_a_root_has_the_whole_home_beside_it(homes: Path) -> None:
    account = homes / "anna"
    (account / ".appdata/backups" / SECOND).write_bytes(backup_record(backup_filename="other.tar.gz"))
    archived = account / "application_backups" / NAME
    (home,) = (
        ([pair.id for pair in home.pairs()], home.surroundings.backups_of(INSTALL))
        for home in places.homes([Root(str(archived))], DEFAULT_LIMITS, [])
    )
    assert home == ([BACKUP], 2)


def test_any_other_folder_is_searched_downwards(homes: Path) -> None:
    deep = homes / "anna"
    assert homes_at([homes.parent]) == [(f"{deep}", [NAME]), (f"{homes}/bert", [NAME])]


@pytest.mark.parametrize(("depth", "found", "told"), [(3, 1, []), (2, 0, ["search-depth-reached"])])
def test_the_search_stops_at_its_depth_and_says_so(tmp_path: Path, depth: int, found: int, told: list[str]) -> None:
    Account(tmp_path / "a/b/home").whole()
    findings: list[Finding] = []
    assert len(homes_at([tmp_path], findings, Limits(search_depth=depth))) == found
    assert ids(findings) == told


def test_a_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no such file"):
        homes_at([tmp_path / "nowhere"])


def test_links_below_a_root_are_not_followed_but_told(homes: Path) -> None:
    (homes / "carl").symlink_to(homes / "anna")
    (homes / "loop").symlink_to("loop")
    (homes / "up").symlink_to("..")
    findings: list[Finding] = []
    assert [home for home, _ in homes_at([homes], findings)] == [f"{homes}/anna", f"{homes}/bert"]
    assert [(one.id, one.subject) for one in findings] == [
        ("link-not-followed", name) for name in ("carl", "loop", "up")
    ]


def test_a_root_itself_may_be_a_link(homes: Path) -> None:
    link = homes.parent / "link"
    link.symlink_to(homes)
    assert [home for home, _ in homes_at([link])] == [f"{link}/anna", f"{link}/bert"]


def test_what_may_not_be_read_is_a_finding_and_the_rest_goes_on(public: Path) -> None:
    for name in ("anna", "bert"):
        Account(public / "home" / name).whole()
    (public / "home/anna").chmod(0)
    (public / "home/bert/.appdata/current").chmod(0)
    (public / "home/bert/.appdata/backups" / BACKUP).chmod(0)
    findings: list[Finding] = []
    with unprivileged():
        told = [
            (home.name, home.has_records, sorted(finding.id for finding in home.findings))
            for home in places.homes([Root(str(public / "home"))], DEFAULT_LIMITS, findings)
        ]
    assert told == [("bert", True, ["folder-unreadable", "record-unreadable"])]
    assert [(one.id, one.subject) for one in findings] == [("folder-unreadable", f"{public}/home/anna")]


def test_a_root_that_may_not_be_read_is_an_error(public: Path) -> None:
    (public / "closed").mkdir(mode=0)
    with unprivileged(), pytest.raises(UnreadableError, match="permission denied"):
        homes_at([public / "closed"])


def test_a_conventional_place_that_may_not_be_read_is_a_finding(public: Path) -> None:
    (public / "home").mkdir(mode=0)
    findings: list[Finding] = []
    with unprivileged():
        assert homes_at(roots.conventional(str(public)), findings) == []
    assert ids(findings) == ["place-unreadable"]


def test_an_image_that_may_not_be_listed_is_a_finding(public: Path) -> None:
    (public / "image").mkdir()
    (public / "image").chmod(0)
    findings: list[Finding] = []
    with unprivileged():
        assert homes_at(roots.conventional(str(public / "image")), findings) == []
    assert ids(findings) == ["place-unreadable"] * 3


def test_a_folder_beside_a_missing_archive_that_may_not_be_read_is_a_finding(public: Path) -> None:
    account = Account(public / "anna")
    account.backup()
    (account.home / "closed").mkdir(mode=0)
    with unprivileged():
        told = [
            (finding.id, finding.subject)
            for home in places.homes([Root(str(account.home))], DEFAULT_LIMITS, [])
            for finding in home.findings
        ]
    assert told == [("folder-unreadable", f"{account.home}/closed")]


def test_a_conventional_place_may_be_absent(tmp_path: Path) -> None:
    findings: list[Finding] = []
    assert homes_at([Root(str(tmp_path / "nowhere"), is_convention=True)], findings) == []
    assert findings == []


@pytest.mark.parametrize(
    ("where", "server"),
    [
        ("home/anna", "/home/anna"),
        ("home2/anna", "/home2/anna"),
        ("home17/anna", "/home17/anna"),
        ("var/www/vhosts/example.com", "/var/www/vhosts/example.com"),
        ("inetpub/vhosts/example.com", r"c:\inetpub\vhosts\example.com"),
    ],
)
def test_the_conventional_places_of_an_image_are_seen_as_the_server_saw_them(
    tmp_path: Path, where: str, server: str
) -> None:
    Account(tmp_path / where).whole()
    (home,) = places.homes(roots.conventional(str(tmp_path)), DEFAULT_LIMITS, [])
    assert home.as_server == home.folder.server_path == server
    (pair,) = home.pairs()
    separator = "\\" if "\\" in server else "/"
    assert pair.archive is not None
    assert pair.archive.server_path == separator.join((server, "application_backups", NAME))


@pytest.mark.parametrize("where", ["homes/anna", "home/deep/anna", "srv/home/anna", "home"])
def test_other_places_of_an_image_are_not_searched(tmp_path: Path, where: str) -> None:
    Account(tmp_path / where).whole()
    found = homes_at(roots.conventional(str(tmp_path)))
    assert found == ([("/home", [NAME])] if where == "home" else [])


@pytest.mark.parametrize("place", ["home", "var", "var/www"])
def test_a_link_does_not_lead_out_of_an_image(tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    for inner in ("anna", "www/vhosts/anna", "vhosts/anna"):
        Account(outside / inner).whole()
    link = tmp_path / "image" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    findings: list[Finding] = []
    assert homes_at(roots.conventional(str(tmp_path / "image")), findings) == []
    assert [(one.id, one.subject) for one in findings] == [("place-unreadable", str(link))]


def test_an_image_without_any_conventional_place_has_no_homes(tmp_path: Path) -> None:
    findings: list[Finding] = []
    assert homes_at(roots.conventional(str(tmp_path)), findings) == []
    assert findings == []


def test_this_machines_places_are_the_conventional_ones_and_ones_own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/elsewhere/me")
    found = {root.path: root for root in roots.conventional()}
    assert found["/home"].as_server == "/home"
    assert "/var/www/vhosts" in found
    assert found["/elsewhere/me"].depth == 0


def test_a_home_below_a_conventional_place_is_no_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert "/home/me" not in {root.path for root in roots.conventional()}


def test_this_machines_place_on_windows_is_inetpub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert [root.path for root in roots.conventional()] == [r"c:\inetpub\vhosts"]


def test_a_home_whose_name_is_not_utf8_is_a_home(tmp_path: Path) -> None:
    Account(tmp_path / os.fsdecode(b"b\xfcro")).whole()
    ((path, archives),) = homes_at([tmp_path])
    assert os.fsencode(path) == os.fsencode(tmp_path) + b"/b\xfcro"
    assert archives == [NAME]


@pytest.mark.parametrize(
    ("name", "content", "is_record"),
    [
        ("APP-META.INI", b"", True),
        (BACKUP, b"", True),
        ("record.txt", b"installer=wordpress", True),
        ("record.txt", b"backup-note=x\ninstaller=wordpress", True),
        ("notes.txt", b"the installer=wordpress", False),
        (NAME, archive(backup_record()), False),
    ],
)
def test_a_record_is_told_by_its_name_or_its_beginning(
    tmp_path: Path,
    name: str,
    content: bytes,
    is_record: bool,  # noqa: FBT001
) -> None:
    (tmp_path / name).write_bytes(content)
    assert places.is_record_file(str(tmp_path / name)) is is_record
