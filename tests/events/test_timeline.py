"""Who says what happened when: hand-written expected events of an invented account."""

import os
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from writers.installatron import Entry, gzip_bytes, tar_bytes

from backupmeta import Search
from backupmeta.archive.limits import Limits
from backupmeta.errors import UnreadableError
from backupmeta.events.claims import KINDS, Event, moment
from backupmeta.masking import MASK
from tests.events.scene import COUNTED, CREATED, DAY, HOUR, UPDATED, agreeing, at, packed, told, touched
from tests.invented import BACKUP, INSTALL, NAME, SECOND, TIME, Account, archive, backup_record, install_record

EAST = NAME.replace("20-55-21", "22-55-21")  # two hours east of UTC
BLOG = "wordpress at https://www.example.com/blog"
SOFTWARE = "wordpress 6.5.4 at https://www.example.com/blog"


def brief(events: list[Event]) -> list[tuple[int, str, str]]:
    return [(one.time // 1_000_000, one.kind, one.source.witness) for one in events]


def kinds(events: list[Event]) -> list[str]:
    return [one.kind for one in events]


def contradictions(events: list[Event]) -> set[tuple[str, str]]:
    return {(one.kind, other.kind) for one in events for other in one.contradicted_by}


def only(events: list[Event], kind: str) -> Event:
    [found] = [one for one in events if one.kind == kind]
    return found


def test_what_agreeing_witnesses_say(tmp_path: Path) -> None:
    events = at(agreeing(tmp_path / "home/exampleu"))
    assert brief(events) == [
        (CREATED, "installed", "backup record"),
        (UPDATED, "updated", "backup record"),
        (COUNTED, "counted", "install record"),
        (TIME, "backed-up", "backup record"),
        (TIME, "backed-up", "embedded record"),
        (TIME, "named", "file name"),
        (TIME, "compressed", "archive"),
        (TIME + 2, "archive", "file system"),
        (TIME + 3, "record", "file system"),
        (TIME + 5, "record", "file system"),
    ]
    assert contradictions(events) == set()
    assert [one.message for one in events] == [
        f"{BLOG} installed",
        f"{BLOG} last updated, to 6.5.4",
        f"sizes of {BLOG} counted",
        f"{SOFTWARE} backed up",
        f"{SOFTWARE} backed up",
        f"archive of {SOFTWARE} named at 2024-06-13 20:55:21 in UTC, which backup-time implies",
        f"archive of {SOFTWARE} compressed",
        f"archive of {SOFTWARE} written",
        f"record of {BLOG} written",
        f"record of {BLOG} written",
    ]


def test_where_it_is_said_and_whom_it_is_about(tmp_path: Path) -> None:
    account = agreeing(tmp_path / "home/exampleu")
    events = at(account)
    backup, path = str(account.backups / BACKUP), str(account.archives / NAME)
    first, embedded = events[0], events[4]
    assert (first.source.path, first.source.line) == (backup, 9)
    assert [(one.witness, one.path, one.member) for one in first.also] == [
        ("embedded record", path, "APP-META.INI"),
        ("install record", str(account.installs / INSTALL), None),
    ]
    assert first.witnesses == 3
    assert first.subject == (
        str(account.home),
        "exampleu",
        "wordpress",
        "",
        "https://www.example.com/blog",
        INSTALL,
        "",
    )
    assert (embedded.source.path, embedded.source.member, embedded.source.line) == (path, "APP-META.INI", 13)
    assert (embedded.subject.version, embedded.subject.backup) == ("6.5.4", BACKUP)
    status = (account.archives / NAME).stat()
    file = only(events, "archive").file
    assert file is not None
    assert (file.size, file.inode) == (status.st_size, status.st_ino)


def test_the_members_newest_first_and_at_most_so_many(tmp_path: Path) -> None:
    account = agreeing(tmp_path / "home/exampleu")
    events = [one for one in at(account, deep=True) if one.kind in {"member", "newest-member"}]
    assert [(one.time // 1_000_000, one.kind, one.source.member, one.left_out) for one in events] == [
        (CREATED, "member", "index.php", 0),
        (TIME - HOUR, "member", "wp-content/new.php", 0),
        (TIME, "newest-member", "APP-META.INI", 0),
        (TIME, "member", "APP-META.INI", 0),
    ]
    assert [one.source.offset for one in events] == [1024, 2048, 0, 0]
    assert events[2].message == "newest member of an archive: APP-META.INI, of 3 members"
    few = [one for one in at(account, deep=True, members=2) if one.kind in {"member", "newest-member"}]
    assert [(one.kind, one.source.member, one.left_out) for one in few] == [
        ("member", "wp-content/new.php", 0),
        ("newest-member", "APP-META.INI", 1),
        ("member", "APP-META.INI", 0),
    ]
    assert few[1].message.endswith("APP-META.INI, of 3 members, 1 of which have no event of their own")
    none = [one for one in at(account, deep=True, members=0) if one.kind in {"member", "newest-member"}]
    assert [(one.kind, one.left_out) for one in none] == [("newest-member", 3)]


class TestMembersOfManyBackups:
    """A member that does not change from one backup of its install to the next is one event."""

    DAYS = range(1, 31)

    @classmethod
    def account(cls, home: Path, **changes: str | None) -> Account:
        """Return an account with a backup a day, of a member that never changes and one that always does."""
        account = Account(home)
        for day in cls.DAYS:
            name, time = NAME.replace("06-13", f"06-{day:02}"), TIME + (day - 13) * DAY
            record = backup_record(backup_filename=name, backup_time=str(time), **changes)
            touched(account.backup(f"{day:025}", record), time)
            (account.archives / name).write_bytes(packed(record, {"same.php": CREATED - 30 * DAY, "log": time - 1}))
            touched(account.archives / name, time)
        return account

    @staticmethod
    def of(events: list[Event], member: str) -> list[Event]:
        return [event for event in events if event.kind == "member" and event.source.member == member]

    def test_it_is_told_once_with_the_first_of_its_witnesses(self, tmp_path: Path) -> None:
        account = self.account(tmp_path / "u")
        events = at(account, deep=True)
        [same] = self.of(events, "same.php")
        assert (same.witnesses, same.subject.install, same.subject.backup) == (30, INSTALL, "")
        days = [f"06-{day:02}_" for day in range(1, 22)]
        paths = [source.path for source in (same.source, *same.also)]
        assert paths == [str(account.archives / NAME.replace("06-13_", day)) for day in days]

    def test_what_differs_is_an_event_each(self, tmp_path: Path) -> None:
        logs = self.of(at(self.account(tmp_path / "u"), deep=True), "log")
        assert [(log.witnesses, log.subject.backup) for log in logs] == [(1, f"{day:025}") for day in self.DAYS]

    def test_of_no_known_install_nothing_is_the_same(self, tmp_path: Path) -> None:
        account = self.account(tmp_path / "u", backup_install=None)
        assert len(self.of(at(account, deep=True), "same.php")) == 30

    def test_where_it_is_younger_it_is_marked_and_that_backup_named_first(self, tmp_path: Path) -> None:
        account, younger = self.account(tmp_path / "u"), TIME + 5 * DAY
        planted = {17: None, 18: None, 19: None, 20: None}
        for day in planted:  # on the 18th; in the backup of the day before it was put by somebody
            name, time = NAME.replace("06-13", f"06-{day:02}"), TIME + (day - 13) * DAY
            record = backup_record(backup_filename=name, backup_time=str(time))
            (account.archives / name).write_bytes(packed(record, {"shell.php": younger}))
            touched(account.archives / name, time)
        [shell] = self.of(at(account, deep=True), "shell.php")
        assert (shell.witnesses, "06-17_" in shell.source.path) == (4, True)
        assert ["06-18_" in shell.also[0].path, len(shell.also)] == [True, 3]
        assert {(claim.kind, claim.time // 1_000_000) for claim in shell.contradicted_by} == {
            ("backed-up", TIME + 4 * DAY)
        }


class TestTheName:
    """The archive's name has a local time."""

    @staticmethod
    def named(home: Path, name: str, zone: timezone | None, **changes: str | None) -> list[Event]:
        account = Account(home)
        path = account.archive(name, backup_record(backup_filename=name, **changes))
        touched(path, TIME)
        events, _ = told(Search([str(home)], zone=zone))
        return events

    def test_its_zone_is_the_one_that_the_record_implies(self, tmp_path: Path) -> None:
        found = only(self.named(tmp_path / "u", EAST, None), "named")
        assert found.time == TIME * 1_000_000
        assert found.message.endswith("named at 2024-06-13 22:55:21 in UTC+02:00, which backup-time implies")

    def test_or_the_one_that_a_person_names(self, tmp_path: Path) -> None:
        events = self.named(tmp_path / "u", EAST, timezone(timedelta(hours=5)), backup_time=None)
        found = only(events, "named")
        assert found.time == (TIME - 3 * HOUR) * 1_000_000
        assert found.message.endswith("named at 2024-06-13 22:55:21 in UTC+05:00")
        assert found.contradicted_by == ()

    def test_who_may_be_contradicted_by_the_record(self, tmp_path: Path) -> None:
        events = self.named(tmp_path / "u", EAST, timezone(timedelta(hours=5)))
        assert contradictions(events) == {("named", "backed-up"), ("backed-up", "named")}

    def test_an_unknown_zone_is_told_and_not_taken_for_utc(self, tmp_path: Path) -> None:
        events = self.named(tmp_path / "u", EAST, None, backup_time=None)
        found = only(events, "named-unzoned")
        assert "named" not in kinds(events)
        assert found.time == (TIME + 2 * HOUR) * 1_000_000
        assert found.message.endswith("in an unknown zone, shown as if it were UTC")
        assert "Zone Unknown" in KINDS[found.kind].timestamp_desc

    def test_the_zone_of_an_image_is_the_weakest_witness(self, tmp_path: Path) -> None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/timezone").write_text("Asia/Kolkata\n")
        account = Account(tmp_path / "home/exampleu")
        other = NAME.replace("06-13", "06-14")
        account.archive(EAST, backup_record(backup_filename=EAST))
        account.archive(other, backup_record(backup_time=None, backup_filename=other))
        events, _ = told(Search(sysroot=str(tmp_path)))
        by_record, by_image = (event for event in events if event.kind == "named")
        assert (by_record.time, by_record.contradicted_by) == (TIME * 1_000_000, ())
        assert by_record.message.endswith("in UTC+02:00, which backup-time implies")
        assert by_image.time == (TIME + DAY - 5 * HOUR - HOUR // 2) * 1_000_000
        assert by_image.message.endswith("20:55:21 in Asia/Kolkata, the zone that the server has today")

    def test_a_time_that_no_offset_explains(self, tmp_path: Path) -> None:
        events = self.named(tmp_path / "u", EAST.replace("55-21", "58-00"), None)
        assert contradictions(events) == {("named-unzoned", "backed-up"), ("backed-up", "named-unzoned")}

    def test_before_2020_names_were_a_little_late(self, tmp_path: Path) -> None:
        name = "app_example-com_Blog_2019-03-18_16-04-17.tar.gz"
        events = self.named(tmp_path / "u", name, None, backup_time="1552921445")  # 15:04:05 UTC
        assert only(events, "named").time == (1552921445 + 12) * 1_000_000

    @pytest.mark.parametrize("year", ["0001-01-01_00-00-00", "9999-12-31_23-59-59"])
    @pytest.mark.parametrize("hours", [-12, 14])
    def test_the_ends_of_the_calendar(self, tmp_path: Path, year: str, hours: int) -> None:
        zone = timezone(timedelta(hours=hours))
        name = f"app_example-com_Blog_{year}.tar.gz"
        assert only(self.named(tmp_path / "u", name, zone, backup_time=None), "named").time

    def test_a_name_of_another_kind_has_no_time(self, tmp_path: Path) -> None:
        assert {"named", "named-unzoned"} & set(kinds(self.named(tmp_path / "u", "lone.tar.gz", None))) == set()


class TestContradictions:
    """Witnesses of one thing who do not agree name each other."""

    def test_two_records_of_one_backup(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "u")
        account.backup(content=backup_record(backup_time=str(TIME + HOUR)))
        touched(account.archive(), TIME)
        events = at(account)
        late, early = (one for one in events[::-1] if one.kind == "backed-up")
        assert [one.source.path for one in late.contradicted_by] == [str(account.archives / NAME)] * 3
        assert [one.kind for one in late.contradicted_by] == ["backed-up", "archive", "compressed"]
        assert [(one.kind, one.time, one.source.path) for one in early.contradicted_by] == [
            ("backed-up", (TIME + HOUR) * 1_000_000, str(account.backups / BACKUP))
        ]
        # an hour is an offset that a name may have: it contradicts neither
        assert "named" not in {kind for pair in contradictions(events) for kind in pair}

    @pytest.mark.parametrize(
        ("seconds", "is_odd"), [(-301, True), (-300, False), (0, False), (DAY, False), (DAY + 1, True)]
    )
    def test_the_files_time(self, tmp_path: Path, seconds: int, is_odd: bool) -> None:  # noqa: FBT001
        account = agreeing(tmp_path / "u")
        touched(account.archives / NAME, TIME + seconds)
        found = contradictions(at(account))
        assert found == ({("archive", "backed-up"), ("backed-up", "archive")} if is_odd else set())

    @pytest.mark.parametrize(
        ("seconds", "is_odd"), [(-301, True), (-300, False), (0, False), (DAY, False), (DAY + 1, True)]
    )
    def test_the_gzip_headers_time(self, tmp_path: Path, seconds: int, is_odd: bool) -> None:  # noqa: FBT001
        account = agreeing(tmp_path / "u")
        path = account.archives / NAME
        record = (account.backups / BACKUP).read_bytes()
        path.write_bytes(packed(record, {}, TIME + seconds))
        touched(path, TIME)
        found = contradictions(at(account))
        assert found == ({("compressed", "backed-up"), ("backed-up", "compressed")} if is_odd else set())

    @pytest.mark.parametrize(
        ("seconds", "is_odd"), [(-9999 * DAY, False), (14 * HOUR + 300, False), (14 * HOUR + 301, True)]
    )
    def test_the_newest_member(self, tmp_path: Path, seconds: int, is_odd: bool) -> None:  # noqa: FBT001
        account = agreeing(tmp_path / "u")
        path = account.archives / NAME
        record = (account.backups / BACKUP).read_bytes()
        path.write_bytes(packed(record, {"index.php": TIME + seconds}))
        touched(path, TIME)
        odd = {("newest-member", "backed-up"), ("backed-up", "newest-member"), ("member", "backed-up")}
        assert contradictions(at(account, deep=True)) == (odd if is_odd else set())

    def test_only_the_member_that_is_younger_is_marked(self, tmp_path: Path) -> None:
        account = agreeing(tmp_path / "u")
        path = account.archives / NAME
        record = (account.backups / BACKUP).read_bytes()
        path.write_bytes(packed(record, {"index.php": TIME, "cache.php": TIME + 2 * DAY, "wp-login.php": TIME - DAY}))
        touched(path, TIME + 3 * DAY)
        marked = [event for event in at(account, deep=True) if event.kind == "member" and event.contradicted_by]
        assert [event.source.member for event in marked] == ["cache.php"]
        assert [claim.source.witness for claim in marked[0].contradicted_by] == ["backup record", "embedded record"]

    def test_a_folder_has_the_time_of_its_unpacking(self, tmp_path: Path) -> None:
        account = agreeing(tmp_path / "u")
        record = (account.backups / BACKUP).read_bytes()
        entries = [Entry(b"APP-META.INI", record, TIME), Entry(b"wp-content", None, TIME + 2 * DAY)]
        path = account.archives / NAME
        path.write_bytes(gzip_bytes(tar_bytes(entries)))
        touched(path, TIME)
        events = at(account, deep=True)
        assert contradictions(events) == set()
        assert only(events, "newest-member").source.member == "APP-META.INI"

    def test_when_it_was_installed(self, tmp_path: Path) -> None:
        account = agreeing(tmp_path / "u")
        account.install(content=install_record(time=str(CREATED + DAY)))
        events = [one for one in at(account) if one.kind == "installed"]
        assert [(one.time // 1_000_000, one.source.witness, one.witnesses) for one in events] == [
            (CREATED, "backup record", 2),
            (CREATED + DAY, "install record", 1),
        ]
        assert [other.source.witness for other in events[0].contradicted_by] == ["install record"]
        assert [other.source.witness for other in events[1].contradicted_by] == ["backup record", "embedded record"]

    def test_a_live_install_may_have_been_updated_since(self, tmp_path: Path) -> None:
        account = agreeing(tmp_path / "u")
        account.install(content=install_record(time_updated=str(TIME + DAY), version="6.6"))
        events = [one for one in at(account) if one.kind == "updated"]
        assert [one.message for one in events] == [f"{BLOG} last updated, to 6.5.4", f"{BLOG} last updated, to 6.6"]
        assert contradictions(events) == set()


class TestValues:
    """Records hold anything."""

    @pytest.mark.parametrize("value", ["0", ""])
    def test_what_was_never_set_makes_no_event(self, tmp_path: Path, value: str) -> None:
        account = Account(tmp_path / "u")
        account.install(content=install_record(time_updated=value, cache_time=value, time=value))
        assert kinds(at(account)) == ["record"]

    def test_a_gzip_header_without_a_time_makes_none(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "u")
        (account.archives / NAME).write_bytes(packed(backup_record(), {}, 0))
        assert "compressed" not in kinds(at(account))

    @pytest.mark.parametrize("value", ["last week", "-1"])
    def test_what_is_no_time_is_told_with_its_line(self, tmp_path: Path, value: str) -> None:
        account = Account(tmp_path / "u")
        account.install(content=install_record(time=value))
        events, findings = told(Search([str(account.home)]))
        assert kinds(events) == ["record"]
        assert [(one.id, one.subject, one.detail) for one in findings] == [("value-undecodable", "time", "line 8")]

    @pytest.mark.parametrize(
        ("value", "date"),
        [
            ("1" + 18 * "0", "9999-12-31"),
            ("9" * 3999, "9999-12-31"),
            ("1", "1970-01-01"),
            ("253402300799", "9999-12-31"),
        ],
    )
    def test_times_of_no_calendar_are_the_nearest_one(self, tmp_path: Path, value: str, date: str) -> None:
        account = Account(tmp_path / "u")
        account.install(content=install_record(time=value))
        found = only(at(account), "installed")
        assert found.time == int(value) * 1_000_000
        assert moment(found.time).date().isoformat() == date
        assert ("no calendar" in found.message) == (len(value) > 12)
        assert len(found.message) < 200

    def test_why_a_backup_was_made(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "u")
        account.backup(BACKUP, backup_record(backup_expiry="auto"))
        account.backup(SECOND, backup_record(backup_schedule="0" * 32, backup_time=str(TIME + 1)))
        backed_up = [one.message for one in at(account) if one.kind == "backed-up"]
        assert backed_up == [f"{SOFTWARE} backed up before an update", f"{SOFTWARE} backed up on schedule"]

    def test_secrets_are_masked_everywhere(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "u")
        secret = "https://bob:CANARYq7x@www.example.com/?token=CANARYq7x"
        account.archive(embedded=backup_record(url=secret, version=secret, installer=secret, backup_install=secret))
        events = at(account, deep=True)
        assert not any("CANARY" in repr(one) for one in events)
        assert any(MASK in one.message for one in events)


class TestWhatCannotBeRead:
    """The rest goes on."""

    def test_a_broken_archive_with_a_record(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "u")
        account.backup()
        path = account.archives / NAME
        path.write_bytes(packed(backup_record(), {})[:60])
        touched(path, TIME)
        events, findings = told(Search([str(account.home)]))
        assert sorted(kinds(events)) == ["archive", "backed-up", "compressed", "installed", "named", "record"]
        assert [(one.id, one.subject) for one in findings] == [("archive-truncated", str(path))]

    @pytest.mark.parametrize("deep", [False, True])
    def test_no_archive_at_all(self, tmp_path: Path, deep: bool) -> None:  # noqa: FBT001
        account = agreeing(tmp_path / "u")
        other = account.archives / "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"
        other.write_bytes(b"<html>no</html>")
        events, findings = told(Search([str(account.home)]), deep=deep)
        about = [one for one in events if one.source.path == str(other)]
        assert [one.kind for one in about] == ["named-unzoned", "archive"]
        assert about[0].subject == (str(account.home), "u", "", "", "", "", "")
        assert about[0].message.startswith("archive of an application named at 2024-06-14")
        assert [(one.id, one.subject) for one in findings] == [("archive-unreadable", str(other))]

    def test_cut_off_behind_the_record(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "u")
        path = account.archives / NAME
        content = archive(backup_record(), [("a", os.urandom(200_000)), ("b", b"x")])
        path.write_bytes(content[:150_000])
        events, findings = told(Search([str(account.home)]), deep=True)
        assert [one.source.member for one in events if one.kind == "member"] == ["APP-META.INI", "a"]
        assert {(one.id, one.subject.split(": ")[0]) for one in findings} == {
            ("archive-truncated", str(path)),
            ("member-cut", str(path)),
        }

    def test_a_tar_that_is_no_backup_states_nothing(self, tmp_path: Path) -> None:
        account = agreeing(tmp_path / "u")
        before = brief(at(account, deep=True))
        (account.archives / "other.tar.gz").write_bytes(archive(None, [("a", b"x")]))
        events, findings = told(Search([str(account.home)]), deep=True)
        assert brief(events) == before
        assert [one.id for one in findings] == ["archive-foreign"]

    def test_a_file_that_is_no_backup_by_content_or_name_states_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("no archive")
        events, findings = told(Search([str(path)]), deep=True)
        assert events == []
        assert [(one.id, one.subject) for one in findings] == [("archive-unreadable", str(path))]

    def test_a_limit(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "u")
        (account.archives / NAME).write_bytes(packed(backup_record(), {"a": 1, "b": 2, "c": 3}))
        events, findings = told(Search([str(account.home)], limits=Limits(members=2)), deep=True)
        assert [one.source.member for one in events if one.kind == "member"] == ["a", "APP-META.INI"]
        assert [one.id for one in findings] == ["limit-exceeded"]

    def test_a_root_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableError):
            told(Search([str(tmp_path / "nothing")]))


class TestPlaces:
    """Where to look."""

    def test_one_archive_alone_is_one_backup(self, tmp_path: Path) -> None:
        account = agreeing(tmp_path / "u")
        account.backup(SECOND, backup_record(backup_time=str(TIME + DAY), backup_filename="gone.tar.gz"))
        events, _ = told(Search([str(account.archives / NAME)]))
        assert kinds(events) == [
            "installed",
            "updated",
            "backed-up",
            "backed-up",
            "named",
            "compressed",
            "archive",
            "record",
        ]

    def test_a_root_that_is_named_twice_counts_once(self, tmp_path: Path) -> None:
        account = agreeing(tmp_path / "home/exampleu")
        once, _ = told(Search([str(account.home)]), deep=True)
        twice, _ = told(Search([str(account.home.parent), str(account.home)]), deep=True)
        assert twice == once

    def test_in_an_image_paths_are_as_the_server_saw_them(self, tmp_path: Path) -> None:
        agreeing(tmp_path / "home/exampleu")
        events, _ = told(Search(sysroot=str(tmp_path)), deep=True)
        assert {one.subject.account for one in events} == {"/home/exampleu"}
        assert {one.source.path for one in events} == {
            f"/home/exampleu/.appdata/backups/{BACKUP}",
            f"/home/exampleu/.appdata/current/{INSTALL}",
            f"/home/exampleu/application_backups/{NAME}",
        }

    def test_accounts_are_told_in_one_order(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            agreeing(tmp_path / "home" / name)
        events, _ = told(Search([str(tmp_path / "home")]))
        assert [one.time for one in events] == sorted(one.time for one in events)
        assert [one.subject.account[-1] for one in events if one.kind == "installed"] == ["a", "b"]
