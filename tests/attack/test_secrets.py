"""Secrets in every form, in every place, through every command: none comes out. Class, form, what must hold.

Each form has a canary with its own number, and all of them stand in one account, so that one run of a command shows
what leaks, and by which form.
"""

import base64
import re
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from click.shell_completion import BashComplete
from hypothesis import given
from hypothesis import strategies as st
from records_of_real_shape import records as real_records
from writers import installatron as writer

from backupmeta import Search, list_backups
from backupmeta.cli.commands import backupmeta as group
from backupmeta.findings import Finding
from backupmeta.masking import MASK, is_secret
from backupmeta.record import grammar
from backupmeta.secrets import mask_list, mask_location, mask_text, mask_value, masked
from tests.hostile import END, header, long_name, member
from tests.invented import INSTALL, TIME, Account, backup_record, install_record, run

IN_TEXTS: Final = {
    "userinfo with a scheme": [
        "ftp://exampleu:{}@h.example/b",
        "sftp://{}@h.example/b",
        "s3://AKIA:{}/{}+{}@bucket/x",
        "dropbox3://k:{}@/folder",
        "ssh://exampleu:{}@[::1]:22/x",
        "see <ftp://exampleu:{}@h.example/b> there",
        "jdbc:mysql://exampleu:{}@h.example/db",
        "FTP://exampleu:{}@H.EXAMPLE/",
        "ftp://exampleu:x@{}@h.example/",
        "ftp://exampleu:/{}@h.example/",
        "ftp://exampleu:?{}@h.example/",
        "ftp://:{}@h.example/",
        "'mysql://root:{}@localhost'",
    ],
    "userinfo without a scheme": [
        "//exampleu:{}@h.example/b",
        "//{}@h.example/b",
        '"//{}@h.example/b"',
        "x,//exampleu:{}@h.example",
        "\\\\exampleu:{}@h.example\\share",
        "a//exampleu:{}@h.example",
    ],
    "userinfo, escaped as JSON does it": [
        "ftp:\\/\\/exampleu:{}@h.example\\/b",
        '{{"url":"ftp:\\/\\/{}@h.example\\/b"}}',
        "ftp:\\\\/\\\\/exampleu:{}@h.example",
    ],
    "userinfo with blanks": [
        "ftp://exampleu:a {}@h.example/b",
        "ftp://exampleu:{} b c@h.example/b",
        "//exampleu:a\t{}@h.example/b",
        "note ftp://exampleu: {}@h.example",
    ],
    "a password whose host is missing or cut off": [
        "dropbox3://exampleu:{}/folder",
        "ftp://exampleu:{}",
        "s3://AKIA:{}/bucket",
    ],
    "as scp has it": [
        "exampleu:{}@h.example:path",
        "exampleu:{}@h.example",
        "exampleu:{}@h.example:22/path",
        "exampleu:a@{}@h.example:path",
        'exampleu:"{}@h.example:path',
        "exampleu:/{}@h.example",
        "dir/exampleu:{}@h.example",
        "mailto:exampleu:{}@h.example",
        "curl -u=x exampleu:{}@h.example",
        "(exampleu:{}@h.example)",
        "ex-ample.u+1:{}@h.example:/srv",
    ],
    "percent-encoded": [
        "ftp%3A%2F%2Fexampleu%3A{}%40h.example",
        "ftp%3a%2f%2fexampleu%3a{}%40h.example",
        "exampleu%3A{}@h.example",
        "ftp://exampleu:{}%40h.example/b",
        "ftp%253A%252F%252Fexampleu%253A{}%2540h.example",
        "ftp%25253A%25252F%25252Fexampleu%25253A{}%252540h.example",
        "https://h.example/?next=%3Ftoken%3D{}",
        "x?%74oken={}",
        "x%3Fpassword%3D{}",
        "https://h.example/?u=ftp%3A%2F%2F{}%40h.example",
    ],
    "queries and fragments": [
        "https://h.example/?refresh_token={}&a=b",
        "?token={}",
        "x?token={}&y=1",
        "https://h.example/#access_token={}",
        "#access_token={}&state=1",
        "https://h.example/?a=b&sig={}",
        "https://h.example/?pwd={}",
        "https://h.example/cb?code={}&state=1",
        "https://h.example/?key={}",
        "?X-Amz-Signature={}&X-Amz-Date=1",
        "?AWSAccessKeyId={}",
        "?a=1;pw={}",
        "?a=1&amp;session={}",
        "?user[password]={}",
        "?sid={}",
        "?PASS={},more",
        "?jwt={}",
        "?nonce={}",
    ],
    "assigned": [
        "pwd={}",
        "DB_PASSWORD = {}",
        "mysql:host=h;dbname=d;password=a {}",
        "Server=h;Uid=u;Pwd={};",
        "export API_TOKEN={}",
        "$db_pass = '{}';",
        "set-cookie={}; path=x",
        "pin={}",
        "secret=={}",
        "JSESSIONID={}",
        "ftpPw={}",
    ],
    "a line that lost its newline": [
        "exampleudb-pass={}",
        "exampleudb-pass=a {} b&c;d#{}",
        "1718296434cf-enckey={}",
        "x\rdb-pass={}\rdb-prefix=wp_",
        "x\0db-pass={}",
        "https://www.example.com/blogdb-pass={}",
        "a.php,b.phpdb-pass=a,{},c",
    ],
    "JSON": [
        '{{"db_password": "{}", "x": 1}}',
        '{{"db_password":"a\\"{}","x":1}}',
        '{{\\"db_password\\":\\"{}\\",\\"x\\":1}}',
        '{{\\\\\\"db_password\\\\\\":\\\\\\"{}\\\\\\"}}',
        '{{"pin": 12{}, "x": 1}}',
        '{{"secret": {{"a": ["{}"]}}}}',
        '{{"tokens": ["a", "{}"]}}',
        "{{'api_key': '{}'}}",
        '{{"privateKey" : "{}"}}',
        '[{{"a":1,"smtp.password":"{}"}}]',
        '{{"session":"{}',
    ],
    "PHP": [
        'a:1:{{s:8:"password";s:15:"{}";}}',
        's:8:"password";s:1:"{}";',
        's:8:"password";s:999:"{}";s:1:"a";s:1:"b";',
        's:2:"pw";a:1:{{i:0;s:15:"{}";}}',
        's:3:\\"pin\\";s:15:\\"{}\\";',
        "define('DB_PASSWORD', '{}');",
        'define( "AUTH_KEY", "{}" );',
        "array('password' => '{}')",
        '["secret"=>"{}"]',
        "$cfg['blowfish_secret'] = '{}';",
    ],
    "a list item that goes on after a comma": [
        "https://exampleu:a,{}@h.example/b",
        "https://exampleu:a,{},c@h.example/b,d",
        "?token=a,{}",
        '{{"password":"a,{}"}}',
        "exampleu:a,{}@h.example:b",
        "dropbox3://exampleu:a,{}/x",
    ],
}
"""Forms that are masked in any text, by their class; ``{}`` is the secret."""

