"""Archives looked at alone: their names, by the convention or not, and against their records."""

from typing import Final

from fixture_cases.archives.case import NAMES, UNKNOWN_OFFSET, ArchiveCase, renamed, written_as
from fixture_cases.records.dialects import FIELDS_2016, FIELDS_2019, LINES_2016, LINES_2019

CYRILLIC_TITLE: Final = "программка"  # ten letters
CYRILLIC_SLUG: Final = "--------------------"


def with_title(name: str, why: str, title: str, slug: str) -> ArchiveCase:
    """Return a case about how a title becomes a part of the name."""
    return written_as(
        name,
        why,
        f"app_example-com_{slug}_2025-03-10_11-02-01.tar.gz",
        {**NAMES, "title": slug},
        lines={"title": title},
        fields={"title": title},
    )


def with_url(name: str, why: str, url: str, domain: str, host: str) -> ArchiveCase:
    """Return a case about how a url becomes a part of the name."""
    return written_as(
        name,
        why,
        f"app_{host}_My-blog-2_2025-03-10_11-02-01.tar.gz",
        {**NAMES, "host": host},
        lines={"url": url, "url-domain": domain},
        fields={"url": url, "url_domain": domain},
    )


def with_clock(name: str, why: str, clock: str, local_time: str, utc_offset: str) -> ArchiveCase:
    """Return a case about how the name's time tells the server's offset from UTC."""
    return written_as(
        name,
        why,
        f"app_example-com_My-blog-2_{clock}.tar.gz",
        {**NAMES, "local_time": local_time, "utc_offset": utc_offset},
    )


PARTS: Final = (
    with_title("name-latin-title", "Each byte of a letter beyond ASCII becomes one '-'.", "Lébo", "L--bo"),
    with_title("name-cyrillic-title", "Ten Cyrillic letters give twenty '-'.", CYRILLIC_TITLE, CYRILLIC_SLUG),
    with_title("name-runs-kept", "Runs of '-' stay, and nothing is trimmed.", " -- My, blog? -- ", "----My--blog-----"),
    with_title("name-title-empty", "A title may be empty.", "", ""),
    written_as(
        "name-underscore-in-title",
        "A '_' that no title's slug has: the last one ends the host; against the record, the title differs.",
        "app_example-com_My_blog-2_2025-03-10_11-02-01.tar.gz",
        {**NAMES, "host": "example-com_My", "title": "blog-2"},
        ("name-title-differs",),
        lines={"title": "My_blog (2)"},
        fields={"title": "My_blog (2)"},
    ),
    with_url(
        "name-underscore-in-host",
        "A host may have a '_', and keeps it.",
        "https://my_site.example.com/blog",
        "example.com",
        "my_site-example-com",
    ),
    with_url(
        "name-host-with-port",
        "www., port and path are no part of the host.",
        "https://www.example.com:8443/blog/index.php?x=1",
        "example.com",
        "example-com",
    ),
    with_url(
        "name-host-of-subdomain",
        "The host is the url's, not url-domain.",
        "http://shop.example.com/",
        "example.com",
        "shop-example-com",
    ),
    written_as(
        "name-host-empty",
        "The host may be empty; it contradicts nothing.",
        "app__My-blog-2_2025-03-10_11-02-01.tar.gz",
        {**NAMES, "host": ""},
    ),
)

CLOCKS: Final = (
    with_clock("clock-utc", "A server on UTC.", "2025-03-10_10-02-01", "2025-03-10T10:02:01", "+00:00"),
    with_clock(
        "clock-half-hour-west", "Newfoundland, in winter.", "2025-03-10_06-32-01", "2025-03-10T06:32:01", "-03:30"
    ),
    with_clock("clock-quarter-hour", "Nepal.", "2025-03-10_15-47-01", "2025-03-10T15:47:01", "+05:45"),
    with_clock(
        "clock-next-day", "Kiritimati: the next day already.", "2025-03-11_00-02-01", "2025-03-11T00:02:01", "+14:00"
    ),
    with_clock(
        "clock-day-before",
        "The last zone west: the day before.",
        "2025-03-09_22-02-01",
        "2025-03-09T22:02:01",
        "-12:00",
    ),
    written_as(
        "clock-seconds-late",
        "Before April 2020 the name's time is some seconds later than backup-time.",
        "app_example-com_My-blog-2_2019-03-18_16-04-17.tar.gz",
        {**NAMES, "local_time": "2019-03-18T16:04:17", "utc_offset": "+01:00"},
        lines=LINES_2019,
        fields=FIELDS_2019,
    ),
    written_as(
        "clock-minutes-late",
        "Once it was twelve minutes later; the zone is the quarter hour below.",
        "app_example-com_My-blog-2_2016-11-07_13-12-06.tar.gz",
        {**NAMES, "local_time": "2016-11-07T13:12:06", "utc_offset": "+01:00"},
        lines=LINES_2016,
        fields=FIELDS_2016,
    ),
    written_as(
        "clock-seconds-late-since-2020",
        "Since April 2020 they are equal to the second: twelve seconds are a difference.",
        "app_example-com_My-blog-2_2025-03-10_11-02-13.tar.gz",
        {**UNKNOWN_OFFSET, "local_time": "2025-03-10T11:02:13"},
        ("name-time-differs",),
    ),
    written_as(
        "clock-another-year",
        "A time that no zone explains.",
        "app_example-com_My-blog-2_2024-03-10_11-02-01.tar.gz",
        {**UNKNOWN_OFFSET, "local_time": "2024-03-10T11:02:01"},
        ("name-time-differs",),
    ),
    written_as(
        "clock-record-time-unreadable",
        "The record's time can't be decoded: nothing to compare with, and no offset.",
        "app_example-com_My-blog-2_2025-03-10_11-02-01.tar.gz",
        UNKNOWN_OFFSET,
        ("value-undecodable",),
        lines={"backup-time": "soon"},
        fields={"backup_time": None},
    )._replace(extra={"backup-time": "soon"}),
    written_as(
        "clock-record-time-huge",
        "The record's time lies beyond any calendar.",
        "app_example-com_My-blog-2_2025-03-10_11-02-01.tar.gz",
        UNKNOWN_OFFSET,
        ("name-time-differs",),
        lines={"backup-time": "99999999999999999"},
        fields={"backup_time": "99999999999999999"},
    ),
)

RENAMED: Final = (
    renamed(
        "renamed-freely",
        "Renamed by hand to something else.",
        "blog-before-redesign.tar.gz",
        None,
        ("name-unconventional",),
    ),
    renamed(
        "renamed-by-convention",
        "Renamed to another site's: host and title differ from the record's.",
        "app_example-org_Other_2025-03-10_11-02-01.tar.gz",
        {**NAMES, "host": "example-org", "title": "Other"},
        ("name-host-differs", "name-title-differs"),
    ),
    renamed(
        "renamed-copy",
        "A browser's second download.",
        "app_example-com_My-blog-2_2025-03-10_11-02-01 (1).tar.gz",
        None,
        ("name-unconventional",),
    ),
    written_as(
        "name-unconventional",
        "The record has the same unconventional name: nobody renamed it.",
        "mybackup.tar.gz",
        None,
        ("name-unconventional",),
    ),
    written_as(
        "name-impossible-date",
        "Digits where the time stands, and no date.",
        "app_example-com_My-blog-2_2025-02-30_25-61-61.tar.gz",
        None,
        ("name-unconventional",),
    ),
)

CASES: Final[tuple[ArchiveCase, ...]] = (*PARTS, *CLOCKS, *RENAMED)
