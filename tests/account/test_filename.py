"""The names of archives: FORMAT.md §3."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH, ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.account import filename
from backupmeta.account.filename import ArchiveName, Likeness
from backupmeta.archive.compression import SUFFIXES

BERLIN = ZoneInfo("Europe/Berlin")
TIME = 1718312121  # 2024-06-13 20:55:21 UTC
IN_2019 = 1560459321  # 2019-06-13 20:55:21 UTC


def disagreements(
    name: ArchiveName, url: str | None, title: str | None, time: int | None, zone: tzinfo | None = None
) -> list[str]:
    """Return the ids of the findings about what a record says against a ``name``."""
    return [rule.id for rule, _ in filename.disagreements(name, url, title, time, zone)]


def named(host: str = "example-com", title: str = "Blog", local: str = "2024-06-13 20:55:21") -> ArchiveName:
    return ArchiveName(host, title, datetime.fromisoformat(local), ".tar.gz")


@given(
    host=st.from_regex(r"[a-z0-9-]{0,40}", fullmatch=True),
    title=st.from_regex(r"[A-Za-z0-9-]{0,40}", fullmatch=True),
    time=st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda t: t.replace(microsecond=0)),  # noqa: DTZ001
    suffix=st.sampled_from(["", ".tar.gz", ".tar", ".tar.zst", ".tgz"]),
)
def test_every_conventional_name_is_parsed_and_formatted_back(
    host: str, title: str, time: datetime, suffix: str
) -> None:
    name = f"app_{host}_{title}_{time:%Y-%m-%d_%H-%M-%S}{suffix}"
    parsed = filename.parse(name)
    assert parsed == (host, title, time, suffix)
    assert str(parsed) == name


@given(st.text(max_size=60))
def test_any_text_parses_to_nothing_or_back_to_itself(text: str) -> None:
    parsed = filename.parse(f"app_{text}.tar.gz")
    assert parsed is None or str(parsed) == f"app_{text}.tar.gz"


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Mavs In Japan (2)", "Mavs-In-Japan-2"),
        ("Lébo", "L--bo"),
        ("Заголовок!", "-" * 19),
        ("абвгдежзик", "-" * 20),
        ("", ""),
        (" a  b ", "-a--b-"),
        ("a_b", "a-b"),
        ("((()))", ""),
    ],
)
def test_a_title_is_slugged_byte_by_byte(title: str, slug: str) -> None:
    assert filename.title_slug(title) == slug


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://www.example.com/blog", "example-com"),
        ("http://my-domain.com:8080/", "my-domain-com"),
        ("https://WWW.Example.COM", "example-com"),
        ("example.com/blog", "example-com"),
        ("https://www.www.example.com", "www-example-com"),
        ("https://abc:dEf@example.com/x", "example-com"),
        ("", ""),
        ("http://[::1", ""),
    ],
)
def test_a_host_is_slugged_without_www_port_and_path(url: str, slug: str) -> None:
    assert filename.host_slug(url) == slug


@pytest.mark.parametrize(
    ("name", "host", "title"),
    [
        ("app__My-blog_2020-12-31_23-59-59.tar.gz", "", "My-blog"),
        ("app___2020-12-31_23-59-59.tar.gz", "", ""),
        ("app_my_host_Blog_2020-12-31_23-59-59.tar.gz", "my_host", "Blog"),
        ("app_h_2019-01-01_00-00-00_2020-12-31_23-59-59.tar.gz", "h_2019-01-01", "00-00-00"),
    ],
)
def test_the_time_is_read_from_the_right_and_the_last_underscore_ends_the_host(
    name: str, host: str, title: str
) -> None:
    parsed = filename.parse(name)
    assert parsed is not None
    assert (parsed.host, parsed.title, str(parsed.local_time)) == (host, title, "2020-12-31 23:59:59")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "app_.tar.gz",
        "app_host_2020-12-31_23-59-59.tar.gz",
        "app_h_t_2020-02-30_00-00-00.tar.gz",
        "app_h_t_2020-12-31_24-00-00.tar.gz",
        "app_h_t_0000-12-31_00-00-00.tar.gz",
        "xapp_h_t_2020-12-31_23-59-59.tar.gz",
        "app_h_t_2020-12-31_23-59-59.tar.gz\n",
        "app_h_t_2020-12-31_23-59-59 (1).tar.gz",
        "app_h_t_٢٠٢٠-12-31_23-59-59.tar.gz",
    ],
)
def test_other_names_are_no_conventional_names(name: str) -> None:
    assert filename.parse(name) is None


def test_bytes_that_are_not_utf8_survive_in_a_name() -> None:
    name = b"app_ex\xffample_t\xfe_2020-12-31_23-59-59.tar.gz".decode("utf-8", "surrogateescape")
    assert str(filename.parse(name)) == name


ZONES = pytest.mark.parametrize("hours", [-12, -9.5, -3.5, 0, 1, 2, 5.5, 5.75, 8.75, 12.75, 13.75, 14])


@ZONES
def test_the_name_and_backup_time_imply_the_offset(hours: float) -> None:
    local = datetime.fromtimestamp(TIME + hours * 3600, UTC).replace(tzinfo=None)
    assert filename.utc_offset(named(local=str(local)), TIME) == timezone(timedelta(hours=hours))


@ZONES
@pytest.mark.parametrize("late", [0, 4, 17, 12 * 60])
def test_before_april_2020_the_name_may_be_late(hours: float, late: int) -> None:
    local = datetime.fromtimestamp(IN_2019 + hours * 3600 + late, UTC).replace(tzinfo=None)
    assert filename.utc_offset(named(local=str(local)), IN_2019) == timezone(timedelta(hours=hours))


@pytest.mark.parametrize(
    "local",
    [
        "2024-06-13 20:55:20",  # a second early
        "2024-06-13 20:55:25",  # four seconds late, after April 2020
        "2024-06-13 21:07:21",
        "2024-06-13 08:40:21",  # west of every zone
        "2024-06-14 11:10:21",  # east of every zone
        "1970-01-01 00:00:00",
        "9999-12-31 23:59:59",
    ],
)
def test_other_differences_imply_no_offset(local: str) -> None:
    assert filename.utc_offset(named(local=local), TIME) is None


@pytest.mark.parametrize("seconds", [10**17, -(10**17)])
def test_a_time_that_no_calendar_has_implies_no_offset(seconds: int) -> None:
    assert filename.utc_offset(named(), seconds) is None
    assert disagreements(named(), None, None, seconds) == ["name-time-differs"]


@pytest.mark.parametrize(
    ("local", "ambiguous", "seconds"),
    [
        ("2024-06-13 22:55:21", False, TIME),
        ("2024-03-31 02:30:00", True, 1711848600),  # the clock went from 02:00 to 03:00: as if it hadn't yet
        ("2024-10-27 02:30:00", True, 1729989000),  # stands twice: the first time, 00:30 UTC
    ],
)
def test_a_zone_turns_local_time_into_unix_time(local: str, ambiguous: bool, seconds: int) -> None:  # noqa: FBT001
    assert filename.is_ambiguous(named(local=local), BERLIN) is ambiguous
    assert filename.unix_time(named(local=local), BERLIN) == seconds


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (named(), []),
        (named(host="example-org"), ["name-host-differs"]),
        (named(title="Blog-2"), ["name-title-differs"]),
        (named(local="2024-06-13 20:40:00"), ["name-time-differs"]),
        (named("x", "", "2001-01-01 00:00:00"), ["name-host-differs", "name-title-differs", "name-time-differs"]),
        (named(""), []),  # an empty host tells nothing
    ],
)
def test_what_the_record_contradicts_is_found(name: ArchiveName, found: list[str]) -> None:
    assert disagreements(name, "https://www.example.com/x", "Blog", TIME) == found


def test_what_the_record_does_not_tell_is_not_judged() -> None:
    assert disagreements(named(), None, None, None) == []


def test_an_underscore_may_stand_on_either_side() -> None:
    assert disagreements(named("my_host", "Blog"), "http://my_host/", "Blog", None) == []


def test_a_known_zone_has_to_have_the_offset() -> None:
    in_summer = named(local="2024-06-13 22:55:21")
    assert disagreements(in_summer, None, None, TIME, BERLIN) == []
    assert disagreements(in_summer, None, None, TIME) == []
    assert disagreements(in_summer, None, None, TIME, ZoneInfo("Europe/London")) == ["name-time-differs"]


@pytest.mark.parametrize(
    ("name", "is_archive"), [("a.tar.gz", True), ("A.TAR.ZST", True), ("a.tgz", True), ("a.zip", False), ("tar", False)]
)
def test_a_suffix_tells_an_archive(name: str, is_archive: bool) -> None:  # noqa: FBT001
    assert filename.is_archive_name(name) is is_archive


BASE: Final = "app_example-com_Blog_2024-06-13_20-55-21"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((f"{BASE}{suffix}", Likeness.ARCHIVE) for suffix in (".tar.gz", ".tgz", " (1).tar.gz", ".TGZ", ".tar.zst")),
        *((f"{before}{BASE}.tar.gz", Likeness.ARCHIVE) for before in ("Copy of ", "Kopie von ", "old_", ".")),
        (f"{BASE.upper()}.TAR.GZ", Likeness.ARCHIVE),
        ("site.tar", Likeness.ARCHIVE),
        (f"._{BASE}.tar.gz", Likeness.RESEMBLING),
        (f".{BASE}.tar.gz.kX3d9a", Likeness.RESEMBLING),
        *((f"{BASE}.tar.gz{suffix}", Likeness.RESEMBLING) for suffix in (".1", ".bak", "~", ".part", ".gz", "_")),
        *((f"{BASE}{suffix}", Likeness.RESEMBLING) for suffix in ("", ".tar(1).gz", ".gz", ".tar.gz.txt", ".tar.001")),
        *((name, Likeness.RESEMBLING) for name in ("site.tgz.old", "x.tar.aa", "Copy of site.TAR.GZ.crdownload")),
        *((name, Likeness.UNTOLD) for name in ("f0100.gz", "f0100", "backup", "x.gz.1", "README", "a.bin", "tar", "")),
        *((name, Likeness.UNTOLD) for name in ("x.target", "x.tarball", "app_notes")),
        *((f"{BASE}.tar.gz.{kind}", Likeness.OTHER) for kind in ("md5", "sha256", "sig", "asc")),
        *((f"{BASE}.{kind}", Likeness.OTHER) for kind in ("log", "sql", "sql.gz", "zip", "txt")),
        *((name, Likeness.OTHER) for name in ("index.php", "a.JPG", "dump.sql.gz", "e.log.1.gz", "a.html~", "b.zip.7")),
    ],
)  # fmt: skip
def test_what_a_name_says_of_its_being_an_archive(name: str, expected: Likeness) -> None:
    assert filename.likeness(name) is expected
    assert filename.is_archive_name(name) is (expected is Likeness.ARCHIVE)
    assert filename.resembles_archive(name) is (expected is Likeness.RESEMBLING)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        *((f"{BASE}.tar.gz.{suffix}", f"{BASE}.tar.gz") for suffix in ("part", "crdownload", "filepart", "PART")),
        (f".{BASE}.tar.gz.kX3d9a", f"{BASE}.tar.gz"),
        ("x.part", "x"),
        *((name, None) for name in (f"{BASE}.tar.gz", f"{BASE}.tar.gz.1", ".part", ".bashrc", ".x.kX3d9a", "part", "")),
    ],
)
def test_a_name_says_that_a_file_is_being_written(name: str, whole: str | None) -> None:
    assert filename.begun_as(name) == whole


@pytest.mark.parametrize("name", [".tar.gz", ".tar.zst", ".TGZ", ".tar.gz.part", ".tar.gz.filepart"])
def test_the_stem_is_what_neither_recompressing_nor_fetching_changes(name: str) -> None:
    assert filename.stem(f"{BASE}{name}") == BASE
    assert filename.stem(f".{BASE}.tar.gz.kX3d9a") == BASE


@given(st.text(max_size=60) | st.text("app_. ()~-0123456789targzbk\udcff\n", max_size=255), st.sampled_from(SUFFIXES))
def test_a_suffix_makes_any_name_an_archives_unless_it_is_apples(text: str, suffix: str) -> None:
    expected = Likeness.RESEMBLING if text.startswith("._") else Likeness.ARCHIVE
    assert filename.likeness(text + suffix) is expected
    assert filename.likeness(f"{text}{suffix}.1") is Likeness.RESEMBLING
    assert filename.resembles_archive(text) is (filename.likeness(text) is Likeness.RESEMBLING)
    assert filename.begun_as(f"{text}{suffix}.part") == text + suffix


def test_long_names_take_no_longer() -> None:
    for piece in ("app_", "(1)", ".gz", ".a", "-2024-06-13_20-55-21"):
        filename.likeness(piece * 250)
        filename.stem(f".{piece * 50_000}")


def test_times_at_the_end_of_the_calendar_are_judged_too() -> None:
    last = named(local="9999-12-31 23:59:59")
    seconds = 253_402_300_799
    assert filename.utc_offset(last, seconds) == UTC
    assert filename.utc_offset(last, seconds + 3600) is None
    assert filename.utc_offset(named(local="0001-01-01 00:00:00"), -62_135_596_801) is None
    assert disagreements(last, None, None, seconds, BERLIN) == ["name-time-differs"]


@given(
    local=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0)),  # noqa: DTZ001
    ahead=st.integers(-14 * 3600, 16 * 3600) | st.integers(-16 * 4, 16 * 4).map(lambda quarters: 900 * quarters),
)
def test_an_offset_is_what_the_clocks_differ_by_in_whole_quarters(local: datetime, ahead: int) -> None:
    offset = filename.utc_offset(named(local=f"{local}"), int(local.replace(tzinfo=UTC).timestamp()) - ahead)
    quarter = timedelta(seconds=ahead // 900 * 900)
    is_told = -12 * 3600 <= quarter.total_seconds() <= 14 * 3600 and (ahead % 900 == 0 or local < datetime(2020, 4, 1))  # noqa: DTZ001
    assert offset == (timezone(quarter) if is_told else None)


@given(st.text(alphabet="app_-.0123456789tgz\n\udcff²", max_size=40), st.booleans())
def test_only_a_conventional_name_is_one(text: str, is_near: bool) -> None:  # noqa: FBT001
    name = f"app_{text}_2024-06-13_20-55-21.tar.gz" if is_near else text
    parsed = filename.parse(name)
    assert (parsed is not None) is (is_near and "_" in text)
    if parsed is not None:
        assert str(parsed) == name


# --- the zone of an image ---------------------------------------------------------------------------------------------

INSTALLED: Final = Path(TZPATH[0]) if TZPATH else Path()
HAVANA: Final = ZoneInfo("America/Havana")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Give the ``/etc`` of an image."""
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("target", "zone"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("../usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/posix/Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/Etc/GMT+5", "Etc/GMT+5"),
        ("/usr/share/zoneinfo/UTC", "UTC"),
        ("/usr/share/zoneinfo/Europe", None),
        ("/usr/share/zoneinfo/Nowhere/At_All", None),
        ("/usr/share/zoneinfo/../../../etc/passwd", None),
        ("/etc/passwd", None),
        ("a" * 300, None),
    ],
)
def test_the_text_of_a_link_names_the_zone(target: str, zone: str | None, etc: Path) -> None:
    (etc / "localtime").symlink_to(target)
    assert filename.zone_of_today(str(etc.parent)) == (zone and ZoneInfo(zone))


