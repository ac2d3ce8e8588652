"""Who is believed, and that every value knows where it comes from."""

from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from backupmeta import secrets
from backupmeta.account.home import State
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.backup import resolve
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.witnesses import Witnesses
from backupmeta.provenance import Fact, Source, Witness
from backupmeta.record.fields import NOTIFICATIONS
from backupmeta.record.grammar import Document, document
from backupmeta.secrets import closed, opened, plain
from tests.invented import BACKUP, INSTALL, NAME, TIME, backup_record, install_record

ARCHIVE = f"/home/exampleu/application_backups/{NAME}"
PATHS = {
    Witness.BACKUP_RECORD: f"/home/exampleu/.appdata/backups/{BACKUP}",
    Witness.EMBEDDED_RECORD: ARCHIVE,
    Witness.INSTALL_RECORD: f"/home/exampleu/.appdata/current/{INSTALL}",
}
LIVE = {
    "cache-numerrors": "1",
    "cache-numwarnings": "2",
    "cache-files": "3",
    "cache-numbackups": "4",
    "cache-preview": "5",
    "cache-tables": "6",
    "cache-time": "7",
    "list-failures": "f",
    "list-notification": "update",
    "parent": "p",
    "stage": "s",
    "incomplete": "1",
}


def said(witness: Witness, content: bytes) -> Document:
    member = "APP-META.INI" if witness is Witness.EMBEDDED_RECORD else None
    return document(Source(witness, PATHS[witness], member), content, DEFAULT_LIMITS)


def resolved(
    backup: bytes | None = None,
    embedded: bytes | None = None,
    install: bytes | None = None,
    *,
    id_: str | None = BACKUP,
    archive: str | None = ARCHIVE,
    home: str | None = "/home/exampleu",
    as_server: str | None = "/home/exampleu",
    numbackups: int | None = 1,
    zone: tzinfo | None = None,
) -> Inspection:
    return resolve.backup(
        Witnesses(
            id=id_,
            backup=None if backup is None else said(Witness.BACKUP_RECORD, backup),
            embedded=None if embedded is None else said(Witness.EMBEDDED_RECORD, embedded),
            install=None if install is None else said(Witness.INSTALL_RECORD, install),
            archive=archive,
            home=home,
            as_server=as_server,
            numbackups=numbackups,
            zone=zone,
        ),
        State.PAIRED,
    )


def ids(inspection: Inspection) -> list[str]:
    return [finding.id for finding in inspection.findings]


def test_the_backup_record_is_believed_first_and_the_loser_is_kept() -> None:
    found = resolved(backup_record(version="6.5.4"), backup_record(version="6.5.3", language="en"))
    assert found.get("version") == "6.5.4"
    assert found.get("language") == "en"
    assert found.values["version"].source.witness is Witness.BACKUP_RECORD
    assert found.values["language"].source.witness is Witness.EMBEDDED_RECORD
    (loser,) = found.values["version"].losers
    assert (loser.field, loser.raw, loser.source.witness) == ("version", b"6.5.3", Witness.EMBEDDED_RECORD)
    assert [(one.id, one.subject) for one in found.findings] == [("sources-disagree", "version")]


def test_equal_records_have_no_conflicts() -> None:
    found = resolved(backup_record(), backup_record())
    assert not found.conflicts
    assert found.findings == []


@pytest.mark.parametrize("field", [key.removeprefix("list-").replace("-", "_") for key in LIVE])
def test_live_fields_come_from_the_install_record_where_no_other_has_them(field: str) -> None:
    found = resolved(backup_record(), backup_record(), install_record(**LIVE))
    assert found.values[field].source.witness is Witness.INSTALL_RECORD
    assert found.values[field].source.path == PATHS[Witness.INSTALL_RECORD]
    assert found.findings == []


