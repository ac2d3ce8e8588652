"""Words for people; expected values are the calendar's (date -u -d @SECONDS) and the reader's own arithmetic."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta import words
from backupmeta.provenance import Source, Witness
from tests.invented import INSTALL, NAME, Account, archive, backup_record, install_record, run

HUGE = "99999999999999999"
"""Seconds that no calendar has, and a catalog's integers do."""


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 bytes"), (1, "1 byte"), (2, "2 bytes"), (2_000, "2,000 bytes"), (-1, "-1 bytes")]
)
def test_a_count_has_its_word(number: int, expected: str) -> None:
    assert words.counted(number, "byte") == expected


def test_a_count_may_have_a_plural_of_its_own() -> None:
    assert [words.counted(number, "copy", "copies") for number in (1, 2)] == ["1 copy", "2 copies"]
    assert words.amounts({"new": 3, "changed": 0, "moved": 1}) == "3 new, 1 moved"
    assert words.amounts({"new": 0}, "none") == "none"
    assert words.counts_of({"error": 1, "warning": 2_000, "note": 0}) == "1 error, 2,000 warnings"


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (6_284_582, "6.3 MB"),
        (10**19, "10,000.0 PB"),
    ],
)
def test_a_size_is_in_powers_of_1000(count: int, expected: str) -> None:
    assert words.size(count) == expected


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_all_ways_to_write_a_time_are_of_the_same_time(seconds: int) -> None:
    iso = words.moment(seconds)
    assert iso == words.utc(seconds)
    assert words.clock(seconds) == iso[:19].replace("T", " ")
    assert words.minute(seconds) == words.clock(seconds)[:16]
    assert words.day(seconds) == words.clock(seconds)[:10]
    assert words.dated(seconds) == f"{words.clock(seconds)} UTC"
    text = str(seconds)
    assert (words.recorded_clock(text), words.recorded_moment(text)) == (words.clock(seconds), iso)
    assert words.recorded_dated(text) == words.dated(seconds)


def test_times_are_those_of_the_calendar() -> None:
    seconds = ["0", "-1", "1718312121", "253402300799", "-62135596800"]
    day = "+%Y-%m-%d %H:%M:%S"
    dates = [subprocess.run(["date", "-u", "-d", f"@{one}", day], capture_output=True, check=True) for one in seconds]
    assert [words.recorded_clock(one) for one in seconds] == [date.stdout.decode().strip() for date in dates]


@pytest.mark.parametrize("text", ["", "soon", "٣", "-", "--1", "1.5", " 1"])
def test_what_is_no_number_is_no_time(text: str) -> None:
    assert (words.seconds_in(text), words.recorded_clock(text), words.recorded_moment(text)) == (None, "", None)
    assert words.recorded_dated(text) == text


@pytest.mark.parametrize("digits", ["9" * 17, "9" * 5_000, "-" + "9" * 40])
def test_a_time_no_calendar_has_is_its_digits_of_bounded_length(digits: str) -> None:
    shown = digits if len(digits) <= 30 else f"{digits[:29]}…"
    assert words.recorded_clock(digits) == shown
    assert words.recorded_dated(digits) == f"{shown} Unix seconds"
    assert words.recorded_moment(digits) == digits


def test_zeros_before_a_number_are_no_part_of_its_value() -> None:
    assert words.recorded_clock("0" * 5_000 + "1718312121") == "2024-06-13 20:55:21"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_how_long_it_is(seconds: int, expected: str) -> None:
    assert words.ago(seconds) == expected


@given(st.text(max_size=50), st.integers(1, 40))
def test_what_is_cut_says_so_and_fits(text: str, most: int) -> None:
    shown = words.cut(text, most)
    assert len(shown) <= most
    assert shown == text if len(text) <= most else text.startswith(shown.removesuffix("…")) and shown.endswith("…")


