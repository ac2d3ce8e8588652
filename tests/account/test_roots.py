"""What a person named: on this machine, or on the server whose image is mounted."""

from pathlib import Path

import pytest

from backupmeta.account.roots import named


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Give an image with the homes of three kinds of servers, some of them behind links."""
    image = tmp_path / "image"
    for folder in ("data/users/anna", "var/www/vhosts/example.com", "inetpub/vhosts/example.org", "srv/backups"):
        (image / folder).mkdir(parents=True)
    (image / "home").symlink_to("/data/users")
    (image / "home2").symlink_to("home")
    (image / "out").symlink_to("/../../..")
    (image / "loop").symlink_to("loop")
    return image


@pytest.mark.parametrize(
    ("path", "below", "seen_at"),
    [
        ("/home/anna", "data/users/anna", "/home/anna"),
        ("/home2/anna", "data/users/anna", "/home/anna"),
        ("/data/users/anna", "data/users/anna", "/home/anna"),
        ("/home/../users//./anna/", "data/users/anna", "/home/anna"),
        ("/var/www/vhosts/example.com", "var/www/vhosts/example.com", "/var/www/vhosts/example.com"),
        (r"c:\inetpub\vhosts\example.org", "inetpub/vhosts/example.org", r"c:\inetpub\vhosts\example.org"),
        ("C:/inetpub/vhosts/example.org", "inetpub/vhosts/example.org", r"c:\inetpub\vhosts\example.org"),
        ("/srv/backups", "srv/backups", "/srv/backups"),
        ("/out/srv/backups", "srv/backups", "/srv/backups"),
        ("{image}/home/anna", "data/users/anna", "/home/anna"),
        ("{image}/srv/backups", "srv/backups", "/srv/backups"),
        ("{image}", "", "/"),
    ],
)
def test_a_path_of_the_server_is_found_below_the_image(image: Path, path: str, below: str, seen_at: str) -> None:
    root = named(path.format(image=image), str(image))
    assert (root.name.rstrip("/"), root.seen_at) == (str(image / below), seen_at)
    assert (root.on_server, root.server) == (seen_at, str(image))
    with root.open() as folder:
        assert (folder.path.rstrip("/"), folder.server_path) == (str(image / below), seen_at)


@pytest.mark.parametrize(
    "path", ["/no/such", "/loop/x", "elsewhere", "a\0b", "/a\0b", "x" * 5000, r"d:\x", "/" + "a/" * 9999]
)
def test_what_is_not_in_the_image_is_on_this_machine(image: Path, path: str) -> None:
    root = named(path, str(image))
    assert (root.path, root.on_server, root.server) == (path, None, None)


def test_without_an_image_all_is_on_this_machine(image: Path) -> None:
    assert named(str(image), None).name == str(image)
    assert named("/home/anna").on_server is None
