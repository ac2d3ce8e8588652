"""Members that are younger than their backup: by how many signs, and in which honest cases nothing is said."""

import gzip
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writers.installatron import Entry, blocks, gzip_bytes, tar_bytes

from backupmeta import Search, verify
from backupmeta.archive.limits import Limits
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Group, Severity
from tests.checks.subjects import MEMBERS, record
from tests.hostile import END, header, pax
from tests.invented import NAME, TIME, Account

HOUR: Final = 3600
DAY: Final = 24 * HOUR
SHELL: Final = "wp-content/uploads/cache.php"
LATER: Final = TIME + 3 * DAY
NEW: Final = {"archive-altered", "member-younger", "members-in-future"}


def packed(times: Mapping[str, int], made: int = TIME, /, **changes: str) -> bytes:
    """Return the tar of an honest backup, ``made`` then, but for the ``times`` of some members, and of others."""
    members = dict.fromkeys(MEMBERS, made) | dict(times)
    name = f"app_example-com_Blog_{datetime.fromtimestamp(made, UTC):%Y-%m-%d_%H-%M-%S}.tar.gz"
    own = record(**{"backup_time": str(made), "backup_filename": name, **changes})
    entries = [Entry(b"APP-META.INI", own, made)]
    entries += [Entry(name.encode(), MEMBERS.get(name, b"<?php\n"), time) for name, time in members.items()]
    return tar_bytes(entries)


def judged(folder: Path, tar: bytes, written: int, compressed: int = 0, limits: Limits | None = None) -> list[Finding]:
    """Return what verify finds, notes too, in the archive with this ``tar``, ``written`` and ``compressed`` then."""
    path = folder / "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
    path.write_bytes(gzip_bytes(tar, compressed))
    os.utime(path, (written, written))
    [archive] = verify(Search((str(path),), limits=limits or Limits()), now=2 * TIME)
    return [judgement.finding for judgement in archive.judged]


def told(findings: list[Finding]) -> dict[str, Severity]:
    return {finding.id: finding.severity for finding in findings if finding.id in NEW}


# --- signs ------------------------------------------------------------------------------------------------------------


def test_a_younger_member_in_an_archive_that_was_written_later(tmp_path: Path) -> None:
    findings = judged(tmp_path, packed({SHELL: LATER}), LATER + 70)
    assert told(findings) == {"archive-altered": "error"}
    [altered] = [finding for finding in findings if finding.id == "archive-altered"]
    assert altered.message == (
        f"{SHELL}: the archive was changed after its backup, as two independent signs say (2024-06-13 20:55:21 UTC: "
        "embedded record, file name; 2024-06-16 20:55:21 UTC: this member; 2024-06-16 20:56:31 UTC: the archive's file)"
    )
    assert [(place.witness, place.member, place.line) for place in altered.evidence] == [
        ("archive", SHELL, None),
        ("embedded record", "APP-META.INI", 12),
        ("file system", None, None),
    ]


def test_several_younger_members_are_one_finding(tmp_path: Path) -> None:
    findings = judged(tmp_path, packed({SHELL: LATER, "index.php": LATER + 9, "wp-login.php": LATER + 8}), LATER + 70)
    [altered] = [finding for finding in findings if finding.id in NEW]
    assert altered.subject == "index.php"
    assert "; 2024-06-16 20:55:30 UTC: this member and 2 members more; " in altered.detail
    assert [place.member for place in altered.evidence[:3]] == ["index.php", "wp-login.php", SHELL]


@pytest.mark.parametrize("written", [0, TIME - 9 * DAY, TIME, TIME + 20, TIME + DAY])
def test_younger_than_the_backup_and_than_the_file(written: int, tmp_path: Path) -> None:
    assert told(judged(tmp_path, packed({SHELL: LATER}), written)) == {"member-younger": "warning"}


