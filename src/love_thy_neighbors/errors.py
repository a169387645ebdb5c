"""The exception that a user sees as one sentence without a traceback."""


class UserError(Exception):
    """A mistake in the user's input: a config value, a file, a record.

    The message is one sentence that names the file, line, row or key, and says what to do. The programs print it and
    exit with status 1. Every other exception is a bug and keeps its traceback.
    """


class CollectionLacksError(UserError):
    """The collection has no such metadata, or no such split; another collection may have it."""


def require_whole(key: str, value: object, least: int) -> None:
    """Raise `UserError` unless ``value`` is a whole number of ``least`` or more."""
    if type(value) is not int or value < least:
        raise UserError(f"{key}: must be a whole number of {least} or more, not {value}.")


def require_share(key: str, value: object) -> None:
    """Raise `UserError` if ``value`` of the key is not a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UserError(f"{key}: must be a number from 0 to 1, not {value}.")
