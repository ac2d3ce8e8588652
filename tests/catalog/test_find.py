"""Finding backups in a catalog, whose disk is gone."""

import csv
import io
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.catalog.queries import Bound, Requirement, parsed_requirement
from tests.invented import INSTALL, NAME, TIME, Account, Ran, archive, backup_record, run

DAY: Final = 86_400


class Backup(NamedTuple):
    """A backup: its account, how many days after the first it was made, and what its record has."""

    account: str
    day: int
    changes: dict[str, str | None]


OTHER: Final = {"url": "x", "backup_install": f"{'another':0<25}"}
ANN: Final = {"cf_email": "Ann@Example.com"}
BACKUPS: Final = {
    "w64": Backup("ann", 0, {"version": "6.4", "list_plugins": "akismet/akismet.php,hello.php"}),
    "w642": Backup("ann", 1, {"version": "6.4.2", "list_plugins": "+akismet/5.3.1,-hello/1.7.2", "cf_login": "%_"}),
    "w643": Backup("ann", 2, {"version": "6.4.3", "list_plugins": "=akismet/5.3.6", "list_themes": "+plain/1.10"}),
    "w610": Backup("bob", 3, {"version": "6.10", "list_plugins": "|akismet/5.10", "list_themes": "-plain/1.9"}),
    "beta": Backup("bob", 4, {"version": "6.4.3-beta1", "owner": "o'brien", "db_prefix": "wp_"}),
    "unknown": Backup("bob", 5, {"version": None, "url_domain": None, "url": "https://www.example.org/"}),
    "drupal": Backup("cid", 6, {"installer": "drupal", "version": "6.4.2", "db_prefix": "wpx", **ANN}),
    "joomla": Backup("cid", 7, {"installer": "joomla", "version": "6.4", "url_domain": "Example.NET", **OTHER}),
}
FIRST: Final = "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
LONE: Final = "app_example-com_Lone_2023-01-01_12-00-00.tar.gz"


def id_of(name: str) -> str:
    return f"{name:0<25}"


