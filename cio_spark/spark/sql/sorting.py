"""Splits a sort expression into the value, its direction and the place of nulls."""

from __future__ import annotations

from dataclasses import dataclass

from cio_spark.spark.sql.tokens import UnreadableSqlError, read_tokens


@dataclass(frozen=True)
class SortKey:
    """Describes one sort expression.

    Attributes:
        sql: the value that rows are sorted by.
        descending: True if the largest value comes first.
        nulls_first: True if nulls come first, False if they come last; None for Spark's default.
    """

    sql: str
    descending: bool = False
    nulls_first: bool | None = None


def read_sort_key(text: str) -> SortKey:
    """Read a sort expression; the words for the order at its end do not belong to its value.

    Args:
        text: a text such as `updated_at DESC NULLS LAST`. A column may have the name `desc`, so a single word is always
            the value.
    """
    try:
        tokens = list(read_tokens(text))
    except UnreadableSqlError:
        return SortKey(text)
    nulls_first: bool | None = None
    if len(tokens) > 2 and tokens[-2].says("NULLS") and tokens[-1].says("FIRST", "LAST"):
        nulls_first = tokens[-1].says("FIRST")
        tokens = tokens[:-2]
    descending = False
    if len(tokens) > 1 and tokens[-1].says("ASC", "DESC") and not tokens[-2].says("."):
        descending = tokens[-1].says("DESC")
        tokens = tokens[:-1]
    return SortKey(text[: tokens[-1].end] if tokens else text, descending, nulls_first)
