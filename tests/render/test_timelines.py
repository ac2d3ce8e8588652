"""Each format of a timeline, by its own rules, read back by other programs: csv, json, mactime."""

import csv
import io
import json
import shutil
import subprocess
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backupmeta.events.claims import KINDS, Claim, Event, File, Subject
from backupmeta.provenance import Source, Witness
from backupmeta.render.timelines import L2T_COLUMNS, TIMELINES, TimelineView, as_body, as_jsonl, as_l2t_csv, as_text
from tests.examples import examples

SECOND = 1_000_000
TIME = 1718312121  # 2024-06-13 20:55:21 UTC
HOME = "/home/exampleu"
RECORD = f"{HOME}/.appdata/backups/b1x4kq9m2v7c8n3z5l6j0h1g2"
ARCHIVE = f"{HOME}/application_backups/app_a.tar.gz"
SITE = Subject(HOME, "exampleu", "wordpress", "6.5.4", "https://a.example", "i1", "b1")
BACKED_UP = Event(
    Claim("backed-up", TIME * SECOND, Source(Witness.BACKUP_RECORD, RECORD, None, 14, 300)),
    "wordpress 6.5.4 backed up",
    SITE,
    contradicted_by=(Claim("compressed", (TIME + 86_401) * SECOND, Source(Witness.ARCHIVE, ARCHIVE)),),
)
MEMBER = Event(
    Claim("member", (TIME - 60) * SECOND + 250_000, Source(Witness.ARCHIVE, ARCHIVE, "a b.php", None, 512)),
    "member modified: a b.php",
    SITE,
    File(7, 0o100640, 1000, 33),
)
INSTALLED = Event(
    Claim("installed", 0, Source(Witness.INSTALL_RECORD, f"{HOME}/.appdata/current/i1", None, 4, 50)),
    "wordpress installed",
    SITE._replace(backup="", version=""),
    also=(Source(Witness.BACKUP_RECORD, RECORD, None, 5, 60),),
    witnesses=3,
)
EVENTS = [INSTALLED, MEMBER, BACKED_UP]
HOSTILE = '|a%41%0Ab\n"c",\r\t=1+1\x1b[2J\x00<script>\u202e\udcff|'
ODD = Event(
    Claim("member", -5 * SECOND, Source(Witness.ARCHIVE, f"/{HOSTILE}", HOSTILE, None, 0)),
    f"member modified: {HOSTILE}",
    Subject(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    File(1, 0o170777),
    (Claim("backed-up", 10**40, Source(Witness.FILE_NAME, HOSTILE)),),
)

needs_mactime = pytest.mark.skipif(shutil.which("mactime") is None, reason="The Sleuth Kit is not installed")


def mactime(body: str) -> list[dict[str, str]]:
    """Return what mactime makes of a body file."""
    command = ["mactime", "-d", "-y", "-z", "UTC"]
    done = subprocess.run(command, input=body.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))


def rows(events: list[Event]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(as_l2t_csv(events)), newline=""), strict=True))


def test_text() -> None:
    assert "".join(as_text(EVENTS)) == (
        f"1970-01-01 00:00:00  installed      wordpress installed"
        f"  [install record, {HOME}/.appdata/current/i1, line 4 and 2 more]\n"
        f"2024-06-13 20:54:21  member         member modified: a b.php  [archive, {ARCHIVE} » a b.php, at byte 512]\n"
        f"2024-06-13 20:55:21  backed-up      wordpress 6.5.4 backed up  [backup record, {RECORD}, line 14]\n"
        f"                     !              contradicted by Compression Time (Gzip Header) 2024-06-14 20:55:22 UTC"
        f" (archive, {ARCHIVE})\n"
    )


def test_jsonl() -> None:
    installed, member, backed_up = (json.loads(line) for line in as_jsonl(EVENTS))
    assert installed == {
        "message": "wordpress installed",
        "datetime": "1970-01-01T00:00:00+00:00",
        "timestamp": 0,
        "timestamp_desc": "Installation Time",
        "event": "installed",
        "witness": "install record",
        "path": f"{HOME}/.appdata/current/i1",
        "line": 4,
        "offset": 50,
        "account": HOME,
        "user": "exampleu",
        "application": "wordpress",
        "url": "https://a.example",
        "install": "i1",
        "witnesses": 3,
        "also": [{"witness": "backup record", "path": RECORD, "line": 5, "offset": 60}],
    }
    assert (member["datetime"], member["timestamp"]) == ("2024-06-13T20:54:21.250000+00:00", 1718312061250000)
    assert (member["member"], member["offset"], member["size"]) == ("a b.php", 512, 7)
    assert backed_up["tag"] == ["contradicted"]
    assert backed_up["contradicted_by"] == [
        {
            "datetime": "2024-06-14T20:55:22+00:00",
            "timestamp_desc": "Compression Time (Gzip Header)",
            "witness": "archive",
            "path": ARCHIVE,
        }
    ]


def test_l2t_csv() -> None:
    header, *_, last = "".join(as_l2t_csv(EVENTS)).splitlines()
    assert header == (
        "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra"
    )
    assert last == (
        "06/13/2024,20:55:21,UTC,...B,LOG,Installatron backup record,Backup Time,exampleu,-,wordpress 6.5.4 backed up,"
        f'wordpress 6.5.4 backed up,2,{RECORD},-,"contradicted by Compression Time (Gzip Header) 2024-06-14 20:55:22'
        f' UTC (archive, {ARCHIVE})",backupmeta,account: {HOME}; application: wordpress; version: 6.5.4;'
        " url: https://a.example; install: i1; backup: b1; line: 14; witnesses: 1"
    )


