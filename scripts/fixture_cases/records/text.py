"""Records looked at alone: what a record's bytes can be, other than what the real writer writes; install records."""

from typing import Final

from fixture_cases.base import ABSENT, INSTALL_ID, LINES, RecordCase, edited, record

LONG_ID: Final = "00112233445566778899aabbccddeeff"

ODDITIES: Final = (
    RecordCase(
        "duplicate-same-value",
        "A key stands twice with one value.",
        edited((b"language=en\n", b"language=en\nlanguage=en\n")),
        findings=("record-duplicate-key",),
    ),
    RecordCase(
        "duplicate-other-value",
        "A key stands twice with two values: the last line counts.",
        edited((b"language=en\n", b"language=en\nlanguage=no\n")),
        {"language": "no"},
        findings=("record-duplicate-key",),
    ),
    RecordCase(
        "line-without-equals",
        "A line that is no key and value: reported, the rest goes on.",
        edited((b"language=en\n", b"language=en\nthis line is broken\n")),
        findings=("record-no-equals",),
    ),
    RecordCase(
        "lines-empty",
        "Empty lines: no key and value either, so reported alike.",
        edited((b"language=en\n", b"language=en\n\n\n")),
        findings=("record-no-equals",),
    ),
    RecordCase(
        "crlf",
        "A record that went through a Windows editor: the CR belongs to the line's end.",
        record().replace(b"\n", b"\r\n"),
        findings=("record-crlf",),
    ),
    RecordCase(
        "bom",
        "A byte order mark is no part of the first key.",
        b"\xef\xbb\xbf" + record(),
        findings=("record-bom",),
    ),
    RecordCase(
        "nul",
        "NUL bytes stay in the value.",
        edited(
            (b"sitetitle=My blog\n", b"sitetitle=My\0blog\n"),
            (b"backup-note=before the redesign\n", b"backup-note=x\0\n"),
        ),
        {"sitetitle": "My\0blog", "backup_note": "x\0"},
        findings=("record-nul",),
    ),
    RecordCase(
        "not-utf8-text",
        "A Latin-1 title: null, its bytes in extra.",
        edited((b"title=My blog (2)\n", b"title=Caf\xe9\n")),
        {"title": None},
        {"title": {"text": "Caf\ufffd", "base64": "Q2Fm6Q=="}},
        ("value-not-utf8",),
    ),
    RecordCase(
        "not-utf8-list",
        "One Latin-1 name in a list: the whole list is null, its bytes in extra.",
        edited((b"list-tables=wp_options,wp_posts,wp_users\n", b"list-tables=wp_a,wp_\xe9\n")),
        {"tables": None},
        {"list-tables": {"text": "wp_a,wp_\ufffd", "base64": "d3BfYSx3cF/p"}},
        ("value-not-utf8",),
    ),
    RecordCase(
        "not-utf8-unknown-key",
        "An unknown key with a value that is not UTF-8.",
        edited((b"language=en\n", b"language=en\nx-note=\xff\n")),
        extra={"x-note": {"text": "\ufffd", "base64": "/w=="}},
        findings=("record-unknown-key", "value-not-utf8"),
    ),
    RecordCase(
        "last-newline",
        "A newline at the end, which the real writer never writes, changes nothing.",
        record() + b"\n",
    ),
    RecordCase(
        "empty",
        "An empty file holds no record.",
        b"",
        error="NoRecordError",
    ),
    RecordCase(
        "key-case",
        "Keys are exact: 'Title' is another key, and so is 'title ' with a blank.",
        edited((b"language=en\n", b"language=en\nTitle=other\ntitle =another\n")),
        extra={"Title": "other", "title ": "another"},
        findings=("record-unknown-key",),
    ),
    RecordCase(
        "half-rewritten",
        "A renamed account: the first hit of the old name on each line was replaced, the second was not.",
        record(
            {
                "owner": "renamedu",
                "path": "/home/renamedu/public_html/exampleu",
                "url": "https://renamedu.example.net/exampleu",
                "url-domain": "renamedu.example.net",
                "db-name": "renamedu_wp1",
                "db-user": "renamedu_wp1",
                "list-exclude-files": "renamedu-cache,exampleu-logs",
                "backup-filename": "app_renamedu-example-net_My-blog-2_2025-03-10_11-02-01.tar.gz",
            },
        ),
        {
            "user": "renamedu",
            "path": "/home/renamedu/public_html/exampleu",
            "file": f"/home/renamedu/.appdata/current/{INSTALL_ID}",
            "url": "https://renamedu.example.net/exampleu",
            "url_domain": "renamedu.example.net",
            "db_name": "renamedu_wp1",
            "db_user": "renamedu_wp1",
            "exclude_files": ["renamedu-cache", "exampleu-logs"],
            "backup_filename": "app_renamedu-example-net_My-blog-2_2025-03-10_11-02-01.tar.gz",
        },
    ),
    RecordCase(
        "order-shuffled",
        "The order of the lines says nothing.",
        b"\n".join(sorted(record().split(b"\n"))),
    ),
)

IDS_AND_INSTALLS: Final = (
    RecordCase(
        "id-24",
        "An id of 24 characters.",
        record(),
        {"id": "bq7o2m5xw1k0gs8wok4cc0s4"},
        record_id="bq7o2m5xw1k0gs8wok4cc0s4",
    ),
    RecordCase("id-32-hex", "A newer id of 32 hex digits.", record(), {"id": LONG_ID}, record_id=LONG_ID),
    RecordCase(
        "install-record",
        "A live install's record: no backup-* lines; its file name is the install's id.",
        record(
            {
                **dict.fromkeys((key for key in LINES if key.startswith("backup-")), ABSENT),
                "parent": "",
                "stage": "",
                "list-notification": "update_error",
                "list-failures": "",
                "cache-numerrors": "0",
                "cache-numwarnings": "1",
                "cache-numbackups": "2",
                "version-available": "6.8.1",
                "version-updates-available": "4",
                "version-notified": "6.8.1",
            },
        ),
        {
            **dict.fromkeys(
                ("backup_filename", "backup_install", "backup_location", "backup_note", "backup_time"), ABSENT
            ),
            "id": INSTALL_ID,
            "notification": ["update_error"],
            "failures": [],
            "cache_numerrors": 0,
            "cache_numwarnings": 1,
            "cache_numbackups": 2,
            "version_available": "6.8.1",
            "version_updates_available": 4,
        },
        {"version-notified": "6.8.1"},
        record_id=INSTALL_ID,
    ),
)
