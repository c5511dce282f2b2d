"""Defines every figure once, by name, unit, formula and meaning; views, terminal and report refer to it by name.

A formula is SQL text, so that a Delta view, a query and the page docs/metrics.md contain the same formula; a test
compares that page with this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cio_spark.batch_facts import RETRIES_SQL
from cio_spark.statuses import ROW_STATES


@dataclass(frozen=True)
class Figure:
    """Describes one figure.

    Attributes:
        unit: unit of the figure; empty if it has none.
        sql: formula of the figure, as SQL over the columns that it names.
        meaning: short description for people.
    """

    unit: str
    sql: str
    meaning: str


def _metadata(key: str, kind: str) -> str:
    """Return the SQL of a typed entry of `batch_operations.metadata`.

    The entry is null if a row that the notebook wrote lacks it or has a value of another type.
    """
    return f"try_cast(try_element_at(metadata, '{key}') AS {kind})"


_EARLIER_END = (
    "max(unix_micros(completed_at)) OVER (PARTITION BY sync, job_id ORDER BY started_at, batch_id "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)

BATCH: Final[Mapping[str, Figure]] = {
    "sync": Figure("", "try_element_at(metadata, 'sync')", "the sync it belongs to"),
    "wave": Figure("", _metadata("wave", "INT"), "where it was sent: wave"),
    "partition": Figure("", _metadata("partition", "INT"), "… partition"),
    "lane": Figure("", _metadata("lane", "INT"), "… lane"),
    "worker": Figure("", "try_element_at(metadata, 'worker')", "… Python worker, host and process"),
    "error_categories": Figure("", "try_element_at(metadata, 'error_categories')", "of its records, with commas"),
    "requests": Figure("requests", _metadata("requests", "BIGINT"), "HTTP requests for it and its parts"),
    "attempts": Figure("tries", _metadata("attempts", "BIGINT"), "tries of it and its parts"),
    "splits": Figure("", _metadata("splits", "BIGINT"), "how often it or a part of it was divided"),
    "bytes": Figure("bytes", _metadata("bytes", "BIGINT"), "its body before compression and division"),
    "compressed_bytes": Figure("bytes", _metadata("compressed_bytes", "BIGINT"), "the same on the wire"),
    "request_seconds": Figure("s", _metadata("request_seconds", "DOUBLE"), "spent in its requests"),
    "throttled_seconds": Figure(
        "s", _metadata("throttled_seconds", "DOUBLE"), "spent waiting: for rate slots, before retries, for the circuit"
    ),
    "memory_usage_mb": Figure("MiB", _metadata("memory_usage_mb", "DOUBLE"), "resident memory of its worker"),
    "cpu_usage_percent": Figure("% of a core", _metadata("cpu_usage_percent", "DOUBLE"), "CPU of its worker"),
    "strategy": Figure("", "try_element_at(metadata, 'strategy')", "what the size of its request followed"),
    "limit_records": Figure("records", _metadata("limit_records", "INT"), "records it was allowed to have"),
    "limit_bytes": Figure("bytes", _metadata("limit_bytes", "BIGINT"), "bytes its body was allowed to have"),
    "busy_seconds": Figure(
        "s",
        f"greatest(0.0D, (unix_micros(completed_at) - greatest(unix_micros(started_at), "
        f"coalesce({_EARLIER_END}, 0))) / 1e6D)",
        "time between its start and end in which no earlier batch of its run was under way: summed over a run, the "
        "time in which there was work",
    ),
    "partition_seconds": Figure(
        "s",
        "sum(processing_time_seconds) OVER (PARTITION BY sync, job_id, try_element_at(metadata, 'wave'), "
        "try_element_at(metadata, 'partition'))",
        "processing time of all batches of its partition",
    ),
}
"""Figures of one batch, computed from a row of `batch_operations`.