def test_body() -> None:
    installed, member, backed_up = as_body(EVENTS)
    place = f"{HOME}/.appdata/current/i1, line 4"
    assert installed == f"0|{place} [Installation Time] wordpress installed (3 witnesses)|0|-|0|0|0|-1|-1|-1|0\n"
    assert member == (
        f"0|{ARCHIVE} » a b.php, at byte 512 [Content Modification Time (Member)] member modified: a b.php"
        "|0|-rw-r-----|1000|33|7|-1|1718312061|-1|-1\n"
    )
    assert "backed up; contradicted by Compression Time (Gzip Header) 2024-06-14 20:55:22 UTC" in backed_up
    assert backed_up.endswith("|0|-|0|0|0|-1|-1|-1|1718312121\n")
    assert [line.rsplit("|", 4)[1:] for line in as_body(EVENTS, "0")] == [
        ["0", "0", "0", "0\n"],
        ["0", "1718312061", "0", "0\n"],
        ["0", "0", "0", "1718312121\n"],
    ]


@pytest.mark.parametrize("form", TIMELINES)
def test_hostile_text_is_harmless_and_stays_in_its_place(form: str) -> None:
    text = "".join(TIMELINES[form].render([MEMBER, ODD], TimelineView()))
    assert not {"\x1b", "\x00", "\r"} & set(text)
    assert form == "jsonl" or "\u202e" not in text  # JSON is exact
    text.encode()  # no lone surrogates
    lines = text.splitlines()
    assert len(lines) == {"text": 3, "jsonl": 2, "json": 4, "l2tcsv": 3, "bodyfile": 2}[form]


def test_names_that_are_not_utf_8_are_exact_in_json() -> None:
    [told] = map(json.loads, as_jsonl([ODD]))
    assert {"path_base64", "member_base64", "account_base64", "user_base64"} <= told.keys()
    assert told["member"] == HOSTILE.replace("\udcff", "\ufffd")


TIMES = st.integers(-(10**20), 10**26) | st.integers(-(10**15), 10**16)
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("\udc80\udcff\0\r\n|%,"), max_size=12) | st.sampled_from(
    [HOSTILE, "", "%", "a|b", '"', "%7c", ","]
)


@st.composite
def any_events(draw: st.DrawFn) -> list[Event]:
    """Draw events, no two from one place."""
    times, texts = draw(st.lists(TIMES, min_size=1, max_size=4)), draw(st.lists(TEXTS, min_size=4, max_size=4))
    kind = draw(st.sampled_from(sorted(KINDS)))
    return [
        Event(
            Claim(kind, time, Source(Witness.ARCHIVE, texts[0], texts[1], None, place)),
            texts[2],
            SITE._replace(user=texts[3], url=texts[0]),
        )
        for place, time in enumerate(times)
    ]


@given(any_events())
@example([ODD])
def test_l2t_csv_has_17_columns_whatever_is_in_them(events: list[Event]) -> None:
    read = list(csv.reader(io.StringIO("".join(as_l2t_csv(events)), newline=""), strict=True))
    assert read[0] == L2T_COLUMNS
    assert len(read) == len(events) + 1
    assert {len(row) for row in read} == {17}
    assert all(all(cell for cell in row) for row in read)
    for row in read[1:]:
        datetime.strptime(f"{row[0]} {row[1]} +0000", "%m/%d/%Y %H:%M:%S %z")


@given(any_events())
@example([ODD])
def test_jsonl_has_what_timesketch_requires(events: list[Event]) -> None:
    lines = "".join(as_jsonl(events)).split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(events)
    for told in map(json.loads, lines):
        assert isinstance(told["message"], str)
        assert isinstance(told["timestamp_desc"], str)
        assert datetime.fromisoformat(told["datetime"]).utcoffset() is not None
        assert -(2**63) <= told["timestamp"] < 2**63


@needs_mactime
def test_mactime_shows_every_event() -> None:
    found = mactime("".join(as_body([*EVENTS, ODD])))
    assert sorted((one["Date"], one["Type"], one["Mode"], one["Size"]) for one in found) == [
        ("0000-00-00T00:00:00Z", "...b", "-", "0"),
        ("0000-00-00T00:00:00Z", "m...", "?rwxrwxrwx", "1"),
        ("2024-06-13T20:54:21Z", "m...", "-rw-r-----", "7"),
        ("2024-06-13T20:55:21Z", "...b", "-", "0"),
    ]


@needs_mactime
@pytest.mark.parametrize(("unset", "dates"), [("-1", []), ("0", ["0000-00-00T00:00:00Z"])])
def test_mactime_leaves_out_what_is_unset_but_takes_0_for_a_time(unset: str, dates: list[str]) -> None:
    listed = mactime("".join(as_body([MEMBER], unset)))
    assert [row["Date"] for row in listed] == [*dates, "2024-06-13T20:54:21Z"]


@needs_mactime
def test_mactime_shows_hostile_names_as_they_are() -> None:
    [found] = mactime("".join(as_body([ODD._replace(contradicted_by=())])))
    name = '|a%41%0Ab\\n"c",\\r\\t=1+1\\x1b[2J\\x00<script>\\u202e\ufffd|'
    assert found["File Name"] == (
        f"/{name} » {name}, at byte 0 [Content Modification Time (Member)] member modified: {name}"
    )


@needs_mactime
def test_mactime_loses_none_of_any_events() -> None:
    @given(st.lists(any_events(), max_size=30))
    @example([[ODD]])
    def loses_none(batches: list[list[Event]]) -> None:
        events = [one._replace(message=f"{batch} {one.message}") for batch, many in enumerate(batches) for one in many]
        assert len(mactime("".join(as_body(events)))) == len(events)

    examples(25)(loses_none)()
