"""Finds the columns of a source that a sync uses, for a staging keeps no others."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.config import SyncConfig
from cio_spark.errors import CioSparkError, ConfigurationError
from cio_spark.pipeline.checks import prepare_and_validate
from cio_spark.results.staged_columns import type_to_stage
from cio_spark.spark import sql as users_sql


def used_columns(config: SyncConfig, rows: DataFrame) -> list[str]:
    """Find the columns that the payload and `order_by` use, in the order of the source.

    A column counts as used where its name is a word of an expression, also as a function's or a field's: one column too
    many does no harm. Only of those that cannot be staged is Spark asked whether the sync does without.

    Args:
        config: the sync; `prepare_and_validate` has found no problem with it.
        rows: the source's rows.

    Raises:
        ConfigurationError: a column that is used has a type that no Delta table holds.
    """
    used = _mentioned(config, rows.columns)
    unfit = [field for field in rows.schema if field.name in used and type_to_stage(field.dataType) is None]
    for field in unfit:
        if not _does_without(config, rows, field.name):
            raise ConfigurationError.of(
                "source",
                f"column `{field.name}` has type {field.dataType.simpleString()}, which no Delta table holds, and the "
                "rows must be kept for the run: cast it in source.query",
            )
        used.remove(field.name)
    return used


def _does_without(config: SyncConfig, rows: DataFrame, name: str) -> bool:
    """Tell whether no expression needs a column; a `*` takes whatever there is."""
    if any(users_sql.words_in(text) is None for text in _expressions(config)):
        return False
    try:
        prepare_and_validate(config, _without(rows, name))
    except CioSparkError:
        return False
    return True


def _expressions(config: SyncConfig) -> list[str]:
    """The expressions that are evaluated on staged rows."""
    return [text for path, text in config.expressions().items() if path not in ("source.where", "source.query")]


def _without(rows: DataFrame, name: str) -> DataFrame:
    """The rows without one column, taken by its place: another's name may differ in nothing but case."""
    columns = rows.columns
    placed = rows.toDF(*[f"c{place}" for place in range(len(columns))])
    return placed.select(*[F.col(f"c{place}").alias(other) for place, other in enumerate(columns) if other != name])


def _mentioned(config: SyncConfig, columns: list[str]) -> list[str]:
    payload = config.payload
    words = {name.lower() for name in payload.record_id_columns}
    for mapping in (payload.properties, payload.traits, payload.context):
        if mapping is None:
            continue
        included = columns if mapping.include == "*" else mapping.include or []
        words |= {name.lower() for name in included if name not in mapping.except_}
    for text in _expressions(config):
        found = users_sql.words_in(text)
        if found is None:
            return list(columns)
        words |= found
    return [name for name in columns if name.lower() in words]
