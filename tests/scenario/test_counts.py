"""Every count and every finding that two commands have is the same in both."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from tampering.server import END

from tests.scenario.asked import Answers, in_columns, losses, of_targets, on_stderr, rows_of, user_of, words

DAY: Final = 86_400
AGES: Final = (("under 1 day", 1), ("1 to 7 days", 8), ("8 to 30 days", 31), ("31 to 90 days", 91))
"""Ages, and the days that they are below of; older ones are `91 to 365 days` here."""


# --- counts -----------------------------------------------------------------------------------------------------------


def iso(seconds: int | str | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).isoformat()


def parts(rows: Iterable[dict[str, Any]], *names: str) -> Counter[tuple[Any, ...]]:
    """Return how many backups `stats` has of each part."""
    return Counter({tuple(row[name] for name in names): row["backups"] for row in rows if row["backups"]})


def age(backup: dict[str, Any]) -> str:
    """Return how old a backup is at the end, in the words of `stats`."""
    days = (END - int(backup["backup_time"])) / DAY
    return next((word for word, most in AGES if days < most), "91 to 365 days")


def targets(answers: Answers, kind: str) -> list[dict[str, Any]]:
    is_archive = kind == "archive"
    return [each for each in answers.verify["targets"] if ("/application_backups/" in each["path"]) is is_archive]


def events(answers: Answers, kind: str, witness: str) -> Counter[tuple[str, str]]:
    """Return the accounts and moments of which a witness tells an event of a kind."""
    told = [event for event in answers.timeline if (event["event"], event["witness"]) == (kind, witness)]
    return Counter((user_of(event["account"]), event["datetime"]) for event in told)


SEEN: Final = "FROM {} JOIN accounts a USING (account)"

COUNTS: Final[dict[str, Callable[[Answers], list[Any]]]] = {
    "accounts": lambda answers: [
        len(targets(answers, "account")),
        answers.stats["accounts"]["present"],
        answers.report["summary"]["accounts"]["present"],
        len(answers.report["accounts"]),
        len({user_of(event["account"]) for event in answers.timeline}),
        len({user_of(row["file"]) for row in rows_of(answers.listed)}),
    ],
    "installs": lambda answers: [
        len(rows_of(answers.installs)),
        answers.stats["installs"],
        answers.report["summary"]["installs"],
        sum(account["installs"] for account in answers.report["accounts"]),
        len(answers.report["installs"]),
        *answers.query("SELECT count(*) FROM installs")[0],
    ],
    "installs that are gone": lambda answers: [
        len(answers.gone),
        answers.stats["gone_installs"],
        answers.report["summary"]["gone_installs"],
        len(answers.report["gone_installs"]),
        *answers.query("SELECT count(*) FROM gone_installs")[0],
        len({(user, id_) for user, id_ in answers.query(f"SELECT seen, backup_install {SEEN.format('orphans')}")}),
    ],
    "backups by state": lambda answers: [
        Counter(backup["provenance"]["state"] for backup in answers.backups),
        Counter(answers.stats["backups"]),
        Counter(answers.report["summary"]["backups"]),
        Counter(backup["state"] for backup in answers.report["backups"]),
        Counter(dict(answers.query("SELECT state, count(*) FROM backups GROUP BY state"))),
    ],
    "backups of each account": lambda answers: [
        Counter(user_of(row["file"]) for row in rows_of(answers.listed)),
        Counter(user_of(row["file"]) for row in rows_of(answers.listed_catalog)),
        Counter({answers.account_of[each["number"]]: each["backups"] for each in answers.report["accounts"]}),
        Counter(user_of(seen) for (seen,) in answers.query(f"SELECT seen {SEEN.format('backups')}")),
    ],
    "archives, their sizes": lambda answers: [
        (answers.stats["archives"], answers.stats["bytes"]),
        (answers.report["summary"]["archives"], answers.report["summary"]["bytes"]),
        (len(answers.report["archives"]), sum(archive["bytes"] for archive in answers.report["archives"])),
        answers.query("SELECT sum(archives), sum(bytes) FROM sizes")[0],
        answers.query("SELECT count(*), sum(size) FROM files WHERE kind = 'archive'")[0],
        (len(targets(answers, "archive")), sum(path.stat().st_size for path in answers.archives)),
    ],
    "verdicts and digests of archives": lambda answers: [
        Counter((target["path"], target["verdict"], target["sha256"]) for target in targets(answers, "archive")),
        Counter(
            (f"{answers.seen[archive['account']]}/{archive['path']}", archive["verdict"], archive["sha256"])
            for archive in answers.report["archives"]
        ),
        Counter(
            (f"{seen}/{path}", verdict, sha256)
            for seen, path, verdict, sha256 in answers.query(
                "SELECT seen, substr(f.path, length(a.path) + 2), verdict, sha256 FROM files f "
                "JOIN accounts a USING (account) WHERE kind = 'archive'"
            )
        ),
    ],
    "verdicts": lambda answers: [
        Counter(target["verdict"] for target in targets(answers, "archive")),
        Counter(answers.report["summary"]["verdicts"]),
    ],
    "the oldest and the newest backup": lambda answers: [
        tuple(iso(pick(int(row["backup_time"]) for row in rows_of(answers.listed))) for pick in (min, max)),
        (answers.stats["oldest"]["time"], answers.stats["newest"]["time"]),
        (answers.report["summary"]["oldest"], answers.report["summary"]["newest"]),
        tuple(map(iso, answers.query("SELECT min(backup_time), max(backup_time) FROM backups")[0])),
    ],
    "applications and versions": lambda answers: [
        Counter((row["application"], row["version"]) for row in rows_of(answers.listed)),
        parts(answers.stats["versions"], "application", "version"),
        Counter((backup["application"], backup["version"]) for backup in answers.report["backups"]),
    ],
    "months": lambda answers: [
        Counter((str(iso(row["backup_time"]))[:7],) for row in rows_of(answers.listed)),
        parts(answers.stats["growth"], "month"),
        Counter((str(backup["time"])[:7],) for backup in answers.report["backups"]),
    ],
    "ages": lambda answers: [
        Counter((age(row),) for row in rows_of(answers.listed)),
        parts(answers.stats["ages"], "age"),
    ],
    "orphans": lambda answers: [
        Counter({"paul": 11, "ria": 15, "yusuf": 1}),
        Counter(user for user, _, id_, _ in of_targets(answers.verify).elements() if id_ == "backup-orphaned"),
        Counter(user_of(seen) for (seen,) in answers.query(f"SELECT seen {SEEN.format('orphans')}")),
        Counter({user_of(row["account"].removeprefix(str(answers.root))): row["backups"] for row in answers.gone}),
        Counter({answers.account_of[row["account"]]: row["backups"] for row in answers.report["gone_installs"]}),
        Counter(user_of(row["file"]) for row in rows_of(answers.listed) if "backup-orphaned" in row["findings"]),
    ],
    "all orphans": lambda answers: [
        27,
        answers.stats["orphans"]["backups"],
        answers.report["summary"]["orphans"],
        sum(backup["install"] is None for backup in answers.report["backups"]),
    ],
    "copies": lambda answers: [
        Counter({"zoe": 1}),
        Counter(user for user, _, id_, _ in of_targets(answers.verify).elements() if id_ == "backup-duplicate"),
        Counter(
            {user_of(seen): n - 1 for seen, n in answers.query(f"SELECT seen, copies {SEEN.format('duplicates')}")}
        ),
        Counter({"zoe": answers.stats["duplicates"]["copies"]}),
        Counter({"zoe": answers.report["summary"]["duplicates"]["copies"]}),
    ],
    "missing and unclaimed archives": lambda answers: [
        (answers.stats["backups"]["missing"], answers.stats["backups"]["unclaimed"]),
        tuple(
            sum(id_ == wanted for _, _, id_, _ in of_targets(answers.verify).elements())
            for wanted in ("archive-missing", "archive-without-record")
        ),
    ],
    "moments of backup records": lambda answers: [
        Counter(
            (user_of(row["file"]), iso(row["backup_time"]))
            for row in rows_of(answers.listed)
            if row["id"] != row["backup_install"]  # which is what a backup without a record has
        ),
        events(answers, "backed-up", "backup record"),
    ],
    "moments of installing": lambda answers: [
        Counter((user_of(row["file"]), iso(row["time_created"])) for row in rows_of(answers.installs)),
        Counter((answers.account_of[install["account"]], install["created"]) for install in answers.report["installs"]),
    ],
}


@pytest.mark.parametrize("name", COUNTS)
def test_all_commands_count_alike(name: str, answers: Answers) -> None:
    first, *others = COUNTS[name](answers)
    assert first
    assert others == [first] * len(others)


# --- findings ---------------------------------------------------------------------------------------------------------


def test_all_findings_are_the_same_in_verify_report_stats_and_the_catalog(answers: Answers) -> None:
    on_disk = of_targets(answers.verify)
    assert of_targets(answers.verify_catalog) == on_disk
    reported = ((answers.account_of[each["account"]], *words(each)) for each in answers.report["findings"])
    assert Counter(reported) == on_disk
    rows = answers.query(f"SELECT a.seen, n.severity, n.id, n.message {SEEN.format('findings n')}")
    assert Counter((user_of(seen), *finding) for seen, *finding in rows) == on_disk
    totals = Counter({(each["id"], each["severity"]): each["times"] for each in answers.stats["findings"]})
    assert totals == Counter((id_, severity) for _, severity, id_, _ in on_disk.elements())
    kinds = Counter({(each["id"], each["severity"]): each["times"] for each in answers.report["summary"]["kinds"]})
    assert kinds == totals


def test_contradictions_are_findings_and_are_counted(answers: Answers) -> None:
    findings, contradictions = answers.report["findings"], answers.report["contradictions"]
    ids = {each["id"] for each in contradictions}
    assert contradictions == [each for each in findings if each["id"] in ids]
    assert {severity: times for severity, times in answers.report["summary"]["contradictions"].items() if times} == (
        Counter(each["severity"] for each in contradictions)
    )


def doubts(answers: Answers) -> Counter[tuple[str, str, str]]:
    """Return account, severity and id of each error and warning of `verify`."""
    findings = of_targets(answers.verify).elements()
    return Counter((user, severity, id_) for user, severity, id_, _ in findings if severity != "note")


def test_a_list_from_a_catalog_that_was_scanned_deep_has_the_errors_and_warnings_of_verify(answers: Answers) -> None:
    assert on_stderr(answers.listed_catalog) == doubts(answers)
    of_backups = {(user, id_) for user, _, id_ in doubts(answers)} - {
        ("stefan", "install-time-differs"),
        ("xenia", "home-differs"),
        ("yusuf", "home-differs"),
    }
    gone = {"backup-orphaned", "archive-without-record"}
    notes = {(user, id_) for user, _, id_, _ in of_targets(answers.verify) if id_ in gone}
    assert in_columns(answers.listed_catalog) == of_backups | notes


def test_a_list_from_disk_has_those_that_heads_tell_and_timeline_has_the_same(answers: Answers) -> None:
    deep = Counter(
        {
            ("otto", "error", "archive-altered"): 1,
            ("petra", "error", "application-version-differs"): 1,
            ("quirin", "error", "application-version-differs"): 1,
            ("zoe", "warning", "backup-duplicate"): 1,
        }
    )
    assert on_stderr(answers.listed) == doubts(answers) - deep
    assert on_stderr(answers.told) == on_stderr(answers.listed)
    verified = Counter(id_ for _, _, id_, _ in of_targets(answers.verify).elements())
    assert losses(answers.told) == {id_: verified[id_] for id_ in ("archive-without-record", "backup-orphaned")}


def test_installs_have_those_of_installs_and_homes(answers: Answers) -> None:
    ids = {"install-time-differs", "home-differs"}
    assert on_stderr(answers.installs) == Counter({each: n for each, n in doubts(answers).items() if each[2] in ids})