@pytest.mark.parametrize("key", LIVE)
def test_live_fields_of_the_backups_own_record_come_before_the_installs(key: str) -> None:
    field = key.removeprefix("list-").replace("-", "_")
    found = resolved(backup_record(**{key: "0"}), install=install_record(**LIVE))
    assert found.values[field].source.witness is Witness.BACKUP_RECORD
    assert [fact.raw.decode() for fact in found.values[field].losers] == [LIVE[key]]
    assert found.findings == []  # the live install may have moved on


def test_the_live_install_does_not_tell_the_backups_version() -> None:
    found = resolved(backup_record(version=None), install=install_record(version="7.0", cf_new="x"))
    assert found.get("version") is None
    assert "version" not in found.fields
    assert "new" not in found.fields


def test_only_where_nothing_else_tells_the_live_install_is_asked_and_that_is_told() -> None:
    bare = b"backup-time=1718312121\nbackup-install=" + INSTALL.encode()
    found = resolved(bare, install=install_record(version="7.0", cf_new="x"))
    assert found.get("version") == "7.0"
    assert found.get("new") == "x"
    assert found.values["version"].source.witness is Witness.INSTALL_RECORD
    assert "live-value-used" in ids(found)


def test_every_value_knows_its_line() -> None:
    found = resolved(b"installer=drupal\ntitle=My blog\ncf-sitename=x\n")
    assert found.values["title"].source == Source(
        Witness.BACKUP_RECORD, PATHS[Witness.BACKUP_RECORD], None, line=2, offset=17
    )
    assert found.values["sitename"].source.line == 3
    assert found.values["sitename"].source.offset == 31
    assert found.values["autoup"].source == Source(Witness.DEFAULT)


def test_an_embedded_value_knows_its_member() -> None:
    found = resolved(embedded=b"installer=drupal\nversion=10", id_=None)
    assert found.values["version"].source == Source(Witness.EMBEDDED_RECORD, ARCHIVE, "APP-META.INI", 2, 17)


def test_every_value_has_a_source() -> None:
    found = resolved(backup_record(cf_a="1"), backup_record(cf_b="2"), install_record(**LIVE))
    assert list(found.values) == list(found.fields)
    assert all(isinstance(one.source, Source) for one in found.values.values())


@pytest.mark.parametrize(("application", "wordpress_only"), [("wordpress", "all"), ("drupal", None), (None, None)])
def test_documented_defaults_hold_where_no_record_has_the_key(
    application: str | None, wordpress_only: str | None
) -> None:
    found = resolved(backup_record(installer=application))
    assert {name: found.get(name) for name in ("autobk", "autobk_schedule", "autoup", "autoup_backup")} == {
        "autobk": "none",
        "autobk_schedule": "",
        "autoup": "minor",
        "autoup_backup": "all",
    }
    assert (found.get("parent"), found.get("stage")) == ("", "")
    assert found.get("autoup_plugins") == found.get("autoup_themes") == wordpress_only
    assert found.get("notification") == list(NOTIFICATIONS)
    assert len(NOTIFICATIONS) == 18


def test_a_default_is_nobodys_but_the_answers_own() -> None:
    first = resolved(backup_record()).get("notification")
    assert isinstance(first, list)
    first.clear()
    assert resolved(backup_record()).get("notification") == list(NOTIFICATIONS)


def test_an_empty_value_is_no_absent_value() -> None:
    found = resolved(backup_record(list_notification="", autoup="0"))
    assert found.get("notification") == []
    assert found.get("autoup") == "none"


def test_other_absent_fields_are_absent() -> None:
    found = resolved(backup_record())
    assert found.fields.keys().isdisjoint({"agent", "language", "cache_time", "incomplete", "plugins", "login"})


def test_backups_are_counted_where_no_record_tells_their_number() -> None:
    found = resolved(backup_record(), numbackups=3)
    assert found.get("cache_numbackups") == 3
    assert found.values["cache_numbackups"].source == Source(Witness.FILE_SYSTEM, "/home/exampleu/.appdata/backups")
    told = resolved(backup_record(), install=install_record(cache_numbackups="7"))
    assert told.get("cache_numbackups") == 7
    assert "cache_numbackups" not in resolved(backup_record(), numbackups=None).fields