def record(name: str) -> bytes:
    one = BACKUPS[name]
    file = f"app_example-com_Blog_2024-06-{13 + one.day}_20-55-21.tar.gz"
    return backup_record(**{"backup_time": str(TIME + one.day * DAY), "backup_filename": file, **one.changes})


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give a shallow and a deep catalog of accounts that are gone."""
    folder = tmp_path_factory.mktemp("find")
    accounts = {name: Account(folder / "home" / name) for name in ("ann", "bob", "cid")}
    for name, one in BACKUPS.items():
        accounts[one.account].backup(id_of(name), record(name))
    accounts["ann"].archive(FIRST, record("w64"))
    for account, version in (("ann", "5.1"), ("bob", "5.2")):  # the same name in two accounts, and no record
        accounts[account].archive(LONE, backup_record(version=version, backup_time=None, backup_install=None))
    made = {name: folder / f"{name}.sqlite" for name in ("shallow", "deep")}
    assert run("scan", folder / "home", "-o", made["shallow"], "--jobs", "1").code == 0
    assert run("scan", folder / "home", "-o", made["deep"], "--jobs", "1", "--deep").code == 0
    shutil.rmtree(folder / "home")
    return made


@pytest.fixture
def catalog(catalogs: dict[str, Path]) -> Path:
    return catalogs["shallow"]


def found(catalog: Path, *asked: str) -> set[str]:
    """Return the names of the backups that are found; of those without a record their versions."""
    ran = run("find", catalog, *asked, "--jsonl")
    rows = ran.jsonl
    assert ran.code == (0 if rows else 1)
    names = [name_of(row.get("id", "")) or row["version"] for row in rows]
    assert len(names) == len(set(names))
    return set(names)


def name_of(id_: str) -> str | None:
    return next((name for name in BACKUPS if id_of(name) == id_), None)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("wordpress", "w64 w642 w643 w610 beta unknown 5.1 5.2"),
        ("wordpress < 6.4.3", "w64 w642 beta 5.1 5.2"),
        ("wordpress<6.4.3", "w64 w642 beta 5.1 5.2"),
        ("wordpress <= 6.4.3", "w64 w642 w643 beta 5.1 5.2"),
        ("wordpress > 6.4.3", "w610"),
        ("wordpress >= 6.4.3", "w643 w610"),
        ("wordpress > 6.9", "w610"),
        ("wordpress = 6.4", "w64"),
        ("wordpress == 6.4.0", "w64"),
        ("wordpress 6.10", "w610"),
        ("wordpress != 6.4", "w642 w643 w610 beta 5.1 5.2"),
        ("wordpress >= 6.4.2, < 6.10", "w642 w643 beta"),
        ("wordpress >= 6.4.2 < 6.10 != 6.4.3", "w642 beta"),
        ("wordpress > 6.10, < 6.4", ""),
        ("WordPress", "w64 w642 w643 w610 beta unknown 5.1 5.2"),
        ("WORDPRESS 6.10", "w610"),
        ("moodle", ""),
        ("wordpress' OR '1'='1", ""),
    ],
)
def test_versions_in_their_order(catalog: Path, asked: str, names: str) -> None:
    assert found(catalog, asked) == set(names.split())


def test_several_applications_are_alternatives(catalog: Path) -> None:
    assert found(catalog, "wordpress > 6.4.3", "drupal") == {"w610", "drupal"}
    assert found(catalog, "moodle", "joomla <= 6.4") == {"joomla"}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["--plugin", "akismet"], "w64 w642 w643 w610"),
        (["--plugin", "akismet 5.3.1"], "w642"),
        (["--plugin", "akismet < 5.10"], "w642 w643"),
        (["--plugin", "akismet >= 5.3.6"], "w643 w610"),
        (["--plugin", "akismet != 5.3.1"], "w643 w610"),  # an unknown version is within no bounds
        (["--plugin", "akismet", "--plugin", "hello"], "w64 w642"),
        (["--plugin", "akismet 5.3.1", "--plugin", "hello < 2"], "w642"),
        (["--plugin", "akismet 5.3.6", "--plugin", "hello"], ""),
        (["--plugin", "akis"], ""),
        (["--theme", "plain"], "w643 w610"),
        (["--theme", "plain > 1.9"], "w643"),
        (["--theme", "akismet"], ""),
        (["--plugin", "plain"], ""),
        (["--domain", "example.com"], "w64 w642 w643 w610 beta drupal 5.1 5.2"),
        (["--domain", "www.example.com"], "w64 w642 w643 w610 beta drupal 5.1 5.2"),
        (["--domain", "example.org"], "unknown"),
        (["--domain", "EXAMPLE.net"], "joomla"),
        (["--user", "o'brien"], "beta"),
        (["--user", "o_brien"], ""),
        (["--install", INSTALL], "w64 w642 w643 w610 beta unknown drupal"),
        (["--install", INSTALL[:24]], ""),
        (["--email", "ANN@example.com"], "drupal"),
        (["--email", "nn@example.com"], ""),
        (["--login", "%_"], "w642"),
        (["--login", "_%"], ""),
        (["--prefix", "wp_"], "beta"),  # which no pattern is made of
        (["--since", "2024-06-19"], "drupal joomla"),
        (["--since", str(TIME + 6 * DAY)], "drupal joomla"),
        (["--since", str(TIME + 6 * DAY + 1)], "joomla"),
        (["--until", "2024-06-14"], "w64 w642"),
        (["--until", str(TIME + DAY)], "w64 w642"),
        (["--until", str(TIME + DAY - 1)], "w64"),
        (["--since", "2024-06-15", "--until", "2024-06-16"], "w643 w610"),
        (["wordpress < 6.4.3", "--plugin", "akismet", "--since", "2024-06-14", "--user", "exampleu"], "w642"),
        (["wordpress", "drupal", "--prefix", "wpx", "--domain", "example.com"], "drupal"),
        (["wordpress", "--prefix", "wpx"], ""),
    ],
)
def test_what_is_asked_for_has_to_hold_together(catalog: Path, asked: list[str], names: str) -> None:
    assert found(catalog, *asked) == set(names.split())


def test_all_where_nothing_is_asked_for(catalog: Path) -> None:
    assert found(catalog) == {*BACKUPS, "5.1", "5.2"}


def test_a_zone_tells_the_time_of_an_archive_without_one(catalog: Path) -> None:
    year = ("--since", "2023-01-01", "--until", "2023-12-31")
    assert found(catalog, *year) == set()
    assert found(catalog, *year, "--tz", "Europe/Berlin") == {"5.1", "5.2"}
    assert found(catalog, "--tz", "-05:00", "--since", "2023-01-01T17:00:00Z", "--until", "2023-12-31") == {
        "5.1",
        "5.2",
    }
    assert found(catalog, "--tz", "-05:00", "--since", "2023-01-01T17:00:01Z", "--until", "2023-12-31") == set()


class TestDigest:
    def test_of_a_record(self, catalog: Path) -> None:
        digest = sha256(record("w643")).hexdigest()
        for asked in (digest, digest[:6], digest.upper()):
            assert found(catalog, "--digest", asked) == {"w643"}

    def test_of_an_archive_that_was_scanned_deep(self, catalogs: dict[str, Path]) -> None:
        digest = sha256(archive(record("w64"))).hexdigest()
        assert found(catalogs["deep"], "--digest", digest[:12]) == {"w64"}
        assert found(catalogs["shallow"], "--digest", digest) == set()

    def test_of_nothing(self, catalogs: dict[str, Path]) -> None:
        assert found(catalogs["deep"], "--digest", "0" * 64) == set()


class TestWhatScanningFound:
    def test_verdicts_of_archives_that_were_scanned_deep(self, catalogs: dict[str, Path]) -> None:
        assert found(catalogs["deep"], "--verdict", "fail") == {"w64", "5.1", "5.2"}
        assert found(catalogs["deep"], "--verdict", "pass") == set()
        assert found(catalogs["shallow"], "--verdict", "fail") == set()

    def test_findings_of_the_record_and_of_the_archive(self, catalogs: dict[str, Path]) -> None:
        for catalog in catalogs.values():
            assert found(catalog, "--finding", "archive-missing") == {*BACKUPS} - {"w64"}
        assert found(catalogs["deep"], "--finding", "archive-without-record") == {"5.1", "5.2"}
        assert found(catalogs["deep"], "--finding", "archive-without-record", "wordpress < 5.2") == {"5.1"}

    def test_copies(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "home/exampleu").whole()
        shutil.copy(account.archives / NAME, account.archives / "copy.tar.gz")
        run("scan", tmp_path / "home", "-o", tmp_path / "c", "--jobs", "1", "--deep")
        assert len(run("find", tmp_path / "c", "--finding", "backup-duplicate", "--jsonl").jsonl) == 1

    def test_what_is_none_is_told(self, catalog: Path) -> None:
        ran = run("find", catalog, "--finding", "dump-mising")
        assert (ran.code, ran.out) == (2, b"")
        assert refusal(ran).endswith("'dump-mising' is no finding; did you mean 'dump-missing'?")
        assert run("find", catalog, "--verdict", "good").code == 2


class TestForms:
    def test_the_lists_envelope(self, catalog: Path) -> None:
        ran = run("find", catalog, "wordpress", "--json", "--limit", "2", "--offset", "1", "--sort", "-backup_time")
        assert (ran.code, ran.json["total_count"], ran.json["offset"], ran.json["limit"]) == (0, 8, 1, 2)
        assert [name_of(row["id"]) for row in ran.json["data"]] == ["beta", "w610"]

    def test_csv(self, catalog: Path) -> None:
        rows = list(csv.DictReader(io.StringIO(run("find", catalog, "drupal", "--csv").text, newline="")))
        assert [(row["application"], row["version"], row["db_pass"]) for row in rows] == [
            ("drupal", "6.4.2", "********")
        ]

    def test_a_table(self, catalog: Path) -> None:
        ran = run("find", catalog, "drupal")
        assert (ran.code, len(ran.text.splitlines())) == (0, 2)
        assert id_of("drupal") in ran.text

    def test_as_they_are_listed(self, catalog: Path) -> None:
        listed, asked = (
            run(*command, "--jsonl", "--provenance") for command in (("list", "--catalog", catalog), ("find", catalog))
        )
        assert asked.jsonl == listed.jsonl

    def test_account_by_account_the_oldest_first(self, catalog: Path) -> None:
        rows = run("find", catalog, "wordpress > 6", "--jsonl").jsonl
        assert [name_of(row["id"]) for row in rows] == ["w64", "w642", "w643", "w610", "beta"]

    def test_it_says_how_old_it_is(self, catalog: Path) -> None:
        assert run("find", catalog).err.startswith(f"backupmeta: {catalog}: as of ")

    @pytest.mark.parametrize("form", ["--json", "--jsonl", "--csv", "--limit=5"])
    def test_nothing_is_a_negative_answer(self, catalog: Path, form: str) -> None:
        assert run("find", catalog, "moodle", form).code == 1

    def test_nothing_matches(self, catalog: Path) -> None:
        ran = run("find", catalog, "moodle")
        assert ran.err.splitlines()[1:] == [
            f"backupmeta: nothing that matches in {catalog}",
            "backupmeta: no application is called 'moodle'; there are drupal, joomla, wordpress",
        ]

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            (
                ["Joomal"],
                "no application is called 'joomal'; did you mean 'joomla'? there are drupal, joomla, wordpress",
            ),
            (
                ["--plugin", "akismte > 5"],
                "no plugin is called 'akismte'; did you mean 'akismet'? there are akismet, hello",
            ),
            (["--theme", "x"], "no theme is called 'x'; there is plain"),
            (["--user", "obrien"], "no user is called 'obrien'; did you mean \"o'brien\"? there are exampleu, o'brien"),
            (["--prefix", "wp"], "no prefix is called 'wp'; did you mean 'wpx'? there are wp_, wpx"),
            (
                ["--domain", "www.examplecom"],
                "no domain is called 'examplecom'; did you mean 'example.com'? there are example.com, example.net",
            ),
            (["drupal", "--theme", "PLAIN"], ""),
            (
                ["moodle", "--user", "exampleu"],
                "no application is called 'moodle'; there are drupal, joomla, wordpress",
            ),
        ],
    )
    def test_what_is_not_there_is_told_with_what_is(self, catalog: Path, asked: list[str], says: str) -> None:
        ran = run("find", catalog, *asked, "--since", "2000-01-01")
        nothing = [f"backupmeta: nothing that matches in {catalog}"]
        assert ran.code == 1
        assert ran.err.splitlines()[1:] == [*nothing, *([f"backupmeta: {says}"] if says else [])]


@pytest.mark.parametrize("option", [[], ["--plugin"], ["--theme"]])
@pytest.mark.parametrize(
    "asked",
    ["", " ", ",", "<", "< 6.4", "wordpress <", "wordpress < ,", "wordpress =< 6", "a < 1 <", "a << 1", "a ! 1"],
)
def test_what_cant_be_understood_is_told(catalog: Path, option: list[str], asked: str) -> None:
    ran = run("find", catalog, *option, asked)
    assert (ran.code, ran.out) == (2, b"")
    assert refusal(ran).endswith(f"{asked!r} can't be understood; give one such as 'wordpress >= 6.0, < 6.4.3'")


@pytest.mark.parametrize("asked", ["", "12345", "0x1234", "abcdefg", "a" * 65, "******", "123456\n"])
def test_what_is_no_digest_is_told(catalog: Path, asked: str) -> None:
    ran = run("find", catalog, "--digest", asked)
    assert (ran.code, ran.out) == (2, b"")
    assert refusal(ran).endswith(f"{asked!r} is no digest; give at least 6 hexadecimal digits of it")


def test_a_version_that_lost_its_name_is_told(catalog: Path) -> None:
    ran = run("find", catalog, "wordpress", "6.4")
    assert ran.code == 2
    assert refusal(ran).endswith("'6.4' is a version; quote it with its name: 'wordpress 6.4'")


def test_provenance_needs_a_form_that_has_it(catalog: Path) -> None:
    ran = run("find", catalog, "--provenance")
    assert (ran.code, refusal(ran)) == (2, "Error: --provenance needs --json or --jsonl")


def refusal(ran: Ran) -> str:
    assert ran.err.startswith("Usage: backupmeta find ")
    return ran.err.splitlines()[-1]


WORDS: Final = st.text(st.characters(exclude_characters="<>=!,", exclude_categories=["Z", "C"]), min_size=1)
BOUNDS: Final = st.lists(st.builds(Bound, st.sampled_from(["", "=", "==", "!=", "<", "<=", ">", ">="]), WORDS))
GAPS: Final = st.sampled_from([" ", "  ", ", ", " , ", "\t"])


@given(WORDS, BOUNDS, GAPS, st.sampled_from(["", " "]))
def test_a_condition_says_what_it_is_made_of(name: str, bounds: list[Bound], gap: str, space: str) -> None:
    text = name + "".join(f"{gap}{one.operator}{space}{one.version}" for one in bounds)
    assert parsed_requirement(text) == Requirement(name, tuple(bounds))
    assert parsed_requirement(f" {text} ") == Requirement(name, tuple(bounds))


@given(st.one_of(st.text(), st.text("ab6. ,<>=!\n")))
def test_a_condition_is_understood_or_not(text: str) -> None:
    found = parsed_requirement(text)
    if found is not None:
        assert found.name
        assert text.count("<") == sum(one.operator.count("<") for one in found.bounds)
        assert all(one.version for one in found.bounds)


NUMBERS: Final = st.lists(st.integers(0, 30), min_size=1, max_size=4)


@given(NUMBERS, NUMBERS)
def test_bounds_go_by_numbers(one: list[int], other: list[int]) -> None:
    version, bound = (".".join(map(str, numbers)) for numbers in (one, other))
    length = max(len(one), len(other))
    lower, greater = (numbers + [0] * (length - len(numbers)) for numbers in (one, other))
    assert Bound("<", bound).admits(version) == (lower < greater)
    assert Bound(">=", bound).admits(version) == (lower >= greater)
    assert Bound("=", bound).admits(version) == (lower == greater)
    assert Bound("!=", bound).admits(version) == (lower != greater)
    assert Bound("<=", bound).admits(version) == (lower <= greater)
    assert Bound(">", bound).admits(version) == (lower > greater)