def test_its_gzip_header_is_a_second_sign(tmp_path: Path) -> None:
    findings = judged(tmp_path, packed({SHELL: LATER}), TIME + 20, LATER)
    assert told(findings) == {"archive-altered": "error"}
    assert "2024-06-16 20:55:21 UTC: its gzip header" in "".join(finding.detail for finding in findings)


@pytest.mark.parametrize(
    ("changes", "id_"),
    [({"version": "6.2.2"}, "application-version-differs"), ({"list_files": "wp-config.php"}, "file-unlisted")],
)
def test_contents_that_contradict_the_record_are_a_second_sign(
    changes: dict[str, str], id_: str, tmp_path: Path
) -> None:
    findings = judged(tmp_path, packed({SHELL: LATER}, **changes), TIME + 20)
    assert told(findings) == {"archive-altered": "error"}
    assert f"its contents contradict the record: {id_}" in "".join(finding.detail for finding in findings)


@pytest.mark.parametrize(("seconds", "is_odd"), [(14 * HOUR + 300, False), (14 * HOUR + 301, True)])
@pytest.mark.parametrize("took", [0, 20, 5 * HOUR, DAY])
def test_the_tolerance_begins_where_writing_ends(took: int, seconds: int, is_odd: bool, tmp_path: Path) -> None:  # noqa: FBT001
    findings = judged(tmp_path, packed({SHELL: TIME + took + seconds}), TIME + took)
    assert told(findings) == ({"member-younger": "warning"} if is_odd else {})


def test_a_copied_archive_is_measured_by_its_size(tmp_path: Path) -> None:
    assert told(judged(tmp_path, packed({SHELL: TIME + 14 * HOUR + 300}), LATER)) == {}
    assert told(judged(tmp_path, packed({SHELL: TIME + 14 * HOUR + 310}), LATER)) == {"archive-altered": "error"}


def test_a_file_of_another_century_in_a_copied_archive_is_one_sign(tmp_path: Path) -> None:
    century = TIME + 100 * 365 * DAY
    assert told(judged(tmp_path, packed({"wp-content/a.jpg": century}), LATER)) == {"member-younger": "warning"}
    findings = judged(tmp_path, packed({"wp-content/a.jpg": century, SHELL: LATER}), LATER)
    [altered] = [finding for finding in findings if finding.id in NEW]
    assert (altered.id, altered.subject) == ("archive-altered", SHELL)


def test_a_name_that_no_system_allows_is_cut(tmp_path: Path) -> None:
    findings = judged(tmp_path, packed({"wp-content/" + "x" * 60_000: LATER}), LATER)
    [altered] = [finding for finding in findings if finding.id in NEW]
    assert len(altered.subject) < 5000
    assert max(len(place.member or "") for place in altered.evidence) < 5000


def test_a_name_alone_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(gzip_bytes(packed({SHELL: LATER}, backup_time="")))
    [archive] = verify(Search((str(path),), zone=UTC), now=2 * TIME)
    assert told([judgement.finding for judgement in archive.judged]) == {}


# --- honest -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [dict.fromkeys(MEMBERS, LATER), dict.fromkeys(list(MEMBERS)[:6], LATER)])
@pytest.mark.parametrize("written", [TIME, LATER])
def test_most_members_in_the_future_are_one_note(times: dict[str, int], written: int, tmp_path: Path) -> None:
    assert told(judged(tmp_path, packed(times), written)) == {"members-in-future": "note"}


def test_half_of_them_are_not_most(tmp_path: Path) -> None:
    times = dict.fromkeys(list(MEMBERS)[:5], LATER)
    assert told(judged(tmp_path, packed(times), TIME)) == {"member-younger": "warning"}


def test_folders_and_links_have_the_times_of_their_unpacking(tmp_path: Path) -> None:
    folder, link = Entry(b"wp-content", None, LATER), Entry(b"wp-content/link", b"", LATER, link=b"index.php")
    tar = packed({}).removesuffix(END) + b"".join([*blocks(folder), *blocks(link)]) + END
    assert told(judged(tmp_path, tar, LATER)) == {}