IN_VALUES: Final = {
    "in words": [
        "password: {}",
        "FTP Password:{}",
        "the pin: {}",
        "Authorization: Basic {}",
        "Cookie: a; {}",
        "db_pass: x {}",
    ],
    "as scp has it, with blanks": ["exampleu:a {}@h.example:path", "exampleu:{} b@h.example:path"],
}
"""Forms that are masked in values alone: our own sentences have a colon after the names of fields."""


class Form(NamedTuple):
    """A form with the canary of its own number in it."""

    number: int
    text: str
    is_for_texts: bool


CANARY: Final = "CANARYq7x"
_FOUND: Final = re.compile(rb"CANARYq7x(\d{3})")


def _numbered() -> Iterator[Form]:
    number = 0
    for classes in (IN_TEXTS, IN_VALUES):
        for forms in classes.values():
            for form in forms:
                yield Form(number, form.replace("{}", f"{CANARY}{number:03}q7x").format(), classes is IN_TEXTS)
                number += 1


FORMS: Final = tuple(_numbered())
TEXTS: Final = tuple(form.text for form in FORMS if form.is_for_texts)
SHORT: Final = tuple(text for text in TEXTS if "/" not in text and "\0" not in text)

KEYS: Final = (
    "backup-note title url url-domain path version installer language owner link-admin cf-sitetitle cf-email cf-odd "
    "bkloc backup-location db-name db-user db-host db-prefix time autoup autobk autobk-daily parent stage agent "
    "plugin-updates-notified x-unknown errcode incomplete cache-files version-available backup-filename"
).split()
LISTS: Final = (
    "list-files list-tables list-exclude-files list-plugins list-themes list-failures list-notification list-unknown"
).split()


