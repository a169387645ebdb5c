"""What is left out of a table: rows without a run, and the paper beside other data."""

from love_thy_neighbors.paper import Estimate
from love_thy_neighbors.report.document import Column, Gap, Note, Row, Table
from love_thy_neighbors.report.slimming import slimmed, with_numbers, without_paper
from love_thy_neighbors.report.stacking import stacked

OURS, PAPER = Estimate(60.0, 1.0, 5), Estimate(45.0, 0.2, 5)
COLUMNS = (
    Column("method"),
    Column("splits"),
    Column("here", "mAP_L"),
    Column("paper", "mAP_L", paper=True),
    Column("gain"),
)
FINISHED = Row(("finished", 5, OURS, PAPER, Gap.NONE))
BEYOND = Row(("beyond", 5, OURS, Gap.NONE, Gap.NONE), beyond=True)
UNFINISHED = Row(("unfinished", Gap.MISSING, Gap.MISSING, PAPER, Gap.MISSING))
QUOTED = Row(("quoted", Gap.NONE, Gap.NONE, PAPER, Gap.NONE))
UNPLANNED = Row(("unplanned", Gap.NONE, Gap.NONE, Gap.NONE, Gap.NONE))
TABLE = Table("t", "caption", COLUMNS, (QUOTED, FINISHED, UNFINISHED, UNPLANNED, BEYOND))


def test_rows_without_a_run_go_and_quoted_ones_stay_beside_ours() -> None:
    assert with_numbers(TABLE).rows == (QUOTED, FINISHED, BEYOND)


def test_nothing_is_left_of_a_table_without_a_number_of_ours() -> None:
    assert with_numbers(Table("t", "caption", COLUMNS, (QUOTED, UNFINISHED))).rows == ()
    assert slimmed((Note("text"), Table("t", "caption", COLUMNS, (QUOTED, UNFINISHED))), True) == (Note("text"),)


def test_without_the_paper_a_column_has_the_name_of_its_metric() -> None:
    (table,) = slimmed((TABLE,), beside_paper=False)
    assert isinstance(table, Table)
    assert [column.flat for column in table.columns] == ["method", "splits", "mAP_L", "gain"]
    assert table.rows == (Row(("finished", 5, OURS, Gap.NONE)), Row(("beyond", 5, OURS, Gap.NONE), beyond=True))


def test_a_column_for_which_no_run_is_planned_goes() -> None:
    table = without_paper(Table("t", "caption", COLUMNS, (FINISHED, BEYOND)))
    assert [column.flat for column in table.columns] == ["method", "splits", "mAP_L"]


def test_the_page_puts_the_papers_number_below_ours_and_no_dash_for_what_is_not_there() -> None:
    view = stacked(TABLE)
    assert [column.title for column in view.columns] == ["method", "splits", "mAP_L", "gain"]
    cells = {str(row.cells[0].own): (row.cells[2].own, row.cells[2].paper) for row in view.rows}
    assert cells["finished"] == (OURS, PAPER)
    assert cells["beyond"] == (OURS, None)
    assert cells["quoted"] == (None, PAPER)
    assert cells["unplanned"] == (Gap.NONE, None)
    assert [row.beyond for row in view.rows] == [False, False, False, False, True]
    assert view.paper
    assert not stacked(without_paper(TABLE)).paper
