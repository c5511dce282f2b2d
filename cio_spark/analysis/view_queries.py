"""Defines the views for analysts as SQL text over the tables; their formulas are in `figures`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cio_spark.analysis.figures import BATCH, BOOKS, GROUP, RUN, select
from cio_spark.model import OWN_MESSAGE_SQL

PLAIN_COLUMNS: Final = (
    *("job_id", "batch_id", "operation_type", "status", "total_records", "processed_records", "failed_records"),
    *("processing_time_seconds", "throughput_rps", "error_rate_percent", "started_at", "completed_at"),
)
"""All columns of `batch_operations` except `metadata`."""

BATCH_COLUMNS: Final = (*PLAIN_COLUMNS, "sync", *select(BATCH, [name for name in BATCH if name != "sync"]))
"""Expressions of `batch_performance`, over rows of `batch_operations` with the figure `sync` already added.

So Spark can push a filter by sync below the window functions.
"""

RANKED: Final = 20
"""Number of batches of a sync in each of the views `slowest_batches` and `worst_batches`."""

_HOURLY = (
    *("batch_count", "total_records", "accepted_records", "failed_records", "error_rate_percent"),
    *("avg_error_rate_percent", "avg_throughput_rps", "avg_processing_time_seconds", "busy_seconds", "requests"),
    *("requests_per_second", "records_per_second", "throttled_seconds", "retries", "request_time_mean_seconds"),
    *("request_time_p50_seconds", "request_time_p95_seconds", "request_time_p99_seconds"),
)
_SAMPLES = ", ".join(
    f"{aggregate} FILTER (WHERE record_id IS NOT NULL)"
    for aggregate in (
        "min(record_id)",
        "max(record_id)",
        "min_by(record_id, xxhash64(record_id))",
        "max_by(record_id, xxhash64(record_id))",
    )
)
_LIMITS = ("rate_limit_rps INT", "parallel_workers INT", "max_batch_size INT", "max_batch_bytes INT", "strategy STRING")
_LIMITS_SQL = ", ".join(
    f"try_cast(get_json_object(configuration, '$.batch.{limit.split()[0]}') AS {limit.split()[1]}) "
    f"AS {limit.split()[0]}"
    for limit in _LIMITS
)


@dataclass(frozen=True)
class View:
    """Describes a view.

    Attributes:
        meaning: description of a row.
        sql: query of the view; names in braces stand for tables and other views.
    """

    meaning: str
    sql: str


def _columns(*columns: str) -> str:
    return ", ".join(columns)


def _ranked(order: str, where: str = "true") -> str:
    return (
        f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY sync ORDER BY {order}, batch_id) AS rank "
        f"FROM {{batch_performance}} WHERE {where}) WHERE rank <= {RANKED}"
    )


VIEWS: Final[dict[str, View]] = {
    "batch_performance": View(
        "one row a batch: batch_operations with the figures in metadata as columns",
        f"SELECT {_columns(*BATCH_COLUMNS)} FROM (SELECT *, {_columns(*select(BATCH, ('sync',)))} "
        "FROM {batch_operations})",
    ),
    "performance_by_operation": View(
        "one row a sync, operation type and status: the notebook's summary",
        "SELECT sync, operation_type, status, count(*) AS batch_count, avg(throughput_rps) AS avg_throughput, "
        "avg(error_rate_percent) AS avg_error_rate, "
        f"{_columns(*select(GROUP, ('total_records', 'accepted_records', 'failed_records')))} "
        "FROM {batch_performance} GROUP BY sync, operation_type, status",
    ),
    "recent_batches": View(
        "the batches that started in the last 24 hours",
        "SELECT sync, job_id, batch_id, operation_type, status, total_records, throughput_rps, error_rate_percent, "
        "processing_time_seconds, started_at, completed_at FROM {batch_performance} "
        "WHERE started_at >= current_timestamp() - INTERVAL 24 HOURS",
    ),
    "hourly_trends": View(
        "one row a sync, operation type and hour in which batches started",
        f"SELECT sync, operation_type, date_trunc('HOUR', started_at) AS hour, {_columns(*select(GROUP, _HOURLY))} "
        "FROM {batch_performance} GROUP BY sync, operation_type, date_trunc('HOUR', started_at)",
    ),
    "sync_performance": View(
        "one row a sync and operation type, over all its history",
        f"SELECT sync, operation_type, min(started_at) AS first_started_at, max(completed_at) AS last_completed_at, "
        f"{_columns(*select(GROUP))} FROM {{batch_performance}} GROUP BY sync, operation_type",
    ),
    "run_performance": View(
        "one row a run that sent anything, with the limits it was configured with",
        f"SELECT batches.*, {_LIMITS_SQL} FROM (SELECT sync, job_id AS run_id, operation_type, "
        f"min(started_at) AS first_started_at, max(completed_at) AS last_completed_at, {_columns(*select(RUN))} "
        "FROM {batch_performance} GROUP BY sync, job_id, operation_type) AS batches "
        "LEFT JOIN (SELECT run_id, max(configuration) AS configuration FROM {sync_runs} GROUP BY run_id) AS runs "
        "ON batches.run_id = runs.run_id",
    ),
    "run_books": View(
        "one row a run: its source rows, in which states they are, and whether that is all of them",
        f"SELECT *, {_columns(*select(BOOKS))} FROM {{sync_run_state}}",
    ),
    "error_categories": View(
        "one row a run and reason for which records were not accepted, with up to four record ids",
        "SELECT sync, run_id, operation_type, status, error_category, error_code, count(*) AS records, "
        f"min({OWN_MESSAGE_SQL}) AS sample_message, max(http_status) AS http_status, "
        "min(attempted_at) AS first_attempted_at, max(attempted_at) AS last_attempted_at, "
        f"array_sort(array_distinct(array_compact(array({_SAMPLES})))) AS sample_record_ids "
        "FROM {record_status} WHERE status <> 'accepted' "
        "GROUP BY sync, run_id, operation_type, status, error_category, error_code",
    ),
    "slowest_batches": View(
        f"the {RANKED} batches of a sync that took longest", _ranked("processing_time_seconds DESC")
    ),
    "worst_batches": View(
        f"the {RANKED} batches of a sync with the highest error rates",
        _ranked("error_rate_percent DESC, failed_records DESC", "failed_records > 0"),
    ),
}
"""All views by name, in an order in which they can be created."""


def query_of(view: str, table_name: Callable[[str], str], *, nested: bool) -> str:
    """Return the SQL query of a view.

    Args:
        view: name of the view in `VIEWS`.
        table_name: returns the SQL name of a table or view.
        nested: whether to insert the queries of other views of this module, so that none of these views has to exist.
    """

    class Names(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return f"({query_of(name, table_name, nested=True)})" if nested and name in VIEWS else table_name(name)

    return VIEWS[view].sql.format_map(Names())