quarters: Final = st.integers(-48, 56).map(lambda count: count * 900)
"""Whole quarter hours, from -12 to 14 hours."""


@st.composite
def honest(draw: st.DrawFn) -> tuple[bytes, int, int]:
    """Return an honest backup's tar, when its file was written, and its gzip header's time.

    Visitors write files while it runs. The clock of the disk may be a local one, and FAT's; then the archive is copied,
    with its time or without, or compressed again.
    """
    made, local = draw(st.integers(10**9, 2**31)), draw(quarters)
    happened = draw(st.sampled_from(["nothing", "copied", "copied to FAT", "compressed again"]))
    took = draw(st.integers(0, DAY - max(local, 0))) if happened == "nothing" else 0
    ages = draw(st.lists(st.integers(-took, 10**9), min_size=len(MEMBERS), max_size=len(MEMBERS)))
    times = {name: max(made - age + local, 0) for name, age in zip(MEMBERS, ages, strict=True)}
    if draw(st.booleans()):
        times = {name: time + time % 2 for name, time in times.items()}
    later = made + took + draw(st.integers(0, 10**9))
    written = {"nothing": made + took + local, "copied to FAT": (made + draw(quarters)) & ~1}.get(happened, later)
    compressed = later if happened == "compressed again" else draw(st.sampled_from([0, made + took]))
    return packed(times, made), written, compressed


@given(honest())
def test_no_honest_backup_is_suspected(backup: tuple[bytes, int, int]) -> None:
    with TemporaryDirectory() as folder:
        assert {
            id_: severity for id_, severity in told(judged(Path(folder), *backup)).items() if severity != "note"
        } == {}


# --- hostile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", ["0", "", "-1", "nan", str(2**63), "9" * 4000, "1e9", "٣"])
@pytest.mark.parametrize("written", [0, LATER])
def test_a_time_that_is_none_contradicts_nothing(recorded: str, written: int, tmp_path: Path) -> None:
    findings = judged(tmp_path, packed({SHELL: LATER}, backup_time=recorded), written)
    assert told(findings) == {}


TIMES: Final = [
    b"nan",
    b"inf",
    b"-inf",
    b"1e400",
    b"9" * 400,
    b"-" + b"9" * 400,
    b"",
    b"-1",
    b"0",
    b"1718312121.5",
    b"99999999999",
]
NUMBERS: Final = [
    b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7,
    b"\x80" + b"\xff" * 11,
    b"\xff" * 12,
    b"\xff" + bytes(11),
    b"77777777777\0",
    b"no number!!\0",
]


@pytest.mark.parametrize("number", TIMES)
def test_hostile_times_in_pax_records(number: bytes, tmp_path: Path) -> None:
    tar = packed({}).removesuffix(END) + pax([(b"mtime", number)]) + header(SHELL.encode()) + END
    is_late = number == b"99999999999"
    assert told(judged(tmp_path, tar, TIME)) == ({"member-younger": "warning"} if is_late else {})


@pytest.mark.parametrize("number", NUMBERS)
def test_hostile_times_in_headers(number: bytes, tmp_path: Path) -> None:
    tar = packed({}).removesuffix(END) + header(SHELL.encode(), mtime=number) + END
    is_late = number[:1] == b"\x80" or number.startswith(b"777")
    assert told(judged(tmp_path, tar, TIME)) == ({"member-younger": "warning"} if is_late else {})


def test_beyond_the_bounds_on_names_the_newest_member_is_known(tmp_path: Path) -> None:
    tar = packed({"wp-content/a.php": LATER, SHELL: LATER + 5, "wp-content/z.php": 5})
    findings = judged(tmp_path, tar, LATER, limits=Limits(names=8))
    assert [finding.subject for finding in findings if finding.id == "archive-altered"] == [SHELL]


