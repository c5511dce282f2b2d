"""Views: "latest" is a query over the append-only tables."""

from __future__ import annotations

from cio_spark.results.tables import Tables
from cio_spark.schemas import RUN_COUNTS

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
       {counts}
FROM {sync_runs}
GROUP BY run_id, sync
"""


def create_views(tables: Tables) -> None:
    """Creates the views `record_state` and `sync_run_state`, or brings them up to date."""
    counts = ", ".join(f"max({name}) AS {name}" for name in RUN_COUNTS)
    views = {
        "record_state": RECORD_STATE.format(record_status=tables.name("record_status")),
        "sync_run_state": SYNC_RUN_STATE.format(sync_runs=tables.name("sync_runs"), counts=counts),
    }
    for view, query in views.items():
        tables.spark.sql(f"CREATE OR REPLACE VIEW {tables.name(view)} AS {query}")
