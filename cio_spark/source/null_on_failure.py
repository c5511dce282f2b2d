"""Puts a guard around a user's expression, so that Spark never raises, and quotes, the value it fails on.

Spark quotes such a value in its own logs and its event log, out of our reach. All `try_` functions give null for
whatever is raised inside them; `try_to_binary` takes any text (docs/decisions/0011-expressions-that-fail.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F


def null_on_failure(text: Column) -> Column:
    """The UTF-8 bytes of a text; null where it is null or evaluating it fails."""
    return F.try_to_binary(text, F.lit("utf-8"))


def without_common_subexpressions(text: str | Column, columns: Sequence[str] = ()) -> Column:
    """A text, or an empty one for null, that is evaluated where it stands.

    Spark evaluates what expressions have in common ahead of them, outside of any function around them; it takes nothing
    out of a lambda. It takes five times as long.

    Args:
        text: the text; SQL, where it may name any of the user's columns.
        columns: these, none of which is mistaken for the lambda's own variable then.
    """
    if not isinstance(text, str):
        return F.concat_ws("", F.transform(F.array(F.lit(0)), lambda _: text))
    variable = "cio_spark_nothing"
    while variable in {name.lower() for name in columns}:
        variable += "_"
    return F.concat_ws("", F.expr(f"transform(array(0), {variable} -> {text})"))
