"""Defines the tables that people see: figures, order and digits, once for the terminal and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from cio_spark.clock import as_utc
from cio_spark.statuses import SKIPPED_STATES, STATUSES, State

NOTHING: Final = "–"
"""Text that is shown if there is no value."""


@dataclass(frozen=True)
class ColumnLayout:
    """Describes a column of a table for people.

    Attributes:
        heading: heading of the column.
        figure: column of the view.
        format: converts a value to text.
        is_number: whether the column is aligned to the right.
    """

    heading: str
    figure: str
    format: Callable[[Any], str]
    is_number: bool = False

    def of(self, row: Any) -> str:
        """Return the text of this column for a row."""
        value = row[self.figure]
        return NOTHING if value is None else self.format(value)


@dataclass(frozen=True)
class TableLayout:
    """Describes a table for people with rows of one view; `most` is the largest number of rows shown."""

    title: str
    columns: tuple[ColumnLayout, ...]
    most: int | None = None


def whole(heading: str, figure: str) -> ColumnLayout:
    """Make a column for a count."""
    return ColumnLayout(heading, figure, lambda value: f"{value:,}", is_number=True)


def number(heading: str, figure: str, digits: int = 1) -> ColumnLayout:
    """Make a column for a number with `digits` digits after the point."""
    return ColumnLayout(heading, figure, lambda value: f"{value:,.{digits}f}", is_number=True)


def millis(heading: str, figure: str) -> ColumnLayout:
    """Make a column for seconds that are shown as milliseconds."""
    return ColumnLayout(heading, figure, lambda value: f"{1000 * value:,.1f}", is_number=True)


def text(heading: str, figure: str) -> ColumnLayout:
    """Make a column for a text."""
    return ColumnLayout(heading, figure, str)


def moment(heading: str, figure: str, form: str = "%m-%d %H:%M:%S") -> ColumnLayout:
    """Make a column for a time in UTC."""
    return ColumnLayout(heading, figure, lambda value: as_utc(value).strftime(form))


_BALANCED = ColumnLayout("books", "balanced", lambda value: "balanced" if value else "NOT")
_REQUEST_TIMES = (
    millis("p50 ms", "request_time_p50_seconds"),
    millis("p95 ms", "request_time_p95_seconds"),
    millis("p99 ms", "request_time_p99_seconds"),
)
_BATCH = (
    text("batch", "batch_id"),
    moment("started (UTC)", "started_at"),
    whole("records", "total_records"),
    number("seconds", "processing_time_seconds", 2),
    number("error %", "error_rate_percent", 2),
    whole("tries", "attempts"),
    number("waited s", "throttled_seconds"),
)

TABLES: Final[Mapping[str, TableLayout]] = MappingProxyType(
    {
        "sync_performance": TableLayout(
            "over all history",
            (
                text("sync", "sync"),
                text("operation", "operation_type"),
                whole("batches", "batch_count"),
                whole("records", "total_records"),
                number("error %", "error_rate_percent", 2),
                number("busy s", "busy_seconds"),
                number("requests/s", "requests_per_second"),
                number("records/s", "records_per_second", 0),
                number("bytes/record", "bytes_per_record", 0),
                *_REQUEST_TIMES,
            ),
        ),
        "performance_by_operation": TableLayout(
            "by operation type and status",
            (
                text("sync", "sync"),
                text("operation", "operation_type"),
                text("status", "status"),
                whole("batches", "batch_count"),
                whole("records", "total_records"),
                whole("accepted", "accepted_records"),
                number("records/s a batch", "avg_throughput"),
                number("mean error %", "avg_error_rate", 2),
            ),
        ),
        "hourly_trends": TableLayout(
            "by hour (UTC)",
            (
                moment("hour", "hour", "%m-%d %H:%M"),
                text("sync", "sync"),
                whole("batches", "batch_count"),
                whole("records", "total_records"),
                number("error %", "error_rate_percent", 2),
                number("requests/s", "requests_per_second"),
                number("records/s", "records_per_second", 0),
                *_REQUEST_TIMES,
            ),
        ),
        "run_performance": TableLayout(
            "by run, newest first: where the time went",
            (
                text("run", "run_id"),
                whole("records", "total_records"),
                number("busy s", "busy_seconds"),
                number("requests/s", "requests_per_second"),
                number("records/s", "records_per_second", 0),
                *_REQUEST_TIMES,
                number("waiting %", "throttled_percent"),
                number("waited s", "throttled_seconds"),
                whole("retries", "retries"),
                number("retry s", "retry_seconds"),
            ),
        ),
        "run_books": TableLayout(
            "books by run, newest first",
            (
                text("run", "run_id"),
                text("status", "status"),
                text("scope", "scope"),
                whole("source", "source_rows"),
                *(whole(name, name) for name in (*STATUSES, *SKIPPED_STATES) if name != State.CHANGED_IGNORED),
                _BALANCED,
                number("error %", "run_error_rate_percent", 2),
            ),
        ),
        "error_categories": TableLayout(
            "why records were not accepted",
            (
                text("run", "run_id"),
                text("status", "status"),
                text("category", "error_category"),
                text("code", "error_code"),
                whole("records", "records"),
                ColumnLayout("some of them", "sample_record_ids", lambda ids: ", ".join(ids)),
            ),
            most=20,
        ),
        "slowest_batches": TableLayout("slowest batches", _BATCH, most=5),
        "worst_batches": TableLayout("batches with the highest error rates", _BATCH, most=5),
    }
)
"""Layouts by view, in the order in which the tables are shown."""
