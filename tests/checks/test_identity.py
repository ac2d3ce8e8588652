"""What a finding keeps over runs, runners and folders."""

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.checks.identity import Base, Identity, from_base, identified, local_path
from backupmeta.checks.policy import Judged, Verdict, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, on_disk

SHA256: Final = "0123456789abcdef" * 4
NAME: Final = "application_backups/app_a.tar.gz"


def verification(
    *findings: Finding, home: str = "/home/u", mount: str = "/mnt", sha256: str | None = SHA256
) -> Verification:
    judged = tuple(Judged(finding, finding.severity) for finding in findings)
    return Verification("archive", f"{home}/{NAME}", Verdict.FAIL, sha256, judged, f"{mount}{home}/{NAME}")


def finding(id_: str, subject: str = "", detail: str = "", path: str = "", line: int | None = None) -> Finding:
    evidence = (Source(Witness.BACKUP_RECORD, path, None, line),) if path else ()
    return Finding(FINDINGS[id_], subject, detail, evidence)


def identities(of: Verification, base: str = "/mnt") -> list[Identity]:
    return [identity for _, identity in identified(of, Base(base))]


@pytest.mark.parametrize(
    ("folder", "path", "named"),
    [
        ("/work", "/work/backups/a.tar.gz", "backups/a.tar.gz"),
        ("/work", "/work/backups/../a.tar.gz", "a.tar.gz"),
        ("/work/", "/work", "."),
        ("/work", "/work/", "."),
        ("/work", "/workshop/a", "/workshop/a"),
        ("/", "/home/u", "home/u"),
        ("/work", "c:\\inetpub\\vhosts\\a", "c:\\inetpub\\vhosts\\a"),
        ("/work", "/work/ftp://u:canary@h/a", "********@h/a"),
        ("/work", "/work/?token=canary&a=b", "?token=********&a=b"),
    ],
)
def test_files_are_named_from_the_base_on(folder: str, path: str, named: str) -> None:
    assert Base(folder).relative(path) == named


def test_what_a_person_named_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real").mkdir()
    monkeypatch.chdir(tmp_path / "real")
    assert Base().relative("backups/a") == "backups/a"
    assert Base(str(tmp_path)).relative("./a") == "real/a"
    assert Base(str(tmp_path / "link")).relative("a") == Base("../link").relative(f"{tmp_path}/link/a") == "a"
    assert Base().relative("../a") == f"{tmp_path}/a"


@given(st.lists(st.binary(min_size=1, max_size=4).filter(lambda raw: not {*raw} & {0, 47}), min_size=1, max_size=4))
def test_where_the_base_lies_does_not_matter(parts: list[bytes]) -> None:
    rest = os.fsdecode(b"/".join(part for part in parts if part not in {b".", b".."}))
    assert Base("/a").relative(f"/a/{rest}") == Base("/b/c d/").relative(f"/b/c d/{rest}")


@pytest.mark.parametrize(
    ("target", "path", "server_path", "local"),
    [
        ("/home/u/a", "/mnt/home/u/a", "/home/u/.appdata/b", "/mnt/home/u/.appdata/b"),
        ("/home/u/a", "/mnt/home2/u/a", "/home/v", "/mnt/home2/v"),
        ("/home/u/a", "/mnt/home2/u/a", "/home", "/mnt/home2"),
        ("/home/u/a", "/mnt/home2/u/a", "/homely", "/homely"),
        ("/home/u/a", "/mnt/home2/u/a", "/var/b", "/var/b"),
        ("/home/u/a", "/mnt/home/u/a", "/mnt/home/u/b", "/mnt/home/u/b"),
        ("/home/u/a", "/home/u/a", "/var/b", "/var/b"),
        ("/", "/mnt", "/.appdata/b", "/mnt/.appdata/b"),
        ("/", "/mnt", "/", "/mnt/"),
        ("/home/u/a", "/u/a", "/home/b", "/b"),
        ("c:\\inetpub\\vhosts\\d\\a", "/mnt/inetpub/vhosts/d/a", "c:\\inetpub\\b", "/mnt/inetpub/b"),
        ("a", "a", "b", "b"),
    ],
)
def test_an_image_is_mounted_anywhere(target: str, path: str, server_path: str, local: str) -> None:
    assert local_path(Verification("archive", target, Verdict.PASS, None, (), path), server_path) == local


