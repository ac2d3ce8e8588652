"""Records looked at alone: each value that a key can have, and those that it can't."""

from typing import Final

from fixture_cases.base import ABSENT, RecordCase, record

SCHEDULE_ID: Final = "00112233445566778899aabbccddeeff"

CHOICES: Final = (
    RecordCase("autobk-0", "autobk=0: no automatic backups.", record({"autobk": "0"})),
    RecordCase("autobk-empty", "An empty autobk means the same as 0.", record({"autobk": ""})),
    RecordCase(
        "autobk-absent",
        "Without the line, the documented default.",
        record({"autobk": ABSENT}),
    ),
    *(
        RecordCase(
            f"autobk-{name}",
            "A schedule, by its name or id.",
            record({"autobk": schedule}),
            {"autobk": "schedule", "autobk_schedule": schedule},
        )
        for name, schedule in (
            ("weeklymonthly", "weeklymonthly"),
            ("daily30", "daily30"),
            ("schedule-id", SCHEDULE_ID),
        )
    ),
    RecordCase(
        "autobk-custom",
        "A custom schedule: its three numbers follow autobk_schedule, which is empty.",
        record({"autobk": "custom", "autobk-daily": "7", "autobk-weekly": "4", "autobk-monthly": "12"}),
        {
            "autobk": "custom",
            "autobk_schedule": "",
            "autobk_daily": 7,
            "autobk_weekly": 4,
            "autobk_monthly": 12,
        },
    ),
    RecordCase(
        "autobk-custom-partly",
        "A custom schedule with one number: only that one is told.",
        record({"autobk": "custom", "autobk-weekly": "4"}),
        {"autobk": "custom", "autobk_schedule": "", "autobk_weekly": 4},
    ),
    RecordCase(
        "autobk-numbers-unused",
        "The numbers of an abandoned custom schedule: no part of the answer, kept in extra.",
        record({"autobk": "0", "autobk-daily": "7", "autobk-weekly": "4"}),
        extra={"autobk-daily": "7", "autobk-weekly": "4"},
    ),
    *(
        RecordCase(
            f"autoup-{code}",
            f"autoup={code} is {word}.",
            record({"autoup": code}),
            {"autoup": word},
        )
        for code, word in (("0", "none"), ("1", "minor"), ("2", "all"))
    ),
    RecordCase(
        "autoup-unknown",
        "A code that nobody has seen: null, not guessed; raw in extra.",
        record({"autoup": "7"}),
        {"autoup": None},
        {"autoup": "7"},
        ("value-undecodable",),
    ),
    RecordCase(
        "autoup-absent",
        "Without the lines, the documented defaults.",
        record({"autoup": ABSENT, "autoup-backup": ABSENT, "autoup-plugins": ABSENT, "autoup-themes": ABSENT}),
        {"autoup": "minor", "autoup_backup": "all", "autoup_plugins": "all", "autoup_themes": "all"},
    ),
    RecordCase(
        "autoup-backup-0",
        "autoup-backup=0 is none.",
        record({"autoup-backup": "0"}),
        {"autoup_backup": "none"},
    ),
    RecordCase(
        "autoup-plugins-custom",
        "Per-plugin control, in both spellings.",
        record({"autoup-plugins": "custom", "autoup-themes": "2"}),
        {"autoup_plugins": "custom", "autoup_themes": "custom"},
    ),
    *(
        RecordCase(
            f"incomplete-{name}",
            f"incomplete={value} is {str(flag).lower()}.",
            record({"incomplete": value}),
            {"incomplete": flag},
        )
        for name, value, flag in (
            ("1", "1", True),
            ("true", "true", True),
            ("yes", "yes", True),
            ("0", "0", False),
            ("empty", "", False),
            ("no", "no", False),
            ("false", "false", False),
        )
    ),
    RecordCase(
        "incomplete-unknown",
        "A flag that is neither: null, raw in extra.",
        record({"incomplete": "maybe"}),
        {"incomplete": None},
        {"incomplete": "maybe"},
        ("value-undecodable",),
    ),
)

MIXED_TEXT: Final = " a = b; #c [d] \"e\" 'f' %20 %s \\n $x {y} "
MIXED_NAME: Final = "app_example-com_-a---b---c--d---e---f---20--s--n--x--y--_2025-03-10_11-02-01.tar.gz"
CYRILLIC_TITLE: Final = "Café Привет 🎉"
CYRILLIC_NAME: Final = "app_example-com_Caf--------------------_2025-03-10_11-02-01.tar.gz"

