"""`FINDINGS`: every word of the vocabulary. Code names a finding by its id; commands and documents read the table."""

from typing import Final

from backupmeta.vocabulary import account, application, contents, record, restore, safe, whole
from backupmeta.vocabulary.kinds import Kind

FINDINGS: Final[dict[str, Kind]] = {
    **whole.KINDS,
    **safe.KINDS,
    **record.KINDS,
    **contents.KINDS,
    **restore.KINDS,
    **application.KINDS,
    **account.KINDS,
}
"""By id, in the order in which a backup is judged."""
