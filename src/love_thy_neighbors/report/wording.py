"""Numbers with their nouns, in the singular where there is one."""


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "run"), counted(45, "run")
    ('1 run', '45 runs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def over_splits(splits: int) -> str:
    """What a figure is taken from, for a caption.

    >>> over_splits(1), over_splits(5)
    ('on one split', 'mean over 5 splits')
    """
    return "on one split" if splits == 1 else f"mean over {splits} splits"