def test_a_link_is_never_followed(etc: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes((INSTALLED / "Europe/Berlin").read_bytes())
    (etc / "localtime").symlink_to(tmp_path / "outside")
    (etc / "timezone").symlink_to(tmp_path / "name")
    (tmp_path / "name").write_text("Europe/Berlin")
    assert filename.zone_of_today(str(tmp_path)) is None


@pytest.mark.parametrize("written", ["Europe/Berlin\n", "Europe/Berlin"])
def test_the_name_in_a_file(written: str, etc: Path) -> None:
    (etc / "timezone").write_text(written)
    assert filename.zone_of_today(str(etc.parent)) == BERLIN


@pytest.mark.parametrize("written", ["", "\n", "../../etc/passwd", "nan", "\0", "Ünicode", "x" * 70_000])
def test_a_file_that_names_no_zone(written: str, etc: Path) -> None:
    (etc / "timezone").write_text(written)
    assert filename.zone_of_today(str(etc.parent)) is None


@pytest.mark.skipif(not TZPATH, reason="the system has no zones")
def test_a_copied_zone_file_is_compared_with_those_of_this_machine(etc: Path) -> None:
    (etc / "localtime").write_bytes((INSTALLED / "America/Havana").read_bytes())
    zone = filename.zone_of_today(str(etc.parent))
    assert zone is not None
    moments = [datetime(year, month, 1, tzinfo=UTC) for year in (1990, 2010, 2030) for month in (1, 7)]
    assert [moment.astimezone(zone).utcoffset() for moment in moments] == [
        moment.astimezone(HAVANA).utcoffset() for moment in moments
    ]
    (etc / "timezone").write_text("America/Havana\n")
    assert filename.zone_of_today(str(etc.parent)) == HAVANA
    (etc / "timezone").write_text("Europe/Berlin\n")  # the file that programs read counts
    assert filename.zone_of_today(str(etc.parent)) in {HAVANA, ZoneInfo("Cuba")}


@pytest.mark.parametrize("content", [b"", b"TZif", b"\0" * 70_000, b"TZif2" + b"\xff" * 100])
def test_a_copied_file_that_is_no_zone(content: bytes, etc: Path) -> None:
    (etc / "localtime").write_bytes(content)
    assert filename.zone_of_today(str(etc.parent)) is None


def test_without_a_folder_nothing_is_known(tmp_path: Path) -> None:
    assert filename.zone_of_today(str(tmp_path)) is None
    assert filename.zone_of_today(str(tmp_path / "none")) is None