@pytest.mark.parametrize(
    ("path", "owner", "home"),
    [
        ("/home/exampleu/public_html/blog", "exampleu", "/home/exampleu"),
        ("/home2/exampleu/public_html", "exampleu", "/home2/exampleu"),
        ("/home/e/exampleu/public_html", "exampleu", "/home/e/exampleu"),
        ("/var/www/vhosts/example.com/httpdocs", "exampleu", "/var/www/vhosts/example.com"),
        (r"c:\inetpub\vhosts\example.com\httpdocs", "exampleu", r"c:\inetpub\vhosts\example.com"),
        (r"C:\Inetpub\vhosts\example.com", "exampleu", r"C:\Inetpub\vhosts\example.com"),
    ],
)
def test_file_is_derived_from_the_path_as_the_server_saw_it(path: str, owner: str, home: str) -> None:
    found = resolved(backup_record(path=path, owner=owner), as_server=None, home="/mnt/evidence/x")
    separator = "\\" if "\\" in home else "/"
    assert found.get("file") == separator.join((home, ".appdata", "current", INSTALL))
    assert found.values["file"].source.witness is Witness.DERIVED


@pytest.mark.parametrize("path", ["/srv/www/blog", "relative/exampleu/x", "/var/www/vhosts/", "", None])
def test_without_a_telling_path_file_lies_in_the_home_that_was_found(path: str | None) -> None:
    found = resolved(backup_record(path=path), as_server=None, home="/mnt/evidence/x")
    assert found.get("file") == f"/mnt/evidence/x/.appdata/current/{INSTALL}"
    assert "file" not in resolved(backup_record(path=path), as_server=None, home=None).fields


def test_the_place_on_the_server_comes_before_the_path() -> None:
    found = resolved(backup_record(path="/home2/exampleu/x"), as_server="/home/renamed")
    assert found.get("file") == f"/home/renamed/.appdata/current/{INSTALL}"


def test_without_an_install_there_is_no_file() -> None:
    assert "file" not in resolved(backup_record(backup_install=None)).fields


def test_the_id_is_the_records_name_else_the_installs_with_a_finding() -> None:
    assert resolved(backup_record()).get("id") == BACKUP
    assert resolved(backup_record()).values["id"].source.witness is Witness.FILE_NAME
    lone = resolved(embedded=backup_record(), id_=None)
    assert lone.get("id") == INSTALL
    assert ids(lone) == ["id-from-install"]
    assert "id" not in resolved(embedded=backup_record(backup_install=""), id_=None).fields


def test_custom_fields_follow_in_the_records_order_under_their_own_names() -> None:
    found = resolved(backup_record(cf_zebra="1", cf_apple="yes", cf_login="admin"))
    assert list(found.fields)[-2:] == ["zebra", "apple"]
    assert (found.get("zebra"), found.get("apple"), found.get("login")) == ("1", "yes", "admin")


def test_a_custom_field_never_takes_the_place_of_the_servers_own() -> None:
    found = resolved(backup_record(cf_version="evil", cf_id="evil", cf_backup_time="evil"))
    assert found.get("version") == "6.5.4"
    assert found.get("id") == BACKUP
    assert found.extra["cf-version"].raw == b"evil"
    assert ids(found).count("field-collision") == 2


def test_custom_backups_have_their_three_numbers() -> None:
    numbers = {"autobk-daily": "1", "autobk-weekly": "2", "autobk-monthly": "3"}
    found = resolved(backup_record(autobk="custom", **numbers))
    assert [found.get(f"autobk{name}") for name in ("", "_schedule", "_daily", "_weekly", "_monthly")] == [
        "custom",
        "",
        1,
        2,
        3,
    ]
    other = resolved(backup_record(autobk="weeklymonthly", **numbers))
    assert (other.get("autobk"), other.get("autobk_schedule")) == ("schedule", "weeklymonthly")
    assert "autobk_daily" not in other.fields
    assert {key: fact.raw.decode() for key, fact in other.extra.items()} == numbers


