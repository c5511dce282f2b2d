"""Guards a user's expression, so that Spark never raises an error that quotes the value on which it fails.

Spark would quote such a value in its own logs and its event log, which cio_spark cannot change. All `try_` functions
give null for every error that is raised inside them, and `try_to_binary` accepts any text
(docs/decisions/0011-expressions-that-fail.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F


def null_on_failure(text: Column) -> Column:
    """Return the UTF-8 bytes of a text; null if the text is null or its evaluation fails."""
    return F.try_to_binary(text, F.lit("utf-8"))


def without_common_subexpressions(text: str | Column, columns: Sequence[str] = ()) -> Column:
    """Return a text, or an empty one for null, that Spark evaluates at its own place only.

    Spark evaluates common subexpressions ahead of the expressions that share them, outside of any function around them.
    But it takes nothing out of a lambda, so the text is put into one. The evaluation takes five times as long.

    Args:
        text: the text as a Column, or as SQL that may name any of the user's columns.
        columns: names of these columns; the lambda's own variable gets a name that none of them has.
    """
    if not isinstance(text, str):
        return F.concat_ws("", F.transform(F.array(F.lit(0)), lambda _: text))
    variable = "cio_spark_nothing"
    while variable in {name.lower() for name in columns}:
        variable += "_"
    return F.concat_ws("", F.expr(f"transform(array(0), {variable} -> {text})"))
