"""Creates tables and views, adds columns that are missing, refuses tables that are somebody else's; idempotent."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tenacity
from pyspark.sql import types as T

from cio_spark import spark_errors
from cio_spark.errors import TableError
from cio_spark.results.tables import Tables
from cio_spark.results.views import create_views
from cio_spark.schemas import TABLES, struct_of

_OTHERS_SECONDS = 0.5
"""How long to wait before each look whether another run has come to an end with a table that it is making."""


def set_up_tables(tables: Tables) -> list[str]:
    """Makes every table and view of the product ready for use.

    Args:
        tables: where they are.

    Returns:
        what was done, a line each; empty if everything was there.

    Raises:
        TableError: a table of that name has other columns, or nothing can be written.
    """
    if tables.warehouse is not None:
        _check_writable(tables.warehouse)
    tables.create_database()
    done: list[str] = []
    missing = []
    for table, layout in TABLES.items():
        if tables.exists(table):
            done += _reconcile(tables, table, layout.columns)
        else:
            missing.append(table)
    # A commit each, whose cost is mostly waiting: at the same time
    with ThreadPoolExecutor(max_workers=len(TABLES)) as pool:
        for made in pool.map(lambda table: _create(tables, table), missing):
            done += made
    create_views(tables)
    return done


def _is_being_made(error: BaseException) -> bool:
    """Whether a table could not be created because its folder is no table yet, but no longer empty either."""
    return spark_errors.error_class(error) == "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_being_made),
    stop=tenacity.stop_after_attempt(10),
    wait=tenacity.wait_fixed(_OTHERS_SECONDS),
    reraise=True,
)
def _create(tables: Tables, table: str) -> list[str]:
    layout = TABLES[table]
    cluster = f" CLUSTER BY ({', '.join(layout.clustered_by)})" if layout.clustered_by else ""
    try:
        tables.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {tables.name(table)} ({layout.columns}) USING DELTA{cluster}"
            f"{tables.location_clause(table)} "
            f"TBLPROPERTIES ('delta.dataSkippingStatsColumns' = '{','.join(layout.indexed)}')"
        )
    except Exception:  # another run may have made it at this moment
        if not tables.exists(table):
            raise
        return _reconcile(tables, table, layout.columns)
    return [f"created table {tables.name(table)}"]


def _check_writable(warehouse: Path) -> None:
    probe = warehouse / ".writable"
    try:
        warehouse.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)  # another run may be probing too
    except OSError as error:
        raise TableError(
            f"the warehouse {warehouse} cannot be written ({error.strerror}): choose another with --warehouse"
        ) from None


def _columns(ddl: str) -> dict[str, T.DataType]:
    return {field.name: field.dataType for field in struct_of(ddl).fields}


def _reconcile(tables: Tables, table: str, ddl: str) -> list[str]:
    """Adds missing columns; another type under one of our names is an error."""
    found = {field.name.lower(): field.dataType for field in tables.read(table).schema.fields}
    wanted = _columns(ddl)
    clashes = [
        f"{name} is {found[name].simpleString()}, not {kind.simpleString()}"
        for name, kind in wanted.items()
        if name in found and not _same(found[name], kind)
    ]
    if clashes or not set(wanted) & set(found):
        detail = "; ".join(clashes) or "it has none of our columns"
        raise TableError(
            f"table {tables.name(table)} is not one of cio_spark's ({detail}): rename it, or set tables.database "
            "to another database"
        )
    missing = [name for name in wanted if name not in found]
    if not missing:
        return []
    if table == "batch_operations":
        raise TableError(
            f"table {tables.name(table)} has no column {', '.join(missing)}: its 13 columns are fixed; rename it"
        )
    added = ", ".join(f"{name} {_in_ddl(wanted[name])}" for name in missing)
    tables.spark.sql(f"ALTER TABLE {tables.name(table)} ADD COLUMNS ({added})")
    return [f"added {', '.join(missing)} to {tables.name(table)}"]


def _in_ddl(kind: T.DataType) -> str:
    """Write a type as SQL that means the same in every session: `timestamp` alone is what a setting says."""
    return re.sub(r"\btimestamp\b", "timestamp_ltz", kind.simpleString())


def _same(one: T.DataType, other: T.DataType) -> bool:
    return one.simpleString() == other.simpleString()
