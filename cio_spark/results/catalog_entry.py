"""Reads a table's location from the session's catalog, without reading the table itself: its folder may be gone."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from cio_spark.spark.conf import read_setting
from cio_spark.spark.sql import quoted

_LOCATION = re.compile(r"^Location: (?:file:/*(?=/))?(.*)$", re.MULTILINE)


class CatalogEntry(NamedTuple):
    """Describes a table as the session's catalog knows it.

    Attributes:
        location: folder of the table.
        can_be_dropped: whether dropping the entry loses neither data nor anything that another session knows.
    """

    location: str
    can_be_dropped: bool


def find_entry(spark: SparkSession, database: str, table: str) -> CatalogEntry | None:
    """Find the catalog's entry of a table.

    Args:
        spark: the session.
        database: name of the database; only letters, digits and underscores, as in all names of Spark's own catalog.
        table: name of the table, with the same characters.

    Returns:
        The entry; None if there is none, or if it is a view.
    """
    passing = read_setting(spark, "spark.sql.catalogImplementation", "in-memory") == "in-memory"
    try:
        facts = _facts_of_catalog(spark, database, table)
    except Exception:  # Connect has no such catalog, and each guard of a shared session raises its own error
        facts = _facts_in_words(spark, database, table)
    return facts and CatalogEntry(facts[0], passing and facts[1])


def _facts_of_catalog(spark: SparkSession, database: str, table: str) -> tuple[str, bool] | None:
    """Ask the catalog itself for the location of a table, and whether it is external; return None if there is none."""
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
    """Read the same facts from the text of SHOW TABLE EXTENDED, if there is no other way."""
    try:
        rows = spark.sql(f"SHOW TABLE EXTENDED IN {quoted(database)} LIKE '{table}'").collect()
    except AnalysisException:  # no such database
        return None
    for row in rows:
        # A comment or a property may have such a line too; these lines come before the table's own line
        locations = _LOCATION.findall(row["information"])
        if not row["isTemporary"] and row["tableName"].lower() == table.lower() and locations:
            return locations[-1], "\nType: EXTERNAL\n" in row["information"]
    return None
