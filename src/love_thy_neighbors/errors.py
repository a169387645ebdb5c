"""The one exception that reaches a user as a sentence instead of a traceback."""


class UserError(Exception):
    """A mistake in what the user gave: a config value, a file, a record.

    The message is one sentence that names the file, line, row or key, and says what to do. The entry
    points print it and exit with status 1; every other exception is a bug and keeps its traceback.
    """


def require_whole(key: str, value: object, least: int) -> None:
    """Raise `UserError` unless ``value`` is a whole number of ``least`` or more."""
    if type(value) is not int or value < least:
        raise UserError(f"{key}: must be a whole number of {least} or more, not {value}.")
