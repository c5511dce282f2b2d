"""Finds the columns of a source whose names stand in the payload section or in `order_by`."""

from __future__ import annotations

from cio_spark.config import SyncConfig
from cio_spark.spark import sql as users_sql


def row_expressions(config: SyncConfig) -> list[str]:
    """Return the expressions of a sync that are evaluated on each source row, without `where` and `query`."""
    return [text for path, text in config.expressions().items() if path not in ("source.where", "source.query")]


def mentioned_columns(config: SyncConfig, columns: list[str]) -> list[str]:
    """Return the columns that the payload and `order_by` may use, in the order of the source.

    A column counts if its name is a word of an expression, even if that word names a function or a field: one column
    too many does no harm.

    Args:
        config: configuration of the sync, in which `prepare_and_validate` has found no problem.
        columns: names of the source's columns.
    """
    payload = config.payload
    words = {name.lower() for name in payload.record_id_columns}
    for mapping in (payload.properties, payload.traits, payload.context):
        if mapping is None:
            continue
        included = columns if mapping.include == "*" else mapping.include or []
        words |= {name.lower() for name in included if name not in mapping.except_}
    for text in row_expressions(config):
        found = users_sql.words_in(text)
        if found is None:
            return list(columns)
        words |= found
    return [name for name in columns if name.lower() in words]
