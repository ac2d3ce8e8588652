"""Verifying archives and accounts: what comes out, in which order, and what can't be judged."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import backupmeta
from backupmeta import Inspection, Search, Verification, library
from backupmeta.account.home import Home
from backupmeta.checks.checked_backup import CheckedBackup, Requirements
from backupmeta.checks.policy import DEFAULT, Policy, Verdict
from backupmeta.evidence import Entry
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.render.verified import VerificationView, as_text
from backupmeta.verification import RUN_HERE, Case, Item, Outcome, outcomes_of, run_by, size, verify
from backupmeta.work.processes import processes
from tests.invented import BACKUP, INSTALL, NAME, SECOND, TIME, Account, archive, run
from tests.sites import FILES, NOW, honest, packed, record

DAY = 86_400
LATER = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"


def verified(*roots: Path, policy: Policy = DEFAULT, now: int = NOW) -> list[Verification]:
    return list(verify(Search(tuple(map(str, roots))), policy, now))


def bad(one: Verification) -> Counter[str]:
    """Return the ids that are more than notes."""
    return Counter(judged.finding.id for judged in one.judged if judged.severity != "note")


def notes(one: Verification) -> set[str]:
    return {judged.finding.id for judged in one.judged if judged.severity == "note"}


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return honest(tmp_path / "exampleu")


class TestWhatComesOut:
    def test_an_honest_archive_passes_with_its_digest(self, account: Account) -> None:
        import hashlib

        path = account.archives / NAME
        [one] = verified(path)
        assert (one.verdict, bad(one), notes(one)) == ("pass", Counter(), {"record-holds-secrets"})
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (one.kind, one.server_path) == ("archive", str(path))

    def test_a_home_comes_after_its_archives_oldest_first(self, account: Account) -> None:
        changed = record(backup_time=str(TIME + DAY), backup_filename=LATER)
        account.backup(SECOND, changed)
        (account.archives / LATER).write_bytes(packed(changed))
        found = verified(account.home, now=TIME + 2 * DAY)
        assert [one.server_path for one in found] == [
            str(account.archives / NAME),
            str(account.archives / LATER),
            str(account.home),
        ]
        assert [one.verdict for one in found] == ["pass", "pass", "pass"]
        assert found[-1].sha256 is None

    def test_the_most_severe_comes_first(self, account: Account) -> None:
        (account.archives / NAME).write_bytes(packed(record(), {"wp-load.php": None, "extra.txt": b"x"}))
        [one] = verified(account.archives / NAME)
        assert [judged.finding.id for judged in one.judged] == [
            "file-missing",
            "file-unlisted",
            "record-holds-secrets",
        ]

    def test_the_library_offers_it(self, account: Account) -> None:
        found = list(backupmeta.verify(Search((str(account.archives / NAME),)), now=NOW))
        assert [one.verdict for one in found] == ["pass"]

    def test_below_a_sysroot_paths_are_the_servers(self, tmp_path: Path) -> None:
        account = honest(tmp_path / "home/exampleu")
        (account.archives / NAME).write_bytes(packed(record(), {"extra.txt": b"x"})[:-9])
        first, second = verify(Search(sysroot=str(tmp_path)), DEFAULT, NOW)
        assert first.server_path == f"/home/exampleu/application_backups/{NAME}"
        assert {place.path for judged in first.judged for place in judged.finding.evidence} <= {
            first.server_path,
            f"/home/exampleu/.appdata/backups/{BACKUP}",
        }
        assert second.server_path == "/home/exampleu"

    def test_size_counts_the_archives(self, account: Account, tmp_path: Path) -> None:
        account.archive("app_x_y_2024-06-13_20-55-22.tar.gz")
        expected = sum(path.stat().st_size for path in account.archives.iterdir())
        assert size(Search((str(tmp_path), str(tmp_path / "missing")))) == expected


class TestWhatIsNotWhole:
    @pytest.mark.parametrize("kept", [30, 200, 500, -9, -1])
    def test_a_cut_archive_fails_for_that_alone(self, account: Account, kept: int) -> None:
        path = account.archives / NAME
        path.write_bytes(packed(record())[:kept])
        [one] = verified(path)
        assert one.verdict in {"fail", "unreadable"}
        assert set(bad(one)) <= {"archive-truncated", "archive-damaged", "member-cut"}

    def test_an_archive_that_is_written_to_meanwhile(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        path = account.archives / NAME
        real = os.read

        def read(descriptor: int, length: int) -> bytes:
            content = real(descriptor, length)
            if content[:2] == b"\x1f\x8b":
                os.utime(path, ns=(0, time.time_ns() + 10**9))
            return content

        monkeypatch.setattr(os, "read", read)
        [one] = verified(path)
        assert (one.verdict, one.sha256, notes(one)) == ("not judged", None, {"archive-growing"})

    def test_a_cut_archive_written_to_a_moment_ago(self, account: Account) -> None:
        path = account.archives / NAME
        path.write_bytes(packed(record())[:-9])
        os.utime(path, (NOW - 10, NOW - 10))
        assert "archive-recent" in notes(verified(path)[0])
        os.utime(path, (NOW - 100, NOW - 100))
        assert "archive-recent" not in notes(verified(path)[0])

    def test_an_old_whole_archive_is_not_recent(self, account: Account) -> None:
        os.utime(account.archives / NAME, (NOW - 10, NOW - 10))
        assert "archive-recent" not in notes(verified(account.archives / NAME)[0])


class TestWhatCantBeRead:
    def test_a_missing_file_and_the_others(self, account: Account, tmp_path: Path) -> None:
        first, second = verified(tmp_path / "missing.tar.gz", account.archives / NAME)
        assert (first.verdict, bad(first), first.sha256) == ("unreadable", Counter({"archive-unreadable": 1}), None)
        assert second.verdict == "pass"

    def test_something_else_in_an_archives_place(self, account: Account) -> None:
        (account.archives / NAME).write_bytes(b"<html>404 Not Found</html>")
        first, _ = verified(account.home)
        assert (first.verdict, bad(first)) == ("unreadable", Counter({"archive-unreadable": 1}))
        assert "no archive" in first.judged[0].finding.detail

    def test_ignoring_the_reason_does_not_make_it_pass(self, account: Account) -> None:
        (account.archives / NAME).write_bytes(b"<html>404 Not Found</html>")
        [one] = verified(account.archives / NAME, policy=DEFAULT.with_options(ignore=["archive-unreadable"]))
        assert (one.verdict, bad(one)) == ("unreadable", Counter({"archive-unreadable": 1}))

    def test_a_record_in_a_home(self, account: Account) -> None:
        account.backup(SECOND, b"x" * (1024 * 1024 + 1))
        found = verified(account.home)
        assert [one.verdict for one in found] == ["pass", "unreadable"]
        assert bad(found[-1]) == Counter({"record-unreadable": 1})

    def test_a_folder_that_takes_another_ones_place(self, account: Account, tmp_path: Path) -> None:
        elsewhere = honest(tmp_path / "other")

        def replaced_before(items: Iterable[Item]) -> Iterator[tuple[Item, list[Outcome]]]:
            for item in items:
                if isinstance(item, Case):
                    account.archives.rename(account.home / "aside")
                    account.archives.symlink_to(elsewhere.archives)
                yield item, outcomes_of(item) if isinstance(item, Case) else []

        first, *_ = verify(Search((str(account.home),)), DEFAULT, NOW, replaced_before)
        assert first.verdict == "unreadable"
        assert "replaced" in first.judged[0].finding.detail


class TestWhatIsNotJudged:
    """What nobody says to be a backup, and what is still being written."""

    CARVED = "f0100.gz"
    FOREIGN = archive(None, [("a.jpg", b"x")])

    def test_what_only_its_content_shows_and_has_no_record(self, tmp_path: Path) -> None:
        (tmp_path / self.CARVED).write_bytes(self.FOREIGN)
        [one] = verified(tmp_path)
        assert (one.verdict, bad(one), notes(one)) == ("not judged", Counter(), {"archive-not-judged"})

    def test_it_fails_nothing_beside_what_is_judged(self, account: Account) -> None:
        (account.archives / self.CARVED).write_bytes(self.FOREIGN)
        outcomes = {Path(one.server_path).name: one.verdict for one in verified(account.home)}
        assert outcomes == {NAME: "pass", self.CARVED: "not judged", account.home.name: "pass"}

    @pytest.mark.parametrize("content", [FOREIGN[:-20], FOREIGN + b"behind"], ids=["cut", "trailing"])
    def test_what_else_is_wrong_with_it_is_no_failure_but_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / self.CARVED).write_bytes(content)
        [one] = verified(tmp_path)
        assert (one.verdict, bad(one)) == ("not judged", Counter())
        assert "(found so far: archive-" in one.judged[0].finding.message

    def test_with_a_record_it_is_a_backup_as_any_other(self, account: Account) -> None:
        path = account.archives / self.CARVED
        (account.archives / NAME).rename(path)
        one, _ = verified(account.home)
        assert (one.verdict, bad(one)) == ("fail", Counter({"archive-renamed": 1}))
        path.write_bytes(path.read_bytes()[:-200])
        assert bad(verified(account.home)[0])["archive-truncated"] == 1

    @pytest.mark.parametrize(
        ("name", "id_"),
        [
            (CARVED, "archive-not-judged"),
            ("photos.tar.gz", "archive-foreign"),
            ("cpmove-exampleu.tar.gz", "archive-foreign"),
            ("wp.26_44100.2024-06-13_20-55-21.tar.gz", "archive-foreign"),
        ],
    )
    def test_what_is_no_backup_is_not_judged_whether_it_is_named_or_met(
        self, tmp_path: Path, name: str, id_: str
    ) -> None:
        (tmp_path / name).write_bytes(self.FOREIGN)
        for target in (tmp_path, tmp_path / name):
            ran = run("verify", target, "--json")
            (one,) = ran.json["targets"]
            assert (ran.code, one["verdict"], [finding["id"] for finding in one["findings"]]) == (
                2,
                "not judged",
                [id_],
            )
            assert one["findings"][0]["message"].startswith("no Installatron backup: ")

    def test_two_alike_are_no_copies_of_a_backup(self, account: Account) -> None:
        for name in ("cpmove-a.tar.gz", "cpmove-b.tar.gz"):
            (account.archives / name).write_bytes(self.FOREIGN)
        verdicts = {Path(one.server_path).name: (one.verdict, bad(one)) for one in verified(account.home)}
        assert verdicts.pop(account.home.name)[0] == "pass"
        assert verdicts.pop(NAME)[0] == "pass"
        assert list(verdicts.values()) == [("not judged", Counter())] * 2

    def test_one_that_is_cut_fails(self, tmp_path: Path) -> None:
        (tmp_path / "cpmove-a.tar.gz").write_bytes(self.FOREIGN[:-20])
        for target in (tmp_path, tmp_path / "cpmove-a.tar.gz"):
            assert [(one.verdict, set(bad(one))) for one in verified(target)] == [("fail", {"archive-truncated"})]

    @pytest.mark.parametrize("name", [f"{NAME}.part", f"{NAME}.crdownload", f"{NAME}.filepart", f".{NAME}.kX3d9a"])
    def test_what_is_being_written_is_judged_once_it_is_whole(self, tmp_path: Path, name: str) -> None:
        whole = packed(record())
        path = tmp_path / name
        path.write_bytes(whole[: len(whole) // 2])
        for root in (tmp_path, path):
            [one] = verified(root)
            assert (one.verdict, bad(one), notes(one), one.sha256) == (
                "not judged",
                Counter(),
                {"archive-growing"},
                None,
            )
            assert "archive-truncated" in one.judged[0].finding.detail
        path.write_bytes(whole)
        [one] = verified(tmp_path)
        assert one.verdict == "pass"
        assert "archive-growing" in notes(one)

    @pytest.mark.parametrize("length", [20, 60, 300])
    def test_one_that_was_just_begun(self, tmp_path: Path, length: int) -> None:
        path = tmp_path / f"{NAME}.part"
        path.write_bytes(packed(record())[:length])
        assert [one.verdict for one in verified(path)] == ["not judged"]
        assert {one.verdict for one in verified(tmp_path)} <= {"not judged", "pass"}

    def test_a_part_that_is_paired_is_no_failure_of_its_home(self, account: Account) -> None:
        path = account.archives / NAME
        path.write_bytes(path.read_bytes()[:-200])
        path.rename(account.archives / f"{NAME}.part")
        assert [one.verdict for one in verified(account.home)] == ["not judged", "pass"]

    def test_a_catalog_says_the_same(self, account: Account, tmp_path: Path) -> None:
        (account.archives / self.CARVED).write_bytes(self.FOREIGN[:-20])
        (account.archives / f"{LATER}.part").write_bytes(packed(record())[:-200])
        catalog = tmp_path / "catalog.sqlite"
        assert run("scan", account.home, "-o", catalog, "--deep").code == 0
        asked = ("--now", str(NOW), "--json")
        from_disk, recorded = run("verify", account.home, *asked).json, run("verify", "--catalog", catalog, *asked).json
        assert from_disk["summary"]["verdicts"] == {"not judged": 2, "pass": 2, "fail": 0, "unreadable": 0}
        assert recorded == from_disk

    @pytest.mark.parametrize(("beside", "code"), [(False, 2), (True, 0)])
    def test_the_exit_code(self, account: Account, beside: bool, code: int) -> None:  # noqa: FBT001
        (account.archives / self.CARVED).write_bytes(self.FOREIGN)
        if not beside:
            (account.archives / NAME).unlink()
            (account.backups / BACKUP).unlink()
        ran = run("verify", account.home, "--now", str(NOW), "--ignore", "retention-unmet")
        assert (ran.code, "f0100.gz: not judged: archive-not-judged\n" in ran.text) == (code, True)


class TestRecords:
    def test_without_any_record(self, tmp_path: Path) -> None:
        path = tmp_path / "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
        path.write_bytes(archive(None, FILES.items()))
        [one] = verified(path)
        assert (one.verdict, bad(one)) == ("fail", Counter({"record-missing": 1}))

    def test_only_the_archive_has_none(self, account: Account) -> None:
        (account.archives / NAME).write_bytes(archive(None, FILES.items()))
        assert bad(verified(account.archives / NAME)[0])["record-not-embedded"] == 1
        home = str(account.home)
        for command in (["list", home], ["view", BACKUP, "--root", home], ["timeline", home]):
            ran = run(*command)
            assert (ran.code, ran.err.count("[record-not-embedded]")) == (2, 1)

    def test_one_record_edited(self, account: Account) -> None:
        account.backup(BACKUP, record(title="Another"))
        [one] = verified(account.archives / NAME)
        assert bad(one) == Counter({"sources-disagree": 1, "name-title-differs": 1})

    def test_a_record_over_its_limit(self, account: Account) -> None:
        path = account.archives / NAME
        path.write_bytes(packed(record(backup_note="x" * 1024 * 1024)))
        [one] = verified(path)
        assert bad(one) == Counter({"limit-exceeded": 1})

    def test_a_record_with_too_many_lines(self, account: Account) -> None:
        path = account.archives / NAME
        path.write_bytes(packed(record(backup_note="\n" * 20_001)))
        [one] = verified(path)
        assert bad(one)["limit-exceeded"] == 1


class TestAccounts:
    def test_homes_without_archives_are_not_gathered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(20):
            (tmp_path / f"u{number:02}" / ".appdata").mkdir(parents=True)
        met, read = list[str](), Home.read

        def watched(home: Home, entries: list[Entry]) -> None:
            met.append(home.name)
            read(home, entries)

        monkeypatch.setattr(Home, "read", watched)
        verifications = verify(Search((str(tmp_path),)), DEFAULT, NOW)
        assert next(verifications).server_path == str(tmp_path / "u00")
        assert len(met) <= 4  # that one, and how far is looked ahead for what is worth another process
        assert len(list(verifications)) == 19

    def test_an_install_is_resolved_once(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        resolved, inspect = list[str](), library.inspect_install

        def watched(home: Home, id_: str) -> Inspection:
            resolved.append(id_)
            return inspect(home, id_)

        monkeypatch.setattr(library, "inspect_install", watched)
        policy = Policy(requirements=Requirements(minimum_backups=9, maximum_age_days=1))
        *_, home = verified(account.home, policy=policy, now=NOW + 9 * DAY)
        assert {"backup-too-old", "backups-too-few"} <= bad(home).keys()
        assert resolved == [INSTALL]

    def test_a_missing_archive_is_the_homes(self, account: Account) -> None:
        (account.archives / NAME).unlink()
        [one] = verified(account.home)
        assert (one.server_path, one.verdict, bad(one)) == (str(account.home), "fail", Counter({"archive-missing": 1}))

    def test_a_remote_one_is_a_note_and_kept(self, account: Account) -> None:
        account.backup(BACKUP, record(backup_location="ftp://u:secret@example.com/b"))
        (account.archives / NAME).unlink()
        policy = Policy(requirements=Requirements(minimum_backups=1))
        [one] = verified(account.home, policy=policy)
        assert (one.verdict, notes(one)) == ("pass", {"archive-remote", "record-holds-secrets"})

    def test_a_remote_ones_location_may_not_be_allowed(self, account: Account) -> None:
        account.backup(BACKUP, record(backup_location="ftp://u:secret@example.com/b"))
        (account.archives / NAME).unlink()
        [one] = verified(account.home, policy=Policy(requirements=Requirements(locations=("local",))))
        assert bad(one) == Counter({"location-not-allowed": 1})
        assert "secret" not in one.judged[0].finding.message

    def test_a_broken_backup_is_none(self, account: Account) -> None:
        (account.archives / NAME).write_bytes(packed(record())[:-9])
        policy = Policy(requirements=Requirements(minimum_backups=1))
        assert bad(verified(account.home, policy=policy)[-1]) == Counter({"backups-too-few": 1})

    def test_one_archive_of_a_home_says_nothing_of_the_home(self, account: Account) -> None:
        (account.installs / INSTALL).unlink()
        account.backup(SECOND, record(backup_filename="gone.tar.gz"))
        assert [one.server_path for one in verified(account.archives / NAME)] == [str(account.archives / NAME)]

    def test_the_same_archive_twice(self, account: Account) -> None:
        (account.archives / "copy.tar.gz").write_bytes((account.archives / NAME).read_bytes())
        assert bad(verified(account.home)[-1]) == Counter({"backup-duplicate": 1})

    def test_a_target_named_twice_is_no_duplicate(self, account: Account) -> None:
        assert [one.verdict for one in verified(account.archives / NAME, account.home)] == ["pass"] * 3

    def test_accounts_are_judged_one_by_one(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            honest(tmp_path / name)
        found = verified(tmp_path)
        assert [one.server_path for one in found if one.sha256 is None] == [str(tmp_path / "a"), str(tmp_path / "b")]
        assert {one.verdict for one in found} == {"pass"}  # no duplicates across accounts


# --- own checks ------------------------------------------------------------------------------------------------------

OWN = FindingRule(Group.CONTENTS, Severity.WARNING, "readme-there", "a readme tells the version", "remove it")


def readme_there(backup: CheckedBackup) -> Iterator[Finding]:
    if backup.inventory.has(b"readme.html"):
        yield Finding(OWN, "readme.html", "", (backup.member_source(b"readme.html"),))


def test_own_checks_are_asked_and_may_be_ignored(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(packed(record(), {"readme.html": b"6.5.4"}))
    own = Policy(select=frozenset(), checks=(readme_there,))
    for workers in (RUN_HERE, run_by(processes(2))):
        found = [one for one in verify(Search([str(tmp_path)]), own, NOW, workers) if one.kind == "archive"]
        assert [(one.verdict, [judged.finding.id for judged in one.judged]) for one in found] == [
            (Verdict.FAIL, ["readme-there"])
        ]
        assert "advice: remove it" in "".join(as_text(found, VerificationView()))
    [passing, *_] = verify(Search([str(tmp_path)]), replace(own, ignore=frozenset({"readme-there"})), NOW)
    assert passing.verdict is Verdict.PASS
