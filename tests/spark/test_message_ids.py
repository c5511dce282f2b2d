"""Tests that message ids are deterministic and have the shape of a ULID.

They change with everything that makes a record a different one.
"""

from __future__ import annotations

import re

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cio_spark.ids import CROCKFORD
from cio_spark.ledger.message_id import message_id


def ids(spark: SparkSession, rows: str, sync: str = "orders") -> list[str]:
    frame = spark.sql(f"SELECT * FROM VALUES {rows} AS t(occurred_at, record_id, payload_hash, accepted_message_id)")
    return [row[0] for row in frame.select(message_id(sync)).collect()]


def test_an_id_has_the_shape_and_the_time_of_a_ulid(spark: SparkSession) -> None:
    (found,) = ids(spark, "(TIMESTAMP '2024-01-02 03:04:05.678 UTC', 'o1', 5L, NULL)")
    assert re.fullmatch(f"[{CROCKFORD}]{{26}}", found)
    millis = 0
    for character in found[:10]:
        millis = millis * 32 + CROCKFORD.index(character)
    assert millis == 1704164645678


def test_the_same_record_version_has_the_same_id_on_every_run(spark: SparkSession) -> None:
    row = "(TIMESTAMP '2024-01-02 03:04:05 UTC', 'o1', 5L, NULL)"
    assert ids(spark, row) == ids(spark, row)


def test_sync_record_payload_and_previous_id_each_change_the_id(spark: SparkSession) -> None:
    rows = "(NULL, 'o1', 5L, NULL), (NULL, 'o2', 5L, NULL), (NULL, 'o1', 6L, NULL), (NULL, 'o1', 5L, 'X')"
    found = [*ids(spark, rows), *ids(spark, "(NULL, 'o1', 5L, NULL)", sync="other")]
    assert len(set(found)) == 5


def test_times_outside_the_range_of_a_ulid_are_brought_into_it(spark: SparkSession) -> None:
    old, none, late = ids(
        spark,
        "(TIMESTAMP '1900-01-01 00:00:00 UTC', 'o1', 5L, NULL), (CAST(NULL AS TIMESTAMP), 'o1', 5L, NULL), "
        "(TIMESTAMP '+20000-01-01 00:00:00 UTC', 'o1', 5L, NULL)",
    )
    assert old[:10] == none[:10] == "0" * 10
    assert late[:10] == "7ZZZZZZZZZ"


def test_a_million_records_have_a_million_ids(spark: SparkSession) -> None:
    frame = spark.range(1_000_000).select(
        F.timestamp_seconds(F.col("id") % 100).alias("occurred_at"),
        F.col("id").cast("string").alias("record_id"),
        F.lit(5).cast("bigint").alias("payload_hash"),
        F.lit(None).cast("string").alias("accepted_message_id"),
    )
    assert frame.select(message_id("orders")).distinct().count() == 1_000_000
