"""The progress bar."""

import pytest

from love_thy_neighbors.progress import progress_bar


@pytest.mark.parametrize(("total", "shown"), [(0, False), (2, True)])
def test_nothing_is_shown_if_there_is_nothing_to_do(
    total: int, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar("figures", total) as advance:
        advance(1)
    assert ("figures" in capsys.readouterr().err) == shown
