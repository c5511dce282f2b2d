"""The columns that cross a stage or are kept in a table, as DDL constants; a test holds them to what fills them.

TIMESTAMP alone is what a setting of the session says; TIMESTAMP_LTZ is an instant in every session.
"""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import types as T

from cio_spark.batch_facts import BATCH_FACTS
from cio_spark.statuses import ROW_STATES, SENT_STATUSES

BATCH_COLUMNS = ", ".join(f"{name} {fact.type}" for name, fact in BATCH_FACTS.items())

# What the partition function yields (delivery.outcome.OUTCOMES): `record_status` but for what a run's rows share
OUTCOMES = (
    "record_id STRING, person_key STRING, message_id STRING, payload_hash BIGINT, status STRING, "
    "error_category STRING, error_code STRING, error_message STRING, http_status INT, batch_id STRING, attempts INT, "
    f"payload_bytes INT, attempted_at TIMESTAMP_LTZ, batch STRUCT<{BATCH_COLUMNS}>"
)

# What tells the records of a sync apart: the record id, or the content for rows that have none
RECORD_KEY = "coalesce(record_id, concat('\\0', CAST(payload_hash AS STRING)))"

# A row of record_status whose record was on the wire: one held back within a divided batch was, with the whole of it
WAS_SENT = f"status IN {SENT_STATUSES} OR attempts > 0"

# Columns by which the source stage ranks duplicates; they pass through the payload stage
ORDER_PREFIX = "__order_"

# What the partition function reads, in this order (delivery.records.PREPARED)
PREPARED_COLUMNS = (
    "lane",
    "payload",
    "payload_bytes",
    "record_id",
    "person_key",
    "message_id",
    "payload_hash",
    "error_code",
    "error_message",
)

RECORD_STATUS = f"run_id STRING, sync STRING, operation_type STRING, {OUTCOMES}"

# The prototype notebook's 13 columns: order and types are a contract with its positional inserts
BATCH_OPERATIONS = (
    "job_id STRING, batch_id STRING, operation_type STRING, status STRING, total_records INT, processed_records INT, "
    "failed_records INT, processing_time_seconds DOUBLE, throughput_rps DOUBLE, error_rate_percent DOUBLE, "
    "started_at TIMESTAMP_LTZ, completed_at TIMESTAMP_LTZ, metadata MAP<STRING, STRING>"
)

RUN_COUNTS = ("source_rows", *ROW_STATES, "requests", "retries", "bytes", "compressed_bytes")

SYNC_RUNS = (
    "run_id STRING, sync STRING, run_number BIGINT, event STRING, at TIMESTAMP_LTZ, status STRING, owner STRING, "
    "claim_expires_at TIMESTAMP_LTZ, source STRING, source_version BIGINT, ledger_version BIGINT, "
    "configuration STRING, package_version STRING, exit_status INT, error STRING, throttled_seconds DOUBLE, "
    "delivery_seconds DOUBLE, "
    + ", ".join(f"{name} BIGINT" for name in RUN_COUNTS)
    # Columns that came later stand behind those that older tables have
    + ", session_settings STRING, send_until TIMESTAMP_LTZ, job_attempt STRING, taken_over_run STRING, "
    "taken_over_wave INT, kind STRING"
)

DEAD_LETTERS = (
    "run_id STRING, sync STRING, record_id STRING, message_id STRING, payload STRING, error_category STRING, "
    "error_code STRING, error_message STRING, batch_id STRING, dead_at TIMESTAMP_LTZ, status STRING, "
    "person_key STRING, payload_hash BIGINT, payload_bytes INT, occurred_at TIMESTAMP_LTZ"
)

ALERTS = (
    "alert_id STRING, type STRING, severity STRING, event STRING, message STRING, sync STRING, run_id STRING, "
    "batch_id STRING, at TIMESTAMP_LTZ"
)


class Layout(NamedTuple):
    """A table.

    Attributes:
        columns: its DDL.
        sorted_by: columns that look-ups go by; maintenance sorts by them, nothing is clustered while it is written.
        indexed: columns Delta keeps statistics of. Few on purpose: gathering them for all columns of every append
            cost more than writing the rows.
    """

    columns: str
    sorted_by: tuple[str, ...]
    indexed: tuple[str, ...]


TABLES: dict[str, Layout] = {
    "record_status": Layout(RECORD_STATUS, ("sync", "record_id"), ("run_id", "sync", "record_id", "person_key")),
    "batch_operations": Layout(BATCH_OPERATIONS, (), ("job_id", "batch_id", "started_at")),
    "sync_runs": Layout(SYNC_RUNS, (), ("run_id", "sync", "at")),
    "dead_letters": Layout(DEAD_LETTERS, ("sync", "record_id"), ("run_id", "sync", "record_id", "message_id")),
    "alerts": Layout(ALERTS, (), ("sync", "at")),
}


def struct_of(ddl: str) -> T.StructType:
    """The struct type of one of the constants; Spark parses DDL only once there is a session."""
    # `DataType.fromDDL`, which is public, came with Spark 4
    struct = T._parse_datatype_string(ddl)
    assert isinstance(struct, T.StructType)
    return struct
