"""Describes what delivery returns: groups of records that share one outcome."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa

from cio_spark.batch_facts import BATCH_FACTS
from cio_spark.delivery.records import IDENTITY
from cio_spark.statuses import Status

ACCEPTED: Final = Status.ACCEPTED.value
INVALID: Final = Status.INVALID.value
FAILED: Final = Status.FAILED.value
NOT_ATTEMPTED: Final = Status.NOT_ATTEMPTED.value
REJECTED: Final = Status.REJECTED.value

HELD_BACK: Final = "held_back_after_failure"
"""Code of records that wait because an earlier record of the same person was not accepted."""

BISECTION_LIMIT: Final = "bisection_limit"
"""Code of records whose batch was refused, and whose division ended before it was clear which records were bad."""


class BatchFacts(NamedTuple):
    """Describes how the sending of one root batch went.

    The facts stand on only one of the batch's records, so that sums over records are right.

    Attributes:
        wave, partition, lane: numbers of the place that sent the batch.
        worker: host and process id of the Python worker.
        started_at, completed_at: UTC, from the beginning of the first wait for a turn to the last answer.
        records: number of records.
        bytes: bytes of the body before compression and before any division.
        compressed_bytes: bytes of the compressed body; None if it was sent uncompressed.
        requests: HTTP requests for the batch and its parts.
        attempts: tries of the batch and its parts; a compressed body that is sent again uncompressed is one try with
            two requests.
        splits: how often the batch or a part of it was divided because it was refused.
        request_seconds: seconds spent in requests.
        throttled_seconds: seconds spent waiting for rate slots, between retries, after a 429 and for an open circuit.
        memory_usage_mb: resident memory of the process at the end, in MiB; None if not sampled.
        cpu_usage_percent: CPU since the previous sample, in percent of one core; None if not sampled.
        limit_records: most records that the batch was allowed to have when it was cut.
        limit_bytes: most bytes that its body was allowed to have.
    """

    wave: int
    partition: int
    lane: int
    worker: str
    started_at: datetime
    completed_at: datetime
    records: int
    bytes: int
    compressed_bytes: int | None
    requests: int
    attempts: int
    splits: int
    request_seconds: float
    throttled_seconds: float
    memory_usage_mb: float | None
    cpu_usage_percent: float | None
    limit_records: int
    limit_bytes: int


class RecordOutcome(NamedTuple):
    """Describes what all records of a group have in common: the first fields of `OutcomeGroup`.

    Attributes:
        status: accepted, invalid, rejected, failed or not_attempted.
        error_category: kind of error; None for accepted and for not attempted records.
        error_code: short, stable word for the reason; None for accepted records.
        error_message: the reason for people, without payload.
        http_status: status of the last answer; None if none came.
        batch_id: id of the root batch; None for records that were never in a request.
        attempts: tries of the requests that carried the record.
        attempted_at: UTC start of the last of these requests.
        batch: facts of the root batch, for the first record of one of its groups; None for its other groups.
    """

    status: str
    error_category: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    http_status: int | None = None
    batch_id: str | None = None
    attempts: int = 0
    attempted_at: datetime | None = None
    batch: BatchFacts | None = None


class OutcomeGroup(NamedTuple):
    """Holds an outcome and the records that share it; its first fields are those of `RecordOutcome`.

    Attributes:
        records: Arrow columns, at least those of `IDENTITY`. Invalid records also have `error_code` and
            `error_message`, which differ from record to record and stand only there.
    """

    status: str
    error_category: str | None
    error_code: str | None
    error_message: str | None
    http_status: int | None
    batch_id: str | None
    attempts: int
    attempted_at: datetime | None
    batch: BatchFacts | None
    records: pa.RecordBatch

    def as_arrow(self) -> pa.RecordBatch:
        """Return the columns of `OUTCOMES`: rows of `record_status` without what is the same in the whole run."""
        columns = []
        for field in OUTCOMES:
            if field.name in IDENTITY or (self.status == INVALID and field.name in PER_RECORD):
                columns.append(self.records.column(field.name))
            else:
                in_column = _once if field.name == "batch" else _repeated
                columns.append(in_column(getattr(self, field.name), field.type, self.records.num_rows))
        return pa.RecordBatch.from_arrays(columns, schema=OUTCOMES)


def group_of(outcome: RecordOutcome, records: pa.RecordBatch) -> OutcomeGroup:
    """Make a group of records; it keeps only the columns that are still needed, so that payloads can be freed."""
    columns = (*IDENTITY, *PER_RECORD) if outcome.status == INVALID else IDENTITY
    return OutcomeGroup(*outcome, records.select(list(columns)))


PER_RECORD: Final = ("error_code", "error_message")

_INSTANT = pa.timestamp("us", tz="UTC")

_ARROW: Final = {
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "STRING": pa.string(),
    "TIMESTAMP_LTZ": _INSTANT,
}
BATCH_STRUCT: Final = pa.struct([(name, _ARROW[fact.type]) for name, fact in BATCH_FACTS.items()])

OUTCOMES: Final = pa.schema(
    [
        ("record_id", pa.string()),
        ("person_key", pa.string()),
        ("message_id", pa.string()),
        ("payload_hash", pa.int64()),
        ("status", pa.string()),
        ("error_category", pa.string()),
        ("error_code", pa.string()),
        ("error_message", pa.string()),
        ("http_status", pa.int32()),
        ("batch_id", pa.string()),
        ("attempts", pa.int32()),
        ("payload_bytes", pa.int32()),
        ("attempted_at", _INSTANT),
        ("batch", BATCH_STRUCT),
        ("source_hash", pa.int64()),
    ]
)
"""Columns of `schemas.OUTCOMES`, in the same order; a test checks that they are equal."""


def _repeated(value: Any, kind: pa.DataType, times: int) -> pa.Array:
    """Return a column that repeats one value."""
    return pa.nulls(times, kind) if value is None else pa.repeat(pa.scalar(value, kind), times)


def _once(facts: BatchFacts | None, kind: pa.DataType, rows: int) -> pa.Array:
    """Return a column with the facts in its first row only.

    In every row, their fields would cost as much as all other columns.
    """
    if facts is None or not rows:
        return pa.nulls(rows, kind)
    return pa.concat_arrays([pa.array([facts._asdict()], kind), pa.nulls(rows - 1, kind)])
