"""Folds all rows of `record_status` about one record to its latest state.

Views, ledger and maintenance use the same SQL. Run ids sort by the sequence of runs, so the newest row has the
largest run id.
"""

from __future__ import annotations

from typing import Final

from cio_spark.schemas import WAS_SENT_SQL

ALL_ROWS: Final = ""
"""SQL condition that selects every row."""
ATTEMPTED: Final = WAS_SENT_SQL
"""SQL condition that selects the rows whose record was sent in a request."""
ACCEPTED: Final = "status = 'accepted'"
"""SQL condition that selects the rows whose record was accepted."""


def newest_run_id(among: str) -> str:
    """Write the SQL for the run id of the newest of the selected rows of a record; null if no row is selected.

    Args:
        among: condition that selects the rows, one of the constants above.
    """
    return f"max({_run_id(among)})"


def newest_value(column: str, among: str) -> str:
    """Write the SQL for the value that a column has in the newest of the selected rows of a record.

    Args:
        column: name of the column.
        among: condition that selects the rows, one of the constants above.
    """
    return f"max_by({column}, {_run_id(among)})"


def _run_id(among: str) -> str:
    return f"CASE WHEN {among} THEN run_id END" if among else "run_id"
