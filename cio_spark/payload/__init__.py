"""Turns the mapping into JVM Columns: payload, record_id, person_key, occurred_at, payload_hash, payload_bytes."""

from cio_spark.payload.prepare import PERSON_KEYS, prepare_records, subject_column
from cio_spark.payload.source_hash import hash_columns

__all__ = ["PERSON_KEYS", "hash_columns", "prepare_records", "subject_column"]
