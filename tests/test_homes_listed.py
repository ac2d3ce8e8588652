"""Listing by several processes: each finds the homes that it is given, whatever happened to others meanwhile."""

from pathlib import Path
from shutil import rmtree

from backupmeta.backup.inspection import Inspection
from backupmeta.findings import Finding
from backupmeta.listing import BackupListing, Block
from backupmeta.search import Search
from backupmeta.work.orders import unwatched
from tests.invented import BACKUP, Account


def title(inspection: Inspection, _findings: list[Finding]) -> str:
    return inspection.text("id")


def test_a_home_that_came_or_went_meanwhile_hides_no_other(tmp_path: Path) -> None:
    homes = [Account(tmp_path / name).whole().home for name in ("anna", "berta", "carla")]
    listing = BackupListing(Search([str(tmp_path)]), title)
    rmtree(homes[0])
    Account(tmp_path / "anton").whole()
    blocks = [Block(str(home), str(home), 0, 1, has_rest=True) for home in homes]
    gone, *texts = [part for block in blocks for part in listing.do(block, unwatched) if part]
    assert [(finding.id, finding.subject) for finding in gone if isinstance(finding, Finding)] == [
        ("folder-unreadable", str(homes[0]))
    ]
    assert texts == [BACKUP, BACKUP]
