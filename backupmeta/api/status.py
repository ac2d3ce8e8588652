"""What the server says of success and failure (fixtures/api/view-backup.txt, "Response").

Apart from the models, so that a negative answer costs no import of pydantic.
"""

from typing import Final

from backupmeta.errors import AnswerError

SUCCESS: Final = "The task is complete.\n"
"""The server's message for success, line end and all."""

PAGE: Final = 50
"""How many entries a list has at the most, where no limit is asked for."""


def backup_not_found(reason: str) -> AnswerError:
    """Return the answer for a backup that there isn't, or whose archive is not in its location."""
    return AnswerError(404, "backup_not_found", f"The backup archive is not found in its backup location: {reason}.")


def install_not_found(reason: str) -> AnswerError:
    """Return the answer for an install that there isn't."""
    return AnswerError(404, "install_not_found", f"The install is not found: {reason}.")


def user_not_found(user: str) -> AnswerError:
    """Return the answer for a user of whom nothing is known."""
    return AnswerError(404, "user_not_found", f"The user {user!r} could not be found in any account.")


def user_not_authorized(user: str) -> AnswerError:
    """Return the answer for a user who isn't the owner."""
    return AnswerError(403, "invalid_argument_user", f"The user {user!r} is not authorized to access this data.")