def test_of_several_members_of_one_name_the_last_counts(tmp_path: Path) -> None:
    again = b"".join(blocks(Entry(b"index.php", b"<?php\n", TIME)))
    tar = packed({"index.php": LATER}).removesuffix(END) + again + END
    assert told(judged(tmp_path, tar, LATER)) == {}


def test_no_secret_in_a_name_comes_out(tmp_path: Path) -> None:
    name = "wp-content/https:user:CANARY@example.com/password=CANARY"
    findings = judged(tmp_path, packed({name: LATER}), LATER)
    assert "archive-altered" in told(findings)
    assert "CANARY" not in "".join(finding.message for finding in findings if finding.id in NEW)


@pytest.mark.parametrize(
    ("embedded", "witnesses"),
    [
        (str(TIME), "2024-06-13 20:55:21 UTC: backup record, embedded record, file name"),
        (str(TIME - HOUR), "2024-06-13 20:55:21 UTC: backup record, file name"),
        (str(TIME + HOUR), "2024-06-13 21:55:21 UTC: embedded record"),
        (None, "2024-06-13 20:55:21 UTC: backup record, file name"),
    ],
)
def test_it_says_who_tells_the_time_of_the_backup(embedded: str | None, witnesses: str, tmp_path: Path) -> None:
    account = Account(tmp_path / "u")
    account.backup(content=record())
    entries = [Entry(b"APP-META.INI", record(backup_time=embedded), TIME), Entry(SHELL.encode(), b"<?php\n", LATER)]
    entries += [Entry(name.encode(), content, TIME) for name, content in MEMBERS.items()]
    path = account.archives / NAME
    path.write_bytes(gzip_bytes(tar_bytes(entries)))
    os.utime(path, (LATER, LATER))
    altered = [
        judgement.finding
        for target in verify(Search((str(account.home),)), now=2 * TIME)
        for judgement in target.judged
        if judgement.finding.id == "archive-altered"
    ]
    assert [finding.detail.partition("; ")[0] for finding in altered] == [witnesses]


def test_contents_stand_on_a_side(tmp_path: Path) -> None:
    account = Account(tmp_path / "u")
    account.backup(content=record(version="6.2.2"))
    entries = [Entry(b"APP-META.INI", record(), TIME)]
    entries += [Entry(name.encode(), content, TIME) for name, content in MEMBERS.items()]
    (account.archives / NAME).write_bytes(gzip_bytes(tar_bytes(entries)))
    archive, _ = verify(Search((str(account.home),)), now=2 * TIME)
    [edited] = [judgement.finding for judgement in archive.judged if judgement.finding.id == "sources-disagree"]
    assert edited.subject == "version"
    assert edited.detail == "6.2.2: backup record; 6.5.4: embedded record, wp-includes/version.php"
    assert edited.evidence[-1].member == "wp-includes/version.php"


def test_a_broken_archive_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
    path.write_bytes(gzip.compress(packed({SHELL: LATER}))[:-9])
    [archive] = verify(Search((str(path),)), now=2 * TIME)
    assert told([judgement.finding for judgement in archive.judged]) == {}


def test_what_weighs_as_a_sign_is_a_contradiction_in_the_table_of_checks() -> None:
    of_contents = {
        f"{kind}-{what}" for kind in ("plugin", "theme") for what in ("missing", "unlisted", "version-differs")
    }
    of_contents |= {"file-unlisted", "application-version-differs", "config-differs"}
    contradictions = {rule.id for rule in FINDINGS.values() if rule.is_contradiction}
    assert (
        of_contents | NEW | {rule.id for rule in FINDINGS.values() if rule.group is Group.WITNESSES} <= contradictions
    )
    assert contradictions & {"archive-truncated", "archive-missing", "backup-duplicate", "backup-orphaned"} == set()