def record(first: int) -> dict[str, str | None]:
    """Return what a record has for each key, beginning with the form ``first``: records turn the forms around."""
    values: dict[str, str | None] = {}
    for place, key in enumerate((*KEYS, *LISTS)):
        text = FORMS[(first + place) % len(FORMS)].text
        values[key] = f"a.php,{text},b.php" if key in LISTS else text
    return values


def keys_of_secrets() -> bytes:
    """Return lines whose keys hold a secret, and lines that have no key."""
    texts = [text.encode() for text in TEXTS]
    return b"\n".join([*(text + b"=x" for text in texts), *(text for text in texts if b"=" not in text)])


def archive(embedded: bytes) -> bytes:
    """Return an archive whose members' names, links and tables have all forms in them."""
    table = b"DROP TABLE IF EXISTS `%s`;\nCREATE TABLE `%s` (\n  `a` int\n) ENGINE=InnoDB;\n"
    names = [text.replace("\0", "").encode() for text in TEXTS]
    dump = b"".join(table % (name.replace(b"`", b""), name.replace(b"`", b"")) for name in names)
    blocks = [member("APP-META.INI", embedded), member("APP-DATA.SQL", dump), member("deeper/APP-META.INI", embedded)]
    for name in names:
        blocks += [
            long_name(name),
            header(b"x"),
            long_name(b"l/" + name),
            long_name(name, b"K"),
            header(b"l", kind=b"2"),
        ]
    return writer.gzip_bytes(b"".join(blocks) + END, TIME)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of homes in which every form stands in every place."""
    root = tmp_path_factory.mktemp("secrets")
    account = Account(root / "home/exampleu")
    for number in range(len(FORMS)):
        name = f"app_example-com_Blog_2024-06-13_20-55-{number % 60:02}{number // 60}.tar.gz"
        content = backup_record(**{**record(number), **({"backup-filename": name} if number % 9 else {})})
        account.backup(f"b{number:024}", content)
        if number % 12 == 0:
            account.archive(name, content + b"\n" + keys_of_secrets())
    account.install(content=install_record(**record(3)) + b"\n" + keys_of_secrets())
    account.backup("g" * 25, backup_record(**{**record(7), "backup_install": "i" * 25}))
    account.backup("k" * 25, backup_record() + b"\n" + keys_of_secrets())
    (account.archives / "app_example-com_Blog_2024-06-13_20-55-21.tar.gz").write_bytes(archive(backup_record()))
    (account.archives / "b.tar.gz").write_bytes(archive(backup_record(title=FORMS[0].text))[:-700])
    for text in SHORT:
        if not text.startswith("-"):
            account.archive(f"{text.replace('/', '')}.tar.gz")
    (root / "home" / SHORT[20]).mkdir()
    Account(root / "home" / SHORT[20] / "home/x").whole()
    site(root / "site")
    return root / "home"


def site(folder: Path) -> None:
    """Make a folder whose files, folders and links have all forms in their names and targets."""
    (folder / "links").mkdir(parents=True)
    for number, text in enumerate(text.replace("\0", "") for text in TEXTS):
        (folder / f"links/{number}").symlink_to(text)
    for text in SHORT:
        (folder / text).mkdir()
        (folder / text / text).write_bytes(b"x")


def leaked(shown: bytes) -> list[str]:
    """Return the forms whose canaries are ``shown``, plain or in base64."""
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + CANARY.encode())[4 if shift else 0 : 8]
        if coded in shown:
            return [f"base64, {shift}"]
    return sorted({FORMS[int(number)].text for number in _FOUND.findall(shown)})


def commands(homes: Path) -> Iterator[list[str]]:
    root, account = str(homes), homes / "exampleu"
    archives = account / "application_backups"
    whole, cut = (str(archives / name) for name in ("app_example-com_Blog_2024-06-13_20-55-21.tar.gz", "b.tar.gz"))
    ids = [f"b{number:024}" for number in (0, 1, 45)] + ["k" * 25]
    for target in (*ids, whole, cut):
        yield ["view", target, "--root", root, "--provenance", "--allow-missing"]
    for number in range(0, len(FORMS), 10):
        yield ["explain", str(account / f".appdata/backups/b{number:024}"), *(["--json"] if number % 20 else [])]
    for text in SHORT[::4]:
        yield ["explain", str(archives / f"{text}.tar.gz")]
        yield ["view", str(archives / f"{text}.tar.gz"), "--provenance"]
    for file in (account / ".appdata/backups" / ("k" * 25), account / ".appdata/current" / INSTALL, whole):
        yield ["explain", str(file)]
        yield ["explain", str(file), "--json"]
    yield ["view", INSTALL, "--root", root, "--provenance"]
    yield from lists(root)
    for one in (whole, cut):
        yield ["members", one]
        yield ["members", one, "--json", "--member-digest", "md5"]
        yield ["needs", one]
        yield ["needs", one, "--json"]
        yield ["cat", one, "APP-META.INI"]
        yield ["cat", one, "#3"]
    for form in ("text", "json", "junit", "sarif", "github"):
        yield ["verify", root, "--format", form, "--fail-on", "note", "--jobs", "1"]
    for form in ("text", "jsonl", "l2tcsv", "bodyfile"):
        yield ["timeline", root, "--format", form, "--deep"]
    for form in ("text", "json", "markdown"):
        yield ["diff", ids[0], ids[1], "--root", root, "--format", form]
        yield ["diff", whole, cut, "--deep", "--format", form]
        yield ["diff", cut, str(archives / f"{SHORT[0]}.tar.gz"), "--deep", "--format", form]
        yield ["diff", whole, str(homes.parent / "site"), "--root", root, "--format", form]
        yield ["history", INSTALL, "--root", root, "--format", form]
    yield ["history", INSTALL, "--root", root, "--deep", "--jobs", "1"]
    yield ["history", whole, "--member", "*", "--jobs", "1", "--json"]
    yield ["report", root, "--deep", "--jobs", "1"]


def lists(root: str) -> Iterator[list[str]]:
    for command in ("list", "installs"):
        for shape in (["--json", "--provenance", "--limit", "500"], ["--jsonl", "--provenance"], ["--csv"], []):
            yield [command, root, *shape]
    for form in ("table", "json", "csv"):
        yield ["installs", "--gone", root, "--format", form]


def of_catalog(catalog: str) -> Iterator[list[str]]:
    yield ["stats", catalog]
    yield ["stats", catalog, "--json"]
    for shape in (["--json", "--provenance"], ["--jsonl", "--provenance"], ["--csv"], []):
        yield ["find", catalog, *shape]
        yield ["list", "--catalog", catalog, *shape]
        yield ["installs", "--catalog", catalog, *shape]
        yield ["find", catalog, "--finding", "archive-truncated", *shape]
    for form in ("table", "json", "jsonl", "csv"):
        yield ["installs", "--gone", "--catalog", catalog, "--format", form]
        yield ["find", catalog, "--member", "*", "--format", form]
        yield ["find", catalog, "--member-sha256", sha256(b"").hexdigest(), "--format", form]
    tables = (
        "backups",
        "installs",
        "files",
        "findings",
        "plugins",
        "themes",
        "provenance",
        "history",
        "newest_backups",
        "orphans",
        "gone_installs",
        "duplicates",
        "accounts",
        "scans",
    )
    for table in tables:
        for form in ("jsonl", "csv"):
            yield ["export", catalog, "--table", table, "--format", form]
    yield ["view", "k" * 25, "--catalog", catalog, "--provenance", "--allow-missing"]
    yield ["verify", "--catalog", catalog, "--format", "json"]
    for form in ("html", "markdown", "json"):
        yield ["report", catalog, "--format", form]


def refused(homes: Path) -> Iterator[list[str]]:
    """Yield commands that end with a message in which a form stands."""
    whole = str(homes / "exampleu/application_backups/app_example-com_Blog_2024-06-13_20-55-21.tar.gz")
    for text in (text for text in TEXTS if "\0" not in text):
        yield ["view", f"./{text}", "--root", str(homes)]
        yield ["explain", f"./{text}"]
    for text in TEXTS[::10]:
        yield ["list", f"./{text}"]
        yield ["cat", whole, f"./{text}x"]
        yield ["list", "--sort", text]
        yield ["verify", f"./{text}"]
        yield ["view", "x", "--user", text, "--root", str(homes)]
        yield ["diff", whole, f"./{text}", "--root", str(homes)]
        yield ["needs", f"./{text}"]
    for text in TEXTS[::40]:
        yield ["history", whole, "--member", text, "--jobs", "1"]


def all_leaks(asked: Iterator[list[str]]) -> dict[str, list[str]]:
    """Run what is ``asked``; return what leaks, by the command."""
    found: dict[str, list[str]] = {}
    for command in asked:
        ran = run(*command)
        assert ran.code in {0, 1, 2}, (command, ran.err)
        if forms := leaked(ran.out + ran.err.encode("utf-8", "surrogateescape")):
            found[" ".join(command)] = forms
    return found


# Class: each form by itself.


def test_there_are_many_forms() -> None:
    assert len(FORMS) >= 80


@pytest.mark.parametrize("form", FORMS, ids=[form.text for form in FORMS])
def test_a_form_is_masked_where_it_can_stand(form: Form) -> None:
    text = form.text
    shown = [mask_value(text), masked("title", text), mask_location(text), *mask_list(["a", *text.split(",")])]
    shown += [mask_text(text), mask_text(f"/home/x/{text}")] if form.is_for_texts else []
    assert [one for one in shown if CANARY in one] == []
    assert any(MASK in one for one in shown)


# Class: all forms in all places, through all commands.


@pytest.mark.untraced  # the same lines for each form
def test_no_command_shows_one(homes: Path) -> None:
    assert all_leaks(commands(homes)) == {}


@pytest.mark.untraced  # the same lines for each form
def test_no_catalog_shows_one(homes: Path, tmp_path: Path) -> None:
    catalog = str(tmp_path / "c.sqlite")
    ran = run("scan", homes, "-o", catalog, "--members", "--jobs", "1")
    assert leaked(ran.out + ran.err.encode()) == []
    assert all_leaks(of_catalog(catalog)) == {}
    with sqlite3.connect(catalog) as connection:
        cells = "\n".join(connection.iterdump()).encode("utf-8", "surrogatepass")
    assert leaked(cells) == []


@pytest.mark.untraced  # the same lines for each form
def test_no_parquet_shows_one(homes: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    catalog = tmp_path / "c.sqlite"
    run("scan", homes, "-o", catalog, "--jobs", "1")
    for table in ("backups", "files", "findings"):
        file = tmp_path / f"{table}.parquet"
        assert run("export", catalog, "--table", table, "--format", "parquet", "-o", file).code == 0
        assert leaked(file.read_bytes()) == []


@pytest.mark.untraced  # the same lines for each form
def test_no_error_shows_one(homes: Path) -> None:
    assert all_leaks(refused(homes)) == {}


@pytest.mark.untraced  # the same lines for each form
def test_no_object_shows_one(homes: Path) -> None:
    search = Search([str(homes)])
    findings: list[Finding] = []
    shown = [repr(one) + repr(one.values) + repr(one.findings) for one in list_backups(search, findings)]
    assert len(shown) > len(FORMS)
    assert leaked("".join([*shown, repr(findings)]).encode("utf-8", "backslashreplace")) == []


def test_completion_offers_none(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_BACKUPMETA_COMPLETE", "bash_complete")
    complete = BashComplete(group, {}, "backupmeta", "_BACKUPMETA_COMPLETE")
    offered = complete.get_completions(["view", "--root", str(homes)], "")
    assert len(offered) > 20
    assert [one.value for one in offered if CANARY in one.value] == []


# Class: a member whose name is masked is still to be had.


def test_a_masked_member_is_named_by_its_number(homes: Path) -> None:
    archive = homes / "exampleu/application_backups/app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
    members = run("members", archive, "--json").json["members"]
    assert [one["number"] for one in members] == list(range(1, len(members) + 1))
    masks = [one["number"] for one in members if MASK in one["name"] and one["type"] == "file"]
    shown = run("members", archive).text
    assert len(masks) >= 100
    assert all(f"(#{number})\n" in shown for number in masks)
    assert run("cat", archive, f"#{masks[0]}").code == 0


@pytest.mark.parametrize(
    ("asked", "content"),
    [("#2", b"one"), ("#3", b"two"), ("./#2", b"two"), ("#5", b""), ("#0", b""), ("#", b""), ("#2x", b"")],
)
def test_a_number_means_a_place_and_no_name(tmp_path: Path, asked: str, content: bytes) -> None:
    blocks = [member("APP-META.INI", backup_record()), member("x?token=CANARY", b"one"), member("#2", b"two")]
    file = tmp_path / "a.tar"
    file.write_bytes(b"".join(blocks) + END)
    ran = run("cat", file, asked)
    assert (ran.out, ran.code) == (content, 0 if content else 2)


# Class: what masks must not do.


def test_explain_tells_by_which_rule(tmp_path: Path) -> None:
    file = tmp_path / ".appdata/backups/b1x4kq9m2v7c8n3z5l6j0h1g2"
    file.parent.mkdir(parents=True)
    file.write_bytes(
        b"db-pass=x\ntitle=?token=x\nurl=ftp://u:p@h/\nbkloc=t@h\nbackup-note=pin: 1\nlanguage=en\nu:p@h=x"
    )
    told = [step["meaning"] for step in run("explain", file, "--json").json]
    assert [meaning.partition("; masked: ")[2] for meaning in told] == [
        "value of a secret key",
        "value of a secret name",
        "userinfo",
        "userinfo of a location",
        "said in words",
        "",
        "a secret in the key",
    ]
    assert not any("masked" in step["meaning"] for step in run("explain", file, "--json", "--show-secrets").json)


@pytest.mark.parametrize(
    "name",
    (
        "ftp-pwd dbPw admin_pw userpw pin cf-pin pin2 creds aws.cred sign api_sign X-Signature session sessionId "
        "PHPSESSID nonce wp-nonce private private_key cookie auth_cookie otp x%70ass \uff50\uff41\uff53\uff53 "
        "db-pa\0ss db\u200b-pa\u200bss"
    ).split(" "),
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    "design assign signup shipping opinion pinterest sacred incredible credit obsession announcement cookiebar "
    "privately consignment upward language twofactor limitloginattempts link-admin path-created".split(),
)
def test_names_that_only_look_so(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    "text",
    [
        "me@example.com",
        "mailto:me@example.com",
        "email:me@example.com",
        "https://www.example.com:8080/blog?page=2&lang=en#top",
        "see http://h.example:8080/x or write to me@example.com",
        "C:\\Users\\me@example.com\\x",
        "node_modules/.pnpm/@types+node@18.0.0",
        "images/logo@2x.png",
        's:5:"email";s:17:"admin@example.com";',
        'a:1:{i:0;a:2:{s:5:"email";s:17:"admin@example.com";s:4:"name";s:1:"x";}}',
        '{"email":"me@example.com","title":"It\'s 20:55"}',
        '{"password":null,"token":"","pin":false,"keys":[]}',
        "2024-06-13 20:55:21",
        "100% of 5=five",
        "wordpress 6.5.4 at https://www.example.com/blog was backed up",
    ],
)
def test_what_is_harmless_stays(text: str) -> None:
    assert (mask_text(text), mask_value(text), mask_list([text])) == (text, text, [text])


MASKED_OF_REAL_SHAPE: Final = {
    ("2015", "title"): ("The Key: ********", "false alarm: said in words, as key: and its like are in notes"),
    ("2022", "plugin-updates-notified"): (
        'a:2:{s:25:"two-factor-authentication";s:6:"********";s:7:"akismet";s:5:"5.3.1";}',
        "false alarm: auth in the name of a plugin, whose version is its value",
    ),
    ("2024-remote", "backup-location"): ("ftp://********@backup.example.com:21/b", "a secret: userinfo"),
    ("2025-secrets", "backup-note"): ("new password: ********", "a secret: said in words"),
    ("2025-secrets", "cf-enckey"): (MASK, "a secret: the key's name"),
    ("2025-secrets", "cf-smtp-pwd"): (MASK, "a secret: the key's name"),
    ("magento", "link-admin"): ("index.php/admin_1x2y3z/?key=********", "a secret: Magento's key of an address"),
}
"""What is masked in the 23 records besides ``db-pass``, and why."""


def test_of_records_of_real_shape_only_this_is_masked() -> None:
    found: dict[tuple[str, str], str] = {}
    records = dict(real_records())
    for name, content in records.items():
        record = grammar.parse(content)
        shown = record.values
        assert shown["db-pass"] == MASK.encode()
        changed = {key for key, value in record.opened.items() if shown[key] != value} - {"db-pass"}
        found |= {(name, key): shown[key].decode() for key in changed}
    assert len(records) == 23
    assert found == {place: shown for place, (shown, _) in MASKED_OF_REAL_SHAPE.items()}


def test_each_way_to_a_record_masks_alike(tmp_path: Path) -> None:
    account, catalog = Account(tmp_path / "home/exampleu"), str(tmp_path / "c.sqlite")
    ids = [account.backup(f"{number:025}", content).name for number, (_, content) in enumerate(real_records())]
    assert run("scan", account.home.parent, "-o", catalog).code == 0
    for id_ in ids:
        live = run("view", id_, "--root", account.home.parent, "--allow-missing").json["data"]
        assert run("view", id_, "--catalog", catalog, "--allow-missing").json["data"] == live


PARTS: Final = "// :// @ @h u: p pass : = ? & ; # \" ' \\ %40 %3A %25 , { } [ s:4: a:1: i:0; key ( => / h 1".split()


@given(st.lists(st.sampled_from([*PARTS, " ", "\n", MASK]), max_size=14).map("".join))
def test_masking_twice_is_masking_once(text: str) -> None:
    shown = mask_value(text)
    assert (mask_value(shown), mask_text(mask_text(text))) == (shown, mask_text(text))


@given(
    st.sampled_from(FORMS),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\\\"'%"), max_size=8),
    st.sampled_from(["", " ", ", ", "(", "x "]),
)
def test_a_form_is_masked_whatever_stands_after_it(form: Form, after: str, before: str) -> None:
    assert CANARY not in mask_value(f"{before}{form.text} {after}")


LENGTH: Final = 2**15


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize("part", [*PARTS, "u:p@h ", '"pass":"', "%2525", "pass=", "key: ", "x=a&", '\\"', "a,"])
@pytest.mark.parametrize(("begin", "end"), [("", ""), ("//u:", "@h"), ("pass=", '"'), ('"pass":"', "%40")])
def test_a_hostile_text_costs_no_more_than_its_length(part: str, begin: str, end: str) -> None:
    """Twice the text is at most about twice the steps: a quadratic rule would not end within any test's time."""
    text = begin + part * (8 * LENGTH // len(part)) + end
    assert mask_value(text) is not None
    assert mask_text(text) is not None
