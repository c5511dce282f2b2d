"""Finds the operands beside a text such as `now`: Spark reads it as a time only if they are times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cio_spark.spark.sql.changing import is_special_time
from cio_spark.spark.sql.tokens import DIALECT

if TYPE_CHECKING:
    from sqlglot import exp


def string_contexts(sql: str) -> tuple[str, ...] | None:
    """Collect the expressions beside the special texts of an expression.

    If all these expressions are texts, the special texts are plain texts too.

    Args:
        sql: an expression that contains a text such as `now`.

    Returns:
        Expressions whose types decide; None if one of the special texts is, or may be, read as a time.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(sql, into=exp.Condition, dialect=DIALECT)
    except (SqlglotError, RecursionError):
        return None
    beside: list[str] = []
    for literal in tree.find_all(exp.Literal):
        if literal.is_string and is_special_time(literal.this):
            met = _beside(literal)
            if met is None:
                return None
            beside += met
    return tuple(beside)


def _beside(literal: exp.Literal) -> list[str] | None:
    from sqlglot import exp

    compared = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In)
    chosen = (exp.If, exp.Case, exp.Coalesce, exp.Nullif)
    of_texts = (exp.Concat, exp.ConcatWs, exp.DPipe, exp.Upper, exp.Lower, exp.Trim)
    beside: list[str] = []
    node: exp.Expression = literal
    while node.parent is not None:
        parent = node.parent
        if isinstance(parent, (*compared, *chosen)):
            beside += [other.sql(dialect=DIALECT) for other in _values(parent) if other is not node]
            if isinstance(parent, compared):
                return beside
        elif isinstance(parent, (exp.Like, exp.Length)) or (isinstance(parent, exp.Cast) and not _is_time(parent)):
            return beside
        elif not isinstance(parent, (exp.Paren, *of_texts)):
            return None
        node = parent
    return beside


def _is_time(cast: exp.Cast) -> bool:
    """Tell whether a cast makes a time, or a value that may be one."""
    from sqlglot import exp

    return not cast.to.is_type(*exp.DataType.TEXT_TYPES, *exp.DataType.NUMERIC_TYPES, "boolean", "binary")


def _values(node: exp.Expression) -> list[exp.Expression]:
    """Return the values of a comparison or choice, without its conditions."""
    from sqlglot import exp

    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
        return [value for value in (node.args.get("true"),) if value is not None]
    skipped = {"this"} if isinstance(node, exp.If) else set()
    values: list[exp.Expression] = []
    for name, value in node.args.items():
        if name not in skipped:
            values += [
                item for item in (value if isinstance(value, list) else [value]) if isinstance(item, exp.Expression)
            ]
    return [inner for value in values for inner in (_values(value) if _is_branch(value) else [value])]


def _is_branch(node: exp.Expression) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.If) and isinstance(node.parent, exp.Case)
