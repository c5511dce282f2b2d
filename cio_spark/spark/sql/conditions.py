"""Proposes where to cut a condition at AND, and reads which of its parts only compare columns with constants.

A cut is only a proposal; it is made only if Spark confirms it (`source/where.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cio_spark.spark.sql.names import quoted
from cio_spark.spark.sql.tokens import DIALECT, Token, UnreadableSqlError, read_tokens

if TYPE_CHECKING:
    from sqlglot import exp

AND_CUTS = 40
"""Largest number of places at which a condition is cut.

A condition with more places stays whole, because Spark is asked about each of them.
"""


@dataclass(frozen=True)
class Comparison:
    """Describes one comparison of a condition.

    Attributes:
        columns: the columns in the comparison, as SQL.
        constants: the constants that the columns are compared with, as SQL of the right type; the text may differ from
            the user's.
        is_pattern: True if a text is compared with a pattern.
        is_null_test: True if the comparison tests whether a column is null, or is not null.
    """

    columns: tuple[str, ...]
    constants: tuple[str, ...] = ()
    is_pattern: bool = False
    is_null_test: bool = False


def and_cuts(sql: str) -> tuple[tuple[int, int], ...]:
    """Propose the places at which a condition may be cut: every AND outside of brackets.

    An AND that belongs to a BETWEEN is proposed too.

    Args:
        sql: a condition.

    Returns:
        Start and end of each AND, as places in the text; nothing if the text cannot be read, or has more than
        `AND_CUTS` of them.
    """
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return ()
    cuts = tuple((token.start, token.end) for token in tokens if token.depth == 0 and _is_and(token))
    return cuts if len(cuts) <= AND_CUTS else ()


def _is_and(token: Token) -> bool:
    return token.kind == "word" and token.text.upper() == "AND"


def read_comparisons(part: str) -> tuple[Comparison, ...] | None:
    """Read a part of a condition that consists of comparisons only; if their types fit, no row can make it fail.

    The accepted list is short: columns, constants, comparison operators, IN, BETWEEN, IS NULL, LIKE with a plain
    pattern, AND, OR, NOT and brackets.

    Args:
        part: a part of a condition.

    Returns:
        The comparisons; None if the part contains anything else, or if the reader is not sure.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(part, into=exp.Condition, dialect=DIALECT)
    except (SqlglotError, RecursionError):
        return None
    found: list[Comparison] = []
    for comparison in _comparisons(tree):
        if comparison is None:
            return None
        found.append(comparison)
    return tuple(found)


def _comparisons(node: exp.Condition | exp.Expression | None) -> Iterator[Comparison | None]:
    """Yield the comparisons below a node, and None for every node that is not an accepted comparison."""
    from sqlglot import exp

    compared = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
    if isinstance(node, (exp.And, exp.Or)):
        yield from _comparisons(node.this)
        yield from _comparisons(node.expression)
    elif isinstance(node, (exp.Not, exp.Paren)):
        yield from _comparisons(node.this)
    elif isinstance(node, exp.Column):
        yield _comparison([node])
    elif isinstance(node, exp.Is):
        yield _comparison([node.this], is_null_test=True) if isinstance(node.expression, exp.Null) else None
    elif isinstance(node, exp.Between):
        yield _comparison([node.this, node.args["low"], node.args["high"]])
    elif isinstance(node, exp.In):
        listed = node.expressions
        yield _comparison([node.this, *listed]) if listed and set(node.args) <= {"this", "expressions"} else None
    elif isinstance(node, exp.Like):
        pattern = node.expression
        plain = isinstance(pattern, exp.Literal) and pattern.is_string and "\\" not in pattern.this
        yield _comparison([node.this, pattern], is_pattern=True) if plain else None
    elif isinstance(node, compared):
        yield _comparison([node.this, node.expression])
    else:
        yield None


def _comparison(
    operands: list[exp.Expression], *, is_pattern: bool = False, is_null_test: bool = False
) -> Comparison | None:
    from sqlglot import exp

    columns, constants = [], []
    for operand in operands:
        if isinstance(operand, exp.Column):
            if not all(isinstance(part, exp.Identifier) for part in operand.parts):
                return None
            columns.append(quoted(*[part.name for part in operand.parts]))
        elif operand.find(exp.Column, exp.Query, exp.Placeholder, exp.Parameter) is not None:
            return None
        else:
            constants.append(operand.sql(dialect=DIALECT))
    return Comparison(tuple(columns), tuple(constants), is_pattern, is_null_test)