Together with the 12 plain columns of that table they form the view `batch_performance`.
"""


def _ratio(above: str, below: str, factor: str = "") -> str:
    """Return the SQL of a ratio that is 0 if the divisor is 0 or null."""
    return f"coalesce({factor}{above} / nullif({below}, 0), 0.0D)"


def _of_positive(function: str, column: str) -> str:
    """Return the SQL of an aggregate over the batches whose column is above zero; it is 0 if there is no such batch."""
    return f"coalesce({function}(CASE WHEN {column} > 0 THEN {column} END), 0.0D)"


_BUSY = "sum(busy_seconds)"
_SINGLE_RECORDS = "CASE WHEN requests = 1 THEN total_records END"
_REQUEST_TIME = "round(request_seconds / nullif(requests, 0), 4)"

GROUP: Final[Mapping[str, Figure]] = {
    "batch_count": Figure("batches", "count(*)", "batches"),
    "failed_batches": Figure(
        "batches", "count_if(status = 'failed')", "batches whose error rate was over the threshold"
    ),
    "total_records": Figure("records", "sum(total_records)", "records in them"),
    "accepted_records": Figure("records", "sum(processed_records)", "records the API accepted"),
    "failed_records": Figure("records", "sum(failed_records)", "all others"),
    "error_rate_percent": Figure(
        "%", _ratio("sum(failed_records)", "sum(total_records)", "100.0D * "), "records not accepted, of all in batches"
    ),
    "avg_error_rate_percent": Figure("%", "avg(error_rate_percent)", "mean over batches, as in the notebook"),
    "avg_throughput_rps": Figure(
        "records/s", _of_positive("avg", "throughput_rps"), "of one batch: mean over those that delivered any"
    ),
    "max_throughput_rps": Figure("records/s", _of_positive("max", "throughput_rps"), "of the fastest batch"),
    "avg_processing_time_seconds": Figure(
        "s", _of_positive("avg", "processing_time_seconds"), "of one batch, waiting included: mean"
    ),
    "min_processing_time_seconds": Figure("s", _of_positive("min", "processing_time_seconds"), "… shortest"),
    "max_processing_time_seconds": Figure("s", _of_positive("max", "processing_time_seconds"), "… longest"),
    "std_processing_time_seconds": Figure(
        "s", _of_positive("stddev_samp", "processing_time_seconds"), "… sample standard deviation, 0 for one batch"
    ),
    "busy_seconds": Figure("s", f"coalesce({_BUSY}, 0.0D)", "time in which there was work"),
    "requests": Figure("requests", "coalesce(sum(requests), 0)", "HTTP requests"),
    "requests_per_second": Figure("requests/s", _ratio("sum(requests)", _BUSY), "while there was work"),
    "records_per_second": Figure("records/s", _ratio("sum(processed_records)", _BUSY), "accepted while there was work"),
    "attempts": Figure("tries", "coalesce(sum(attempts), 0)", "tries"),
    "splits": Figure("", "coalesce(sum(splits), 0)", "divisions of refused batches"),
    "retries": Figure(
        "tries", RETRIES_SQL, "tries after the first; a division makes two parts, whose first tries are none"
    ),
    "retry_percent": Figure("%", _ratio(RETRIES_SQL, "sum(attempts)", "100.0D * "), "retries of all tries"),
    "request_seconds": Figure("s", "coalesce(sum(request_seconds), 0.0D)", "spent in requests, over all lanes"),
    "throttled_seconds": Figure("s", "coalesce(sum(throttled_seconds), 0.0D)", "spent waiting, over all lanes"),
    "retry_seconds": Figure(
        "s",
        _ratio(f"sum(request_seconds) * {RETRIES_SQL}", "sum(attempts)"),
        "spent in retries, over all lanes: an estimate, a retry taken to last as long as any try",
    ),
    "throttled_percent": Figure(
        "%",
        _ratio("sum(throttled_seconds)", "sum(throttled_seconds) + sum(request_seconds)", "100.0D * "),
        "waiting, of the lanes' time",
    ),
    "request_time_mean_seconds": Figure("s", _ratio("sum(request_seconds)", "sum(requests)"), "of one request: mean"),
    "request_time_p50_seconds": Figure(
        "s",
        f"percentile({_REQUEST_TIME}, 0.5D, requests)",
        "… median; requests of a batch that needed several count with their mean, in steps of 0.1 ms",
    ),
    "request_time_p95_seconds": Figure("s", f"percentile({_REQUEST_TIME}, 0.95D, requests)", "… 95th percentile"),
    "request_time_p99_seconds": Figure("s", f"percentile({_REQUEST_TIME}, 0.99D, requests)", "… 99th percentile"),
    "bytes": Figure("bytes", "coalesce(sum(bytes), 0)", "bodies before compression"),
    "compressed_bytes": Figure("bytes", "coalesce(sum(compressed_bytes), 0)", "bodies on the wire, those compressed"),
    "bytes_per_record": Figure(
        "bytes",
        _ratio("sum(bytes)", "sum(CASE WHEN bytes IS NOT NULL THEN total_records END)"),
        "of a body, the envelope included",
    ),
    "bytes_per_batch": Figure("bytes", _ratio("sum(bytes)", "count(bytes)"), "of a body"),
    "records_per_batch": Figure("records", _ratio("sum(total_records)", "count(*)"), "mean"),
    "limit_records_mean": Figure(
        "records", "coalesce(avg(limit_records), 0.0D)", "records that a batch was allowed to have: mean"
    ),
    "limit_records_least": Figure("records", "coalesce(min(limit_records), 0)", "… least"),
    "limit_records_most": Figure("records", "coalesce(max(limit_records), 0)", "… most"),
}
"""Figures of a group of batches, computed from rows of `batch_performance`."""

RUN: Final[Mapping[str, Figure]] = {
    **GROUP,
    "rate_limited_batches": Figure(
        "batches", "count_if(contains(error_categories, 'rate_limit'))", "batches with records given up after a 429"
    ),
    "seconds_per_record": Figure(
        "s",
        f"CASE WHEN count_if(requests = 1) > 2 AND stddev_pop({_SINGLE_RECORDS}) > 0.1D * avg({_SINGLE_RECORDS}) THEN "
        f"greatest(0.0D, regr_slope(CASE WHEN requests = 1 THEN request_seconds END, {_SINGLE_RECORDS})) END",
        "how much longer a request takes for one more record: least squares over batches of one request; null where "
        "their sizes differ by less than 10 %",
    ),
    "partitions": Figure("partitions", "size(collect_set(struct(wave, partition)))", "partitions with batches"),
    "partition_skew": Figure(
        "",
        _ratio("max(partition_seconds) * size(collect_set(struct(wave, partition)))", "sum(processing_time_seconds)"),
        "processing time of the busiest partition, as a multiple of the mean",
    ),
}
"""Figures of one run, computed from its rows of `batch_performance`."""

_ACCOUNTED = " + ".join(ROW_STATES)

BOOKS: Final[Mapping[str, Figure]] = {
    "accounted_rows": Figure("rows", _ACCOUNTED, "source rows found in exactly one state"),
    "missing_rows": Figure("rows", f"source_rows - ({_ACCOUNTED})", "source rows in no state; not 0: do not trust it"),
    "balanced": Figure(
        "",
        f"CASE WHEN source_rows = {_ACCOUNTED} THEN true "
        "WHEN source_rows IS NOT NULL AND exit_status NOT IN (1, 2) THEN false END",
        "whether the books balance; null for a run that is under way, died, or was ended by an error before its books",
    ),
    "run_error_rate_percent": Figure(
        "%",
        _ratio("(invalid + rejected + failed)", "source_rows - unchanged - held", "100.0D * "),
        "what `error_threshold_percent` is compared with",
    ),
    "run_seconds": Figure(
        "s",
        "greatest(0.0D, (unix_micros(ended_at) - unix_micros(started_at)) / 1e6D)",
        "from claim to end, by the driver's clock",
    ),
}
"""Figures of one run, computed from a row of `sync_run_state`."""

LEVELS: Final[Mapping[str, Mapping[str, Figure]]] = {
    "batch": BATCH,
    "group": GROUP,
    "run": {name: figure for name, figure in RUN.items() if name not in GROUP},
    "books": BOOKS,
}
"""All figures by level; each figure is in one level only."""


def select(figures: Mapping[str, Figure], names: Iterable[str] | None = None) -> list[str]:
    """Return `formula AS name` for each figure, to be used in a SELECT or in `selectExpr`.

    Args:
        figures: figures of one level.
        names: names of the figures to select; None for all.
    """
    return [f"{figures[name].sql} AS {name}" for name in (figures if names is None else names)]