@pytest.mark.parametrize(
    ("key", "field", "finding"),
    [
        ("autoup", "autoup", "value-undecodable"),
        ("time", "time_created", "value-undecodable"),
        ("backup-time", "backup_time", "value-undecodable"),
        ("list-plugins", "plugins", "value-not-utf8"),
        ("title", "title", "value-not-utf8"),
        ("cf-odd", "odd", "value-not-utf8"),
    ],
)
def test_a_value_that_cannot_be_decoded_is_null_kept_and_told(key: str, field: str, finding: str) -> None:
    raw = b"caf\xe9" if finding == "value-not-utf8" else b"never"
    found = resolved(backup_record(**{key: None}) + b"\n" + key.encode() + b"=" + raw)
    assert field in found.fields
    assert found.get(field) is None
    assert found.extra[key].raw == raw
    (told,) = [one for one in found.findings if one.id == finding]
    assert told.subject == field
    assert told.evidence[0].line == len(backup_record(**{key: None}).splitlines()) + 1


def test_unknown_keys_are_kept_and_told_and_known_others_are_kept_quietly() -> None:
    found = resolved(backup_record(x_new="1", errcode="0", plugin_updates_notified="a:0:{}"))
    assert {key: fact.raw for key, fact in found.extra.items()} == {
        "x-new": b"1",
        "errcode": b"0",
        "plugin-updates-notified": b"a:0:{}",
    }
    assert [(one.id, one.subject) for one in found.findings] == [("record-unknown-key", "x-new")]


def test_the_servers_offset_follows_from_name_and_time() -> None:
    east = ARCHIVE.replace("20-55", "22-55")
    found = resolved(backup_record(backup_filename=east.rpartition("/")[2]), archive=east)
    assert found.utc_offset == timezone(timedelta(hours=2))
    assert found.archive_name is not None
    assert found.archive_name.title == "Blog"
    assert found.findings == []


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"url": "https://example.org/"}, "name-host-differs"),
        ({"title": "Another"}, "name-title-differs"),
        ({"backup_time": "1718312122"}, "name-time-differs"),
        ({"backup_filename": "app_example-com_Blog_2020-01-01_00-00-00.tar.gz"}, "archive-renamed"),
    ],
)
def test_what_name_and_record_disagree_about_is_found(changes: dict[str, str], finding: str) -> None:
    assert ids(resolved(backup_record(**changes))) == [finding]


def test_a_name_of_its_own_is_told_and_told_apart() -> None:
    odd = resolved(backup_record(backup_filename="copy.tar.gz"), archive="/x/copy.tar.gz")
    assert ids(odd) == ["name-unconventional"]
    assert odd.archive_name is None


def test_only_a_lone_archive_with_a_zone_takes_its_time_from_its_name() -> None:
    timeless = backup_record(backup_time=None, backup_filename=None)
    berlin = resolved(embedded=timeless, id_=None, zone=ZoneInfo("Europe/Berlin"))
    assert berlin.get("backup_time") == str(TIME - 7200)
    assert berlin.values["backup_time"].source == Source(Witness.FILE_NAME, ARCHIVE)
    assert berlin.get("backup_filename") == NAME
    assert "backup_time" not in resolved(embedded=timeless, id_=None).fields
    told = resolved(backup_record(), zone=ZoneInfo("Europe/Berlin"))
    assert told.get("backup_time") == str(TIME)
    assert ids(told) == ["name-time-differs"]


def test_a_local_time_that_stands_twice_is_told() -> None:
    name = ARCHIVE.replace("2024-06-13_20-55-21", "2024-10-27_02-30-00")
    found = resolved(embedded=backup_record(backup_time=None), id_=None, archive=name, zone=ZoneInfo("Europe/Berlin"))
    assert "zone-ambiguous" in ids(found)
    assert found.get("backup_time") == "1729989000"


def test_an_unconventional_name_tells_no_time() -> None:
    found = resolved(backup_record(backup_time=None), archive="/x/copy.tar.gz", zone=ZoneInfo("UTC"))
    assert "backup_time" not in found.fields


