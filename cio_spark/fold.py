"""Folds the rows of `record_status` about one record to its latest state: the same SQL for views, ledger and upkeep.

Run ids sort by the sequence of runs, so the newest row is the one with the largest run id.
"""

from __future__ import annotations

from typing import Final

from cio_spark.schemas import WAS_SENT

WRITTEN: Final = ""
"""SQL condition: every row."""
ATTEMPTED: Final = WAS_SENT
"""SQL condition: rows whose record was on the wire."""
ACCEPTED: Final = "status = 'accepted'"
"""SQL condition: rows whose record was accepted."""


def newest_run(among: str) -> str:
    """Give SQL, over the rows of a record, for the run id of the newest of some of them; null where there are none.

    Args:
        among: one of the conditions above.
    """
    return f"max({_run_id(among)})"


def newest(column: str, among: str) -> str:
    """Give SQL, over the rows of a record, for what a column says in the newest of some of them.

    Args:
        column: the column.
        among: one of the conditions above.
    """
    return f"max_by({column}, {_run_id(among)})"


def _run_id(among: str) -> str:
    return f"CASE WHEN {among} THEN run_id END" if among else "run_id"
