"""Chooses one purchase that the stand-in refuses on purpose, so that the demo has a record to explain."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import SparkSession

from cio_spark.config import SyncConfig
from cio_spark.demo.data import DemoTables
from cio_spark.ledger import add_message_id, mark_all_new
from cio_spark.pipeline.checks import prepare_and_validate


class Refused(NamedTuple):
    """Identifies the refused record: its id in the source, and the message id by which the stand-in refuses it."""

    record_id: str
    message_id: str


def choose_refused(spark: SparkSession, tables: DemoTables, config: SyncConfig) -> Refused:
    """Choose the first product of the first basket, and compute the message id that it gets in a first run.

    Args:
        spark: a local session with Delta.
        tables: the demo's tables.
        config: configuration of the sync of the purchases.
    """
    purchases = spark.read.format("delta").load(str(tables.folder / "purchases"))
    first = purchases.orderBy("basket_id", "product_id").limit(1)
    records = add_message_id(mark_all_new(prepare_and_validate(config, first)), config.sync.name)
    row = records.select("record_id", "message_id").collect()[0]
    return Refused(row["record_id"], row["message_id"])
