"""Adds purchases that Customer.io must not get, so that the demo shows what becomes of such rows."""

from __future__ import annotations

import shutil

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.demo.data import EVENT, DemoTables
from cio_spark.results.tables import holds_delta

SPOILED = "purchases_with_bad_rows"
BAD_ROWS_OF_A_KIND = 100
# Error code that validation gives the row → the column that is changed, and the SQL of its bad value
_SPOILS = {
    # 34 texts of 990 bytes: each of them is allowed, but together they have 33 KiB
    "item_too_large": ("categories", "array_repeat(repeat('x', 990), 34)"),
    "missing_identity": ("household_id", "CAST(NULL AS BIGINT)"),
    "reserved_event_name": ("event", "'user deleted'"),
    "value_too_long": ("package_size", "repeat('x', 1001)"),
}
BAD_ROWS = dict.fromkeys(_SPOILS, BAD_ROWS_OF_A_KIND)
"""Number of bad rows in the table, by the error code that they get."""
# Real basket ids end at 41,481,282,915
_FIRST_BASKET = 90_000_000_001


def spoil(spark: SparkSession, tables: DemoTables) -> str:
    """Make the table `purchases_with_bad_rows` with all rows of `purchases` and 400 bad ones, unless it exists.

    There are four kinds of bad rows, 100 of each: with 33 KiB of categories (`item_too_large`), without a household
    (`missing_identity`), with the event "user deleted" (`reserved_event_name`: Customer.io takes it for an ordinary
    event and deletes nobody), and with a package size of 1,001 bytes (`value_too_long`). They are the same on every
    machine.

    Args:
        spark: a local session with Delta.
        tables: the demo's tables.

    Returns:
        The table's name, for `source.table`.
    """
    path = tables.folder / SPOILED
    if not holds_delta(path):
        # Copying the files needs no Spark job; because of the rename at the end the table is complete or missing
        unfinished = tables.folder / f".{SPOILED}"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(tables.folder / "purchases", unfinished)
        purchases = spark.read.format("delta").load(str(unfinished))
        _bad_rows(spark, purchases).write.format("delta").mode("append").save(str(unfinished))
        shutil.rmtree(path, ignore_errors=True)
        unfinished.rename(path)
    return f"{tables.folder.name}.{SPOILED}"


def _bad_rows(spark: SparkSession, purchases: DataFrame) -> DataFrame:
    """Make the bad rows: purchases of households 1 to 100 in the first minutes of 2018, ordinary but for one value."""
    number = F.col("id")
    kind = (number / BAD_ROWS_OF_A_KIND).cast("int")
    ordinary = {
        "basket_id": number + _FIRST_BASKET,
        "product_id": F.lit(25671),
        "household_id": number % BAD_ROWS_OF_A_KIND + 1,
        "store_id": F.lit(367),
        "event": F.lit(EVENT),
        "purchased_at": F.timestamp_seconds(F.unix_seconds(F.lit("2018-01-01 00:00:00").cast("timestamp")) + number),
        "quantity": F.lit(1),
        "sales_value": F.lit("3.49"),
        "retail_discount": F.lit("0.00"),
        "coupon_discount": F.lit("0.00"),
        "brand": F.lit("National"),
        "package_size": F.lit("22 OZ"),
        "categories": F.array(F.lit("GROCERY")),
    }
    for index, (column, spoiled) in enumerate(_SPOILS.values()):
        ordinary[column] = F.when(kind == index, F.expr(spoiled)).otherwise(ordinary[column])
    total = BAD_ROWS_OF_A_KIND * len(_SPOILS)
    return spark.range(0, total, 1, 1).select(
        *[ordinary[field.name].cast(field.dataType).alias(field.name) for field in purchases.schema]
    )
