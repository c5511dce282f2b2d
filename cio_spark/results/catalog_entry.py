"""Reads where the session's catalog has a table, without looking at the table itself: its folder may be gone."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from cio_spark.spark.sql import quoted

_LOCATION = re.compile(r"^Location: (?:file:/*(?=/))?(.*)$", re.MULTILINE)


class CatalogEntry(NamedTuple):
    """A table as the session's catalog knows it.

    Attributes:
        location: its folder.
        can_be_dropped: dropping the entry loses neither data nor what another session knows.
    """

    location: str
    can_be_dropped: bool


def find_entry(spark: SparkSession, database: str, table: str) -> CatalogEntry | None:
    """Find the catalog's entry of a table; None for none, or a view.

    Args:
        spark: the session.
        database: letters, digits and underscores only, as of all names in Spark's own catalog.
        table: likewise.
    """
    passing = spark.conf.get("spark.sql.catalogImplementation", "in-memory") == "in-memory"
    try:
        facts = _facts_of_catalog(spark, database, table)
    except Exception:  # Connect has no catalog to ask, and each guard of a shared session raises its own error
        facts = _facts_in_words(spark, database, table)
    return facts and CatalogEntry(facts[0], passing and facts[1])


def _facts_of_catalog(spark: SparkSession, database: str, table: str) -> tuple[str, bool] | None:
    """Ask the catalog itself for the location of a table, and whether it is external."""
    inside: Any = spark
    java = inside._jvm
    catalog = inside._jsparkSession.sessionState().catalog()
    name = java.org.apache.spark.sql.catalyst.TableIdentifier(table, java.scala.Option.apply(database))
    if not catalog.databaseExists(database) or not catalog.tableExists(name):
        return None
    entry = catalog.getTableMetadata(name)
    kind = entry.tableType().name()
    if kind == "VIEW":
        return None
    place = entry.location()
    local = place.getScheme() in (None, "file")
    return str(place.getPath() if local else place.toString()), kind == "EXTERNAL"


def _facts_in_words(spark: SparkSession, database: str, table: str) -> tuple[str, bool] | None:
    """Read the same from what SHOW TABLE EXTENDED says, where there is no other way."""
    try:
        rows = spark.sql(f"SHOW TABLE EXTENDED IN {quoted(database)} LIKE '{table}'").collect()
    except AnalysisException:  # no such database
        return None
    for row in rows:
        # A comment or a property may have such a line too; they come before the table's own
        locations = _LOCATION.findall(row["information"])
        if not row["isTemporary"] and row["tableName"].lower() == table.lower() and locations:
            return locations[-1], "\nType: EXTERNAL\n" in row["information"]
    return None