def test_an_identity_has_no_line_no_detail_and_no_secret() -> None:
    record = "/home/u/.appdata/backups/1"
    of = verification(
        finding("record-nul", "title", "line 3", record, 3), finding("file-missing", "ftp://u:canary@h/", "listed")
    )
    assert identities(of) == [
        Identity(f"home/u/{NAME}", "home/u/.appdata/backups/1", SHA256, "record-nul", "title", 1),
        Identity(f"home/u/{NAME}", "", SHA256, "file-missing", "ftp://********@h/", 1),
    ]
    moved = verification(
        finding("record-nul", "title", "line 4", record, 4), finding("file-missing", "ftp://u:hunter2@h/", "")
    )
    assert identities(moved) == identities(of)


def test_an_identity_is_the_same_wherever_the_folder_lies() -> None:
    found = (finding("home-differs", "/home/u", "", "/home/u/.appdata/current/1"), finding("dump-missing"))
    here = identities(verification(*found, mount="/builds/7/image"), "/builds/7")
    assert here == identities(verification(*found, mount="/srv/image"), "/srv")
    assert [each.subject for each in here] == ["image/home/u", ""]
    outside = identities(verification(*found, mount="/mnt"), "/srv")
    assert [each.path for each in outside] == [f"/mnt/home/u/{NAME}"] * 2


@pytest.mark.parametrize(
    ("subject", "evidence", "about"),
    [
        ("/srv/u/.appdata/1", Source(Witness.INSTALL_RECORD, "/srv/u/.appdata/1", None, 3), "u/.appdata/1"),
        ("/srv/u", Source(Witness.INSTALL_RECORD, "/srv/u/.appdata/1"), "u"),
        ("/srv", Source(Witness.FILE_SYSTEM, "/srv/u"), "."),
        ("/srv/u", Source(Witness.FILE_SYSTEM, "/srv/uwe"), "/srv/u"),
        ("/srv/u", Source(Witness.ARCHIVE, "/srv/u/a.tar.gz", "/srv/u"), "/srv/u"),  # a member of this absolute name
        ("/srv/u", Source(Witness.DEFAULT), "/srv/u"),
        ("title", Source(Witness.ARCHIVE, "title.tar.gz"), "title"),
        ("", Source(Witness.ARCHIVE, "/srv/a"), ""),
    ],
)
def test_what_a_finding_is_about_may_be_a_file(subject: str, evidence: Source, about: str) -> None:
    found = Finding(FINDINGS["home-differs"], subject, "", (evidence,))
    of = Verification("account", "/srv/u", Verdict.FAIL, None, (Judged(found, found.severity),))
    assert [each.subject for each in identities(of, "/srv")] == [about]
    (told,) = from_base(of, Base("/srv")).judged
    assert told.finding.subject == about


def test_findings_that_have_all_in_common_are_numbered() -> None:
    of = verification(*(finding("record-no-equals", "", f"line {line}") for line in (3, 5)), finding("record-nul"))
    assert [(each.id, each.number) for each in identities(of)] == [
        ("record-no-equals", 1),
        ("record-no-equals", 2),
        ("record-nul", 1),
    ]


def test_changed_bytes_another_path_and_another_file_make_another_finding() -> None:
    found = Finding(FINDINGS["record-nul"], "title", "", on_disk("/home/u/a"))
    differing = [
        verification(found),
        verification(found, sha256=None),
        verification(found, sha256=SHA256[::-1]),
        verification(found._replace(evidence=on_disk("/home/u/b"))),
        verification(found._replace(subject="url")),
        verification(found._replace(rule=FINDINGS["record-bom"])),
        verification(found, home="/home/v"),
    ]
    fingerprints = [identities(of)[0].fingerprint for of in differing]
    assert len(set(fingerprints)) == len(differing)


def test_a_fingerprint_is_a_digest_of_the_identity() -> None:
    """The digest is what ``printf 'a\\0\\0\\0dump-missing\\0' | sha256sum`` prints, cut to 32 digits."""
    identity = Identity("a", "", None, "dump-missing", "", 2)
    assert identity.fingerprint == "8e3065b2c9aad8a314b78ad273a21e9e:2"