VALUES: Final = (
    RecordCase(
        "lists-empty",
        "A list that is there and empty is an empty list, also where the default is not.",
        record(
            dict.fromkeys(
                "list-files list-tables list-plugins list-themes list-exclude-files list-failures"
                " list-notification".split(),
                "",
            ),
        ),
        {name: [] for name in "files tables plugins themes exclude_files failures notification".split()},
    ),
    RecordCase(
        "lists-filled",
        "The lists that few records have, and where they stand in the answer.",
        record(
            {
                "list-exclude-files": "wp-content/cache,wp-content/my uploads",
                "list-failures": "update",
                "list-notification": "update,update_error",
            },
        ),
        {
            "exclude_files": ["wp-content/cache", "wp-content/my uploads"],
            "failures": ["update"],
            "notification": ["update", "update_error"],
        },
    ),
    RecordCase(
        "text-punctuation",
        "Not INI: '=', '%', ';', '#', '[', quotes and blanks at both ends stay exactly.",
        record(
            {
                "title": MIXED_TEXT,
                "backup-note": "=",
                "db-pass": " =CANARY;#[x]%\"' ",
                "backup-filename": MIXED_NAME,
            },
        ),
        {
            "title": MIXED_TEXT,
            "backup_note": "=",
            "db_pass": " =CANARY;#[x]%\"' ",
            "backup_filename": MIXED_NAME,
        },
    ),
    RecordCase(
        "text-not-ascii",
        "UTF-8 beyond ASCII, and beyond the basic plane.",
        record({"title": CYRILLIC_TITLE, "cf-sitetagline": "ça va", "backup-filename": CYRILLIC_NAME}),
        {"title": CYRILLIC_TITLE, "sitetagline": "ça va", "backup_filename": CYRILLIC_NAME},
    ),
    RecordCase(
        "text-100-kb",
        "A value of 100 kB in a record that is else of the usual size.",
        record({"backup-note": "0123456789" * 10_000}),
        {"backup_note": "0123456789" * 10_000},
    ),
    *(
        RecordCase(
            f"location-{name}",
            "A backup location: text as it stands, with user and secret inside.",
            record({"backup-location": location, "bkloc": bkloc}),
            {"backup_location": location, "bkloc": bkloc},
        )
        for name, location, bkloc in (
            ("id", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
            ("ftp", "ftp://user:CANARY-ftp@192.0.2.10:21/backups/blog", "local"),
            ("ftp-odd-secret", "ftp://user:CANARY/p@ss#1?@192.0.2.10:21/backups", "local"),
            ("dropbox", "dropbox3://CANARY-dropbox:CANARY-refresh@/Apps/backups", "local"),
            ("s3", "s3://AKIAINVENTED:CANARY/s3+secret/@bucket.example.net/blog", "local"),
            ("gdrive", "gdrive://CANARY-gdrive@drive.example.net/folder", "local"),
            ("file", "file:///mnt/backups", "file:///mnt/backups"),
        )
    ),
    RecordCase(
        "keys-bookkeeping",
        "Keys that are known and no part of the answer: raw in extra, PHP-serialized ones too, without a finding.",
        record(
            {
                "plugin-updates-notified": 'a:1:{s:7:"akismet";s:5:"5.3.6";}',
                "theme-updates-notified": "a:0:{}",
                "plugin-updates-autouped": 'a:1:{s:5:"hello";s:5:"1.7.2";}',
                "theme-updates-autouped": "a:0:{}",
                "plugin-updates-available": "2",
                "theme-updates-available": "0",
                "version-notified": "6.7.3",
                "imported": "1",
                "link-0": "https://www.example.com/blog/wp-login.php",
                "list-backup-files": "uploads-extra",
                "list-backup-tables": "other_table",
                "list-issues": "",
                "list-plugins-issues": "",
                "list-plugins-available": "akismet/5.4",
                "list-themes-attempted": "",
                "backup-expiry": "auto",
                "backup-schedule": SCHEDULE_ID,
            },
        ),
        extra={
            "plugin-updates-notified": 'a:1:{s:7:"akismet";s:5:"5.3.6";}',
            "theme-updates-notified": "a:0:{}",
            "plugin-updates-autouped": 'a:1:{s:5:"hello";s:5:"1.7.2";}',
            "theme-updates-autouped": "a:0:{}",
            "plugin-updates-available": "2",
            "theme-updates-available": "0",
            "version-notified": "6.7.3",
            "imported": "1",
            "link-0": "https://www.example.com/blog/wp-login.php",
            "list-backup-files": "uploads-extra",
            "list-backup-tables": "other_table",
            "list-issues": "",
            "list-plugins-issues": "",
            "list-plugins-available": "akismet/5.4",
            "list-themes-attempted": "",
            "backup-expiry": "auto",
            "backup-schedule": SCHEDULE_ID,
        },
    ),
    RecordCase(
        "keys-versions-and-caches",
        "Every remaining key of the answer, and its place in the order.",
        record(
            {
                "time-updated": "1741000000",
                "cache-time": "1741600000",
                "cache-preview": "1741500000",
                "cache-numerrors": "1",
                "cache-numwarnings": "2",
                "cache-numbackups": "3",
                "parent": "ch83a1mtmfk0s0ogwc8o4sgkk",
                "stage": "d2xgpm5w4bk8k0o4gs8ck8cgw",
                "version-autouped": "6.7.1",
                "version-autouped-attempts": "0",
                "version-available": "6.8.1",
                "version-available-minor": "6.7.3",
                "version-updates-available": "4",
            },
        ),
        {
            "time_updated": 1741000000,
            "cache_time": 1741600000,
            "cache_preview": 1741500000,
            "cache_numerrors": 1,
            "cache_numwarnings": 2,
            "cache_numbackups": 3,
            "parent": "ch83a1mtmfk0s0ogwc8o4sgkk",
            "stage": "d2xgpm5w4bk8k0o4gs8ck8cgw",
            "version_autouped": "6.7.1",
            "version_autouped_attempts": 0,
            "version_available": "6.8.1",
            "version_available_minor": "6.7.3",
            "version_updates_available": 4,
        },
    ),
    RecordCase(
        "keys-unknown",
        "Keys that nobody has described: raw in extra, with a finding; one of them is a secret.",
        record({"x-api-token": "CANARY-x-api-token", "x-vendor-flag": "on"}),
        extra={"x-api-token": "CANARY-x-api-token", "x-vendor-flag": "on"},
        findings=("record-unknown-key",),
    ),
    RecordCase(
        "field-enckey",
        "A custom field that the example lacks, and a secret: at the end of the answer.",
        record({"cf-enckey": "CANARY-cf-enckey", "cf-passwd": ABSENT}),
        {"passwd": ABSENT, "enckey": "CANARY-cf-enckey"},
    ),
    RecordCase(
        "fields-custom-order",
        "Custom fields that the example lacks stand last, in the record's order.",
        record({"cf-zeta": "1", "cf-alpha": "yes"}),
        {"zeta": "1", "alpha": "yes"},
    ),
    RecordCase(
        "fields-collide",
        "Custom fields named like the server's own fields never replace them.",
        record({"cf-title": "not the title", "cf-version": "0.0"}),
        extra={"cf-title": "not the title", "cf-version": "0.0"},
        findings=("field-collision",),
    ),
)

NUMBERS: Final = (
    RecordCase(
        "backup-time-not-numeric",
        "A time in words: null, raw in extra.",
        record({"backup-time": "yesterday"}),
        {"backup_time": None},
        {"backup-time": "yesterday"},
        ("value-undecodable",),
    ),
    RecordCase(
        "backup-time-empty",
        "An empty time can't be decoded; it is not zero.",
        record({"backup-time": ""}),
        {"backup_time": None},
        {"backup-time": ""},
        ("value-undecodable",),
    ),
    RecordCase(
        "backup-time-huge",
        "Digits beyond any calendar are digits all the same.",
        record({"backup-time": "99999999999999999"}),
        {"backup_time": "99999999999999999"},
    ),
    RecordCase(
        "numbers-negative-and-huge",
        "A negative number and one of 30 digits are integers; a time has no minus.",
        record({"time": "-1", "cache-preview": "-1", "cache-files": "123456789012345678901234567890"}),
        {"time_created": None, "cache_preview": -1, "cache_files": 123456789012345678901234567890},
        {"time": "-1"},
        ("value-undecodable",),
    ),
    RecordCase(
        "numbers-empty",
        "An integer without digits: null, and the empty text in extra.",
        record({"cache-files": "", "cache-tables": ""}),
        {"cache_files": None, "cache_tables": None},
        {"cache-files": "", "cache-tables": ""},
        ("value-undecodable",),
    ),
    RecordCase(
        "numbers-almost",
        "What a programming language would take for a number, and the format does not.",
        record(
            {"cache-files": "1_000", "cache-tables": " 12 ", "time": "1e3", "cache-time": "٣٤", "cache-preview": "0x1f"}
        ),
        {"cache_files": None, "cache_tables": None, "time_created": None, "cache_time": None, "cache_preview": None},
        {"cache-files": "1_000", "cache-tables": " 12 ", "time": "1e3", "cache-time": "٣٤", "cache-preview": "0x1f"},
        ("value-undecodable",),
    ),
)
