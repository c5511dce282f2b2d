"""Defines the columns that pass from stage to stage or are kept in a table, as DDL constants.

A test checks that each constant equals what the code writes. A session setting decides what TIMESTAMP alone means;
TIMESTAMP_LTZ is an instant in every session.
"""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import types as T

from cio_spark.batch_facts import BATCH_FACTS
from cio_spark.statuses import ROW_STATES, SENT_STATUSES

BATCH_COLUMNS = ", ".join(f"{name} {fact.type}" for name, fact in BATCH_FACTS.items())

# Columns that the partition function yields (delivery.outcome.OUTCOMES): those of `record_status` without the three
# that have the same value in all rows of a run
OUTCOMES = (
    "record_id STRING, person_key STRING, message_id STRING, payload_hash BIGINT, status STRING, "
    "error_category STRING, error_code STRING, error_message STRING, http_status INT, batch_id STRING, attempts INT, "
    f"payload_bytes INT, attempted_at TIMESTAMP_LTZ, batch STRUCT<{BATCH_COLUMNS}>, source_hash BIGINT"
)

# Key that distinguishes the records of a sync: the record id, or a hash of the content for rows without one
RECORD_KEY_SQL = "coalesce(record_id, concat('\\0', CAST(payload_hash AS STRING)))"

# Selects rows of record_status whose record was sent in a request. A record that was not sent again after its batch was
# divided counts too: the request of the whole batch contained it
WAS_SENT_SQL = f"status IN {SENT_STATUSES} OR attempts > 0"

# Columns of record_status that say what was sent of a record
SENT_COLUMNS = ("record_id", "person_key", "message_id", "payload_hash", "payload_bytes")

# Columns by which the source stage ranks duplicates; they pass through the payload stage
ORDER_PREFIX = "__order_"

# Columns that the partition function reads, in this order (delivery.records.PREPARED)
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
    "source_hash",
)

RECORD_STATUS = f"run_id STRING, sync STRING, operation_type STRING, {OUTCOMES}"

# The 13 columns of the prototype notebook, whose inserts go by position: keep their order and types
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
    # Columns that were added later come after those that older tables have
    + ", session_settings STRING, send_until TIMESTAMP_LTZ, job_attempt STRING, taken_over_run STRING, "
    "taken_over_wave INT, kind STRING, scope STRING, scope_reason STRING, covered_version BIGINT, coverage STRING, "
    "fell_back BOOLEAN, gone BIGINT, fingerprint STRING"
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


class TableDefinition(NamedTuple):
    """Describes one table.

    Attributes:
        columns: DDL of its columns.
        sorted_by: columns that look-ups use. Maintenance sorts by them; nothing is clustered while it is written.
        indexed: columns for which Delta keeps statistics. They are few on purpose: gathering statistics for all columns
            of every append cost more than writing the rows.
    """

    columns: str
    sorted_by: tuple[str, ...]
    indexed: tuple[str, ...]


TABLES: dict[str, TableDefinition] = {
    "record_status": TableDefinition(
        RECORD_STATUS, ("sync", "record_id"), ("run_id", "sync", "record_id", "person_key")
    ),
    "batch_operations": TableDefinition(BATCH_OPERATIONS, (), ("job_id", "batch_id", "started_at")),
    "sync_runs": TableDefinition(SYNC_RUNS, (), ("run_id", "sync", "at")),
    "dead_letters": TableDefinition(DEAD_LETTERS, ("sync", "record_id"), ("run_id", "sync", "record_id", "message_id")),
    "alerts": TableDefinition(ALERTS, (), ("sync", "at")),
}


def struct_of(ddl: str) -> T.StructType:
    """Return the struct type of one of the constants; a session is needed, because Spark parses the DDL."""
    # The public function `DataType.fromDDL` exists only from Spark 4 on
    struct = T._parse_datatype_string(ddl)
    assert isinstance(struct, T.StructType)
    return struct
