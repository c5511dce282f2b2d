"""Describes the records of a partition as Arrow record batches: columns, never single objects, on the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

IDENTITY = ("record_id", "person_key", "message_id", "payload_hash", "payload_bytes", "source_hash")
"""Columns that an outcome takes over from a prepared record; an invalid record also keeps its reason."""

PREPARED = pa.schema(
    [
        ("lane", pa.int32()),
        ("payload", pa.string()),
        ("payload_bytes", pa.int32()),
        ("record_id", pa.string()),
        ("person_key", pa.string()),
        ("message_id", pa.string()),
        ("payload_hash", pa.int64()),
        ("error_code", pa.string()),
        ("error_message", pa.string()),
        ("source_hash", pa.int64()),
    ]
)
"""Columns of the prepared records, as in `schemas.PREPARED_COLUMNS`; see `PreparedRow`."""


class PreparedRow(NamedTuple):
    """Describes a record that is ready to be sent, or that our validation has refused.

    Attributes:
        lane: number of the lane that sends it (modulo the task's lanes); equal for all records of a person.
        payload: the call as JSON with its message id, and a comma after it, so that consecutive payloads in an Arrow
            buffer are the inside of a request's body. None for a refused record.
        payload_bytes: UTF-8 bytes of the JSON, without the comma.
        record_id: id of the source row.
        person_key: key of the person that the record is about.
        message_id: value that is sent as `messageId`.
        payload_hash: hash of the payload without message id.
        error_code: code of the reason why validation refused it; None if it is to be sent.
        error_message: the same reason for people.
        source_hash: hash of the source columns that the mapping reads; None if there is none.
    """

    lane: int
    payload: str | None
    payload_bytes: int | None
    record_id: str | None
    person_key: str | None
    message_id: str | None
    payload_hash: int | None
    error_code: str | None = None
    error_message: str | None = None
    source_hash: int | None = None


def record_batch(rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Convert rows like `PreparedRow` into columns."""
    columns = list(zip(*rows, strict=True)) or [()] * len(PREPARED)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, PREPARED, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=PREPARED)


def joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Join several record batches into one."""
    if len(parts) == 1:
        return parts[0]
    table = pa.Table.from_batches(parts).combine_chunks()
    return table.to_batches()[0] if table.num_rows else parts[0]


def text_ends(texts: pa.Array) -> np.ndarray[Any, Any]:
    """Return the positions in the buffer at which texts begin and end: one more number than there are texts."""
    if not len(texts):
        return np.zeros(1, np.int64)
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    return np.frombuffer(texts.buffers()[1], kind)[texts.offset : texts.offset + len(texts) + 1]


def text_bytes(texts: pa.Array) -> memoryview:
    """Return the UTF-8 bytes of consecutive texts in their buffer; none of the texts may be null."""
    ends = text_ends(texts)
    if ends[-1] == ends[0]:
        return memoryview(b"")
    return memoryview(texts.buffers()[2])[int(ends[0]) : int(ends[-1])]
