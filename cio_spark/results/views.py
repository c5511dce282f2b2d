"""Views: "latest" is a query over the append-only tables."""

from __future__ import annotations

import hashlib

from pyspark.errors import AnalysisException

from cio_spark.results.tables import Tables
from cio_spark.schemas import RUN_COUNTS

_DEFINITION = "cio_spark.definition"

RECORD_STATE = """
SELECT sync, record_id,
       max(run_id) AS last_run_id,
       max_by(status, run_id) AS last_status,
       max_by(payload_hash, run_id) AS last_payload_hash,
       max_by(error_code, run_id) AS last_error_code,
       max_by(error_message, run_id) AS last_error_message,
       max_by(attempted_at, run_id) AS last_attempted_at,
       max(CASE WHEN status = 'accepted' THEN run_id END) AS accepted_run_id,
       max_by(payload_hash, CASE WHEN status = 'accepted' THEN run_id END) AS accepted_payload_hash,
       max_by(message_id, CASE WHEN status = 'accepted' THEN run_id END) AS accepted_message_id
FROM {record_status}
WHERE record_id IS NOT NULL
GROUP BY sync, record_id
"""

SYNC_RUN_STATE = """
SELECT run_id, sync, max(run_number) AS run_number,
       coalesce(max(CASE WHEN event = 'ended' THEN status END), 'running') AS status,
       min(CASE WHEN event = 'started' THEN at END) AS started_at,
       max(CASE WHEN event = 'ended' THEN at END) AS ended_at,
       max(claim_expires_at) AS claim_expires_at,
       max(owner) AS owner, max(source) AS source, max(source_version) AS source_version,
       max(exit_status) AS exit_status, max(error) AS error,
       max(throttled_seconds) AS throttled_seconds, max(delivery_seconds) AS delivery_seconds,
       {counts},
       max(package_version) AS package_version, max(ledger_version) AS ledger_version
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


def create_views(tables: Tables) -> None:
    """Creates the views `record_state`, `sync_run_state` and `alert_state`, or brings them up to date."""
    counts = ", ".join(f"max({name}) AS {name}" for name in RUN_COUNTS)
    views = {
        "record_state": RECORD_STATE.format(record_status=tables.name("record_status")),
        "sync_run_state": SYNC_RUN_STATE.format(sync_runs=tables.name("sync_runs"), counts=counts),
        "alert_state": ALERT_STATE.format(alerts=tables.name("alerts")),
    }
    for view, query in views.items():
        create_view(tables, view, query)


def create_view(tables: Tables, view: str, query: str, meaning: str = "") -> None:
    """Creates a view, or brings it up to date; one that is, is left alone, for a job may not have the right.

    Args:
        tables: where the tables are.
        view: its name.
        query: what it shows.
        meaning: the same for people.
    """
    definition = hashlib.sha256(query.encode()).hexdigest()
    if _definition(tables, view) != definition:
        comment = "COMMENT '" + meaning.replace("'", "\\'") + "'"
        properties = f"TBLPROPERTIES ('{_DEFINITION}' = '{definition}')"
        tables.spark.sql(f"CREATE OR REPLACE VIEW {tables.name(view)} {comment} {properties} AS {query}")


def _definition(tables: Tables, view: str) -> str | None:
    """The hash of the query of a view as it is; None if there is no such view."""
    try:
        return str(tables.spark.sql(f"SHOW TBLPROPERTIES {tables.name(view)} ('{_DEFINITION}')").collect()[0]["value"])
    except AnalysisException:
        return None