def test_an_install_has_no_fields_of_a_backup() -> None:
    record = said(Witness.INSTALL_RECORD, backup_record())
    found = resolve.install(INSTALL, record, "/home/exampleu", None, 2)
    assert found.kind == "install"
    assert found.state is None
    assert found.get("id") == INSTALL
    assert found.get("cache_numbackups") == 2
    assert found.get("file") == f"/home/exampleu/.appdata/current/{INSTALL}"
    assert not [name for name in found.fields if name.startswith("backup_")]


def test_texts_oddities_are_told_of_each_record() -> None:
    assert ids(resolved(backup_record() + b"\nno equals", backup_record())) == ["record-no-equals"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("db_pass", "x", "********"),
        ("db_pass", "", ""),
        ("title", "ftp://a:b@c/d", "ftp://********@c/d"),
        ("files", ["a", "s3://k:v@b"], ["a", "s3://********@b"]),
        ("files", ["a"], ["a"]),
        ("cache_time", 5, 5),
        ("x_token", ["a"], ["********"]),
    ],
)
def test_values_are_shown_without_their_secrets(name: str, value: object, shown: object) -> None:
    assert plain(closed(name, value)) == shown
    assert opened(closed(name, value)) == value


def test_reprs_tell_no_secret() -> None:
    found = resolved(backup_record())
    assert "hunter2" not in repr(found) + repr(found.values) + repr(found.extra)
    assert repr(found) == f"Inspection('backup', '{ARCHIVE}', {len(found.fields)} fields, 0 findings)"
    assert repr(Fact("db-pass", b"hunter2", Source(Witness.DERIVED))).count("hunter2") == 0


def test_another_word_on_a_key_beside_the_answer_is_kept_as_a_conflict() -> None:
    found = resolved(backup_record(x_new="1"), embedded=backup_record(x_new="2"))
    assert found.extra["x-new"].raw == b"1"
    assert [document.fact("x-new").raw for document in found.kept["x-new"]] == [b"1", b"2"]
    assert "sources-disagree" in ids(found)


def test_a_title_is_masked_as_often_however_often_it_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    title, texts, mask = "see http://user:CANARY@example.com/", list[str](), secrets.mask_value

    def watched(text: str) -> str:
        texts.append(text)
        return mask(text)

    monkeypatch.setattr(secrets, "mask_value", watched)
    changed = backup_record(title=title, url="https://example.net/", backup_time=str(TIME + 7))
    findings = [finding for finding in resolved(changed).findings if finding.id.startswith("name-")]
    assert [finding.id for finding in findings] == ["name-host-differs", "name-title-differs", "name-time-differs"]
    assert [finding.detail for finding in findings] == ["", "", ""]
    assert texts.count(title) == 2  # in the record, and in the field


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"title": "Another"}, "Another: backup record; Blog: embedded record, file name"),
        ({"url": "https://evil.example/"}, "evil.example/: backup record; …: embedded record, file name"),
        ({"backup_time": str(TIME + 1)}, "20:55:22 UTC: backup record; 20:55:21 UTC: embedded record, file name"),
        ({"backup_time": str(TIME + 3600)}, "21:55:21 UTC: backup record; 20:55:21 UTC: embedded record"),
        ({"backup_time": "soon"}, "soon: backup record; 20:55:21 UTC: embedded record, file name"),
        ({"version": "6.2.2"}, "6.2.2: backup record; 6.5.4: embedded record"),
    ],
)
def test_a_contradiction_says_who_says_what_and_the_archives_name_takes_a_side(
    changes: dict[str, str], detail: str
) -> None:
    inspection = resolved(backup_record(**changes), backup_record(), archive=f"/home/u/application_backups/{NAME}")
    [edited] = [finding for finding in inspection.findings if finding.id == "sources-disagree"]
    said = edited.detail.replace("2024-06-13 ", "").replace("https://", "").replace("www.example.com/blog", "…")
    assert said == detail
    assert (edited.evidence[-1].witness is Witness.FILE_NAME) == ("file name" in detail)
