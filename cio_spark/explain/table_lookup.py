"""Looks a record or person up in the tables by sync and id, so that Delta can skip files by its statistics."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.explain.explanation import Attempt, Letter
from cio_spark.explain.subject import Subject
from cio_spark.fold import ACCEPTED, newest_run_id
from cio_spark.results import Tables
from cio_spark.schemas import RECORD_KEY_SQL, RECORD_STATUS, struct_of
from cio_spark.spark.versions import from_arrow, to_arrow

MOST_ATTEMPTS: Final = 1_000
MOST_LETTERS: Final = 100


@dataclass(frozen=True)
class TableFacts:
    """Holds the rows of the tables for a subject.

    Attributes:
        attempts: attempts of runs, newest first.
        letters: dead letters, newest first.
        statuses: rows of `record_status` for these attempts, in memory; None if the table does not exist.
        has_more: whether there are more attempts than these.
    """

    attempts: tuple[Attempt, ...] = ()
    letters: tuple[Letter, ...] = ()
    statuses: DataFrame | None = None
    has_more: bool = False


def find_in_tables(tables: Tables, sync: str, subject: Subject) -> TableFacts:
    """Look the subject up in the tables.

    Args:
        tables: access to the Delta tables, which may be missing.
        sync: name of the sync.
        subject: the record or person.
    """
    if not tables.exists("record_status"):
        return TableFacts()
    # Leave out `batch`, the widest column, which the survey does not need; the other columns keep their schema
    names = [name for name in struct_of(RECORD_STATUS).fieldNames() if name != "batch"]
    rows = _about(tables, "record_status", sync, subject).select(*names)
    newest = to_arrow(rows.orderBy(F.col("run_id").desc(), "record_id").limit(MOST_ATTEMPTS + 1))
    has_more = newest.num_rows > MOST_ATTEMPTS
    kept = newest.slice(0, MOST_ATTEMPTS)
    attempts = tuple(_attempt(row) for row in kept.to_pylist())
    statuses = from_arrow(tables.spark, kept)
    return TableFacts(attempts, _letters(tables, sync, subject), statuses, has_more)


def _about(tables: Tables, table: str, sync: str, subject: Subject) -> DataFrame:
    return tables.read(table).where((F.col("sync") == sync) & (F.col(subject.column) == subject.value))


def _attempt(row: dict[str, Any]) -> Attempt:
    return Attempt(**{field.name: row[field.name] for field in fields(Attempt)})


def _letters(tables: Tables, sync: str, subject: Subject) -> tuple[Letter, ...]:
    if not tables.exists("dead_letters") or tables.is_untouched("dead_letters"):
        return ()
    names = [field.name for field in fields(Letter) if field.name != "accepted_since"]
    key = F.expr(RECORD_KEY_SQL).alias("key")
    letters = _about(tables, "dead_letters", sync, subject)
    newest = letters.orderBy(F.col("run_id").desc(), "record_id").limit(MOST_LETTERS).select(*names, key)
    accepted = (
        _about(tables, "record_status", sync, subject)
        .where(ACCEPTED)
        .groupBy(key)
        .agg(F.expr(newest_run_id(ACCEPTED)).alias("accepted_in"))
    )
    since = F.coalesce(F.col("accepted_in") > F.col("run_id"), F.lit(False)).alias("accepted_since")
    rows = to_arrow(newest.join(accepted, "key", "left").select(*names, since)).to_pylist()
    rows.sort(key=lambda row: row["record_id"] or "")
    return tuple(Letter(**row) for row in sorted(rows, key=lambda row: str(row["run_id"]), reverse=True))
