"""Creates tables and views, adds missing columns, and refuses foreign tables; doing it again changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tenacity
from pyspark.sql import types as T

from cio_spark.clock import Clock, SystemClock
from cio_spark.errors import TableError, TablesInUseError
from cio_spark.results.sync_runs import open_runs
from cio_spark.results.tables import Tables
from cio_spark.results.views import create_views
from cio_spark.schemas import TABLES, struct_of
from cio_spark.spark import failures as spark_errors

_OTHERS_SECONDS = 0.5
"""Seconds before each new try, while another run creates a table or adds columns to it."""
MOST_WAIT_SECONDS = 1_260.0
"""Longest wait for other runs before columns are added: five leases, the longest request, and a minute."""
_LOOK_EVERY_SECONDS = 5.0


def are_set_up(tables: Tables) -> bool:
    """Tell whether the tables exist, for commands that only read; local tables become known to the session.

    Args:
        tables: where the tables are.

    Raises:
        TableError: some of the tables exist, and some do not.
    """
    missing = [table for table in TABLES if not tables.exists(table)]
    if missing and len(missing) < len(TABLES):
        raise TableError(
            f"{', '.join(map(tables.name, missing))}: is missing beside other tables of cio_spark; "
            "create it with cio-spark setup"
        )
    return not missing


def set_up_tables(
    tables: Tables,
    *,
    clock: Clock | None = None,
    owner_is_dead: Callable[[str], bool] = lambda _: False,
    raise_if_cancelled: Callable[[], None] = lambda: None,
) -> list[str]:
    """Make every table and view of the product ready for use.

    A column is added only while no run is at work: Delta refuses an append that was under way at that moment, and what
    the append's wave had sent would be in doubt.

    Args:
        tables: where the tables are.
        clock: tells the time, and waits for other runs if a column is missing; None for the machine's clock.
        owner_is_dead: tells whether the owner of a run is known to be gone.
        raise_if_cancelled: raises an error if the wait for other runs is to end.

    Returns:
        One line for each thing that was done; empty if everything was there.

    Raises:
        TableError: a table with one of our names has other columns, or nothing can be written.
        TablesInUseError: columns are missing, and other runs have been at work for longer than a wave may take.
    """
    if tables.warehouse is not None:
        _check_writable(tables.warehouse)
    tables.create_database()
    done: list[str] = []
    missing, incomplete = [], []
    for table, layout in TABLES.items():
        if not tables.exists(table):
            missing.append(table)
        elif _missing_columns(tables, table, layout.columns):
            incomplete.append(table)
    if incomplete:
        _wait_for_other_runs(tables, incomplete, clock or SystemClock(), owner_is_dead, raise_if_cancelled)
        for table in incomplete:
            done += _add_columns(tables, table)
    # Each table takes a commit, which mostly waits, so the tables are created at the same time
    with ThreadPoolExecutor(max_workers=len(TABLES)) as pool:
        for made in pool.map(lambda table: _create(tables, table), missing):
            done += made
    create_views(tables)
    return done


def _is_being_made(error: BaseException) -> bool:
    """Tell whether a table could not be created because its folder is no longer empty, but not yet a table."""
    return spark_errors.error_class(error) == "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_being_made),
    stop=tenacity.stop_after_attempt(10),
    wait=tenacity.wait_fixed(_OTHERS_SECONDS),
    reraise=True,
)
def _create(tables: Tables, table: str) -> list[str]:
    layout = TABLES[table]
    try:
        tables.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {tables.name(table)} ({layout.columns}) USING DELTA"
            f"{tables.location_clause(table)} "
            f"TBLPROPERTIES ('delta.dataSkippingStatsColumns' = '{','.join(layout.indexed)}')"
        )
    except Exception:  # another run may have created it at this moment
        if not tables.exists(table):
            raise
        return _add_columns(tables, table)
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


def _columns(schema: T.StructType) -> dict[str, T.DataType]:
    """Return the columns by lower-case name; the fields of a struct column are added as `outer.inner`."""
    columns: dict[str, T.DataType] = {}
    for field in schema.fields:
        columns[field.name.lower()] = field.dataType
        if isinstance(field.dataType, T.StructType):
            columns |= {f"{field.name.lower()}.{name}": kind for name, kind in _columns(field.dataType).items()}
    return columns


def _missing_columns(tables: Tables, table: str, ddl: str) -> dict[str, T.DataType]:
    """Return our columns that a table lacks; raise an error if a column of ours has another type there."""
    found = _columns(tables.read(table).schema)
    wanted = _columns(struct_of(ddl))
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
    missing = {
        name: kind
        for name, kind in wanted.items()
        # The fields of a missing struct column are added with it
        if name not in found and ("." not in name or name.rpartition(".")[0] in found)
    }
    if missing and table == "batch_operations":
        raise TableError(
            f"table {tables.name(table)} has no column {', '.join(missing)}: its 13 columns are fixed; rename it"
        )
    return missing


def _wait_for_other_runs(
    tables: Tables,
    incomplete: list[str],
    clock: Clock,
    owner_is_dead: Callable[[str], bool],
    raise_if_cancelled: Callable[[], None],
) -> None:
    """Wait until no run is at work in these tables; a run whose claim has expired does not count."""
    if not tables.exists("sync_runs"):
        return
    until = clock.monotonic() + MOST_WAIT_SECONDS
    while True:
        now = clock.now()
        at_work = [run for run in open_runs(tables, now) if run.expires_at >= now and not owner_is_dead(run.owner)]
        if not at_work:
            return
        if clock.monotonic() >= until:
            raise TablesInUseError(
                f"{', '.join(tables.name(table) for table in incomplete)}: columns must be added, and run "
                f"{at_work[0].run_id} on {at_work[0].owner.partition('/')[0]} is at work in these tables: run again "
                "when it has ended; nothing was sent"
            )
        raise_if_cancelled()
        clock.sleep(_LOOK_EVERY_SECONDS)


@tenacity.retry(
    # Another run may add the columns, or claim its sync, at this moment
    retry=tenacity.retry_if_not_exception_type(TableError),
    stop=tenacity.stop_after_attempt(5),
    wait=tenacity.wait_fixed(_OTHERS_SECONDS),
    reraise=True,
)
def _add_columns(tables: Tables, table: str) -> list[str]:
    missing = _missing_columns(tables, table, TABLES[table].columns)
    if not missing:
        return []
    added = ", ".join(f"{name} {_in_ddl(kind)}" for name, kind in missing.items())
    tables.spark.sql(f"ALTER TABLE {tables.name(table)} ADD COLUMNS ({added})")
    return [f"added {', '.join(missing)} to {tables.name(table)}"]


def _in_ddl(kind: T.DataType) -> str:
    """Write a type as SQL that means the same in every session: a setting decides what `timestamp` alone means."""
    return re.sub(r"\btimestamp\b", "timestamp_ltz", kind.simpleString())


def _same(one: T.DataType, other: T.DataType) -> bool:
    """Tell whether two types are equal; the fields of structs are compared separately."""
    if isinstance(one, T.StructType) and isinstance(other, T.StructType):
        return True
    return one.simpleString() == other.simpleString()
