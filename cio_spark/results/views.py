"""Defines the views of the latest states: queries over the append-only tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame

from cio_spark.fold import ACCEPTED, ALL_ROWS, newest_run_id, newest_value
from cio_spark.results.tables import Tables
from cio_spark.schemas import RUN_COUNTS

_DEFINITION = "cio_spark.definition"

KIND_OF_OLD_RUNS = (
    "CASE WHEN max(taken_over_run) IS NOT NULL THEN 'taken_over' WHEN max(source) = 'dead letters' THEN 'replay' "
    "WHEN instr(max(source), ', limited to ') > 0 THEN 'limited' ELSE 'sync' END"
)
"""SQL: the kind of a run that wrote no kind; older packages told it only in `source`."""

_RECORD_STATE = {
    "last_run_id": newest_run_id(ALL_ROWS),
    "last_status": newest_value("status", ALL_ROWS),
    "last_payload_hash": newest_value("payload_hash", ALL_ROWS),
    "last_error_code": newest_value("error_code", ALL_ROWS),
    "last_error_message": newest_value("error_message", ALL_ROWS),
    "last_attempted_at": newest_value("attempted_at", ALL_ROWS),
    "accepted_run_id": newest_run_id(ACCEPTED),
    "accepted_payload_hash": newest_value("payload_hash", ACCEPTED),
    "accepted_message_id": newest_value("message_id", ACCEPTED),
}
RECORD_STATE = (
    f"SELECT sync, record_id, {', '.join(f'{sql} AS {name}' for name, sql in _RECORD_STATE.items())} "
    "FROM {record_status} WHERE record_id IS NOT NULL GROUP BY sync, record_id"
)

SYNC_RUN_STATE = """
SELECT run_id, sync, max(run_number) AS run_number,
       coalesce(max(CASE WHEN event = 'ended' THEN status END), 'running') AS status,
       coalesce(min(CASE WHEN event = 'started' THEN at END), min(at)) AS started_at,
       max(CASE WHEN event = 'ended' THEN at END) AS ended_at,
       max(claim_expires_at) AS claim_expires_at,
       max(owner) AS owner, max(source) AS source, max(source_version) AS source_version,
       max(exit_status) AS exit_status, max(error) AS error,
       max(throttled_seconds) AS throttled_seconds, max(delivery_seconds) AS delivery_seconds,
       {counts},
       max(package_version) AS package_version, max(ledger_version) AS ledger_version,
       coalesce(max(kind), {kind_before}) AS kind,
       max(scope) AS scope, max(scope_reason) AS scope_reason, max(covered_version) AS covered_version,
       max(gone) AS gone
FROM {sync_runs}
GROUP BY run_id, sync
"""

ALERT_STATE = """
SELECT alert_id, sync, min(type) AS type, min(severity) AS severity,
       min_by(message, at) FILTER (WHERE event = 'opened') AS message,
       min_by(run_id, at) FILTER (WHERE event = 'opened') AS run_id,
       min_by(batch_id, at) FILTER (WHERE event = 'opened') AS batch_id,
       min(at) FILTER (WHERE event = 'opened') AS opened_at,
       min(at) FILTER (WHERE event = 'resolved') AS resolved_at,
       count_if(event = 'resolved') = 0 AS is_open
FROM {alerts}
GROUP BY alert_id, sync
"""


STATE_VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "record_state": RECORD_STATE,
        "sync_run_state": SYNC_RUN_STATE.replace(
            "{counts}", ", ".join(f"max({name}) AS {name}" for name in RUN_COUNTS)
        ).replace("{kind_before}", KIND_OF_OLD_RUNS),
        "alert_state": ALERT_STATE,
    }
)
"""Query of each view, with the names of tables in braces."""


def create_views(tables: Tables) -> None:
    """Create the views of `STATE_VIEWS`, or update them."""
    for view, query in STATE_VIEWS.items():
        create_view(tables, view, query.format_map(_Names(tables.name)))


def state_query(tables: Tables, view: str) -> str:
    """Return the query of a view over the tables as they are; columns that a table still lacks are null.

    Args:
        tables: where the tables are.
        view: name of the view in `STATE_VIEWS`.
    """
    return STATE_VIEWS[view].format_map(_Names(tables.select_all_columns))


def read_state(tables: Tables, view: str) -> DataFrame:
    """Read the rows of a view by its query, so that the view need not exist; see `state_query` for the arguments."""
    return tables.spark.sql(state_query(tables, view))


class _Names(dict[str, str]):
    """Puts names of tables into a query."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of

    def __missing__(self, table: str) -> str:
        return self._name_of(table)


def create_view(tables: Tables, view: str, query: str, meaning: str = "") -> None:
    """Create a view, or replace it if its query has changed; a job may not have the right to replace views.

    Args:
        tables: where the tables are.
        view: name of the view.
        query: query of the view.
        meaning: description of the view for people.
    """
    definition = hashlib.sha256(query.encode()).hexdigest()
    if _definition(tables, view) != definition:
        comment = "COMMENT '" + meaning.replace("'", "\\'") + "'"
        properties = f"TBLPROPERTIES ('{_DEFINITION}' = '{definition}')"
        tables.spark.sql(f"CREATE OR REPLACE VIEW {tables.name(view)} {comment} {properties} AS {query}")


def _definition(tables: Tables, view: str) -> str | None:
    """Return the hash of the query with which a view was created; None if there is no such view."""
    try:
        return str(tables.spark.sql(f"SHOW TBLPROPERTIES {tables.name(view)} ('{_DEFINITION}')").collect()[0]["value"])
    except AnalysisException:
        return None