def test_a_few_of_many() -> None:
    assert words.few(("/a", "/b"), 2) == "/a, /b"
    assert words.few(("/a", "/b", "/c"), 2) == "/a, /b and 1 more"
    assert words.few((), 2) == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source(Witness.FILE_SYSTEM, "/h/a.tar.gz"), "/h/a.tar.gz"),
        (Source(Witness.BACKUP_RECORD, "/h/r", None, 9, 120), "/h/r, line 9"),
        (Source(Witness.ARCHIVE, "/h/a.tar.gz", "b.php", None, 512), "/h/a.tar.gz » b.php, at byte 512"),
    ],
)
def test_a_place_of_evidence_is_named_alike_everywhere(source: Source, expected: str) -> None:
    assert words.seen_at(source) == expected
    assert words.said_by(source) == f"{source.witness}, {expected}"
    assert words.seen_at(source, "/h") == expected.removeprefix("/h/")


def test_a_huge_backup_time_reads_the_same_in_all_commands(tmp_path: Path) -> None:
    account, catalog = Account(tmp_path / "home/exampleu"), tmp_path / "catalog.sqlite"
    record = backup_record(backup_time=HUGE)
    account.backup(content=record)
    account.archive(embedded=record)
    account.install(content=install_record())
    home = account.home
    assert run("scan", home, "-o", catalog).code == 0
    answers = {
        "list": run("list", home).text,
        "list of a catalog": run("list", "--catalog", catalog).text,
        "find": run("find", catalog).text,
        "view": run("view", account.archives / NAME).text,
        "history": run("history", INSTALL, "--root", home).text,
        "history as JSON": run("history", INSTALL, "--root", home, "--json").text,
        "diff": run("diff", account.archives / NAME, "current", "--root", home).text,
        "stats": run("stats", catalog).text,
        "stats as JSON": run("stats", catalog, "--json").text,
        "export": run("export", catalog, "--format", "csv").text,
        "timeline": run("timeline", home).text,
        "verify": run("verify", home).text,
        "report": run("report", catalog, "--format", "markdown").text,
        "report as JSON": run("report", catalog, "--format", "json").text,
    }
    shown = {name: set(re.findall(r"\d*9{9,}[\d…]*", text)) for name, text in answers.items()}
    assert {name for name, numbers in shown.items() if not numbers} == set()
    assert {name: numbers for name, numbers in shown.items() if numbers != {HUGE}} == {}


def test_one_of_each_is_no_plural(tmp_path: Path) -> None:
    account, catalog = Account(tmp_path / "home/exampleu"), tmp_path / "catalog.sqlite"
    record = backup_record()
    account.backup(content=record)
    path = account.archives / NAME
    path.write_bytes(archive(record))
    texts = [
        run("scan", account.home, "-o", catalog, "--deep").text,
        run("stats", catalog).text,
        run("members", path).err,
        run("explain", path).text,
        run("verify", path).text,
        run("diff", path, path, "--deep").text,
        run("timeline", account.home, "--deep").text,
        run("report", catalog, "--format", "markdown").text,
        run("extract", path, "--to", tmp_path / "site").err,
    ]
    assert re.findall(r"(?<![\d.,])1 (?:bytes|\w+s\b)[^\n]*", "\n".join(texts)) == []


PACKAGE = Path(words.__file__).parent
SECOND = {
    "a time": r"fromtimestamp\(",
    "a cut text": r"\+ \"…\"",
    "a plural": r":,\} (?:more )?(?:byte|member|archive|account|entr|file|row|table|line|day|second|stream|target)",
    "a unit": r"[\"']kB[\"']",
    "a place of evidence": " » {|, line {",
}
ELSEWHERE = {
    "filename.py": "a time",  # which offset a zone has at a moment: nothing is shown
    "options.py": "a time",  # whether a number is a moment: nothing is shown
}


@pytest.mark.parametrize("thing", SECOND)
def test_there_is_no_second_way_to_write(thing: str) -> None:
    others = [path for path in PACKAGE.rglob("*.py") if path.name != "words.py" and ELSEWHERE.get(path.name) != thing]
    found = {path.name: re.findall(SECOND[thing], path.read_text("utf-8")) for path in others}
    assert {name: matches for name, matches in found.items() if matches} == {}
