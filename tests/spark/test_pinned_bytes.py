"""Tests that a fixed input gives the bytes and message ids that it has always given.

Bytes and ids that were right must stay as they are.
"""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

from pinned_calls import CALLS, SCALARS, SOURCE
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.config.payload import PayloadSection
from cio_spark.ledger import add_message_id
from cio_spark.payload import prepare_records
from cio_spark.validation import validate_records

PINNED = Path(__file__).with_name("pinned_bytes.jsonl")


def sent(spark: SparkSession, name: str, section: dict[str, Any]) -> DataFrame:
    read = PayloadSection.model_validate({**SCALARS, **section})
    records = validate_records(prepare_records(spark.sql(SOURCE), read), read.call)
    with_id = add_message_id(records.withColumn("accepted_message_id", F.lit(None).cast("string")), "pinned")
    return with_id.select(
        F.lit(name).alias("name"),
        "record_id",
        "person_key",
        "payload_hash",
        "payload_bytes",
        "message_id",
        F.coalesce("error_code", "payload").alias("payload"),
    )


def test_every_call_sends_the_bytes_and_ids_it_has_always_sent(spark: SparkSession) -> None:
    frames = [sent(spark, name, section) for name, section in CALLS.items()]
    found = [list(row) for row in reduce(DataFrame.unionAll, frames).collect()]
    assert found == [json.loads(line) for line in PINNED.read_text().splitlines()]
