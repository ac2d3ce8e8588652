"""Members of an archive, as lines and as objects."""

import base64

from backupmeta.archive.member import Member
from backupmeta.render import members
from tests.invented import Json


def member(**changes: object) -> Member:
    plain: Json = dict.fromkeys(Member._fields, 0)
    plain |= {"name": b"a", "link": b"", "owner": b"", "group": b"", "kind": "file"}
    return Member(**{**plain, **changes})


def test_members_are_listed_with_mode_owner_size_time_and_link() -> None:
    told = "".join(
        members.member_lines(
            [
                member(name=b"a\x1b\xff", mode=0o644, uid=1000, gid=100, size=12, mtime_ns=1718312121 * 10**9),
                member(name=b"l", kind="symlink", link=b"../x", owner=b"root", group=b"wheel", mtime_ns=10**30),
            ]
        )
    )
    assert told.splitlines() == [
        "-0644    1000/100           12 2024-06-13 20:55:21 a\\x1b\ufffd",
        "l0000  root/wheel            0 1000000000000000000000 l -> ../x",
    ]


def test_members_are_described_with_times_in_utc() -> None:
    told = member(name=b"\xff", link=b"x", kind="symlink", mode=0o777, mtime_ns=1_500_000_000).to_json()
    assert told["mtime"] == "1970-01-01T00:00:01.500000+00:00"
    assert told["mode"] == "0777"
    assert told["link"] == "x"
    assert told["name_base64"] == base64.b64encode(b"\xff").decode()
