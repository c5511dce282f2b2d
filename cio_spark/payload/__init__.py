"""Mapping → JVM Columns: the call's JSON, record_id, person_key, occurred_at, payload_hash, bytes."""

from cio_spark.payload.prepare import prepare_records

__all__ = ["prepare_records"]
